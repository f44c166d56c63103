"""The gallery in a real browser, on ten thousand messages: scroll, search, filter, and what tiles say."""

from datetime import timedelta

import pytest
from playwright.sync_api import Browser, Page, expect

from mmsvault import naming
from mmsvault.catalog import queries, totals
from mmsvault.catalog.language import EVERYTHING
from mmsvault.message import MediaItem, MediaState, utc_now
from tests.accessibility import serious_violations
from tests.browser.conftest import quietly
from tests.chromium import new_page
from tests.gallery import NUMBER, SIZES, arrive, asked, found, offered, opened, tile, total
from tests.house import House
from tests.servers import until

SEEN = 200
PICTURES = "a.tile img"
ALL_LOADED = "all => all.length > 30 && all.every(one => one.complete && one.naturalWidth)"
EDGES = """all => all.map((day) => [...day.querySelectorAll('li')].map((one) => {
  const box = one.getBoundingClientRect();
  return [Math.round(box.top), Math.round(box.height), box.left, box.right];
}))"""


def test_pages_come_as_one_scrolls_newest_first_under_the_headings_of_their_days(
    house: House, screen: Page
) -> None:
    opened(house, screen)
    until(lambda: screen.locator(PICTURES).evaluate_all(ALL_LOADED), what="the thumbnails being loaded")
    root = screen.locator(".root[data-loaded]").first
    assert int(root.get_attribute("data-loaded") or 0) < SEEN
    while int(root.get_attribute("data-loaded") or 0) < SEEN:
        screen.locator("a.tile").last.scroll_into_view_if_needed()
    names = screen.locator("a.tile").evaluate_all("all => all.map(one => one.dataset.message)")
    shown = list(dict.fromkeys(names))
    with house.vault() as vault:
        newest = queries.search(vault.catalog, EVERYTHING, limit=len(shown))
        total = totals.total(vault.catalog, EVERYTHING).messages
    assert shown == [one.id for one in newest.messages]
    assert total >= NUMBER
    expect(screen.get_by_text(f"of {total:,} messages")).to_be_attached()
    days = screen.locator("section.day h2").evaluate_all("all => all.map(one => one.firstChild.textContent)")
    assert len(days) == len(set(days)) > 1
    until(lambda: screen.locator(PICTURES).evaluate_all(ALL_LOADED), what="every thumbnail being loaded")


def test_rows_are_justified_and_show_pictures_whole(house: House, screen: Page) -> None:
    opened(house, screen)
    until(lambda: screen.locator(PICTURES).evaluate_all(ALL_LOADED), what="the thumbnails being loaded")
    grid = screen.locator("section.day ul").first.bounding_box()
    assert grid
    for day in screen.locator("section.day").evaluate_all(EDGES)[:2]:
        rows: dict[int, list[list[float]]] = {}
        for top, *edges in day:
            rows.setdefault(top, []).append(edges)
        *full, _last = rows.values()
        for tiles in full:
            assert max(height for height, _, _ in tiles) - min(height for height, _, _ in tiles) <= 1
            assert tiles[0][1] == pytest.approx(grid["x"], abs=1)
            assert tiles[-1][2] == pytest.approx(grid["x"] + grid["width"], abs=1)
    shapes = screen.locator("a.tile.image[data-message^='sinch-bulk'] img").evaluate_all(
        "all => all.slice(0, 20).map(one => one.naturalWidth / one.naturalHeight * one.height / one.width)"
    )
    assert all(shape == pytest.approx(1, abs=0.05) for shape in shapes)
    assert screen.evaluate("() => document.documentElement.scrollWidth <= window.innerWidth")


def test_each_filter_narrows_to_what_the_catalog_finds(house: House, screen: Page) -> None:
    opened(house, screen)
    everything = found(house, "")
    for name, text, value, query in (
        ("Sender", "0105", "14085550105", "from:14085550105"),
        ("Keyword", "wedd", "wedding", "keyword:wedding"),
    ):
        screen.get_by_label(name, exact=True).fill(text)
        offered(screen).filter(has_text=value if name == "Keyword" else "+1 408-555-0105").first.click()
        total(screen, found(house, query))
        assert asked(screen) == {name.lower(): value}
        screen.get_by_role("button", name="Clear filters").click()
        total(screen, everything)
    for name, label, value, query in (
        ("Type", "Films", "video", "type:video"),
        ("Carrier", "Verizon", "verizon", "carrier:verizon"),
        ("State", "In part", "partial", "state:partial"),
    ):
        screen.get_by_role("combobox", name=name).select_option(label)
        total(screen, found(house, query))
        assert asked(screen) == {name.lower(): value}
        screen.get_by_role("combobox", name=name).select_option("")
        total(screen, everything)
    day = utc_now().date() - timedelta(days=3)
    for label, name in (("From day", "since"), ("To day", "until")):
        screen.get_by_label(label).fill(f"{day}")
        until(lambda name=name: asked(screen).get(name) == f"{day}", what="the address following")
    total(screen, found(house, f"after:{day} before:{day + timedelta(days=1)}"))
    assert screen.locator("section.day").count() == 1


