"""Who comes in, and what they see then: the whole dashboard against each role and scope."""

import asyncio
import contextlib
import io
import re
import sys
import zipfile
from collections.abc import Iterator
from datetime import timedelta
from functools import cache
from pathlib import Path
from urllib.parse import urljoin

import httpx
import pytest
import websockets
from playwright.sync_api import Browser, Error, Page, Response, expect

from dashboard.links import Links
from dashboard.reading_room import ReadingRoom
from dashboard.visiting import COOKIE, visit_of
from mmsvault.catalog import people, queries, sessions, trail
from mmsvault.catalog.connection import migrate
from mmsvault.catalog.language import EVERYTHING
from mmsvault.catalog.people import Role
from mmsvault.catalog.permissions import Action
from mmsvault.errors import ForbiddenError, NotFoundError
from mmsvault.exporting import register
from mmsvault.exporting.register import State
from mmsvault.message import utc_now
from mmsvault.sample import media
from mmsvault.sample.provider import SampleProvider
from tests.flow.test_archive import archived, notice
from tests.house import House
from tests.servers import running, until

PAGES = (
    *("/", "/message?id=sinch-of-storm", "/senders", "/keywords", "/exports", "/operations", "/audit"),
    *(
        "/settings",
        "/lists/senders.csv",
        "/api/gallery",
        "/api/total",
        "/api/news",
        "/api/suggestions?text=1",
    ),
    *("/api/message?id=sinch-of-storm", "/api/similar?id=sinch-of-storm", "/app/x/gallery.js"),
    *("/_stcore/host-config", "/_stcore/metrics"),
)
SENDERS = {"storm": "14085550111", "harbor": "14085550122"}
SCOPES = ("", "keyword:storm", f"number:{SENDERS['harbor']}", "keyword:nothing")
MAY = {
    Role.VIEWER: {Action.LOOK, Action.DOWNLOAD},
    Role.EXPORTER: {Action.EXPORT},
    Role.MANAGER: {
        *(Action.TAG, Action.NOTE, Action.HOLD, Action.DELETE, Action.REQUEUE, Action.NAME),
        *(Action.OPERATE, Action.REPLAY),
    },
    Role.ADMIN: {
        *(Action.ERASE, Action.READ_TRAIL, Action.MANAGE_PEOPLE, Action.SEE_SETTINGS, Action.SEE_SERVER),
    },
}
"""What each role may in addition to those before it."""
WHOLE = {
    *(Action.OPERATE, Action.REPLAY, Action.ERASE, Action.READ_TRAIL, Action.MANAGE_PEOPLE),
    Action.SEE_SETTINGS,
}
"""What nobody may who sees a part only."""


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A vault with one message for each of two teams."""
    made = House(tmp_path_factory.mktemp("letting-in"))
    with SampleProvider() as provider, made.up():
        for seed, (keyword, sender) in enumerate(SENDERS.items()):
            url = provider.offer(media.drawing(seed))
            words = provider.offer(media.text(f"secret words of {keyword}"))
            sent = notice(
                f"of-{keyword}", url, words, keyword=keyword, sender=sender, subject=f"for {keyword}"
            )
            assert provider.send(made.postbacks, sent) == 200
        for keyword in SENDERS:
            archived(made, f"sinch-of-{keyword}")
        yield made


def ask(house: House, path: str, cookies: dict[str, str] | None = None, **more: str) -> httpx.Response:
    headers = {"accept": "text/html", **more}
    return httpx.get(house.dashboard + path, cookies=cookies, headers=headers, trust_env=False)


def named(role: Role, scope: str) -> str:
    return f"{role}-{re.sub('[^a-z0-9]', '-', scope)}"


def sees(scope: str) -> dict[str, bool]:
    """Return which of the two teams' messages a scope lets through."""
    return {"storm": scope in ("", "keyword:storm"), "harbor": scope in ("", f"number:{SENDERS['harbor']}")}


@cache
def key_of(house: House, keyword: str) -> str:
    with house.vault() as vault:
        return queries.load(vault.catalog, f"sinch-of-{keyword}").media[0].key


def link(house: House, keyword: str) -> str:
    key = key_of(house, keyword)
    return "/" + Links(house.settings.generated.link_secret).sign(key, "image/png")


