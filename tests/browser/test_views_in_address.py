"""The view is the address: filters, selection and export come back by reload, back, a new tab and a login."""

import zipfile
from urllib.parse import parse_qsl

from playwright.sync_api import Browser, Page, expect

from mmsvault.catalog.language import parse
from mmsvault.catalog.people import Role
from mmsvault.catalog.views import View
from tests.accessibility import serious_violations
from tests.chromium import new_page
from tests.gallery import DESKTOP, asked, found, opened, selected, taken_over, total
from tests.house import House
from tests.servers import until

WEDDING = "/?keyword=wedding"


def bar(page: Page, words: str) -> None:
    expect(page.get_by_role("toolbar", name="Selected messages")).to_contain_text(words)


def choose(page: Page, number: int) -> None:
    """Select the first tiles with the keys, and wait until the address names them."""
    page.locator("a.tile").first.focus()
    page.keyboard.press(" ")
    for _ in range(number - 1):
        page.keyboard.press("Shift+ArrowRight")
    until(lambda: {"chosen", "selection"} & set(asked(page)), what="the address naming the selection")


def named(page: Page) -> str:
    """Return what the address says of the selection."""
    address = page.evaluate("() => location.search")
    return str([pair for pair in parse_qsl(address.removeprefix("?")) if pair[0] in ("chosen", "selection")])


def test_a_few_selected_messages_stand_in_the_address_and_survive_reload_and_new_tab(
    house: House, screen: Page
) -> None:
    opened(house, screen, WEDDING)
    choose(screen, 3)
    ids = set(screen.locator("li.on a.tile").evaluate_all("all => all.map(one => one.dataset.message)"))
    screen.reload()
    taken_over(screen)
    bar(screen, f"{len(ids)} messages selected")
    other = screen.context.new_page()
    other.goto(screen.evaluate("() => location.href"))
    taken_over(other)
    bar(other, f"{len(ids)} messages selected")
    assert asked(other)["keyword"] == "wedding"


def test_many_selected_messages_stand_under_an_id_that_opens_for_their_owner_only(
    house: House, quiet: Page, browser: Browser
) -> None:
    opened(house, quiet, WEDDING)
    quiet.locator("a.tile").first.focus()
    quiet.keyboard.press("Control+a")
    until(lambda: "selection" in asked(quiet), what="the address naming the selection")
    number = selected(quiet)
    assert number >= 60
    address = quiet.evaluate("() => location.pathname + location.search")
    assert len(address) < 200
    quiet.reload()
    taken_over(quiet)
    bar(quiet, f"{number} messages selected")
    with new_page(browser, **DESKTOP) as page:
        house.enter(page, "somebody-else", role=Role.EXPORTER)
        opened(house, page, address)
        expect(page.locator(".root > .said")).to_have_text("This selection has expired.")
        expect(page.get_by_role("toolbar")).to_be_hidden()


def test_all_that_is_found_stays_selected_after_a_reload(house: House, quiet: Page) -> None:
    opened(house, quiet, WEDDING)
    choose(quiet, 1)
    everything = found(house, "keyword:wedding")
    quiet.get_by_role("button", name=f"Select all {everything:,}").click()
    until(lambda: asked(quiet).get("selection") == "all", what="the address saying so")
    quiet.reload()
    taken_over(quiet)
    bar(quiet, f"All {everything:,} messages selected")


def test_another_filter_keeps_what_fits_and_says_what_it_dropped(house: House, screen: Page) -> None:
    opened(house, screen, WEDDING)
    choose(screen, 6)
    before = selected(screen)
    one = screen.locator("li.on a.tile").first.get_attribute("data-message")
    with house.vault() as vault:
        sender = View(vault.catalog).load(str(one)).sender
        fitting = View(vault.catalog).ids(parse(f"from:{sender} keyword:wedding"), limit=20_000)
    chosen = set(screen.locator("li.on a.tile").evaluate_all("all => all.map(one => one.dataset.message)"))
    kept = len(chosen & set(fitting))
    assert 0 < kept < before
    box = screen.get_by_label("Sender", exact=True)
    box.fill(sender)
    screen.keyboard.press("Enter")
    bar(screen, f"{kept} message")
    dropped = before - kept
    expect(screen.locator(".root > .said")).to_contain_text(
        f"{dropped} message{'s' if dropped > 1 else ''} no longer selected"
    )


def test_back_and_forward_bring_back_filters_and_selection(house: House, quiet: Page) -> None:
    opened(house, quiet, WEDDING)
    choose(quiet, 3)
    before, number = named(quiet), selected(quiet)
    box = quiet.get_by_label("Sender", exact=True)
    box.fill("14085550100")
    quiet.keyboard.press("Enter")
    until(lambda: asked(quiet).get("sender"), what="the filter")
    quiet.go_back()
    bar(quiet, f"{number} messages selected")
    assert named(quiet) == before
    quiet.go_forward()
    until(lambda: asked(quiet).get("sender"), what="the filter")


def test_the_page_of_exports_keeps_what_is_selected_and_back_leads_to_it(house: House, screen: Page) -> None:
    opened(house, screen, WEDDING)
    choose(screen, 3)
    number = selected(screen)
    before = screen.evaluate("() => location.search")
    screen.get_by_role("button", name="Export", exact=True).click()
    export = screen.get_by_role("button", name=f"Export {number} messages", exact=True)
    expect(export).to_be_visible()
    screen.reload()
    expect(export).to_be_visible()
    screen.go_back()
    taken_over(screen)
    bar(screen, f"{number} messages selected")
    assert screen.evaluate("() => location.search") == before


