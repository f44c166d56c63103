"""Logging in as a person does it, against a real dashboard: second factor, sessions, and who must wait."""

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pyotp
import pytest
from playwright.sync_api import Page, expect

from dashboard.throttle import OF_ADDRESS
from dashboard.visiting import COOKIE
from mmsvault.catalog import people, sessions, trail, tries
from mmsvault.catalog.connection import migrate
from mmsvault.catalog.people import Role
from mmsvault.message import utc_now
from tests.house import House
from tests.servers import running, until

PASSWORD = "a long enough password"
PROXY = {"MMSVAULT_TRUSTED_PROXIES": "127.0.0.1/32"}
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


@contextmanager
def dashboard_of(folder: Path, env: dict[str, str]) -> Iterator[House]:
    """Run a dashboard by itself, over an empty archive."""
    made = House(folder, env)
    with made.vault() as vault:
        migrate(vault.catalog)
        people.add(vault.catalog, "root", role=Role.ADMIN, password=PASSWORD)
    program = [sys.executable, "-m", "dashboard"]
    with running(program, log=made.log, port=made.dashboard_port, env=made.env):
        yield made


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    env = {**PROXY, "MMSVAULT_SECOND_FACTOR_ROLES": "manager"}
    with dashboard_of(tmp_path_factory.mktemp("logins"), env) as made:
        yield made


class Browser:
    """Somebody's browser at an address."""

    def __init__(self, house: House, address: str = "192.0.2.1") -> None:
        headers = {"accept": "text/html", "x-forwarded-for": address, "user-agent": FIREFOX}
        once = httpx.Limits(max_keepalive_connections=0)  # nothing is left open
        self.client = httpx.Client(base_url=house.dashboard, headers=headers, limits=once, trust_env=False)

    def get(self, path: str) -> httpx.Response:
        return self.client.get(path)

    def post(self, path: str, **told: Any) -> httpx.Response:
        return self.client.post(path, data=told)

    def log_in(self, name: str, password: str = PASSWORD) -> httpx.Response:
        return self.post("/login", name=name, password=password)

    @property
    def is_in(self) -> bool:
        return self.get("/").status_code == 200


def let_in(house: House, name: str, role: Role = Role.VIEWER) -> str:
    with house.vault() as vault:
        people.add(vault.catalog, name, role=role, password=PASSWORD)
    return name


def did(house: House, name: str) -> list[str]:
    with house.vault() as vault:
        return [entry.action for entry in trail.latest(vault.catalog) if name in (entry.who, entry.subject)]


def next_code(secret: str, used: list[str]) -> str:
    """Return a code that was not used: of the present step, or as soon as there is one."""

    def unused() -> str:
        code = pyotp.TOTP(secret).at(utc_now() + timedelta(seconds=30))
        return "" if code in used else code

    code = until(unused, seconds=40, what="the next code")
    used.append(code)
    return code


def set_up(browser: Browser, **more: str) -> tuple[str, list[str], list[str]]:
    """Set a second factor up; return its secret, the codes that were used, and the recovery codes."""
    shown = browser.get("/account/second-factor").text
    secret = re.search(r"<code>([A-Z2-7 ]+)</code>", shown)[1].replace(" ", "")  # type: ignore[index]
    sealed = re.search(r'name="sealed" value="([^"]+)"', shown)[1]  # type: ignore[index]
    code = pyotp.TOTP(secret).at(utc_now() - timedelta(seconds=30))
    done = browser.post("/account/second-factor", sealed=sealed, code=code, **more)
    assert done.status_code == 200, done.text
    return secret, [code], re.findall(r"<li><code>([a-z2-7-]+)</code>", done.text)


def test_a_second_factor_is_set_up_asked_for_used_once_and_turned_off(house: House) -> None:
    name, browser = let_in(house, "anna"), Browser(house)
    assert browser.log_in(name).headers["location"] == "/"
    other = Browser(house)
    other.log_in(name)
    secret, used, recovery = set_up(browser, password=PASSWORD)
    assert len(recovery) == 10
    assert not other.is_in, "a session that began with the password only"
    asked = other.log_in(name)
    assert (asked.status_code, asked.headers["location"]) == (303, "/login/code")
    assert not other.is_in, "the password alone opens nothing"
    assert COOKIE not in asked.cookies
    assert other.post("/login/code", code="000000").status_code == 401
    code = next_code(secret, used)
    assert other.post("/login/code", code=code).headers["location"] == "/"
    assert other.is_in
    third = Browser(house)
    third.log_in(name)
    assert third.post("/login/code", code=code).status_code == 401, "each code once"
    assert third.post("/login/code", code=recovery[0]).status_code == 303
    assert third.is_in
    third = Browser(house)
    third.log_in(name)
    assert third.post("/login/code", code=recovery[0]).status_code == 401
    off = "/account/second-factor/off"
    assert other.post(off, password="wrong password").status_code == 403
    assert other.post(off, password=PASSWORD).status_code == 303
    assert Browser(house).log_in(name).headers["location"] == "/"
    noted = did(house, name)
    for action in (
        "set up a second factor",
        "code refused",
        "used a recovery code",
        "turned off a second factor",
    ):
        assert action in noted


