"""The one search box: numbers as people type them, suggestions, mistakes and how they are put right."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from mmsvault.catalog import names, queries, searches
from mmsvault.message import utc_now
from tests.accessibility import serious_violations
from tests.chromium import new_page
from tests.gallery import DESKTOP, PHONE, arrive, asked, found, offered, opened, taken_over, total
from tests.house import House
from tests.servers import until

WIDE: dict[str, Any] = {"viewport": {"width": 1920, "height": 1080}}
WIDTHS = {"wide": WIDE, "laptop": DESKTOP, "phone": PHONE}
LONG = "Great winter storm of the northern harbor towns"
NUMBER, NAME = "13125550147", "Annabella Lindqvist-Montgomery of the harbor"
_LINES = """one => [...one.querySelectorAll('b, span')].map(part => {
    const range = document.createRange();
    range.selectNodeContents(part);
    const tops = new Set([...range.getClientRects()].map(box => Math.round(box.top)));
    return [part.textContent.length, tops.size];
})"""


@pytest.fixture(scope="module", autouse=True)
def known(house: House) -> None:
    """A sender with a long name and keyword, and a saved search."""
    arrive(house, "on-a-slip", sender=NUMBER, keyword=LONG, hold=True)
    with house.vault() as vault:
        names.give(vault.catalog, NUMBER, NAME, named_at=utc_now())
        searches.save(vault.catalog, "Slips of paper", "from:13125550147 type:image")


@pytest.fixture(params=WIDTHS)
def width(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@contextmanager
def gallery(house: House, browser: Browser, width: str, address: str = "/") -> Iterator[Page]:
    """Open the gallery; a search that is not understood is a refused request, so the console may say so."""
    with new_page(browser, **WIDTHS[width]) as page:
        house.enter(page)
        page.goto(house.dashboard + address)
        expect(page.locator(".root[data-loaded]")).to_be_visible()
        taken_over(page)
        yield page


def box(page: Page) -> Locator:
    return page.get_by_role("combobox", name="Search")


def mistake(page: Page) -> Locator:
    return page.locator(".mistake")


@pytest.mark.parametrize(
    "written",
    ["3125550147", "(312) 555-0147", "+1 312 555 0147", "312.555.0147", "0147", "0147 winter", "-0146 0147"],
)
def test_a_bare_number_finds_its_messages(house: House, quiet: Page, written: str) -> None:
    opened(house, quiet)
    box(quiet).fill(written)
    quiet.keyboard.press("Enter")
    total(quiet, found(house, f"from:{NUMBER}"))
    expect(quiet.locator("a.tile").first).to_have_attribute("data-message", "sinch-on-a-slip")


def test_suggestions_are_whole_words_within_the_window(house: House, browser: Browser, width: str) -> None:
    with gallery(house, browser, width) as page:
        for field, begun, whole in (
            (page.get_by_label("Sender", exact=True), "annabella", NAME),
            (page.get_by_label("Keyword", exact=True), "great", LONG),
            (box(page), "winter", LONG),
            (box(page), "0147", NAME),
        ):
            field.fill(begun)
            expect(offered(page)).to_have_count(1)
            expect(offered(page).first).to_contain_text(whole)
            for one in offered(page).all():
                for letters, lines in one.evaluate(_LINES):
                    assert lines <= 1 + letters // 20
            space = page.get_by_role("listbox").bounding_box()
            assert space
            assert space["x"] >= 0
            assert space["x"] + space["width"] <= WIDTHS[width]["viewport"]["width"]
            page.keyboard.press("Escape")
            expect(page.get_by_role("listbox")).to_have_count(0)
            field.fill("")
            field.blur()
            expect(page.get_by_role("listbox")).to_have_count(0)


def test_keyword_and_from_come_first_and_everything_known_is_offered(house: House, screen: Page) -> None:
    opened(house, screen)
    box(screen).click()
    expect(offered(screen).nth(0)).to_contain_text("keyword:")
    expect(offered(screen).nth(1)).to_contain_text("from:")
    for begun, one in (
        ("(312) 555-0147", NAME),
        ("lindq", NAME),
        ("great", LONG),
        ("slip", "Slips of paper"),
        ("hel", "is:held"),
    ):
        box(screen).fill(begun)
        expect(offered(screen).filter(has_text=one).first).to_be_visible()
    box(screen).fill("+1 312 555 0147")
    expect(offered(screen)).to_have_count(1)
    expect(offered(screen)).to_contain_text(NAME)
    screen.keyboard.press("ArrowDown")
    screen.keyboard.press("Enter")
    expect(box(screen)).to_have_value(f"from:{NUMBER} ")
    total(screen, found(house, f"from:{NUMBER}"))


def test_the_list_closes_when_the_term_is_whole(house: House, screen: Page) -> None:
    opened(house, screen)
    box(screen).fill("type:vid")
    expect(offered(screen)).to_have_count(1)
    box(screen).press_sequentially("eo")
    expect(screen.get_by_role("listbox")).to_have_count(0)
    box(screen).fill("harb")
    expect(offered(screen).first).to_be_visible()
    box(screen).press_sequentially("or ")
    expect(screen.get_by_role("listbox")).to_have_count(0)
    expect(box(screen)).to_have_attribute("aria-expanded", "false")


@pytest.mark.parametrize(
    ("query", "said", "better"),
    [
        ("keywrod:storm", "There is no field keywrod.", "keyword:storm"),
        ("storm from:", "A value is missing after from:", "storm"),
        ("storm after:2026-02-30", '"2026-02-30" is not a date.', "storm after:2026-02-28"),
        ('storm "old harbor', "no partner", 'storm "old harbor"'),
        ("is:storm OR", "is: takes held", "OR"),
        ("storm is:starred", "There are no stars in this version yet", "storm"),
        ("storm is:hidden", "cannot be hidden in this version yet", "storm"),
        ("storm AND (", "AND and NOT are read as words.", "storm"),
        ("after:2026-11-20 before:2026-11-10", "Nothing can fit", "after:2026-11-10 before:2026-11-20"),
    ],
)
def test_a_mistake_is_put_right_by_a_click(
    house: House, browser: Browser, query: str, said: str, better: str
) -> None:
    with gallery(house, browser, "phone") as page:
        box(page).fill(query)
        box(page).press("Enter")
        expect(mistake(page)).to_contain_text(said)
        expect(mistake(page).locator("mark")).to_be_visible()
        correction = mistake(page).get_by_role("button")
        expect(correction).to_have_text(f"Search for {better}")
        correction.focus()
        page.keyboard.press("Enter")
        expect(box(page)).to_have_value(better)
        until(lambda: asked(page).get("q") == better, what="the address following")
        if better != "OR":
            expect(mistake(page)).to_be_hidden()


def test_days_in_the_wrong_order_are_pointed_at_and_swapped(
    house: House, browser: Browser, width: str
) -> None:
    with gallery(house, browser, width, "/?since=2026-11-20&until=2026-11-10") as page:
        expect(mistake(page)).to_contain_text("the first day is later than the last one")
        expect(mistake(page)).not_to_contain_text("undefined")
        mistake(page).get_by_role("button", name="Swap the days").click()
        until(lambda: asked(page) == {"since": "2026-11-10", "until": "2026-11-20"}, what="the days in order")
        expect(mistake(page)).to_be_hidden()


def test_what_is_held_can_be_filtered(house: House, screen: Page) -> None:
    opened(house, screen)
    box(screen).fill("is:held")
    screen.keyboard.press("Enter")
    total(screen, found(house, "has:hold"))
    expect(screen.locator("a.tile[data-message='sinch-on-a-slip']")).to_have_count(1)


def test_nothing_covers_what_stands_below_a_new_tag(house: House, browser: Browser, width: str) -> None:
    arrive(house, f"tagged-{width}", tags=("old tag",), sender="13125550148")
    with gallery(house, browser, width, "/?q=0148") as page:
        page.locator("a.tile").first.focus()
        page.keyboard.press(" ")
        page.get_by_role("button", name="Tag", exact=True).click()
        dialog = page.get_by_role("dialog")
        dialog.get_by_role("textbox", name="Add").fill("new tag")
        remove = dialog.get_by_role("button", name="old tag").last
        remove.click()  # Playwright refuses where another element would get the click
        dialog.get_by_role("button", name="Save", exact=True).click()
        expect(page.get_by_text("1 message tagged.")).to_be_visible()
    with house.vault() as vault:
        assert queries.load(vault.catalog, f"sinch-tagged-{width}").tags == ("new tag",)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious_in_lists_and_mistakes(
    house: House, browser: Browser, width: str, scheme: str
) -> None:
    with gallery(house, browser, width) as page:
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]  # one of two
        box(page).fill("winter")
        expect(offered(page).first).to_be_visible()
        total(page, found(house, "winter"))  # tiles of an older answer are pale
        expect(page.locator("a.tile:not(:has(.name))")).to_have_count(0)
        page.keyboard.press("ArrowDown")
        wrong = serious_violations(page)
        for query in ("keywrod:storm", "storm AND ("):
            box(page).fill(query)
            box(page).press("Enter")
            expect(mistake(page).get_by_role("button")).to_be_visible()
            expect(page.locator(".root.busy")).to_have_count(0)
            expect(page.locator("a.tile:not(:has(.name))")).to_have_count(0)  # names come when it is idle
            wrong += serious_violations(page)
        assert not wrong
