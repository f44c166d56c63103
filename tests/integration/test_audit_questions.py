"""The audit log asked by number, message and period, on each database; what it keeps of numbers."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine, delete, select, update

from mmsvault import audit_chain, auditing, disposition, erasing
from mmsvault.catalog import entering, trail, trail_numbers
from mmsvault.catalog.connection import writing
from mmsvault.catalog.tables import messages as message_table
from mmsvault.catalog.tables import trail as table
from mmsvault.catalog.tables import trail_about
from mmsvault.catalog.trail import Asked, Entry
from mmsvault.errors import RejectedInputError
from mmsvault.integrity.rebuilding import rebuild
from mmsvault.layout import TRAIL, TRAIL_KEYS
from mmsvault.settings import Settings
from tests.integration.archive import Archive
from tests.integration.exports import described, made

ANNA, BEN = "14085550123", "14085550199"
SETTINGS = Settings.load()


def enter(catalog: Engine, name: str, **more: object) -> str:
    message = described(name, **more)
    with writing(catalog) as connection:
        entering.insert_whole(connection, message)
    return message.id


def asked(catalog: Engine, **given: object) -> list[str]:
    """Return the subjects of the entries that are asked for, the oldest first."""
    question = auditing.asked(SETTINGS, **given)  # type: ignore[arg-type]
    return [entry.subject for entry in reversed(trail.asked_for(catalog, question))]


def look(catalog: Engine, message_id: str, action: str = "looked at") -> Entry:
    return trail.append(catalog, action, who="anna", subject=message_id, messages=(message_id,))


@pytest.mark.parametrize(
    "writing_of_it", [ANNA, "+1 408 555 0123", "(408) 555-0123", "408.555.0123", "4085550123"]
)
def test_the_log_is_asked_by_number_in_any_usual_writing(catalog: Engine, writing_of_it: str) -> None:
    look(catalog, enter(catalog, "a", sender=ANNA))
    look(catalog, enter(catalog, "b", sender=BEN))
    assert asked(catalog, number=writing_of_it) == ["sinch-a"]


def test_a_number_is_found_as_a_recipient_too(catalog: Engine) -> None:
    look(catalog, enter(catalog, "a", sender=BEN, to=("28444", ANNA)))
    assert asked(catalog, number=ANNA) == ["sinch-a"]


def test_the_log_is_asked_by_number_after_the_message_was_deleted(catalog: Engine) -> None:
    look(catalog, enter(catalog, "a", sender=ANNA))
    with writing(catalog) as connection:
        connection.execute(delete(message_table))
    assert asked(catalog, number=ANNA) == ["sinch-a"]


def test_a_search_for_a_number_is_found_by_it(catalog: Engine) -> None:
    for query in (f"from:{ANNA}", "(408) 555-0123 keyword:storm", "keyword:storm"):
        trail.append(catalog, "searched", who="anna", subject=query)
    assert len(asked(catalog, number=ANNA)) == 2


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        (f"from:{ANNA} keyword:storm", "from:…23 keyword:storm"),
        ('number:"+1 (408) 555-0123"', "number:…23"),
        ("-to:28444", "-to:…44"),
        ("(408) 555-0123 harbor", "…23 harbor"),
        ("+1 408 555 0123 OR 408.555.0199", "…23 OR …99"),
        ("anna@example.org", "…rg"),
        ("from:1408555*", "from:…5*"),
        ('from:"Anna Lind" after:2014-02-01 before:2014-03-01', None),
        ("after:2014-02-01T10:00:00 type:image 1234", None),
        ("sinch-14085550123x keyword:12345678x", None),
    ],
)
def test_numbers_in_searches_are_hidden_and_all_else_stays(query: str, shown: str | None) -> None:
    assert trail_numbers.without_numbers(query)[0] == (query if shown is None else shown)


def test_no_number_stands_in_the_log(catalog: Engine) -> None:
    one = enter(catalog, "a", sender=ANNA)
    look(catalog, one)
    trail.append(catalog, "held", who="anna", subject=f"from:{ANNA}", messages=(one,))
    trail.append(catalog, "named a sender", who="anna", subject=ANNA, numbers=(ANNA,))
    trail.append(catalog, "saved a search", who="anna", subject="hers", details="from:+1-408-555-0123")
    told = json.dumps([entry.as_json() for entry in trail.entries(catalog)])
    assert ANNA not in told
    assert "5550123" not in told
    assert "555-0123" not in told
    assert len(asked(catalog, number=ANNA)) == 4


def test_hashes_of_a_number_cannot_be_told_without_the_key(catalog: Engine) -> None:
    entry = look(catalog, enter(catalog, "a", sender=ANNA, to=()))
    (known,) = entry.numbers
    (key,) = trail_numbers.all_keys(catalog)
    assert trail_numbers.hashes([key], [ANNA]) == [known]
    assert trail_numbers.hashes(["00" * 32], [ANNA]) != [known]


def test_the_log_is_asked_by_message(catalog: Engine) -> None:
    one, other = enter(catalog, "a"), enter(catalog, "b")
    look(catalog, one)
    look(catalog, other)
    trail.append(catalog, "held", who="ben", subject="keyword:storm", messages=(other, one))
    assert asked(catalog, message=one) == ["sinch-a", "keyword:storm"]


def test_the_log_is_asked_by_period(catalog: Engine) -> None:
    now = datetime.now(UTC)
    look(catalog, "sinch-a")
    assert asked(catalog, since=now - timedelta(minutes=1), until=now + timedelta(minutes=1)) == ["sinch-a"]
    assert asked(catalog, since=now + timedelta(minutes=1)) == []
    assert asked(catalog, until=now - timedelta(minutes=1)) == []


def test_a_day_that_ends_a_period_belongs_to_it() -> None:
    assert auditing.moment_of("2014-02-03") == datetime(2014, 2, 3, tzinfo=UTC)
    assert auditing.moment_of("2014-02-03", is_end=True) == datetime(2014, 2, 4, tzinfo=UTC)
    assert auditing.moment_of("2014-02-03T09:30+01:00", is_end=True) == datetime(
        2014, 2, 3, 8, 30, tzinfo=UTC
    )
    assert auditing.moment_of(" ") is None


@pytest.mark.parametrize("text", ["yesterday", "2014-13-01", "9999-12-31"])
def test_what_is_no_date_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(RejectedInputError, match="2014-02-03"):
        auditing.moment_of(text, is_end=True)


def test_a_part_of_a_number_is_refused_because_the_log_has_hashes() -> None:
    with pytest.raises(RejectedInputError, match="whole number"):
        auditing.asked(SETTINGS, number="1408*")


def test_a_bulk_action_names_every_message_in_entries_of_bounded_size(catalog: Engine) -> None:
    ids = [f"sinch-{number}" for number in range(1_201)]
    trail.append(catalog, "held", who="anna", subject="keyword:storm", details="all", messages=ids)
    found = list(trail.entries(catalog))
    assert [len(entry.messages) for entry in found] == [500, 500, 201]
    assert [one for entry in found for one in entry.messages] == ids
    assert [entry.details for entry in found] == [f"all, part {part} of 3" for part in (1, 2, 3)]
    assert asked(catalog, message="sinch-1200") == ["keyword:storm"]


def test_what_an_entry_names_cannot_be_changed_unseen(catalog: Engine) -> None:
    entry = look(catalog, enter(catalog, "a"))
    for name in ("messages", "numbers"):
        told = {**entry.as_json(), name: ["sinch-x"]}
        assert Entry.from_json(told).true_hash() != entry.hash
        assert Entry.from_json({**entry.as_json()}).true_hash() == entry.hash


def test_entries_of_before_keep_their_hash_and_their_form(catalog: Engine) -> None:
    entry = trail.append(catalog, "logged in", who="anna", source="203.0.113.7")
    assert not {"messages", "numbers"} & set(entry.as_json())
    assert Entry.from_json(entry.as_json()) == entry
    # The hash as the versions before made it, over eight values.
    at = entry.as_json()["at"]
    words = [entry.previous, 1, at, "anna", "203.0.113.7", "logged in", "", ""]
    assert auditing.hashlib.sha256(json.dumps(words).encode()).hexdigest() == entry.hash


def test_entries_hidden_from_the_index_show_and_are_mended(archive: Archive) -> None:
    look(archive.vault.catalog, "sinch-a")
    auditing.keep(archive.vault)
    with writing(archive.vault.catalog) as connection:
        connection.execute(delete(trail_about))
    said = [one.problem for one in audit_chain.compare(archive.vault).problems]
    assert said == ["entry 1 of the trail is not found when somebody asks by message or number"]
    auditing.mend(archive.vault)
    assert audit_chain.compare(archive.vault).problems == []
    assert asked(archive.vault.catalog, message="sinch-a") == ["sinch-a"]


def test_a_lost_catalog_is_asked_by_number_again_after_a_rebuild(archive: Archive) -> None:
    kept = archive.receive("a", sender=ANNA)
    look(archive.vault.catalog, kept.id)
    disposition.delete(archive.vault, kept.id)
    auditing.keep(archive.vault)
    archive.forget_catalog()
    assert trail_numbers.all_keys(archive.vault.catalog) == []
    rebuild(archive.vault)
    assert asked(archive.vault.catalog, number=ANNA) == [kept.id]
    assert archive.problems() == {}


def test_the_key_of_the_numbers_is_in_the_bucket_sealed_only(archive: Archive) -> None:
    look(archive.vault.catalog, archive.receive("a", sender=ANNA).id)
    auditing.keep(archive.vault)
    (key,) = trail_numbers.all_keys(archive.vault.catalog)
    kept = archive.vault.bucket.read(TRAIL_KEYS).decode()
    assert key not in kept
    assert json.loads(kept)["sealed"]


def test_an_erased_number_is_nowhere_in_the_log_and_still_finds_what_was_done(archive: Archive) -> None:
    vault = archive.vault
    one = archive.receive("a", sender=ANNA)
    look(vault.catalog, one.id)
    trail.append(vault.catalog, "searched", who="anna", subject=f"from:{ANNA}")
    erasing.erase(vault, ANNA, who="anna")
    auditing.keep(vault)
    in_bucket = b"".join(vault.bucket.read(key) for key in archive.keys(TRAIL)).decode()
    with writing(vault.catalog) as connection:
        in_catalog = str(
            connection.execute(select(table)).all() + connection.execute(select(trail_about)).all()
        )
    assert "5550123" not in in_bucket + in_catalog
    found = trail.asked_for(vault.catalog, auditing.asked(vault.settings, number=ANNA))
    actions = [entry.action for entry in reversed(found)]
    assert actions == ["looked at", "searched", "began to erase", "deleted", "erased"]


def test_an_export_names_the_messages_that_are_in_it(archive: Archive, tmp_path: object) -> None:
    one = archive.receive("a", sender=ANNA)
    archive.receive("b", sender=BEN)
    made(archive.vault, tmp_path / "out.zip", query=f"from:{ANNA}")  # type: ignore[operator]
    found = trail.asked_for(archive.vault.catalog, Asked(message=one.id))
    assert [(entry.action, entry.messages) for entry in found] == [("exported", (one.id,))]
    assert found[0].details == "volume 1, messages 1 to 1"
    assert trail.asked_for(archive.vault.catalog, Asked(message="sinch-b")) == []


def test_crafted_names_of_an_entry_are_refused() -> None:
    entry = Entry(1, datetime.now(UTC), "a", "", "held", "x", "", trail.FIRST, "h", ("sinch-a",))
    for bad in ("sinch-a", [1], ["x" * (trail.LONGEST_ID + 1)], ["\0"], ["x"] * (trail.MOST_MESSAGES + 1)):
        with pytest.raises((TypeError, ValueError)):
            Entry.from_json({**entry.as_json(), "messages": bad})


def test_a_changed_name_of_a_message_shows(archive: Archive) -> None:
    look(archive.vault.catalog, "sinch-a")
    with writing(archive.vault.catalog) as connection:
        connection.execute(update(table).values(messages='["sinch-b"]'))
    said = [one.problem for one in audit_chain.compare(archive.vault).problems]
    assert "entry 1 of the trail was changed" in said
