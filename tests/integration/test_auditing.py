"""The trail in the bucket: what is changed, cut short or made anew in the catalog shows."""

import json
from datetime import UTC, datetime

import pytest
from sqlalchemy import delete, update

from mmsvault import audit_chain, auditing
from mmsvault.catalog import trail
from mmsvault.catalog.connection import writing
from mmsvault.catalog.tables import trail as table
from mmsvault.catalog.trail import Entry
from mmsvault.integrity.rebuilding import rebuild
from mmsvault.layout import TRAIL
from mmsvault.vault import Vault
from tests.integration.archive import Archive


def walk_some(vault: Vault, count: int = 5) -> None:
    for number in range(count):
        trail.append(vault.catalog, "looked at", who="anna", subject=f"sinch-{number}", details="Grüße 🐟")
    assert auditing.keep(vault) == count


def told(vault: Vault) -> list[str]:
    return [one.problem for one in audit_chain.compare(vault).problems]


def notes(vault: Vault) -> list[str]:
    return [one.problem for one in audit_chain.compare(vault).findings if one.is_note]


def forget_trail(vault: Vault) -> None:
    with writing(vault.catalog) as connection:
        connection.execute(delete(table))


def aged_catalog(vault: Vault) -> list[Entry]:
    """Bring back the catalog of a backup: the trail's first two entries, and what was done since then."""
    newer = list(trail.entries(vault.catalog))
    with writing(vault.catalog) as connection:
        connection.execute(delete(table).where(table.c.number > 2))
    for number in range(3):
        trail.append(vault.catalog, "logged in", who="ben", subject=str(number))
    return newer


def actions(vault: Vault) -> list[str]:
    return [entry.action for entry in trail.entries(vault.catalog)]


def test_what_is_whole_has_no_problem_and_verify_knows_the_folder(archive: Archive) -> None:
    walk_some(archive.vault)
    walk_some(archive.vault)
    assert auditing.keep(archive.vault) == 0
    assert told(archive.vault) == []
    assert archive.problems() == {}
    assert len(archive.keys(TRAIL)) == 2


def test_a_changed_entry_shows(archive: Archive) -> None:
    walk_some(archive.vault)
    with writing(archive.vault.catalog) as connection:
        connection.execute(update(table).where(table.c.number == 3).values(who="ben"))
    assert told(archive.vault) == ["entry 3 of the trail was changed"]


def test_a_removed_entry_and_a_cut_off_end_show(archive: Archive) -> None:
    walk_some(archive.vault)
    with writing(archive.vault.catalog) as connection:
        connection.execute(delete(table).where(table.c.number.in_([2, 5])))
    assert told(archive.vault) == [
        "entry 2 of the trail is missing in the catalog, and in the bucket",
        "entry 5 of the trail is missing in the catalog, and in the bucket",
    ]


def test_a_trail_that_was_made_anew_shows(archive: Archive) -> None:
    walk_some(archive.vault)
    with writing(archive.vault.catalog) as connection:
        connection.execute(delete(table))
    for _ in range(5):
        trail.append(archive.vault.catalog, "looked at", who="ben")
    missing, fork = told(archive.vault)
    assert missing == "entries 1 to 5 of the trail are missing in the catalog, and in the bucket"
    assert fork.startswith("the trail forks at its beginning: ")
    assert "entries 1 to 5 in the bucket only" in fork
    assert "entries 1 to 5 in the catalog" in fork


def test_a_batch_that_was_changed_in_the_bucket_shows(archive: Archive) -> None:
    walk_some(archive.vault)
    (key,) = archive.keys(TRAIL)
    lines = archive.vault.bucket.read(key).decode().splitlines()
    first = {**json.loads(lines[0]), "who": "ben"}
    archive.overwrite(key, "\n".join([json.dumps(first), "{broken", *lines[2:]]).encode())
    assert told(archive.vault) == [
        "entry 1 was changed here",
        "this cannot be read",
        "entries 1 to 2 of the trail are missing in the bucket, and in the catalog",
    ]


