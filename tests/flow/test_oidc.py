"""Logging in by an OpenID Connect provider that runs on loopback."""

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit

import httpx
import pytest
from playwright.sync_api import Page, expect

from dashboard.visiting import COOKIE
from mmsvault.catalog import people, trail
from mmsvault.catalog.connection import migrate
from mmsvault.catalog.people import Role
from tests.house import House
from tests.servers import free_port, running

PEOPLE = {
    "anna": {"email": "Anna@example.org", "email_verified": True},
    "unverified": {"email": "anna@example.org", "email_verified": False},
    "unsaid": {"email": "anna@example.org"},
    "stranger": {"email": "stranger@example.org", "email_verified": True},
    "nameless": {},
    "ligature": {"email": "\ufb01ona@example.org", "email_verified": True},
    "sharp-s": {"email": "stra\u00dfe@example.org", "email_verified": True},
    "kelvin": {"email": "\u212aarl@example.org", "email_verified": True},
    "full-width": {"email": "\uff41nna@example.org", "email_verified": True},
}
LOOKALIKES = ("ligature", "sharp-s", "kelvin", "full-width")


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A dashboard that leaves login to a provider, and the provider."""
    folder, port = tmp_path_factory.mktemp("oidc"), free_port()
    issuer = f"http://127.0.0.1:{port}"
    env = {
        "MMSVAULT_OIDC_ISSUER": issuer,
        "MMSVAULT_OIDC_CLIENT_ID": "mms-vault",
        "MMSVAULT_OIDC_CLIENT_SECRET": "a secret of the client",
    }
    with ExitStack() as stack:
        program = [sys.executable, "-m", "oidc_provider_mock", "--port", str(port), "--require-nonce", "true"]
        stack.enter_context(running(program, log=folder / "provider.log", port=port))
        for name, claims in PEOPLE.items():
            httpx.put(f"{issuer}/users/{quote(name)}", json=claims, trust_env=False).raise_for_status()
        made = House(folder, env)
        with made.vault() as vault:
            migrate(vault.catalog)
            # With a one-time password, as an admin lets people in; nobody needs it here.
            people.add(vault.catalog, "anna@example.org", role=Role.EXPORTER)
            for name in ("fiona", "strasse", "karl"):
                people.add(vault.catalog, f"{name}@example.org", role=Role.ADMIN)
        program = [sys.executable, "-m", "dashboard"]
        stack.enter_context(running(program, log=made.log, port=made.dashboard_port, env=made.env))
        yield made


class Browser:
    """Somebody's browser, with its cookies."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.client = httpx.Client(base_url=house.dashboard, trust_env=False)

    def begin(self, onward: str = "/exports") -> str:
        """Press the button, and return where the provider is asked."""
        sent = self.client.get("/oidc/login", params={"next": onward})
        assert sent.status_code == 302, sent.text
        return sent.headers["location"]

    def approve(self, address: str, name: str) -> str:
        """Log in at the provider, and return where it sends the browser."""
        approved = httpx.post(address, data={"sub": name}, trust_env=False)
        assert approved.status_code == 302, approved.text
        return approved.headers["location"]

    def come_back(self, address: str) -> httpx.Response:
        return self.client.get(address)

    def log_in(self, name: str) -> httpx.Response:
        return self.come_back(self.approve(self.begin(), name))

    @property
    def is_in(self) -> bool:
        return self.client.get("/", headers={"accept": "text/html"}).status_code == 200


Browsers = Callable[[], Browser]


@pytest.fixture
def browsers(house: House) -> Iterator[Browsers]:
    with ExitStack() as stack:

        def made() -> Browser:
            one = Browser(house)
            stack.enter_context(one.client)
            return one

        yield made


def test_who_was_let_in_comes_in_with_role_and_scope_and_goes_on_to_the_page(
    house: House, browsers: Browsers
) -> None:
    browser = browsers()
    assert not browser.is_in
    entered = browser.log_in("anna")
    assert (entered.status_code, entered.headers["location"]) == (303, "/exports")
    assert browser.is_in
    assert browser.client.get("/_stcore/metrics").status_code == 403
    said = browser.client.get("/account").text
    assert "anna@example.org" in said
    assert "Set password" not in said
    assert browser.client.post("/logout").status_code == 303
    assert not browser.is_in
    with house.vault() as vault:
        done = [entry.action for entry in trail.latest(vault.catalog, who="anna@example.org")]
    assert [action for action in done if action.startswith("logged")][:2] == ["logged out", "logged in"]


def test_the_provider_is_asked_with_state_nonce_and_a_challenge_and_never_for_another_site(
    house: House,
    browsers: Browsers,
) -> None:
    browser = browsers()
    asked = parse_qs(urlsplit(browser.begin("//evil.example")).query)
    assert asked["response_type"] == ["code"]
    assert asked["code_challenge_method"] == ["S256"]
    assert len(asked["code_challenge"][0]) >= 43
    assert len(asked["state"][0]) >= 20
    assert len(asked["nonce"][0]) >= 20
    assert asked["redirect_uri"] == [f"{house.dashboard}/oidc/callback"]
    again = parse_qs(urlsplit(browser.begin()).query)
    for name in ("state", "nonce", "code_challenge"):
        assert asked[name] != again[name]
    evil = browser.approve(browser.begin("//evil.example"), "anna")
    assert browser.come_back(evil).headers["location"] == "/"


@pytest.mark.parametrize("name", ["unverified", "unsaid", "stranger", "nameless"])
def test_nobody_else_comes_in_and_the_trail_says_so(house: House, browsers: Browsers, name: str) -> None:
    browser = browsers()
    refused = browser.log_in(name)
    assert refused.status_code == 403
    assert COOKIE not in browser.client.cookies
    assert not browser.is_in
    with house.vault() as vault:
        entry = trail.latest(vault.catalog, limit=1)[0]
    assert (entry.action, entry.who) == ("login refused", "")
    assert entry.subject == ("stranger@example.org" if name == "stranger" else "")


