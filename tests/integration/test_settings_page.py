"""The settings page run by Streamlit's AppTest: what it shows and hides, and whom it lets in and out."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pyotp
import pytest

from dashboard.reading_room import ReadingRoom
from dashboard.settings_page import HIDDEN, shown
from mmsvault import rehearsal
from mmsvault.catalog import names, people, second_factors, sessions, trail
from mmsvault.catalog.people import Role
from mmsvault.errors import NotFoundError
from mmsvault.message import utc_now
from mmsvault.settings.sources import Origin
from tests.looking import look_at, reading_room, settings_in, texts
from tests.servers import free_port

Patch = pytest.MonkeyPatch
PAGE = "settings_page.settings_page"
GIVEN = {
    "redis_url": "redis://:hunter2@queue.example:6379/0",
    "database_url": "postgresql://vault:hunter2@db.example/vault",
    "s3_endpoint": "s3.example",
    "s3_access_key": "hunter2",
    "s3_secret_key": "hunter2",
    "postback_token": "hunter2",
    "postback_tokens_old": "hunter2,hunter2",
    "proxy_login_header": "X-User",
    "proxy_secret": "hunter2 hunter2 hunter2",
    "keep_days_by_keyword": "storm=90",
}


@pytest.fixture
def room(tmp_path: Path) -> Iterator[ReadingRoom]:
    with reading_room(settings_in(tmp_path, receiver_port=free_port())) as opened:
        people.add(opened.catalog, "tests", role=Role.ADMIN, password="a long enough password")
        yield opened


def test_no_secret_is_shown_and_every_setting_says_where_it_comes_from(
    tmp_path: Path, monkeypatch: Patch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text("MMSVAULT_WORKERS=3\n")
    monkeypatch.setenv("MMSVAULT_RETENTION_DAYS", "14")
    settings = settings_in(tmp_path, **GIVEN)
    told = {name: shown(settings, name) for name in type(settings).model_fields}
    assert "hunter2" not in str(told)
    assert told["redis_url"] == f"redis://:{HIDDEN}@queue.example:6379/0"
    assert told["database_url"] == f"postgresql://vault:{HIDDEN}@db.example/vault"
    assert (told["keep_days_by_keyword"], told["retention_days"]) == ("storm=90", "14")
    assert settings.origin("retention_days") is Origin.ENVIRONMENT
    assert settings.origin("workers") is Origin.FILE
    assert settings.origin("s3_endpoint") is Origin.GIVEN
    assert settings.origin("s3_region") is Origin.DEFAULT
    assert shown(settings_in(tmp_path), "postback_token") == HIDDEN
    assert settings_in(tmp_path).origin("postback_token") is Origin.MADE


@pytest.mark.parametrize(("role", "scope"), [(Role.MANAGER, ""), (Role.ADMIN, "keyword:storm")])
def test_it_is_for_admins_who_see_everything(
    room: ReadingRoom, monkeypatch: Patch, role: Role, scope: str
) -> None:
    app = look_at(PAGE, monkeypatch, role=role, scope=scope)
    assert not app.title
    assert not app.get("bidi_component")
    assert room.settings.effective_token not in texts(app)


def test_somebody_is_let_in_with_a_password_that_is_shown_once(room: ReadingRoom, monkeypatch: Patch) -> None:
    app = look_at(PAGE, monkeypatch)
    app.text_input(key="new name").set_value("anna")
    app.selectbox(key="new role").set_value(Role.EXPORTER)
    app.text_input(key="new scope").set_value("keyword:storm").run()
    app.button(key="add").click().run()
    assert not app.exception
    (password,) = [one.value for one in app.code if one.value.count("-") == 3]
    found = people.recognise(room.catalog, "anna", password)
    assert found
    assert (found.role, found.scope, found.is_one_time) == (Role.EXPORTER, "keyword:storm", True)
    entry = trail.latest(room.catalog)[0]
    assert (entry.action, entry.subject, entry.who) == ("added a person", "anna", "tests")
    assert password not in str(entry)
    app.button(key="taken").click().run()
    assert password not in texts(app)


def test_a_second_factor_is_reset_and_its_person_logged_out(room: ReadingRoom, monkeypatch: Patch) -> None:
    people.add(room.catalog, "ben", role=Role.VIEWER, password="a long enough password")
    secret, now = second_factors.new_secret(), utc_now()
    key = room.settings.bucket_keys[1]
    code = pyotp.TOTP(secret).at(now)
    assert second_factors.set_up(room.catalog, key, "ben", secret=secret, code=code, now=now)
    token = sessions.begin(room.catalog, "ben", now=now, span=timedelta(hours=1))
    app = look_at(PAGE, monkeypatch)
    assert "has a second factor" in texts(app)
    assert app.button(key="factor tests").disabled
    app.button(key="factor ben").click().run()
    assert not people.find(room.catalog, "ben").has_second_factor
    assert sessions.find(room.catalog, token, now=now) is None
    assert trail.latest(room.catalog)[0].action == "reset a second factor"


def test_people_are_changed_logged_out_and_removed_and_the_trail_says_so(
    room: ReadingRoom, monkeypatch: Patch
) -> None:
    people.add(room.catalog, "ben", role=Role.VIEWER, password="a long enough password")
    token = sessions.begin(room.catalog, "ben", now=utc_now(), span=timedelta(hours=1))
    app = look_at(PAGE, monkeypatch)
    assert "logged in on 1 browser" in texts(app)
    app.selectbox(key="role ben").set_value(Role.MANAGER).run()
    app.text_input(key="scope ben").set_value("tag:x").run()
    app.button(key="save ben").click().run()
    assert "A scope is made of" in texts(app)
    assert people.find(room.catalog, "ben").role is Role.VIEWER
    app.text_input(key="scope ben").set_value("number:28444").run()
    app.button(key="save ben").click().run()
    assert (people.find(room.catalog, "ben").role, people.find(room.catalog, "ben").scope) == (
        Role.MANAGER,
        "number:28444",
    )
    app.button(key="end ben").click().run()
    assert sessions.find(room.catalog, token, now=utc_now()) is None
    app.button(key="password ben").click().run()
    assert people.find(room.catalog, "ben").is_one_time
    assert app.button(key="remove ben").disabled
    app.checkbox(key="sure ben").check().run()
    app.button(key="remove ben").click().run()
    with pytest.raises(NotFoundError):
        people.find(room.catalog, "ben")
    done = [entry.action for entry in trail.latest(room.catalog)]
    assert done == ["removed a person", "reset a password", "logged out a person", "changed a person"]


def test_a_scope_says_whose_its_numbers_are(room: ReadingRoom, monkeypatch: Patch) -> None:
    names.give(room.catalog, "14085550123", "Anna Lind", named_at=utc_now())
    people.add(room.catalog, "ben", role=Role.VIEWER, scope="from:14085550123 keyword:storm")
    said = texts(look_at(PAGE, monkeypatch))
    assert "sees from:14085550123 keyword:storm (+1 408-555-0123 is Anna Lind)" in said


def test_the_last_admin_stays(room: ReadingRoom, monkeypatch: Patch) -> None:
    app = look_at(PAGE, monkeypatch)
    app.checkbox(key="sure tests").check().run()
    app.button(key="remove tests").click().run()
    assert "This is the last admin; make another one first" in texts(app)
    assert people.find(room.catalog, "tests")
    assert trail.latest(room.catalog) == []


def test_a_test_postback_says_what_does_not_answer(room: ReadingRoom, monkeypatch: Patch) -> None:
    app = look_at(PAGE, monkeypatch)
    app.button(key="test").click().run()
    assert "✗ Receiver: does not answer at" in texts(app)
    assert room.settings.effective_token not in texts(app)
    assert rehearsal.tests(room.vault) == 0