def test_who_needs_a_second_factor_is_led_to_it_and_can_do_nothing_else(house: House) -> None:
    name, browser = let_in(house, "needing", Role.MANAGER), Browser(house)
    browser.log_in(name)
    assert browser.get("/").headers["location"] == "/account/second-factor"
    for path in (
        "/api/gallery",
        "/_stcore/host-config",
        "/lists/senders.csv",
        "/operations",
        "/api/message?id=x",
    ):
        assert browser.client.get(path, headers={"accept": "*/*"}).status_code == 403, path
    _, _, recovery = set_up(browser)
    assert browser.is_in
    assert browser.post("/account/second-factor/off", password=PASSWORD).status_code == 403
    again = Browser(house)
    again.log_in(name)
    assert again.post("/login/code", code=recovery[0]).status_code == 303
    assert again.is_in


def test_whoever_lost_everything_is_helped_by_a_command(house: House) -> None:
    name, browser = let_in(house, "losing"), Browser(house)
    browser.log_in(name)
    set_up(browser, password=PASSWORD)
    told = house.json("user", "second-factor", name)
    assert told == {"name": name, "second_factor": True, "recovery_codes": 10, "reset": False}
    assert house.json("user", "second-factor", name, "--reset")["reset"]
    assert not browser.is_in
    assert browser.log_in(name).headers["location"] == "/"
    assert browser.is_in
    assert "reset a second factor" in did(house, name)


def test_codes_are_throttled_too(house: House) -> None:
    name, browser = let_in(house, "coding"), Browser(house)
    browser.log_in(name)
    set_up(browser, password=PASSWORD)
    guesser = Browser(house, "192.0.2.66")
    guesser.log_in(name)
    answers = [guesser.post("/login/code", code=f"{number:06}").status_code for number in range(7)]
    assert answers == [401] * 5 + [429] * 2
    again = Browser(house, "192.0.2.67")
    again.log_in(name)
    assert again.post("/login/code", code="000000").status_code == 429, "wherever it is tried from"
    known = Browser(house)
    known.client.cookies = browser.client.cookies
    known.client.cookies.delete(COOKIE)
    known.log_in(name)
    assert known.post("/login/code", code="000000").status_code == 401, "but not in a known browser"


def test_a_login_that_waits_for_its_code_ends_with_the_password(house: House) -> None:
    name, browser = let_in(house, "changing"), Browser(house)
    browser.log_in(name)
    _, _, recovery = set_up(browser, password=PASSWORD)
    waiting = Browser(house)
    waiting.log_in(name)
    assert waiting.get("/login/code").status_code == 200
    with house.vault() as vault:
        people.set_password(vault.catalog, name, "another long password")
    sent = waiting.post("/login/code", code=recovery[0])
    assert (sent.status_code, sent.headers["location"]) == (303, "/login")
    assert Browser(house).get("/login/code").headers["location"] == "/login"


def test_guesses_at_the_present_password_of_an_open_session_are_throttled(house: House) -> None:
    name, browser = let_in(house, "open"), Browser(house)
    browser.log_in(name)

    def guess(password: str) -> int:
        new = {"new": "quite a long one", "again": "quite a long one"}
        return browser.post("/password", password=password, **new).status_code

    assert [guess(f"wrong {number}") for number in range(6)] == [403] * 5 + [429]
    assert guess(PASSWORD) == 429, "nothing is looked at"
    assert Browser(house).log_in(name).status_code == 303, "logging in is counted by itself"


def test_a_known_browser_is_not_kept_out_by_others_guesses(house: House) -> None:
    name, browser = let_in(house, "known"), Browser(house)
    assert browser.log_in(name).status_code == 303
    browser.post("/logout")
    guesser = Browser(house)
    assert [guesser.log_in(name, f"wrong {number}").status_code for number in range(6)] == [401] * 5 + [429]
    assert Browser(house).log_in(name).status_code == 429, "a browser that is not known, at this address"
    assert Browser(house, "192.0.2.9").log_in(name).status_code == 303, "from another address"
    assert browser.log_in(name).status_code == 303, "the known one, at the same address"
    browser.post("/logout")
    answers = [browser.log_in(name, f"wrong {number}").status_code for number in range(11)]
    assert answers == [401] * 10 + [429], "and it has a limit of its own"


def test_guesses_at_many_names_from_one_address_leave_known_browsers_alone(house: House) -> None:
    name, browser = let_in(house, "sharing"), Browser(house, "192.0.2.200")
    assert browser.log_in(name).status_code == 303
    browser.post("/logout")
    guesser = Browser(house, "192.0.2.200")
    with house.vault() as vault:
        for _ in range(OF_ADDRESS.free):
            tries.take(vault.catalog, {"address 192.0.2.200": OF_ADDRESS}, now=utc_now())
    assert guesser.log_in(let_in(house, "unknown-here")).status_code == 429
    assert browser.log_in(name).status_code == 303


