"""The gate and the login in front of the whole dashboard: who comes in, as whom, and for how long."""

import asyncio
from collections.abc import Callable, Iterator
from datetime import timedelta
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any

import httpx
import pyotp
import pytest
from starlette.applications import Starlette
from starlette.types import Receive, Scope, Send

from dashboard import gate
from dashboard.gate import VISIT, Gate
from dashboard.reading_room import ReadingRoom
from dashboard.visiting import COOKIE
from mmsvault.catalog import people, second_factors, sessions
from mmsvault.catalog.people import Role
from mmsvault.message import utc_now
from tests.integration.test_scoped_routes import addresses
from tests.looking import reading_room, settings_in, without_pages

Patch = pytest.MonkeyPatch
PASSWORD = "a long enough password"
OPEN = {"/login", "/login/code"}
"""What anybody may ask for who is not logged in; the provider of logins and Streamlit's health beside it."""
ELSEWHERE = [{"origin": "https://evil.example"}, {"origin": "null"}, {"sec-fetch-site": "cross-site"}]


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: Patch) -> Clock:
    found = Clock()
    monkeypatch.setattr(gate, "monotonic", found)
    return found


@pytest.fixture
def room(tmp_path: Path) -> Iterator[ReadingRoom]:
    with reading_room(settings_in(tmp_path, **OPTIONS)) as opened:
        opened.bucket.make()
        people.add(opened.catalog, "root", role=Role.ADMIN)
        yield opened


OPTIONS: dict[str, Any] = {"second_factor_roles": "manager"}


class Visitors:
    """Somebody's browser, or several, before a program that says who the gate takes them for."""

    def __init__(self, room: ReadingRoom) -> None:
        self.room = room
        self.gate = Gate(self._say_who, room)
        self.tokens: dict[str, str] = {}

    async def _say_who(self, scope: Scope, receive: Receive, send: Send) -> None:
        del receive
        body = scope[VISIT].person.name.encode() if VISIT in scope else b"nobody"
        if scope["type"] == "http":
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": body})
        else:
            await send({"type": "websocket.accept"})

    def let_in(self, name: str, role: Role = Role.VIEWER, **more: Any) -> None:
        people.add(self.room.catalog, name, role=role, **{"password": PASSWORD, **more})
        self.begin(name)

    def begin(self, name: str) -> None:
        self.tokens[name] = sessions.begin(self.room.catalog, name, now=utc_now(), span=timedelta(hours=9))

    def ask(self, name: str, path: str, **headers: str) -> httpx.Response:
        return asyncio.run(
            answered(self.gate, "GET", path, cookie=f"{COOKIE}={self.tokens.get(name)}", **headers)
        )

    def status(self, name: str, path: str) -> int:
        return self.ask(name, path).status_code

    def opens_websocket(self, name: str) -> bool:
        sent: list[str] = []
        headers = [(b"cookie", f"{COOKIE}={self.tokens.get(name)}".encode())]
        scope = {"type": "websocket", "path": "/_stcore/stream", "headers": headers, "query_string": b""}

        async def receive() -> dict[str, str]:
            return {"type": "websocket.connect"}

        async def send(message: Any) -> None:
            sent.append(message["type"])

        asyncio.run(self.gate({**scope, "client": ("127.0.0.1", 1)}, receive, send))
        return sent == ["websocket.accept"]


