"""People, sessions and the trail, on each database."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine, delete, select, update

from mmsvault.catalog import people, sessions, trail
from mmsvault.catalog.connection import writing
from mmsvault.catalog.people import Role
from mmsvault.catalog.tables import trail as table
from mmsvault.catalog.tables import users
from mmsvault.cli.admitting import first_admin
from mmsvault.errors import NotFoundError, RefusedError, RejectedInputError
from mmsvault.vault import Vault
from tests.integration.archive import Archive

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
PASSWORD = "correct horse battery"


def test_first_starts_at_once_make_one_admin(catalog: Engine) -> None:
    with ThreadPoolExecutor(4) as several:
        made = list(several.map(lambda _: people.make_first_admin(catalog), range(4)))
    (password,) = [one for one in made if one]
    assert [(one.name, one.role, one.is_one_time) for one in people.list_all(catalog)] == [
        ("admin", Role.ADMIN, True)
    ]
    assert people.recognise(catalog, "Admin", password)
    assert people.recognise(catalog, "admin", password + "x") is None
    assert people.recognise(catalog, "nobody", password) is None


def test_no_admin_is_made_up_where_a_provider_or_a_proxy_names_people(archive: Archive) -> None:
    settings = archive.vault.settings
    for given in ({"oidc_issuer": "https://login.example"}, {"proxy_login_header": "X-User"}):
        with closing(Vault(settings.model_copy(update=given))) as named:
            assert first_admin(named) is None
        assert people.list_all(archive.vault.catalog) == []
    assert first_admin(archive.vault)


def test_no_password_stands_in_the_catalog(catalog: Engine) -> None:
    people.add(catalog, "anna", role=Role.VIEWER, password=PASSWORD)
    with writing(catalog) as connection:
        row = connection.execute(select(users)).mappings().one()
    assert row["password_hash"].startswith("$argon2id$")
    assert PASSWORD not in str(dict(row))


def test_the_last_admin_stays(catalog: Engine) -> None:
    people.make_first_admin(catalog)
    for change in (
        lambda: people.remove(catalog, "admin"),
        lambda: people.change(catalog, "admin", role=Role.MANAGER, scope=""),
        lambda: people.change(catalog, "admin", role=Role.ADMIN, scope="keyword:storm"),
    ):
        with pytest.raises(RefusedError):
            change()
    people.add(catalog, "second", role=Role.ADMIN)
    people.remove(catalog, "admin")
    assert [one.name for one in people.list_all(catalog)] == ["second"]
    with pytest.raises(NotFoundError):
        people.remove(catalog, "admin")


@pytest.mark.parametrize("name", ["", "a b", "<b>", "-x", "ann\u00e4", "x" * 101, "a\0", "../x"])
def test_odd_names_are_refused(catalog: Engine, name: str) -> None:
    with pytest.raises(RejectedInputError):
        people.add(catalog, name, role=Role.VIEWER)


def test_a_session_ends_at_its_time_by_log_out_and_with_the_password(catalog: Engine) -> None:
    people.add(catalog, "anna", role=Role.ADMIN, password=PASSWORD)
    first, second = (sessions.begin(catalog, "anna", now=NOON, span=HOUR) for _ in range(2))
    assert sessions.find(catalog, first, now=NOON).name == "anna"  # type: ignore[union-attr]
    assert sessions.find(catalog, first, now=NOON + HOUR) is None
    sessions.end(catalog, first)
    assert sessions.find(catalog, first, now=NOON) is None
    assert sessions.find(catalog, second, now=NOON)
    people.set_password(catalog, "anna")
    assert sessions.find(catalog, second, now=NOON) is None


@pytest.mark.parametrize(
    "name", ["\ufb01ona", "stra\u00dfe", "\u212aarl", "\u017fam", "anna\u00a0", "\uff41nna"]
)
def test_a_name_that_unicode_would_make_the_same_is_nobodys(catalog: Engine, name: str) -> None:
    for known in ("fiona", "strasse", "karl", "sam", "anna"):
        people.add(catalog, known, role=Role.VIEWER, password=PASSWORD)
    with pytest.raises(NotFoundError):
        people.find(catalog, name)
    assert people.recognise(catalog, name, PASSWORD) is None
    with pytest.raises(RejectedInputError):
        people.add(catalog, name, role=Role.VIEWER)


def test_ascii_names_are_the_same_in_any_case_and_subjects_are_not(catalog: Engine) -> None:
    people.add(catalog, "Anna", role=Role.VIEWER)
    assert people.find(catalog, "aNNa").name == "anna"
    people.add(catalog, "AbC-1", role=Role.VIEWER, is_subject=True)
    people.add(catalog, "abc-1", role=Role.EXPORTER, is_subject=True)
    assert people.find(catalog, "AbC-1", is_subject=True).role is Role.VIEWER
    assert people.find(catalog, "abc-1", is_subject=True).role is Role.EXPORTER
    with pytest.raises(NotFoundError):
        people.find(catalog, "ABC-1", is_subject=True)


def test_entries_written_at_once_are_one_chain(catalog: Engine) -> None:
    with ThreadPoolExecutor(4) as several:
        list(several.map(lambda number: trail.append(catalog, "looked at", who=f"p{number}"), range(20)))
    found = list(trail.entries(catalog))
    assert [entry.number for entry in found] == list(range(1, 21))
    previous = trail.FIRST
    for entry in found:
        assert (entry.previous, entry.true_hash()) == (previous, entry.hash)
        previous = entry.hash


@pytest.mark.parametrize("field", ["who", "source", "action", "subject", "details"])
def test_no_word_of_an_entry_can_be_changed_unseen(catalog: Engine, field: str) -> None:
    entry = trail.append(
        catalog, "looked at", who="anna", source="192.0.2.1", subject="x\0\ud800", details="y"
    )
    assert entry.true_hash() == entry.hash
    assert replace(entry, **{field: "other"}).true_hash() != entry.hash
    with writing(catalog) as connection:
        connection.execute(update(table).values({field: "other"}))
    (kept,) = trail.entries(catalog)
    assert kept.true_hash() != kept.hash


def test_the_trail_is_found_by_person_action_and_words(catalog: Engine) -> None:
    trail.append(catalog, "looked at", who="anna", subject="sinch-100%")
    trail.append(catalog, "logged in", who="ben")
    assert [entry.who for entry in trail.latest(catalog)] == ["ben", "anna"]
    assert [entry.who for entry in trail.latest(catalog, who="anna")] == ["anna"]
    assert [entry.who for entry in trail.latest(catalog, action="logged in")] == ["ben"]
    assert [entry.who for entry in trail.latest(catalog, words="100%")] == ["anna"]
    assert trail.latest(catalog, words="1_0") == []


def test_entries_of_the_bucket_stand_beside_others_of_the_same_number(catalog: Engine) -> None:
    made = [trail.append(catalog, "looked at", who="anna") for _ in range(3)]
    assert trail.add(catalog, made) == 0
    with writing(catalog) as connection:
        connection.execute(delete(table).where(table.c.number > 1))
    other = trail.append(catalog, "looked at", who="ben")
    assert trail.add(catalog, made) == 2
    assert {entry.hash for entry in trail.entries(catalog)} == {other.hash, *(one.hash for one in made)}
    assert trail.append(catalog, "looked at", who="ben").previous == made[-1].hash