def takes_websocket(house: House, cookies: dict[str, str]) -> bool:
    async def opened() -> bool:
        address = house.dashboard.replace("http", "ws") + "/_stcore/stream"
        cookie = "; ".join(f"{name}={value}" for name, value in cookies.items())
        try:
            async with websockets.connect(address, additional_headers={"Cookie": cookie}, proxy=None):
                return True
        except websockets.InvalidStatus as error:
            assert error.response.status_code == 403
            return False

    return asyncio.run(opened())


def received(page: Page) -> list[str]:
    """Return what the page will have received by its WebSockets."""
    frames: list[str] = []
    page.on("websocket", lambda socket: socket.on("framereceived", lambda data: frames.append(str(data))))
    return frames


def answered(page: Page) -> list[str]:
    """Return what the page will have received as documents and as answers of the gallery's own routes."""
    bodies: list[str] = []

    def keep(answer: Response) -> None:
        if "json" in answer.headers.get("content-type", "") or answer.request.is_navigation_request():
            with contextlib.suppress(Error):  # the page has gone on
                bodies.append(answer.text())

    page.on("response", keep)
    return bodies


def log_in(house: House, name: str, password: str, **headers: str) -> httpx.Response:
    form = {"name": name, "password": password}
    return httpx.post(f"{house.dashboard}/login", data=form, headers=headers, trust_env=False)


def test_nobody_comes_in_without_a_session(house: House) -> None:
    for path in (*PAGES, link(house, "storm"), "/download/exports/x/y.zip", "/account", "/nowhere"):
        assert ask(house, path).status_code == 303, path
        assert ask(house, path).headers["location"].startswith("/login?next=")
        assert ask(house, path, accept="*/*").status_code == 401, path
        assert ask(house, path, {COOKIE: "forged"}, accept="*/*").status_code == 401, path
    assert not takes_websocket(house, {})
    assert not takes_websocket(house, {COOKIE: "forged"})
    assert ask(house, "/_stcore/health").status_code == 200


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize("scope", SCOPES)
def test_each_role_and_scope_reaches_what_it_may_and_nothing_else(
    house: House, role: Role, scope: str
) -> None:
    visitor = house.visitor(named(role, scope), role=role, scope=scope)
    assert ask(house, "/", visitor).status_code == 200
    assert takes_websocket(house, visitor)
    assert ask(house, "/_stcore/metrics", visitor).status_code == (200 if role is Role.ADMIN else 403)
    may_export = role.includes(Role.EXPORTER)
    signed = Links(house.settings.generated.link_secret).sign("exports/x/y.zip", "application/zip")
    export = "/" + signed.replace("files/", "download/", 1)
    assert ask(house, export, visitor).status_code == (404 if may_export else 403)
    asked = (
        "/",
        "/api/gallery",
        "/api/gallery?q=secret",
        "/api/total",
        "/api/news",
        "/api/suggestions?text=from:1408",
    )
    shown = "".join(ask(house, path, visitor).text for path in asked)
    for keyword, seen in sees(scope).items():
        assert (f"sinch-of-{keyword}" in shown) == (SENDERS[keyword] in shown) == seen, keyword
        for path in ("message", "similar"):
            answer = ask(house, f"/api/{path}?id=sinch-of-{keyword}", visitor)
            assert answer.status_code == (200 if seen else 404), path
        told = ask(house, f"/api/news?than=sinch-of-{keyword}", visitor).json()["new"]
        if not seen:
            assert told == ask(house, "/api/news?than=sinch-of-nobody", visitor).json()["new"]
    listed = ask(house, "/lists/senders.csv?order=last_at", visitor)
    assert listed.status_code == (200 if may_export else 403)
    for keyword, seen in sees(scope).items():
        assert (SENDERS[keyword] in listed.text) == (seen and may_export), keyword
        assert ask(house, link(house, keyword), visitor).status_code == (200 if seen else 404), keyword
        assert ask(house, link(house, keyword) + "0", visitor).status_code == 403


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize("scope", SCOPES)
def test_each_role_may_do_its_actions_to_the_messages_of_its_scope_and_no_others(
    house: House, role: Role, scope: str
) -> None:
    house.visitor(named(role, scope), role=role, scope=scope)
    assert set().union(*MAY.values()) == set(Action)
    with house.vault() as vault:
        room = ReadingRoom(vault.settings, vault.catalog, vault.bucket, Links("any secret"), vault)
        visit = visit_of(room, people.find(vault.catalog, named(role, scope)), source="")
        inside = {f"sinch-of-{keyword}" for keyword, seen in sees(scope).items() if seen}
        for action in Action:
            may = any(action in MAY[other] and role.includes(other) for other in Role)
            may = may and not (scope and action in WHOLE)
            assert visit.may(action) == may, action
            if may:
                assert set(visit.messages(action, EVERYTHING)) == inside
            else:
                with pytest.raises(ForbiddenError):
                    visit.messages(action, EVERYTHING)
            for message_id in ("sinch-of-storm", "sinch-of-harbor", "sinch-of-nothing"):
                if may and message_id in inside:
                    assert visit.message(action, message_id).id == message_id
                else:
                    with pytest.raises(NotFoundError if may else ForbiddenError):
                        visit.message(action, message_id)