def test_a_batch_that_was_changed_in_the_bucket_is_written_again_beside_it(archive: Archive) -> None:
    walk_some(archive.vault)
    (key,) = archive.keys(TRAIL)
    archive.overwrite(key, b"{broken\n")
    assert auditing.mend(archive.vault) == ["5 entries of the trail written into the bucket again"]
    assert archive.vault.bucket.read(key) == b"{broken\n"
    assert told(archive.vault) == ["this cannot be read"]


def test_a_batch_removed_from_the_bucket_is_noticed_and_written_again(archive: Archive) -> None:
    walk_some(archive.vault)
    (key,) = archive.keys(TRAIL)
    kept = archive.vault.bucket.read(key)
    archive.lose(key)
    said = "entries 1 to 5 of the trail are missing in the bucket, and in the catalog"
    assert told(archive.vault) == [said]
    assert archive.problems() == {TRAIL: said}
    report = archive.verify(repair=True)
    assert report.problems == []
    assert (TRAIL, "5 entries of the trail written into the bucket again") in report.repaired
    assert archive.vault.bucket.read(key) == kept
    assert actions(archive.vault)[-1] == "mended the trail"


def test_entries_missing_on_both_sides_are_named(archive: Archive) -> None:
    for _ in range(3):
        walk_some(archive.vault)
    middle = sorted(archive.keys(TRAIL))[1]
    archive.lose(middle)
    with writing(archive.vault.catalog) as connection:
        connection.execute(delete(table).where(table.c.number.in_(range(6, 11))))
    assert told(archive.vault) == ["entries 6 to 10 of the trail are missing on both sides"]


def test_an_object_of_the_trail_is_never_written_over(archive: Archive) -> None:
    bucket = archive.vault.bucket
    assert bucket.put_new("audit/x.jsonl", b"first", content_type="application/x-ndjson")
    assert not bucket.put_new("audit/x.jsonl", b"second", content_type="application/x-ndjson")
    assert bucket.read("audit/x.jsonl") == b"first"
    assert [key for key in archive.keys("audit/") if "temp" in key] == []


def test_an_older_catalog_over_a_newer_bucket_overwrites_nothing_of_the_trail(archive: Archive) -> None:
    walk_some(archive.vault, 2)
    walk_some(archive.vault, 3)
    before = {key: archive.vault.bucket.read(key) for key in archive.keys(TRAIL)}
    aged_catalog(archive.vault)  # whose next batch is of the same numbers as the last one in the bucket
    assert auditing.keep(archive.vault) == 3
    rebuild(archive.vault)
    auditing.keep(archive.vault)
    after = {key: archive.vault.bucket.read(key) for key in archive.keys(TRAIL)}
    assert {key: after[key] for key in before} == before


def test_rebuild_keeps_both_branches_of_a_trail_and_goes_on_from_the_longer(archive: Archive) -> None:
    walk_some(archive.vault, 9)
    newer = aged_catalog(archive.vault)
    older = list(trail.entries(archive.vault.catalog))
    assert told(archive.vault)[-1].startswith("the trail forks after entry 2: entries 3 to ")
    rebuild(archive.vault)
    everything = list(trail.entries(archive.vault.catalog))
    assert {entry.hash for entry in everything} >= {entry.hash for entry in (*newer, *older)}
    assert (everything[-2].number, everything[-2].previous) == (10, newer[-1].hash)
    assert (everything[-1].action, everything[-1].subject) == ("joined the trail", older[-1].hash)
    assert told(archive.vault) == []
    assert len(notes(archive.vault)) == 1
    auditing.keep(archive.vault)
    forget_trail(archive.vault)
    rebuild(archive.vault)
    assert {entry.hash for entry in trail.entries(archive.vault.catalog)} > {one.hash for one in everything}
    assert told(archive.vault) == []
    assert archive.problems() == {}