def test_the_address_brings_a_view_back_and_so_does_going_back(house: House, screen: Page) -> None:
    opened(house, screen)
    screen.get_by_label("Carrier").select_option("Verizon")
    screen.get_by_label("Type").select_option("Pictures")
    screen.get_by_role("combobox", name="Search").fill("-tag:nothing")
    screen.keyboard.press("Enter")
    wanted = {"carrier": "verizon", "type": "image", "q": "-tag:nothing"}
    until(lambda: asked(screen) == wanted, what="the address following")
    expect(screen.locator(".root.busy")).to_have_count(0)
    keys = "all => all.slice(0, 60).map(one => one.dataset.key)"
    seen = screen.locator("a.tile").evaluate_all(keys)
    opened(house, screen, "/?carrier=verizon&type=image&q=-tag%3Anothing")
    assert screen.locator("a.tile").evaluate_all(keys) == seen
    assert screen.get_by_label("Carrier").input_value() == "verizon"
    screen.get_by_role("button", name="Clear filters").click()
    until(lambda: asked(screen) == {"q": "-tag:nothing"} or not asked(screen), what="the address following")
    screen.go_back()
    expect(screen.get_by_label("Carrier")).to_have_value("verizon")


def test_days_and_times_are_those_of_the_visitor_and_both_ends_count(house: House, browser: Browser) -> None:
    with new_page(browser, timezone_id="Pacific/Auckland", locale="de-DE") as page, quietly(house, page):
        house.enter(page)
        with house.vault() as vault:
            newest = queries.load(vault.catalog, "sinch-bulk-0").received_at
        there = newest + timedelta(hours=13)  # summer time
        opened(house, page, f"/?since={there.date()}&until={there.date()}")
        assert page.locator("section.day").count() == 1
        expect(tile(page, "sinch-bulk-0")).to_contain_text(f"{there:%H:%M:%S}")
        tile(page, "sinch-bulk-0").click()
        box = page.get_by_role("dialog")
        box.get_by_role("button", name="Facts (i)").click()
        received = box.get_by_role("definition").filter(has_text=f"{there:%H:%M:%S}")
        expect(received.first).to_be_visible()


def test_the_search_box_offers_fields_senders_keywords_and_tags(house: House, screen: Page) -> None:
    opened(house, screen)
    box = screen.get_by_role("combobox", name="Search")
    for begun, one in (
        ("key", "keyword:"),
        ("harb", "harbor"),
        ("tag:re", "reviewed"),
        ("0107", "+1 408"),
    ):
        box.fill(begun)
        expect(offered(screen).filter(has_text=one).first).to_be_visible()
    box.fill("type:")
    expect(offered(screen)).to_have_count(8)
    screen.keyboard.press("ArrowDown")
    screen.keyboard.press("ArrowDown")
    screen.keyboard.press("Enter")
    expect(box).to_have_value("type:video ")
    total(screen, found(house, "type:video"))


def test_a_mistake_is_pointed_at_and_nothing_found_says_what_to_do(
    house: House, browser: Browser, size: str
) -> None:
    # A search that is not understood is a refused request, which Chromium says on the console.
    with new_page(browser, **SIZES[size]) as page:
        house.enter(page)
        opened(house, page)
        box = page.get_by_role("combobox", name="Search")
        box.fill("storm from:12*")
        page.keyboard.press("Enter")
        expect(page.get_by_role("alert").filter(has_text="Part of a number")).to_contain_text(
            "Part of a number needs at least 3 digits."
        )
        expect(page.locator(".mistake mark")).to_have_text("12*")
        box.fill("nobodywrotethis")
        page.keyboard.press("Enter")
        expect(page.get_by_text("No message fits this:")).to_be_visible()
        expect(page.get_by_text("Search: nobodywrotethis")).to_be_visible()
        page.get_by_role("button", name="Show all messages").click()
        expect(page.locator("a.tile").first).to_be_visible()


def test_who_may_see_nothing_yet_is_told_so(house: House, browser: Browser, size: str) -> None:
    with new_page(browser, **SIZES[size]) as page, quietly(house, page):
        house.enter(page, "newcomer", scope="keyword:nobody")
        page.goto(house.dashboard)
        expect(page.get_by_text("No message that you may see has arrived yet.")).to_be_visible()
        assert page.locator("a.tile").count() == 0