def test_sessions_are_listed_with_browser_and_address_and_ended(house: House) -> None:
    name = let_in(house, "listed")
    here, there, third = (Browser(house, f"192.0.2.{number}") for number in (10, 11, 12))
    for browser in (here, there, third):
        browser.log_in(name)
    shown = here.get("/account").text
    assert shown.count("Firefox on Linux") == 3
    assert "(this browser)" in shown
    for address in ("192.0.2.10", "192.0.2.11", "192.0.2.12"):
        assert address in shown
    with house.vault() as vault:
        ids = {one.source: one.id for one in sessions.list_all(vault.catalog, name, now=utc_now())}
    assert here.post("/account/sessions/end", session=ids["192.0.2.11"]).status_code == 303
    assert [one.is_in for one in (here, there, third)] == [True, False, True]
    stranger = Browser(house)
    stranger.log_in(let_in(house, "stranger"))
    assert stranger.post("/account/sessions/end", session=ids["192.0.2.12"]).status_code == 404
    assert third.is_in
    assert here.post("/account/sessions/end-others").status_code == 303
    assert [one.is_in for one in (here, third)] == [True, False]
    third.log_in(name)
    changed = {"password": PASSWORD, "new": "quite a long one", "again": "quite a long one"}
    assert here.post("/password", **changed).status_code == 303
    assert [one.is_in for one in (here, third)] == [True, False]
    assert [one["source"] for one in house.json("user", "sessions", name)["sessions"]] == ["192.0.2.10"]
    house.json("user", "sessions", name, "--end")
    assert not here.is_in


def test_a_session_ends_when_idle_and_an_open_page_does_not_keep_it(tmp_path: Path) -> None:
    with dashboard_of(tmp_path, {"MMSVAULT_SESSION_IDLE_MINUTES": "60"}) as house:

        def begun(minutes_ago: int) -> dict[str, str]:
            at = utc_now() - timedelta(minutes=minutes_ago)
            with house.vault() as vault:
                return {COOKIE: sessions.begin(vault.catalog, "root", now=at, span=timedelta(hours=10))}

        def status(path: str, cookies: dict[str, str]) -> int:
            headers = {"accept": "*/*"}
            return httpx.get(
                house.dashboard + path, cookies=cookies, headers=headers, trust_env=False
            ).status_code

        assert status("/account", begun(61)) == 401
        live, seen = begun(59), begun(58)
        for path in ("/api/news?than=x", "/_stcore/host-config"):
            assert status(path, live) == 200

        def seen_minutes_ago() -> set[int]:
            with house.vault() as vault:
                listed = sessions.list_all(vault.catalog, "root", now=utc_now())
            return {round((utc_now() - one.seen_at).total_seconds() / 60) for one in listed}

        assert seen_minutes_ago() == {61, 59, 58}
        assert status("/api/gallery", seen) == 200
        assert seen_minutes_ago() == {61, 59, 0}


def test_doctor_tells_of_a_proxy_that_is_not_trusted(tmp_path: Path) -> None:
    with dashboard_of(tmp_path, {}) as house:
        for _ in range(2):
            Browser(house).log_in("root")
        told = house.call("doctor", "--json").stdout
        assert "MMSVAULT_TRUSTED_PROXIES" in told
        assert house.log.read_text().count("x-forwarded-for is not believed") == 1


def test_a_person_sets_a_second_factor_up_and_logs_in_with_it_in_a_browser(house: House, page: Page) -> None:
    name, used = let_in(house, "clicking"), []
    page.goto(f"{house.dashboard}/account")
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    page.get_by_role("link", name="Set up the second factor").click()
    expect(page.get_by_role("img", name="QR code")).to_be_visible()
    secret = page.locator("code").first.inner_text().replace(" ", "")
    page.get_by_label("Your password").fill(PASSWORD)
    page.get_by_label("Code that the app shows").fill("000000")
    page.get_by_role("button", name="Turn on").click()
    expect(page.get_by_role("alert")).to_contain_text("not the code")
    assert page.locator("code").first.inner_text().replace(" ", "") == secret, "the same secret, tried again"
    page.get_by_label("Your password").fill(PASSWORD)
    page.get_by_label("Code that the app shows").fill(pyotp.TOTP(secret).now())
    page.get_by_role("button", name="Turn on").click()
    expect(page.get_by_role("listitem")).to_have_count(10)
    page.goto(f"{house.dashboard}/account")
    page.get_by_role("button", name="Log out").click()
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    used.append(pyotp.TOTP(secret).now())
    page.get_by_label("Code, or a recovery code").fill(next_code(secret, used))
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("link", name=name)).to_be_visible()