@pytest.mark.parametrize("name", LOOKALIKES)
def test_a_verified_address_that_unicode_makes_anothers_lets_nobody_in(browsers: Browsers, name: str) -> None:
    browser = browsers()
    refused = browser.log_in(name)
    assert refused.status_code == 403
    assert "letters that no name here can have" in refused.text
    assert not browser.is_in


def test_a_logins_state_and_nonce_are_good_once_even_with_a_fresh_code(browsers: Browsers) -> None:
    browser, replaying = browsers(), browsers()
    asked = browser.begin()
    replaying.client.cookies.update(browser.client.cookies)
    first, second = browser.approve(asked, "anna"), browser.approve(asked, "anna")
    assert first != second, "two codes for one state and nonce"
    assert browser.come_back(first).status_code == 303
    refused = replaying.come_back(second)
    assert refused.status_code == 403
    assert "used already" in refused.text
    assert not replaying.is_in


def test_a_subject_is_compared_with_its_case(tmp_path: Path) -> None:
    port = free_port()
    issuer = f"http://127.0.0.1:{port}"
    env = {"ISSUER": issuer, "CLIENT_ID": "mms-vault", "CLIENT_SECRET": "a secret", "CLAIM": "sub"}
    own = House(tmp_path, {f"MMSVAULT_OIDC_{name}": value for name, value in env.items()})
    with ExitStack() as stack:
        program = [sys.executable, "-m", "oidc_provider_mock", "--port", str(port)]
        stack.enter_context(running(program, log=tmp_path / "provider.log", port=port))
        for name in ("AbC|1", "abc|1"):
            made = httpx.put(f"{issuer}/users/{quote(name, safe='')}", json={}, trust_env=False)
            made.raise_for_status()
        with own.vault() as vault:
            migrate(vault.catalog)
        assert own.call("user", "add", "AbC|1", "--role", "viewer").returncode == 0
        program = [sys.executable, "-m", "dashboard"]
        stack.enter_context(running(program, log=own.log, port=own.dashboard_port, env=own.env))
        answers = {}
        for name in ("abc|1", "AbC|1"):
            browser = Browser(own)
            with browser.client:
                answers[name] = (browser.log_in(name).status_code, browser.is_in)
    assert answers == {"abc|1": (403, False), "AbC|1": (303, True)}


def test_an_answer_of_the_provider_is_good_once_and_in_the_browser_that_asked(browsers: Browsers) -> None:
    browser, other = browsers(), browsers()
    address = browser.approve(browser.begin(), "anna")
    assert browsers().come_back(address).status_code == 403, "a browser that asked for nothing"
    other.begin()
    assert other.come_back(address).status_code == 403, "a browser that asked for something else"
    own = parse_qs(urlsplit(other.begin()).query)["state"][0]
    swapped = address.replace(parse_qs(urlsplit(address).query)["state"][0], own)
    assert other.come_back(swapped).status_code == 403, (
        "the code of another browser's login: its nonce differs"
    )
    assert not other.is_in
    fresh = browser.approve(browser.begin(), "anna")
    forged = fresh.replace("code=", "code=x")
    assert browser.come_back(forged).status_code == 403
    fresh = browser.approve(browser.begin(), "anna")
    assert browser.come_back(fresh).status_code == 303
    assert browser.come_back(fresh).status_code == 403, "once only"
    denied = browser.client.get("/oidc/callback", params={"error": "access_denied", "state": "x"})
    assert denied.status_code == 403


def test_a_cookie_of_ours_that_was_changed_or_a_password_is_nothing(browsers: Browsers) -> None:
    browser = browsers()
    address = browser.approve(browser.begin(), "anna")
    (cookie,) = [one for one in browser.client.cookies.jar if one.name == "mmsvault_oidc"]
    assert cookie.path == "/oidc/"
    browser.client.cookies.set(cookie.name, f"{cookie.value}x", path="/oidc/", domain=cookie.domain)
    assert browser.come_back(address).status_code == 403
    form = {"name": "anna@example.org", "password": "a long enough password"}
    assert browser.client.post("/login", data=form).status_code == 403
    assert not browser.is_in


def test_a_provider_that_is_away_is_said_in_plain_words(tmp_path: Path) -> None:
    env = {"MMSVAULT_OIDC_ISSUER": f"http://127.0.0.1:{free_port()}", "MMSVAULT_OIDC_CLIENT_ID": "mms-vault"}
    house = House(tmp_path, env)
    with house.vault() as vault:
        migrate(vault.catalog)
    program = [sys.executable, "-m", "dashboard"]
    with running(program, log=house.log, port=house.dashboard_port, env=house.env):
        answer = httpx.get(f"{house.dashboard}/oidc/login", trust_env=False)
        assert answer.status_code == 503
        assert "cannot be used just now" in answer.text
        assert (
            httpx.get(f"{house.dashboard}/oidc/callback?code=x&state=y", trust_env=False).status_code == 403
        )


def test_a_person_logs_in_with_a_browser(house: House, page: Page) -> None:
    page.goto(f"{house.dashboard}/exports")
    expect(page.get_by_label("Password")).to_have_count(0)
    page.get_by_role("link", name="Log in with").click()
    page.get_by_placeholder("sub").fill("anna")
    page.get_by_role("button", name="Authorize").click()
    expect(page.get_by_role("link", name="anna@example.org")).to_be_visible()
    expect(page).to_have_url(f"{house.dashboard}/exports")