def test_a_log_out_holds_at_once_and_for_files_as_well(house: House) -> None:
    visitor = house.visitor()
    assert ask(house, link(house, "storm"), visitor).status_code == 200
    done = httpx.post(f"{house.dashboard}/logout", cookies=visitor, trust_env=False)
    assert (done.status_code, done.headers["location"]) == (303, "/login")
    assert ask(house, link(house, "storm"), visitor, accept="*/*").status_code == 401
    assert not takes_websocket(house, visitor)


def test_a_session_ends_by_itself_and_with_its_person(house: House) -> None:
    with house.vault() as vault:
        people.add(vault.catalog, "shortly", role=Role.VIEWER, password="a long enough password")
        past = utc_now() - timedelta(hours=2)
        ended = sessions.begin(vault.catalog, "shortly", now=past, span=timedelta(hours=1))
        live = sessions.begin(vault.catalog, "shortly", now=utc_now(), span=timedelta(hours=1))
    assert ask(house, "/", {COOKIE: ended}).status_code == 303
    assert ask(house, "/", {COOKIE: live}).status_code == 200
    assert house.call("user", "remove", "shortly").returncode == 0
    assert ask(house, "/", {COOKIE: live}).status_code == 303


def test_a_one_time_password_is_good_for_setting_another_one_only(house: House) -> None:
    password = house.json("user", "add", "newcomer", "--role", "viewer")["password"]
    entered = log_in(house, "newcomer", password)
    assert entered.headers["location"] == "/account"
    said = entered.headers["set-cookie"].lower()
    assert "httponly" in said
    assert "samesite=lax" in said
    visitor = dict(entered.cookies)
    assert ask(house, "/", visitor).headers["location"] == "/account"
    assert ask(house, link(house, "storm"), visitor, accept="*/*").status_code == 403
    assert not takes_websocket(house, visitor)

    def set_password(new: str, again: str) -> httpx.Response:
        form = {"new": new, "again": again}
        return httpx.post(f"{house.dashboard}/password", data=form, cookies=visitor, trust_env=False)

    assert set_password("short", "short").status_code == 400
    assert set_password("quite a long one", "quite another one").status_code == 400
    assert set_password(password, password).status_code == 400
    done = set_password("quite a long one", "quite a long one")
    assert done.status_code == 303
    assert ask(house, "/", visitor).status_code == 303, "the session of the one-time password has ended"
    assert ask(house, "/", dict(done.cookies)).status_code == 200
    assert log_in(house, "newcomer", password).status_code == 401


def test_who_guesses_passwords_has_to_wait_and_others_do_not(house: House) -> None:
    house.visitor("guessed")
    house.visitor("other")
    answers = [log_in(house, "guessed", f"wrong password {number}").status_code for number in range(6)]
    assert answers == [401] * 5 + [429]
    waiting = log_in(house, "guessed", "a long enough password")
    assert waiting.status_code == 429
    assert int(waiting.headers["retry-after"]) >= 1
    assert log_in(house, "other", "a long enough password").status_code == 303


def test_forms_of_other_sites_are_refused_and_nobody_is_sent_to_another_site(house: House) -> None:
    house.visitor("formal")
    for headers in ({"origin": "https://evil.example"}, {"origin": "null"}, {"sec-fetch-site": "cross-site"}):
        assert log_in(house, "formal", "a long enough password", **headers).status_code == 403
    for onward in ("//evil.example", "https://evil.example", "/\\evil.example", "/\r\nx: y", "javascript:x"):
        form = {"name": "formal", "password": "a long enough password", "next": onward}
        done = httpx.post(f"{house.dashboard}/login", data=form, trust_env=False)
        assert (done.status_code, done.headers["location"]) == (303, "/")


