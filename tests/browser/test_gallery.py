"""The gallery in a real browser, on hundreds of messages: scroll, search, look, choose."""

from collections.abc import Iterator
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from mmsvault.catalog import entering, queries
from mmsvault.catalog.connection import writing
from mmsvault.message import Message, utc_now
from tests import bulk
from tests.accessibility import serious_violations
from tests.house import House
from tests.servers import until

NUMBER = 400
DESKTOP, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
ALL_LOADED = "all => all.length > 30 && all.every(one => one.complete && one.naturalWidth)"


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    made = House(tmp_path_factory.mktemp("gallery"))
    with made.up():
        with made.vault() as vault:
            bulk.fill(vault, NUMBER, newest_at=utc_now() - timedelta(hours=1))
        yield made


@pytest.fixture
def quiet(house: House, page: Page) -> Iterator[Page]:
    """A page of somebody who may do everything; it says nothing on its console and asks nobody else."""
    said: list[str] = []
    page.on("console", lambda one: said.append(one.text) if one.type == "error" else None)
    page.on("request", lambda one: None if is_own(house, one.url) else said.append(one.url))
    house.enter(page)
    yield page
    assert not said


def is_own(house: House, url: str) -> bool:
    return url.startswith((house.dashboard, house.dashboard.replace("http", "ws"), "data:", "blob:"))


def opened(house: House, page: Page, address: str = "/") -> Page:
    """Open the gallery, until Streamlit has taken it over."""
    page.goto(house.dashboard + address)
    expect(page.locator("a.tile").first).to_be_visible()
    expect(page.locator(".mmsvault-early")).to_have_count(0)
    return page


def asked(page: Page) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(page.url).query).items()}


def offered(page: Page) -> Locator:
    return page.get_by_role("listbox").get_by_role("option")


def selected(page: Page) -> int:
    return len(set(page.locator("li.on a.tile").evaluate_all("all => all.map(one => one.dataset.message)")))


def arrive(house: House, name: str, **more: object) -> Message:
    """Have a message come in now, without files."""
    now = utc_now()
    given = {
        "id": f"sinch-{name}",
        "provider": "sinch",
        "tracking_id": name,
        "sender": "14085550177",
        "to": ("28444",),
        "subject": f"subject of {name}",
        "received_at": now,
        "deadline_at": now + timedelta(days=30),
        "recorded_at": now,
        "prefix": f"messages/{now:%Y/%m/%d}/sinch-{name}/",
        **more,
    }
    message = Message.model_validate(given)
    with house.vault() as vault, writing(vault.catalog) as connection:
        assert entering.insert_whole(connection, message)
    return message


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_pages_come_as_one_scrolls_newest_first_under_the_headings_of_their_days(
    house: House, quiet: Page, size: dict[str, int]
) -> None:
    quiet.set_viewport_size(size)  # type: ignore[arg-type]  # its keys are those
    opened(house, quiet)
    until(lambda: quiet.locator("a.tile img").evaluate_all(ALL_LOADED), what="the thumbnails being loaded")
    begun = quiet.locator("a.tile").count()
    assert begun < NUMBER
    for _ in range(60):
        if quiet.locator(".root[data-loaded]").first.get_attribute("data-loaded") == str(NUMBER):
            break
        quiet.locator("a.tile").last.scroll_into_view_if_needed()
        quiet.wait_for_function("(many) => true", arg=begun)
    expect(quiet.get_by_text(f"{NUMBER} messages", exact=True)).to_be_attached()
    names = quiet.locator("a.tile").evaluate_all("all => all.map(one => one.dataset.message)")
    numbers = [int(name.rpartition("-")[2]) for name in dict.fromkeys(names)]
    assert numbers == list(range(NUMBER))
    days = quiet.locator("section.day h2").evaluate_all("all => all.map(one => one.firstChild.textContent)")
    assert len(days) == len(set(days)) > 1
    edges = quiet.locator("section.day li").evaluate_all(
        "all => all.map(one => [one.getBoundingClientRect().right, one.getBoundingClientRect().width])"
    )
    assert max(right for right, width in edges if width) <= size["width"]