async def answered(app: Any, method: str, path: str, data: Any = None, **headers: str) -> httpx.Response:
    """Ask a program that is in this process."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://vault.example") as client:
        return await client.request(method, path, headers=named, data=data)


@pytest.fixture
def visitors(room: ReadingRoom, clock: Clock) -> Visitors:
    assert clock
    return Visitors(room)


FILE, PAGE, API = "/files/messages/x/00.png", "/", "/api/gallery"


def test_everybody_is_taken_for_themselves_however_soon_after_another(visitors: Visitors) -> None:
    for name in ("anna", "ben"):
        visitors.let_in(name)
    for path in (FILE, PAGE, FILE, "/app/x/gallery.js", FILE):
        for name in ("anna", "ben"):
            assert visitors.ask(name, path).text == name
        assert visitors.status("nobody", path) == 401


def test_whoever_was_recognised_just_now_is_not_looked_up_for_each_file(
    visitors: Visitors, monkeypatch: Patch
) -> None:
    visitors.let_in("anna")
    assert visitors.ask("anna", PAGE).text == "anna"
    monkeypatch.setattr(gate, "recognise", lambda *_, **__: None)
    assert visitors.ask("anna", FILE).text == "anna"
    assert visitors.status("anna", PAGE) == 401


@pytest.mark.parametrize("path", [PAGE, API, "/lists/senders.csv", "/_stcore/host-config", "/account"])
def test_a_session_that_was_ended_elsewhere_opens_no_page_any_more(visitors: Visitors, path: str) -> None:
    visitors.let_in("anna", Role.EXPORTER)
    assert visitors.status("anna", path) == visitors.status("anna", FILE) == 200
    sessions.end_all(visitors.room.catalog, "anna")
    assert visitors.status("anna", path) == 401
    assert not visitors.opens_websocket("anna")


def test_a_session_that_was_ended_elsewhere_opens_no_file_a_moment_later(
    visitors: Visitors, clock: Clock
) -> None:
    visitors.let_in("anna")
    for _ in range(3):
        assert visitors.status("anna", FILE) == 200
        clock.now += 0.5
    assert visitors.status("anna", FILE) == 200
    sessions.end_all(visitors.room.catalog, "anna")
    clock.now += 2
    assert visitors.status("anna", FILE) == 401


def test_to_look_at_files_does_not_put_that_moment_off(visitors: Visitors, clock: Clock) -> None:
    visitors.let_in("anna")
    for _ in range(2):
        assert visitors.status("anna", FILE) == 200
        clock.now += 0.6
    sessions.end_all(visitors.room.catalog, "anna")
    assert visitors.status("anna", FILE) == 401


@pytest.mark.parametrize("path", ["/logout", "/password", "/account/sessions/end", "/account/second-factor"])
def test_what_somebody_does_to_their_account_holds_for_files_at_once(visitors: Visitors, path: str) -> None:
    visitors.let_in("anna")
    assert visitors.status("anna", FILE) == 200
    visitors.ask("anna", path)
    sessions.end_all(visitors.room.catalog, "anna")
    assert visitors.status("anna", FILE) == 401


def test_what_is_kept_of_recognised_visitors_stays_small(visitors: Visitors, monkeypatch: Patch) -> None:
    monkeypatch.setattr(gate, "MOST_SEEN", 2)
    visitors.let_in("anna")
    for number in range(5):
        cookie = f"{COOKIE}={visitors.tokens['anna']}; more={number}"
        assert asyncio.run(answered(visitors.gate, "GET", PAGE, cookie=cookie)).text == "anna"
    assert len(visitors.gate._seen) <= 2


def test_a_changed_role_holds_at_once(visitors: Visitors) -> None:
    visitors.let_in("anna", Role.EXPORTER)
    assert visitors.status("anna", "/lists/senders.csv") == 200
    people.change(visitors.room.catalog, "anna", role=Role.VIEWER, scope="")
    assert visitors.status("anna", "/lists/senders.csv") == 403


NEEDS = {
    "/download/exports/x/y.zip": Role.EXPORTER,
    "/lists/senders.csv": Role.EXPORTER,
    "/_stcore/metrics": Role.ADMIN,
    "/_stcore/upload_file/x": Role.ADMIN,
    PAGE: Role.VIEWER,
    API: Role.VIEWER,
    FILE: Role.VIEWER,
}


@pytest.mark.parametrize("role", [one for one in Role if one is not Role.MANAGER])
def test_each_path_is_for_those_with_the_role_it_needs(visitors: Visitors, role: Role) -> None:
    visitors.let_in("anna", role)
    for path, least in NEEDS.items():
        assert visitors.status("anna", path) == (200 if role.includes(least) else 403), path


def one_time(visitors: Visitors) -> None:
    people.add(visitors.room.catalog, "anna", role=Role.VIEWER)
    visitors.begin("anna")


def without_second_factor(visitors: Visitors) -> None:
    visitors.let_in("anna", Role.MANAGER)


@pytest.mark.parametrize(
    ("who", "onward"), [(one_time, "/account"), (without_second_factor, "/account/second-factor")]
)
def test_whoever_has_to_set_something_first_reaches_their_account_only(
    visitors: Visitors, who: Callable[[Visitors], None], onward: str
) -> None:
    who(visitors)
    for path in (PAGE, API, FILE, "/lists/senders.csv", "/app/x/gallery.js", "/_stcore/host-config"):
        assert visitors.status("anna", path) == 403, path
        assert visitors.status("anna", FILE) == 403, "also when they were recognised just now"
    assert visitors.ask("anna", PAGE, accept="text/html").headers["location"] == onward
    assert not visitors.opens_websocket("anna")
    for path in ("/account", "/account/second-factor", "/password", "/logout"):
        assert visitors.ask("anna", path).text == "anna", path
    for path in ("/accounts", "/passwords", "/account-x"):
        assert visitors.status("anna", path) == 403


def test_a_refusal_is_kept_nowhere(visitors: Visitors) -> None:
    visitors.let_in("anna")
    for path, accept in ((PAGE, "text/html"), (PAGE, "*/*"), (FILE, "*/*"), ("/lists/senders.csv", "*/*")):
        for name in ("nobody", "anna"):
            answer = visitors.ask(name, path, accept=accept)
            assert answer.status_code == 200 or answer.headers["cache-control"] == "no-store"


def test_nobody_reaches_anything_without_a_session_but_the_login(room: ReadingRoom) -> None:
    app = without_pages(room)
    for path, route in addresses(app.routes):
        for method in route.methods or ():
            answer = asyncio.run(answered(app, method, path, accept="*/*"))
            assert answer.status_code == 401 or path in OPEN, (method, path)
    for path in ("/_stcore/metrics", "/_stcore/stream", "/static/x.js", "/nowhere", "/login/x", "//login"):
        assert asyncio.run(answered(app, "GET", path, accept="*/*")).status_code == 401, path


class Login:
    """A browser at the whole dashboard, with what it keeps."""

    def __init__(self, room: ReadingRoom) -> None:
        self.app: Starlette = without_pages(room)
        self.cookies: dict[str, str] = {}
        self.set_cookies: list[str] = []

    def post(self, path: str, *, headers: dict[str, str] | None = None, **told: str) -> httpx.Response:
        cookie = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        sent = answered(self.app, "POST", path, told, cookie=cookie, accept="text/html", **(headers or {}))
        return self._kept(asyncio.run(sent))

    def get(self, path: str) -> httpx.Response:
        cookie = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        return self._kept(asyncio.run(answered(self.app, "GET", path, cookie=cookie, accept="text/html")))

    def log_in(self, name: str = "anna", password: str = PASSWORD, **headers: str) -> httpx.Response:
        return self.post("/login", headers=headers, name=name, password=password)

    @property
    def is_in(self) -> bool:
        return self.get("/account").status_code == 200

    def _kept(self, answer: httpx.Response) -> httpx.Response:
        for line in answer.headers.get_list("set-cookie"):
            self.set_cookies.append(line.lower())
            for name, one in SimpleCookie(line).items():
                self.cookies[name] = one.value
        return answer


@pytest.fixture
def login(room: ReadingRoom) -> Login:
    people.add(room.catalog, "anna", role=Role.VIEWER, password=PASSWORD)
    return Login(room)


def test_a_login_begins_a_session_of_its_own_whatever_the_browser_had(login: Login) -> None:
    login.cookies[COOKIE] = planted = "a-token-that-somebody-else-knows"
    assert login.log_in().status_code == 303
    first = login.cookies[COOKIE]
    assert len({planted, first}) == 2
    assert login.is_in
    other = Login.__new__(Login)
    other.app, other.cookies, other.set_cookies = login.app, {COOKIE: planted}, []
    assert not other.is_in


def test_cookies_are_out_of_the_reach_of_scripts_and_other_sites(login: Login) -> None:
    login.log_in()
    assert login.set_cookies
    for line in login.set_cookies:
        assert "httponly" in line
        assert "samesite=lax" in line
        assert "secure" not in line, "this one is asked without TLS"


def test_behind_tls_cookies_are_for_tls_only(tmp_path: Path) -> None:
    with reading_room(settings_in(tmp_path, dashboard_tls=True)) as room:
        people.add(room.catalog, "root", role=Role.ADMIN, password=PASSWORD)
        code = turn_on_second_factor(room, "root")
        browser = Login(room)
        browser.log_in("root")
        browser.post("/login/code", code=code)
        assert browser.is_in
    assert len(browser.set_cookies) >= 3
    assert [line for line in browser.set_cookies if "secure" not in line and "max-age=0" not in line] == []


def turn_on_second_factor(room: ReadingRoom, name: str) -> str:
    """Turn it on, and return a recovery code."""
    secret, key = second_factors.new_secret(), room.settings.bucket_keys[1]
    code = pyotp.TOTP(secret).now()
    codes = second_factors.set_up(room.catalog, key, name, secret=secret, code=code, now=utc_now())
    assert codes
    return codes[0]


def test_with_a_second_factor_the_password_alone_opens_nothing(room: ReadingRoom, login: Login) -> None:
    code = turn_on_second_factor(room, "anna")
    assert login.log_in().headers["location"] == "/login/code"
    assert COOKIE not in login.cookies
    assert not login.is_in
    assert login.post("/login/code", code="").status_code == 401
    assert login.post("/login/code", code="000000").status_code == 401
    assert not login.is_in
    assert login.post("/login/code", code=code).status_code == 303
    assert login.is_in


def test_a_code_without_the_password_before_it_opens_nothing(room: ReadingRoom, login: Login) -> None:
    code = turn_on_second_factor(room, "anna")
    assert login.log_in(password="wrong password").status_code == 401
    assert login.post("/login/code", code=code).headers["location"] == "/login"
    assert not login.is_in


def test_after_five_wrong_passwords_the_right_one_has_to_wait(login: Login) -> None:
    tried = [login.log_in(password=f"wrong password {number}").status_code for number in range(6)]
    assert tried == [401] * 5 + [429]
    waiting = login.log_in()
    assert waiting.status_code == 429
    assert int(waiting.headers["retry-after"]) > 0
    assert not login.is_in


def test_after_five_wrong_codes_the_right_one_has_to_wait(room: ReadingRoom, login: Login) -> None:
    code = turn_on_second_factor(room, "anna")
    login.log_in()
    tried = [login.post("/login/code", code=f"00000{number}").status_code for number in range(6)]
    assert tried == [401] * 5 + [429]
    assert login.post("/login/code", code=code).status_code == 429
    assert not login.is_in


def test_a_logout_ends_the_session_and_not_only_the_cookie(login: Login) -> None:
    login.log_in()
    token = login.cookies[COOKIE]
    left = login.post("/logout")
    assert '"cache"' in left.headers["clear-site-data"]
    login.cookies[COOKIE] = token
    assert not login.is_in


@pytest.mark.parametrize("headers", ELSEWHERE, ids=str)
def test_no_form_of_another_site_is_taken(room: ReadingRoom, login: Login, headers: dict[str, str]) -> None:
    assert login.log_in(**headers).status_code == 403
    assert COOKIE not in login.cookies
    login.log_in()
    posts = [path for path, route in addresses(login.app.routes) if "POST" in (route.methods or ())]
    assert "/api/selections" in posts
    live = len(sessions.list_all(room.catalog, "anna", now=utc_now()))
    for path in posts:
        answer = login.post(path, headers={**headers, "content-type": "application/json"}, new="x", again="x")
        if path != "/login/code":  # which asks first whose login waits
            assert answer.status_code == 403, path
    assert login.is_in
    assert len(sessions.list_all(room.catalog, "anna", now=utc_now())) == live


@pytest.mark.parametrize("headers", ELSEWHERE, ids=str)
def test_no_code_is_taken_from_another_site(room: ReadingRoom, login: Login, headers: dict[str, str]) -> None:
    code = turn_on_second_factor(room, "anna")
    login.log_in()
    assert login.post("/login/code", headers=headers, code=code).status_code == 403
    assert not login.is_in