def test_two_teams_see_nothing_of_each_other_in_a_browser(house: House, browser: Browser) -> None:
    for keyword, other in (("storm", "harbor"), ("harbor", "storm")):
        context = browser.new_context(viewport={"width": 1280, "height": 900})
        page = context.new_page()
        house.enter(page, f"team-{keyword}", role=Role.EXPORTER, scope=f"keyword:{keyword}")
        frames, answers = received(page), answered(page)
        page.goto(house.dashboard)
        expect(page.locator("a.tile")).to_have_count(1)
        expect(page.locator("[data-count=messages]")).to_have_text("1")
        expect(page.locator("[data-count=receipts]")).to_have_text("1")
        page.get_by_label("Sender", exact=True).click()
        expect(page.get_by_role("listbox").get_by_role("option")).to_have_count(1)
        for address in (f"/?q=keyword:{other}", f"/?q=secret+{other}", f"/?sender={SENDERS[other]}"):
            page.goto(house.dashboard + address)
            expect(page.get_by_text("No message fits this:")).to_be_visible()
        frames_seen = "".join(frames + answers)
        page.goto(f"{house.dashboard}/message?id=sinch-of-{other}")
        expect(page.get_by_text("The archive does not hold this.")).to_be_visible()
        assert f"for {keyword}" in frames_seen
        for foreign in (f"for {other}", f"secret words of {other}", f"sinch-of-{other}"):
            assert foreign not in frames_seen
        context.close()


def test_an_export_holds_the_teams_own_messages_and_is_for_the_team_alone(
    house: House, browser: Browser
) -> None:
    context = browser.new_context()
    page = context.new_page()
    house.enter(page, "exporter-storm", role=Role.EXPORTER, scope="keyword:storm")
    page.goto(f"{house.dashboard}/exports?query=image+OR+keyword:harbor+OR+keyword:storm")
    page.get_by_role("button", name="Export 1 message").click()
    with house.vault() as vault:
        (asked,) = until(lambda: register.latest(vault.catalog), what="the export being asked for")
        until(
            lambda: register.find(vault.catalog, asked.id).state is State.DONE, what="the export being made"
        )
        made = register.find(vault.catalog, asked.id)
        held = zipfile.ZipFile(io.BytesIO(vault.bucket.read(made.prefix + made.volumes[0].name))).namelist()
    assert (made.messages, made.made_by) == (1, "exporter-storm")
    assert any("sinch-of-storm" in name for name in held)
    assert not any("sinch-of-harbor" in name for name in held)
    volume = page.locator(f".st-key-export-{made.id}").get_by_role("link", name=made.volumes[0].name)
    address = urljoin("/exports", volume.get_attribute("href"))
    context.close()
    mates = house.visitor("mate-storm", role=Role.EXPORTER, scope="keyword:storm")
    others = house.visitor("exporter-harbor", role=Role.EXPORTER, scope="keyword:harbor")
    low = house.visitor("viewer-storm", role=Role.VIEWER, scope="keyword:storm")
    assert [ask(house, address, who).status_code for who in (mates, others, low)] == [200, 404, 403]
    as_media = address.replace("/download/", "/files/")
    assert [ask(house, as_media, who).status_code for who in (mates, others, low)] == [404, 404, 404]
    context = browser.new_context()
    page = context.new_page()
    house.enter(page, "exporter-harbor")
    page.goto(f"{house.dashboard}/exports")
    expect(page.get_by_text("Nothing was exported yet.")).to_be_visible()
    context.close()


def test_a_tab_that_is_open_shows_nothing_after_the_log_out(house: House, page: Page) -> None:
    house.enter(page, "leaving")
    page.goto(house.dashboard)
    expect(page.locator("a.tile").first).to_be_visible()
    with house.vault() as vault:
        people.set_password(vault.catalog, "leaving", "another long password")
    expect(page.get_by_text("Your session has ended.").first).to_be_visible()
    expect(page.locator("a.tile")).to_have_count(0)


def test_logging_in_and_out_in_a_browser(house: House, page: Page) -> None:
    house.visitor("browsing")
    page.goto(f"{house.dashboard}/message?id=sinch-of-storm")
    page.get_by_label("Name").fill("Browsing")
    page.get_by_label("Password").fill("a long enough password")
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_text("secret words of storm").first).to_be_visible()
    page.get_by_role("link", name="browsing").click()
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_role("button", name="Log in")).to_be_visible()
    with house.vault() as vault:
        done = [entry.action for entry in trail.latest(vault.catalog, who="browsing")]
    assert done == ["logged out", "looked at", "logged in"]