def test_rebuild_brings_only_what_the_catalog_lacks_where_nothing_else_was_done(archive: Archive) -> None:
    walk_some(archive.vault, 6)
    before = list(trail.entries(archive.vault.catalog))
    with writing(archive.vault.catalog) as connection:
        connection.execute(delete(table).where(table.c.number > 2))
    rebuild(archive.vault)
    after = list(trail.entries(archive.vault.catalog))
    assert after[:6] == before
    assert [entry.action for entry in after[6:]] == ["mended the trail"]
    assert (told(archive.vault), notes(archive.vault)) == ([], [])


def test_batches_under_keys_of_before_are_read(archive: Archive) -> None:
    walk_some(archive.vault)
    (key,) = archive.keys(TRAIL)
    kept = archive.vault.bucket.read(key)
    archive.lose(key)
    archive.overwrite(key.rpartition("-")[0] + ".jsonl", kept)
    assert told(archive.vault) == []
    before = list(trail.entries(archive.vault.catalog))
    forget_trail(archive.vault)
    rebuild(archive.vault)
    assert list(trail.entries(archive.vault.catalog))[:5] == before


def test_a_batch_written_twice_by_a_sweep_that_was_cut_off_does_no_harm(archive: Archive) -> None:
    walk_some(archive.vault)
    with writing(archive.vault.catalog) as connection:
        connection.execute(update(table).values(kept=False))
    trail.append(archive.vault.catalog, "looked at", who="anna")
    assert auditing.keep(archive.vault) == 6
    assert told(archive.vault) == []


def test_rebuild_brings_the_trail_back_and_the_chain_goes_on(archive: Archive) -> None:
    walk_some(archive.vault)
    before = list(trail.entries(archive.vault.catalog))
    with writing(archive.vault.catalog) as connection:
        connection.execute(delete(table))
    rebuild(archive.vault)
    assert list(trail.entries(archive.vault.catalog))[:5] == before
    trail.append(archive.vault.catalog, "looked at", who="anna")
    assert told(archive.vault) == []


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("who", "half a character \ud800"),
        ("details", "NUL \0"),
        ("subject", "x" * (trail.LONGEST_TEXT + 1)),
        ("at", "2026-01-01T00:00:00"),
        ("number", trail.LARGEST_NUMBER),
        ("number", 2**70),
    ],
)
def test_a_crafted_entry_is_named_and_the_trail_goes_on(
    archive: Archive, field: str, value: str | int
) -> None:
    walk_some(archive.vault)
    last = list(trail.entries(archive.vault.catalog))[-1]
    at = datetime(2026, 1, 1, tzinfo=UTC)
    told = {"number": 6, "at": at.isoformat(), "previous": last.hash, "hash": ""}
    told |= dict.fromkeys(("who", "source", "action", "subject", "details"), "x")
    told[field] = value
    drafted = Entry(**{**told, "at": datetime.fromisoformat(str(told["at"]))})  # type: ignore[arg-type]
    told["hash"] = drafted.true_hash()
    archive.vault.bucket.put(f"{TRAIL}2026/01/01/crafted.jsonl", json.dumps(told).encode(), content_type="x")
    before = [one.key for one in audit_chain.compare(archive.vault).problems]
    assert before
    rebuild(archive.vault)
    assert trail.append(archive.vault.catalog, "looked at", who="anna").number == 6
    auditing.keep(archive.vault)
    after = [one.key for one in audit_chain.compare(archive.vault).problems]
    assert after == before, "all that came later can be read"


def test_settings_are_noted_when_they_change_and_secrets_are_not_told(archive: Archive) -> None:
    vault = archive.vault
    auditing.note_settings(vault)
    auditing.note_settings(vault)
    changed = vault.settings.model_copy(update={"postback_token": "sesame", "retention_days": 7})
    other = Vault(changed)
    auditing.note_settings(other)
    first, second = [entry.details for entry in trail.entries(vault.catalog)]
    assert "RETENTION_DAYS=7" in second
    assert "sesame" not in second
    assert "POSTBACK_TOKEN=(secret " in second
    assert "RETENTION_DAYS" not in first
    other.close()
