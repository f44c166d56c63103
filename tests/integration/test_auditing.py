"""The trail in the bucket: what is changed, cut short or made anew in the catalog shows."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import delete, update

from mmsvault import auditing
from mmsvault.catalog import trail
from mmsvault.catalog.connection import writing
from mmsvault.catalog.tables import trail as table
from mmsvault.integrity.rebuilding import rebuild
from mmsvault.layout import TRAIL
from mmsvault.sample.provider import SampleProvider
from mmsvault.vault import Vault
from tests.integration.archive import Archive, embedded_bucket, opened


@pytest.fixture(scope="module")
def bucket_env(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    with embedded_bucket(tmp_path_factory.mktemp("bucket")) as env:
        yield env


@pytest.fixture
def archive(bucket_env: dict[str, str], tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Archive]:
    name = f"trail-{abs(hash(request.node.name)) % 10**9}"
    url = f"sqlite:///{tmp_path / 'catalog.sqlite'}"
    with (
        SampleProvider() as provider,
        opened(bucket_env, bucket=name, catalog=url, provider=provider) as made,
    ):
        yield made


def walk_some(vault: Vault, count: int = 5) -> None:
    for number in range(count):
        trail.append(vault.catalog, "looked at", who="anna", subject=f"sinch-{number}", details="Grüße 🐟")
    assert auditing.keep(vault) == count


def told(vault: Vault) -> list[str]:
    return [problem for _, problem in auditing.problems(vault)]


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
        "entries 2 to 2 of the trail are missing",
        "entry 2 of the trail is missing; the bucket has it",
        "entry 5 of the trail is missing; the bucket has it",
    ]


def test_a_trail_that_was_made_anew_shows(archive: Archive) -> None:
    walk_some(archive.vault)
    with writing(archive.vault.catalog) as connection:
        connection.execute(delete(table))
    for _ in range(5):
        trail.append(archive.vault.catalog, "looked at", who="ben")
    assert told(archive.vault) == [
        f"entry {number} of the trail is another one than in the bucket" for number in range(1, 6)
    ]


def test_a_batch_that_was_changed_in_the_bucket_shows(archive: Archive) -> None:
    walk_some(archive.vault)
    (key,) = archive.keys(TRAIL)
    lines = archive.vault.bucket.read(key).decode().splitlines()
    first = {**json.loads(lines[0]), "who": "ben"}
    archive.overwrite(key, "\n".join([json.dumps(first), "{broken", *lines[2:]]).encode())
    assert told(archive.vault) == ["entry 1 was changed here", "this cannot be read"]


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
    assert list(trail.entries(archive.vault.catalog)) == before
    trail.append(archive.vault.catalog, "looked at", who="anna")
    assert told(archive.vault) == []


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