def test_filters_and_the_search_box_narrow_and_the_address_brings_them_back(
    house: House, quiet: Page
) -> None:
    opened(house, quiet)
    quiet.get_by_label("Sender", exact=True).fill("0105")
    offered(quiet).first.click()
    expect(quiet.locator(".root[data-total='10']")).to_have_count(1)
    quiet.get_by_label("Carrier").select_option("Verizon")
    quiet.get_by_label("Type").select_option("Pictures")
    quiet.get_by_role("combobox", name="Search").fill("-tag:nothing")
    quiet.keyboard.press("Enter")
    until(lambda: "q" in asked(quiet), what="the address following")
    wanted = {"sender": "14085550105", "carrier": "verizon", "type": "image", "q": "-tag:nothing"}
    assert asked(quiet) == wanted
    expect(quiet.locator(".root.busy")).to_have_count(0)
    seen = quiet.locator("a.tile").evaluate_all("all => all.map(one => one.dataset.key)")
    again = opened(house, quiet, f"/?{urlsplit(quiet.url).query}")
    assert again.locator("a.tile").evaluate_all("all => all.map(one => one.dataset.key)") == seen
    assert again.get_by_label("Carrier").input_value() == "verizon"
    again.get_by_role("button", name="Clear filters").click()
    expect(again.locator(f".root[data-total='{NUMBER}']")).to_have_count(1)
    again.go_back()
    expect(again.get_by_label("Sender", exact=True)).to_have_value("14085550105")


def test_days_are_those_of_the_visitor_and_both_ends_count(house: House, browser: Browser) -> None:
    context = browser.new_context(timezone_id="Pacific/Auckland", locale="de-DE")
    page = context.new_page()
    house.enter(page)
    with house.vault() as vault:
        newest = queries.load(vault.catalog, "sinch-bulk-0").received_at
    day = (newest + timedelta(hours=13)).date()  # summer time there
    opened(house, page, f"/?since={day}&until={day}")
    times = page.locator("a.tile").evaluate_all("all => all.map(one => one.dataset.message)")
    assert "sinch-bulk-0" in times
    assert page.locator("section.day").count() == 1
    context.close()


def test_the_search_box_offers_fields_senders_keywords_and_tags(house: House, quiet: Page) -> None:
    opened(house, quiet)
    box = quiet.get_by_role("combobox", name="Search")
    for begun, one in (
        ("key", "keyword:"),
        ("harb", "harbor"),
        ("tag:re", "reviewed"),
        ("0107", "+1 408"),
    ):
        box.fill(begun)
        expect(offered(quiet).filter(has_text=one).first).to_be_visible()
    box.fill("type:")
    expect(offered(quiet)).to_have_count(8)
    quiet.keyboard.press("ArrowDown")
    quiet.keyboard.press("ArrowDown")
    quiet.keyboard.press("Enter")
    expect(box).to_have_value("type:video ")
    expect(quiet.locator(f".root[data-total='{NUMBER // 20}']")).to_have_count(1)


def test_a_mistake_is_pointed_at_and_nothing_found_says_what_to_do(house: House, page: Page) -> None:
    house.enter(page)
    opened(house, page)
    box = page.get_by_role("combobox", name="Search")
    box.fill("storm from:12*")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("Part of a number needs at least 3 digits.")
    expect(page.locator(".mistake mark")).to_have_text("12*")
    box.fill("nobodywrotethis")
    page.keyboard.press("Enter")
    expect(page.get_by_text("No message fits this:")).to_be_visible()
    page.get_by_role("button", name="Show all messages").click()
    expect(page.locator("a.tile").first).to_be_visible()


def test_what_comes_in_is_announced_and_moves_nothing(house: House, quiet: Page) -> None:
    quiet.goto(f"{house.dashboard}/?sender=14085550177&q=subject")
    expect(quiet.get_by_text("No message fits this:")).to_be_visible()
    arrive(house, "first")
    first = quiet.locator("a.tile[data-message='sinch-first']")
    expect(first).to_be_visible()  # nothing was there to be moved
    place = first.bounding_box()
    for name in ("second", "third", "fourth"):
        arrive(house, name)
    pill = quiet.get_by_role("button", name="3 new")
    expect(pill).to_be_visible()
    assert first.bounding_box() == place
    pill.click()
    expect(quiet.locator("a.tile[data-message='sinch-fourth']")).to_be_visible()
    expect(pill).to_be_hidden()


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(house: House, quiet: Page, size: dict[str, int], scheme: str) -> None:
    quiet.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]  # one of two
    quiet.set_viewport_size(size)  # type: ignore[arg-type]  # its keys are those
    opened(house, quiet)
    found = serious_violations(quiet)
    quiet.locator("a.tile").nth(2).focus()
    quiet.keyboard.press(" ")
    expect(quiet.get_by_role("toolbar")).to_be_visible()
    found += serious_violations(quiet)
    quiet.keyboard.press("Escape")
    quiet.keyboard.press("Enter")
    quiet.keyboard.press("i")
    expect(quiet.get_by_role("complementary").get_by_text("Message id")).to_be_visible()
    found += serious_violations(quiet)
    assert not found