def test_how_an_export_is_made_survives_a_reload(house: House, quiet: Page) -> None:
    quiet.goto(f"{house.dashboard}/exports?query=keyword:wedding")
    quiet.get_by_text("Thumbnails", exact=True).click()
    until(lambda: "thumbnails" in asked(quiet), what="the address saying so")
    quiet.reload()
    expect(quiet.get_by_role("switch", name="Thumbnails")).not_to_be_checked()
    expect(quiet.get_by_label("Messages to export")).to_have_value("keyword:wedding")


def log_in(page: Page) -> None:
    page.get_by_label("Name").fill("tests")
    page.get_by_label("Password").fill("a long enough password")
    page.get_by_role("button", name="Log in").click()


def test_a_login_after_the_session_ended_leads_back_to_the_view(house: House, browser: Browser) -> None:
    with new_page(browser, **DESKTOP) as page:
        house.enter(page)
        opened(house, page, WEDDING)
        choose(page, 2)
        number, before = selected(page), page.evaluate("() => location.search")
        page.context.clear_cookies()
        page.get_by_role("link", name="Log in").click()
        log_in(page)
        taken_over(page)
        bar(page, f"{number} messages selected")
        assert page.evaluate("() => location.search") == before


def test_a_login_from_another_page_leads_back_to_it(house: House, browser: Browser) -> None:
    with new_page(browser, **DESKTOP) as page:
        house.enter(page)
        page.goto(f"{house.dashboard}/exports?query=keyword:wedding")
        expect(page.get_by_role("heading", level=1, name="Exports")).to_be_visible()
        page.context.clear_cookies()
        page.goto(f"{house.dashboard}/exports?query=keyword:wedding")
        log_in(page)
        expect(page.get_by_label("Messages to export")).to_have_value("keyword:wedding")


def test_counts_stand_beside_the_filters_and_days_say_how_much_they_have_in_all(
    house: House, screen: Page
) -> None:
    opened(house, screen, WEDDING)
    with house.vault() as vault:
        figures = View(vault.catalog).figures(parse("keyword:wedding"))
    told = screen.locator(".found")
    expect(told).to_contain_text(f"{figures.messages:,} messages, {figures.files:,} files")
    head = screen.locator("section.day").first.locator("small")
    expect(head).to_contain_text("message")
    first = head.text_content()
    screen.locator("a.tile").last.scroll_into_view_if_needed()
    until(
        lambda: int(screen.locator(".root[data-loaded]").get_attribute("data-loaded") or 0) > 60,
        what="more tiles",
    )
    assert head.text_content() == first
    assert serious_violations(screen) == []


def test_a_days_check_mark_takes_all_of_it_not_what_is_loaded(house: House, quiet: Page) -> None:
    opened(house, quiet, "/?type=image")
    quiet.locator("section.day").first.hover()
    head = quiet.locator("section.day").first.locator("small")
    expect(head).to_contain_text("message")
    number = str(head.text_content()).partition(" message")[0]
    quiet.locator(".choose").first.click()
    bar(quiet, f"{number} message")


def test_ctrl_a_selects_tiles_wherever_the_focus_is_on_the_page(house: House, quiet: Page) -> None:
    opened(house, quiet, WEDDING)
    quiet.evaluate("() => document.activeElement.blur()")
    quiet.keyboard.press("Control+a")
    assert selected(quiet) >= 60
    assert quiet.evaluate("() => String(getSelection())") == ""


def test_the_focus_stays_in_the_gallery_when_the_selection_is_cleared(house: House, quiet: Page) -> None:
    opened(house, quiet, WEDDING)
    choose(quiet, 1)
    quiet.get_by_role("button", name="Clear selection (Esc)").press("Enter")
    expect(quiet.locator("a.tile:focus")).to_have_count(1)


def test_a_number_leads_to_its_whole_file_as_pdf_in_four_actions(house: House, browser: Browser) -> None:
    with new_page(browser, **DESKTOP, accept_downloads=True) as page:
        house.enter(page, "claims", role=Role.EXPORTER)
        opened(house, page)
        box = page.get_by_role("combobox", name="Search", exact=True)
        box.fill("from:14085550191")
        box.press("Enter")  # 1
        total(page, found(house, "from:14085550191"))
        page.get_by_role("button", name="PDF of all").click()  # 2
        page.get_by_role("button", name="Export 1 message").click()  # 3
        volume = page.get_by_role("link", name="-01.zip").first
        expect(volume).to_be_visible()
        with page.expect_download() as taken:
            volume.click()  # 4
        assert any(name.endswith(".pdf") for name in zipfile.ZipFile(taken.value.path()).namelist())


def test_todays_entries_of_a_keyword_are_there_in_three_actions(house: House, screen: Page) -> None:
    opened(house, screen)
    screen.get_by_role("button", name="Today", exact=True).click()  # 1
    box = screen.get_by_label("Keyword", exact=True)
    box.fill("wedding")  # 2
    screen.keyboard.press("Enter")  # 3
    until(lambda: asked(screen).get("keyword") == "wedding", what="the filter")
    today = screen.evaluate("() => new Date().toLocaleDateString('sv')")
    assert (asked(screen)["since"], asked(screen)["until"]) == (today, today)