def test_badges_tell_what_a_file_and_its_message_are(house: House, screen: Page, size: str) -> None:
    pending = MediaItem(position=0, url="http://127.0.0.1:9/a", next_attempt_at=utc_now() + timedelta(days=1))
    lost = MediaItem(position=0, url="http://127.0.0.1:9/b", state=MediaState.LOST, reason="it is gone")
    for name, item in (("waiting", pending), ("lost", lost)):
        arrive(house, f"{name}-{size}", keyword=f"badges {size}", media=(item,))
    opened(house, screen, f"/?keyword=badges+{size}")
    expect(tile(screen, f"sinch-waiting-{size}").locator(".badge.waiting")).to_be_visible()
    expect(tile(screen, f"sinch-waiting-{size}")).to_contain_text("waiting for files")
    expect(tile(screen, f"sinch-lost-{size}").locator(".badge.lost")).to_be_visible()
    expect(tile(screen, f"sinch-lost-{size}")).to_contain_text("it is gone")
    for number, kind, said in (
        (3, "moves", "WebP"),
        (7, "length", ":"),
        (5, "part", "1/2"),
        (13, "partial", ""),
        (102, "held", ""),
    ):
        one = f"sinch-bulk-{number}"
        opened(house, screen, f"/?sender=140855501{number % 40:02d}&since={day_of(house, one)}")
        badge = tile(screen, one).locator(f".badge.{kind}")
        tile(screen, one).scroll_into_view_if_needed()
        expect(badge).to_be_visible()
        expect(badge).to_contain_text(said)


def day_of(house: House, message_id: str) -> str:
    with house.vault() as vault:
        return f"{queries.load(vault.catalog, message_id).received_at.date()}"


def test_a_sender_who_has_a_name_is_called_by_it_with_the_number_beside(house: House, screen: Page) -> None:
    with house.vault() as vault:
        naming.name(vault, "+1 408 555 0133", "Anna <b>Lind</b>")
    opened(house, screen, "/?sender=14085550133")
    first = screen.locator("a.tile").first
    first.focus()
    who = first.locator(".who")
    expect(who).to_be_visible()
    expect(who.locator("b")).to_have_text("Anna <b>Lind</b>")
    expect(who).to_contain_text("+1 408-555-0133")
    expect(screen.get_by_role("link", name="from Anna <b>Lind</b>, +1 408-555-0133").first).to_be_attached()
    first.press("Enter")
    box = screen.get_by_role("dialog")
    expect(box.locator(".title b")).to_have_text("Anna <b>Lind</b>")
    expect(box.locator(".title span")).to_contain_text("+1 408-555-0133")
    screen.keyboard.press("i")
    said = (
        box.get_by_role("definition").filter(has_text="Anna <b>Lind</b>").filter(has_text="+1 408-555-0133")
    )
    expect(said).to_be_visible()


def test_what_comes_in_is_announced_and_moves_nothing(house: House, screen: Page, size: str) -> None:
    screen.goto(f"{house.dashboard}/?keyword=news+{size}&q=subject")
    expect(screen.get_by_text("No message fits this:")).to_be_visible()
    arrive(house, f"first-{size}", keyword=f"news {size}")
    first = tile(screen, f"sinch-first-{size}")
    expect(first).to_be_visible()  # nothing was there to be moved
    place = first.bounding_box()
    for name in ("second", "third", "fourth"):
        arrive(house, f"{name}-{size}", keyword=f"news {size}")
    pill = screen.get_by_role("button", name="3 new")
    expect(pill).to_be_visible()
    assert first.bounding_box() == place
    pill.click()
    expect(tile(screen, f"sinch-fourth-{size}")).to_be_visible()
    expect(pill).to_be_hidden()


def test_it_is_announced_where_one_has_scrolled_to_and_leads_to_the_top(
    house: House, screen: Page, size: str
) -> None:
    opened(house, screen)
    far = screen.locator("a.tile").nth(40)
    far.scroll_into_view_if_needed()
    place = far.bounding_box()
    arrive(house, f"above-{size}")
    pill = screen.get_by_role("button", name="1 new")
    expect(pill).to_be_in_viewport()
    assert far.bounding_box() == place
    pill.click()
    expect(tile(screen, f"sinch-above-{size}")).to_be_in_viewport()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(house: House, screen: Page, scheme: str) -> None:
    screen.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]  # one of two
    opened(house, screen)
    wrong = serious_violations(screen)
    screen.locator("a.tile").nth(2).focus()
    screen.keyboard.press(" ")
    expect(screen.get_by_role("toolbar")).to_be_visible()
    wrong += serious_violations(screen)
    screen.keyboard.press("Escape")
    screen.keyboard.press("Enter")
    screen.keyboard.press("i")
    expect(screen.get_by_role("complementary").get_by_text("Message id")).to_be_visible()
    wrong += serious_violations(screen)
    assert not wrong
