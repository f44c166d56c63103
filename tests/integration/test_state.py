"""People, saved searches and exports outlive the catalog: the bucket keeps them, sealed."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from mmsvault import diagnosis, erasing, layout
from mmsvault.catalog import people, searches, second_factors, trail
from mmsvault.catalog.connection import reading
from mmsvault.catalog.people import Role
from mmsvault.catalog.tables import exports, recovery_codes, users
from mmsvault.cli.admitting import first_admin
from mmsvault.cli.welcoming import first_login
from mmsvault.errors import NotFoundError
from mmsvault.exporting import register
from mmsvault.exporting.planning import Choice
from mmsvault.integrity import rebuilding
from mmsvault.message import utc_now
from mmsvault.state import generations, keeper, rows
from mmsvault.state.keeper import StateKeeper
from tests.integration.archive import Archive

PASSWORD = "a long password"


def let_in(archive: Archive, name: str = "anna", role: Role = Role.ADMIN, scope: str = "") -> None:
    people.add(archive.vault.catalog, name, role=role, scope=scope, password=PASSWORD)


def names(archive: Archive) -> list[str]:
    return [one.name for one in people.list_all(archive.vault.catalog)]


def states(archive: Archive) -> list[str]:
    return sorted(archive.keys(layout.STATE))


def give_second_factor(archive: Archive, name: str) -> list[str]:
    secret, now = second_factors.new_secret(), utc_now()
    step = int(now.timestamp()) // second_factors.STEP_SECONDS
    code = second_factors.pyotp.TOTP(secret).generate_otp(step)
    key = archive.vault.settings.bucket_keys[1]
    codes = second_factors.set_up(archive.vault.catalog, key, name, secret=secret, code=code, now=now)
    assert codes
    return codes


def test_people_searches_and_exports_come_back_by_a_rebuild_of_an_empty_catalog(archive: Archive) -> None:
    catalog = archive.vault.catalog
    let_in(archive)
    let_in(archive, "ben", Role.EXPORTER, "keyword:storm")
    codes = give_second_factor(archive, "anna")
    searches.save(catalog, "storm pictures", "keyword:storm type:image", saved_by="ben")
    now = utc_now()
    register.enter(
        catalog, Choice(query=""), name="daily", made_by="schedule", made_at=now, identity="daily-1"
    )
    with reading(catalog) as connection:
        before = connection.execute(select(users).order_by(users.c.name)).mappings().all()
    assert keeper.keep(archive.vault)
    archive.forget_catalog()
    rebuilt = rebuilding.rebuild(archive.vault)
    assert rebuilt.problems == []
    assert rebuilt.state.people == (("anna", Role.ADMIN), ("ben", Role.EXPORTER))
    with reading(catalog) as connection:
        after = connection.execute(select(users).order_by(users.c.name)).mappings().all()
    steps = ("second_factor_step", "changed_at")
    assert [{**row, **dict.fromkeys(steps)} for row in after] == [
        {**row, **dict.fromkeys(steps)} for row in before
    ]
    key = archive.vault.settings.bucket_keys[1]
    used = second_factors.accept(catalog, key, "anna", codes[0], now=utc_now())
    assert used is second_factors.Means.RECOVERY_CODE
    assert [one.query for one in searches.list_all(catalog)] == ["keyword:storm type:image"]
    assert register.find(catalog, "daily-1").made_by == "schedule"
    assert [one.subject for one in trail.latest(catalog, action="brought back a person")] == ["ben", "anna"]
    assert archive.problems() == {}


def test_no_admin_is_made_where_the_bucket_knows_people(archive: Archive) -> None:
    let_in(archive)
    keeper.keep(archive.vault)
    archive.forget_catalog()
    assert first_admin(archive.vault) is None
    assert names(archive) == ["anna"]
    assert people.recognise(archive.vault.catalog, "anna", PASSWORD)


def test_an_account_of_another_vault_lets_nobody_in_and_says_how_to_go_on(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    let_in(archive)
    keeper.keep(archive.vault)
    archive.forget_catalog()
    with monkeypatch.context() as other:
        former = reseal_all(archive, other)
        rebuilt = rebuilding.rebuild(archive.vault)
        assert names(archive) == []
        assert ["rebuild --state-secret" in one.problem for one in rebuilt.problems] == [True]
        assert first_admin(archive.vault) is None
        assert "mmsvault user add" in first_login(archive.vault)
        back = rebuilding.rebuild(archive.vault, former_secret=former)
        assert back.problems == []
        assert names(archive) == ["anna"]
        assert archive.problems() == {}


def reseal_all(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> str:
    """Have the vault have another secret than its accounts were sealed with; return theirs."""
    secret = archive.vault.settings.bucket_keys[1]
    monkeypatch.setattr(generations, "secret_of", lambda _: f"another {secret}")
    monkeypatch.setattr(keeper, "secret_of", lambda _: f"another {secret}")
    return secret


def test_an_account_that_was_changed_or_renamed_in_the_bucket_is_not_believed(archive: Archive) -> None:
    let_in(archive)
    keeper.keep(archive.vault)
    (key,) = states(archive)
    data = archive.vault.bucket.read(key)
    later = layout.state_key(datetime(2099, 1, 1, tzinfo=UTC), "0" * 64)
    archive.overwrite(later, data)
    told = json.loads(data)
    archive.overwrite(key, json.dumps({**told, "sealed": told["sealed"][:-8] + "AAAAAAA="}).encode())
    archive.forget_catalog()
    rebuilding.rebuild(archive.vault)
    assert names(archive) == []
    assert any("cannot be used" in problem for problem in archive.problems().values())


def test_an_account_is_written_only_where_something_was_changed(archive: Archive) -> None:
    writer = StateKeeper(archive.vault)
    writer.keep()
    assert states(archive) == []
    let_in(archive)
    writer.keep()
    writer.keep()
    assert len(states(archive)) == 1
    people.change(archive.vault.catalog, "anna", role=Role.ADMIN, scope="")
    let_in(archive, "ben", Role.VIEWER)
    writer.keep()
    assert len(states(archive)) == 2


def test_an_empty_catalog_does_not_take_the_place_of_what_the_bucket_knows(archive: Archive) -> None:
    let_in(archive)
    keeper.keep(archive.vault)
    archive.forget_catalog()
    let_in(archive, "mallory")
    assert not keeper.keep(archive.vault)
    assert len(states(archive)) == 1
    assert archive.problems() == {
        states(archive)[0]: "the catalog does not have what this account tells of people; rebuild it"
    }
    said = [one.said for one in diagnosis.people(archive.vault)]
    assert ["rebuild it" in one for one in said] == [True]
    rebuilding.rebuild(archive.vault)
    assert list(diagnosis.people(archive.vault)) == []
    assert names(archive) == ["anna", "mallory"]
    assert len(states(archive)) == 2


def test_of_an_older_catalog_what_was_changed_later_counts(archive: Archive) -> None:
    let_in(archive)
    let_in(archive, "fired", Role.MANAGER)
    grow_old(archive)
    keeper.keep(archive.vault)
    older = dump(archive)
    people.remove(archive.vault.catalog, "fired")
    people.set_password(archive.vault.catalog, "anna", "another password")
    searches.save(archive.vault.catalog, "new", "storm")
    keeper.keep(archive.vault)
    bring_back(archive, older)
    assert names(archive) == ["anna", "fired"]
    rebuilt = rebuilding.rebuild(archive.vault)
    assert rebuilt.state.removed == ("fired",)
    assert people.recognise(archive.vault.catalog, "anna", "another password")
    assert [one.name for one in searches.list_all(archive.vault.catalog)] == ["new"]


def test_generations_are_few(archive: Archive) -> None:
    let_in(archive)
    for number in range(generations.KEPT + 3):
        searches.save(archive.vault.catalog, f"search {number}", "storm")
        keeper.keep(archive.vault)
    assert len(states(archive)) == generations.KEPT


def test_nothing_of_an_erased_number_is_left_in_any_account(archive: Archive) -> None:
    let_in(archive)
    let_in(archive, "ben", Role.VIEWER, "number:14085550123")
    for number in range(3):
        searches.save(archive.vault.catalog, f"other {number}", f"keyword:storm {number}")
        searches.save(archive.vault.catalog, "theirs", f"from:+1-408-555-0123 {number}")
        keeper.keep(archive.vault)
    receipt = erasing.erase(archive.vault, "14085550123", who="tests")
    assert receipt["searches"] == 1
    assert receipt["scopes"] == ["ben"]
    (left,) = states(archive)
    told = generations.open_one(archive.vault, left, secrets=(archive.vault.settings.bucket_keys[1],))
    assert [one.name for one in told.state.searches] == ["other 0", "other 1", "other 2"]
    assert archive.problems() == {}


def test_what_is_no_account_is_a_stranger_in_the_bucket(archive: Archive) -> None:
    archive.overwrite(f"{layout.STATE}odd", b"odd")
    assert archive.problems() == {f"{layout.STATE}odd": "this object belongs to nothing"}


def test_a_damaged_entry_of_an_account_is_left_out_and_said(archive: Archive) -> None:
    let_in(archive)
    let_in(archive, "ben", Role.VIEWER, "keyword:storm")
    state = rows.take(archive.vault.catalog, taken_at=utc_now())
    odd = state.people[1].model_copy(update={"scope": "nonsense:here"})
    key, data = generations.sealed(
        archive.vault, state.model_copy(update={"people": (state.people[0], odd)}), after=""
    )
    archive.forget_catalog()
    archive.vault.bucket.put(key, data, content_type="application/json")
    rebuilt = rebuilding.rebuild(archive.vault)
    assert names(archive) == ["anna"]
    assert [one.problem for one in rebuilt.problems] == [
        "1 entries are not as they must be, and were left out"
    ]


def grow_old(archive: Archive) -> None:
    """Have all people be there since an hour ago."""
    with archive.vault.catalog.begin() as connection:
        connection.execute(users.update().values(made_at=utc_now() - timedelta(hours=1), changed_at=None))


def dump(archive: Archive) -> dict[str, list[dict[str, object]]]:
    tables = (users, recovery_codes, exports, searches.searches, keeper.key_values.key_values)
    with reading(archive.vault.catalog) as connection:
        return {
            table.name: [dict(row) for row in connection.execute(select(table)).mappings()]
            for table in tables
        }


def bring_back(archive: Archive, dumped: dict[str, list[dict[str, object]]]) -> None:
    tables = (users, recovery_codes, exports, searches.searches, keeper.key_values.key_values)
    with archive.vault.catalog.begin() as connection:
        for table in tables:
            connection.execute(table.delete())
            if dumped[table.name]:
                connection.execute(table.insert(), dumped[table.name])


def test_nobody_is_there_where_nobody_was(archive: Archive) -> None:
    assert first_admin(archive.vault)
    with pytest.raises(NotFoundError):
        people.find(archive.vault.catalog, "anna")