def test_admins_read_the_trail_and_others_have_no_such_page(house: House, browser: Browser) -> None:
    assert house.call("tag", "keyword:storm", "--add", "=reviewed").returncode == 0
    for name, role, sees in (("auditor", Role.ADMIN, True), ("manager", Role.MANAGER, False)):
        context = browser.new_context()
        page = context.new_page()
        house.enter(page, name, role=role)
        frames = received(page)
        page.goto(f"{house.dashboard}/audit?words=reviewed")
        if sees:
            with page.expect_download() as taken:
                page.get_by_role("button", name="Download 1 entry (CSV)").click()
            said = taken.value.path().read_text()
            assert ",tagged,keyword:storm,+=reviewed: 1 messages," in said.replace("'", "")
        else:
            expect(page.get_by_role("link", name="Back to the gallery")).to_be_visible()
            assert "+=reviewed" not in "".join(frames)
        context.close()
    assert house.json("audit", "verify")["ok"]


def test_pages_that_a_role_may_not_see_are_not_there(house: House, browser: Browser) -> None:
    words = {
        "/exports": "Messages to export",
        "/operations": "Nearest deadlines",
        "/audit": "Check the audit log",
        "/settings": "Send a test postback",
    }
    for role, scope, sees in (
        (Role.VIEWER, "", set()),
        (Role.MANAGER, "keyword:storm", {"/exports", "/operations"}),
        (Role.ADMIN, "keyword:storm", {"/exports", "/operations"}),
        (Role.ADMIN, "", set(words)),
    ):
        context = browser.new_context()
        page = context.new_page()
        house.enter(page, f"paging-{role}-{'part' if scope else 'all'}", role=role, scope=scope)
        for path, said in words.items():
            frames = received(page)
            page.goto(house.dashboard + path)
            if path in sees:
                expect(page.get_by_text(said).first).to_be_visible()
            else:
                expect(page.get_by_role("link", name="Back to the gallery")).to_be_visible()
                assert said not in "".join(frames), (role, scope, path)
        context.close()


def test_a_proxy_lets_in_by_name_with_its_secret_only(tmp_path: Path) -> None:
    secret = "a secret of the proxy"
    own = House(
        tmp_path,
        {"MMSVAULT_PROXY_LOGIN_HEADER": "X-Forwarded-User", "MMSVAULT_PROXY_SECRET": secret},
    )
    with own.vault() as vault:
        migrate(vault.catalog)
    session = own.visitor("tests", role=Role.VIEWER)
    assert own.call("user", "add", "anna").returncode == 0, (
        "with a one-time password, which nobody needs here"
    )
    assert own.call("user", "add", "strasse").returncode == 0
    program = [sys.executable, "-m", "dashboard"]
    with running(program, log=own.folder / "log", port=own.dashboard_port, env=own.env):

        def status(**headers: str) -> int:
            return ask(
                own, "/", **{name.replace("_", "-"): value for name, value in headers.items()}
            ).status_code

        assert status(x_forwarded_user="anna", x_mmsvault_proxy_secret=secret) == 200
        assert status(x_forwarded_user="Anna", x_mmsvault_proxy_secret=secret) == 200, "without case"
        for name in ("stra\u00dfe", "stra\u017f\u017fe", "\uff41nna"):
            for charset in ("latin-1", "utf-8"):
                told = {
                    "x-forwarded-user": name.encode(charset, "replace"),
                    "x-mmsvault-proxy-secret": secret,
                }
                answer = httpx.get(own.dashboard, headers=told, trust_env=False)
                assert answer.status_code == 403, (name, charset)
        assert status(x_forwarded_user="anna") == 403
        assert status(x_forwarded_user="anna", x_mmsvault_proxy_secret="a secret of the Proxy") == 403
        assert status(x_forwarded_user="nobody", x_mmsvault_proxy_secret=secret) == 403
        assert status(x_mmsvault_proxy_secret=secret) == 403
        assert ask(own, "/", session).status_code == 403, "a cookie is nothing here"
    refused = House(tmp_path / "short", {"MMSVAULT_PROXY_LOGIN_HEADER": "X-User"}).call("status")
    assert refused.returncode == 2
    assert "MMSVAULT_PROXY_SECRET" in refused.stderr
