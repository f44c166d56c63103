"""The pages beside the gallery in a real browser, on a whole vault that a sample provider has filled."""

from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path
from urllib.parse import urljoin

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from mmsvault import naming, rehearsal
from mmsvault.catalog import names, quarantine, searches, trail
from mmsvault.catalog.people import Role
from mmsvault.exporting import register, working
from mmsvault.exporting.verifying import verify
from mmsvault.message import utc_now
from mmsvault.sample import media
from mmsvault.sample.notices import lower_case_xml
from mmsvault.sample.provider import SampleProvider
from tests.accessibility import serious_violations
from tests.flow.test_archive import notice
from tests.house import House
from tests.servers import until

PHONE = {"width": 390, "height": 844}
ANNA, BEN = "14085550111", "14085550122"
BROWSERS_OWN = """at => new Intl.DateTimeFormat(undefined, {dateStyle: "medium", timeStyle: "short"})
    .format(new Date(at))"""
NOT_UNDERSTOOD = b"<html><b>bold</b><script>alert(1)</script></html>"


@pytest.fixture(scope="module")
def provider() -> Iterator[SampleProvider]:
    with SampleProvider() as running:
        yield running


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory, provider: SampleProvider) -> Iterator[House]:
    made = House(tmp_path_factory.mktemp("pages"))
    with made.up():
        for number, sender in enumerate((ANNA, ANNA, BEN)):
            url = provider.offer(media.drawing(number))
            sent = notice(f"page-{number}", url, sender=sender, keyword="storm" if number else "pier")
            assert provider.send(made.postbacks, sent) == 200
        nowhere = notice("late", "http://127.0.0.1:9/late.jpg", timestamp=utc_now() - timedelta(days=29.5))
        assert provider.send(made.postbacks, nowhere) == 200
        assert httpx.post(made.postbacks, content=NOT_UNDERSTOOD, trust_env=False).status_code == 200
        for number in range(3):
            made.archived(f"sinch-page-{number}")
        until(lambda: made.receipts()["quarantined"], what="the postback being in quarantine")
        yield made


@pytest.fixture
def inside(house: House, page: Page) -> Iterator[Page]:
    """A page of somebody who may everything; no error is said and nothing is asked elsewhere."""
    wrong: list[str] = []
    page.on("console", lambda said: wrong.append(said.text) if said.type == "error" else None)
    page.on(
        "request",
        lambda one: (
            None if one.url.startswith((house.dashboard, "data:", "blob:")) else wrong.append(one.url)
        ),
    )
    house.enter(page)
    yield page
    assert not wrong


def fits(page: Page) -> bool:
    """Return whether nothing of the page is wider than the window."""
    return bool(page.evaluate("() => document.documentElement.scrollWidth <= window.innerWidth"))


def test_a_sender_is_named_found_and_opened(house: House, inside: Page) -> None:
    inside.goto(f"{house.dashboard}/senders?order=Most+messages")
    first = inside.get_by_role("list", name="Senders").get_by_role("listitem").first
    expect(first).to_contain_text("+1 408-555-0111")
    expect(first.get_by_role("img", name="2 messages in the last 30 days")).to_be_visible()
    expect(first.locator("img")).to_have_count(2)
    first.get_by_role("button", name="Name +1 408-555-0111").press("Enter")
    inside.get_by_role("dialog").get_by_label("Name").fill("Anna <b>Lind</b>")
    inside.get_by_role("button", name="Save").click()
    expect(first.get_by_role("link", name="Anna <b>Lind</b>")).to_be_visible()
    with house.vault() as vault:
        assert names.of(vault.catalog, [ANNA]) == {ANNA: "Anna <b>Lind</b>"}
        assert trail.latest(vault.catalog, action="named a sender")[0].subject == "…11"
    inside.get_by_label("Find").fill("lind")
    inside.get_by_label("Find").press("Enter")
    expect(inside.get_by_role("listitem")).to_have_count(1)
    first.get_by_role("link").press("Enter")
    expect(inside.locator("a.tile")).to_have_count(2)
    assert f"sender={ANNA}" in inside.url


def test_the_lists_come_as_csv_for_exporters_only(house: House, inside: Page) -> None:
    inside.goto(f"{house.dashboard}/keywords")
    with inside.expect_download() as taken:
        inside.get_by_role("link", name="Download as CSV").click()
    said = taken.value.path().read_text(encoding="utf-8-sig").splitlines()
    counted = {tuple(line.split(",")[:3]) for line in said[1:]}
    assert counted == {('"storm"', '"storm"', '"2"'), ('"pier"', '"pier"', '"1"'), ('""', '""', '"1"')}


def test_files_at_risk_are_said_on_every_page_and_lead_to_operations(house: House, inside: Page) -> None:
    inside.goto(f"{house.dashboard}/senders")
    alert = inside.get_by_role("alert").filter(has_text="1 file is still missing")
    expect(alert).to_be_visible()
    alert.get_by_role("link", name="See which").click()
    row = inside.locator(".st-key-waiting-sinch-late")
    expect(row).to_contain_text("deadline in 11 hours")
    expect(row).to_contain_text("could not be reached")
    row.get_by_role("button", name="Try now").click()
    expect(inside.get_by_text("1 file could not be fetched: ")).to_be_visible()
    expect(inside.get_by_text("Queue archive").locator("..")).to_contain_text("2 workers")
    expect(inside.get_by_text("keeps postbacks in the queue")).to_be_visible()


def test_a_postback_in_quarantine_is_said_on_every_page_and_its_body_is_text(
    house: House, inside: Page
) -> None:
    inside.goto(f"{house.dashboard}/senders")
    alert = inside.get_by_role("alert").filter(has_text="not understood: see Quarantine.")
    expect(alert).to_contain_text("The XML's root is <html>, not <postback>.")
    alert.get_by_role("link", name="Correct and replay").click()
    expect(inside.get_by_role("heading", level=1, name="Quarantine")).to_be_visible()
    entry = inside.locator("[class*='st-key-quarantined']").filter(has_text="root is <html>")
    entry.get_by_text("Raw body and correction").click()
    expect(entry.get_by_text(NOT_UNDERSTOOD.decode()).first).to_be_visible()
    entry.get_by_role("button", name="Replay", exact=True).click()
    expect(inside.get_by_text("Not understood. The reason is below.")).to_be_visible()


def test_a_body_is_corrected_checked_and_replayed_until_it_is_a_message(
    house: House, provider: SampleProvider, inside: Page
) -> None:
    right = lower_case_xml(notice("mended", provider.offer(media.drawing(9)), subject="Over <b>the</b> pier"))
    raw = right.replace(b"tracking-id>", b"tracking-if>")
    assert httpx.post(house.postbacks, content=raw, trust_env=False).status_code == 200
    with house.vault() as vault:
        newest = partial(quarantine.newest, vault.catalog, limit=9)
        until(lambda: any("tracking id" in one.reason for one in newest()), what="quarantine")
    inside.goto(f"{house.dashboard}/quarantine")
    entry = inside.locator("[class*='st-key-quarantined']").filter(has_text="no tracking id")
    entry.get_by_text("Raw body and correction").click()
    body = entry.get_by_role("textbox", name="Corrected body")
    expect(body).to_have_value(raw.decode())
    entry.get_by_role("button", name="Check").click()
    expect(entry.get_by_text("The corrected body is the same as the raw one.")).to_be_visible()
    body.fill(right.decode())
    entry.get_by_role("button", name="Check").click()
    expect(entry.get_by_text("Understood as a message.")).to_be_visible()
    expect(entry.get_by_text("Subject: Over <b>the</b> pier")).to_be_visible()
    expect(body).to_have_value(right.decode())
    entry.get_by_role("button", name="Replay corrected body").click()
    expect(inside.get_by_text("Understood: it is a message now.")).to_be_visible()
    expect(entry).to_have_count(0)
    message = house.archived("sinch-mended")
    inside.get_by_role("link", name="Open message").click()
    expect(inside.get_by_role("heading", level=1)).to_have_text("Over <b>the</b> pier")
    inside.get_by_text("Corrected postback postback-2-corrected.xml").click()
    expect(inside.get_by_text("written by tests, ")).to_be_visible()
    assert [one.corrected_by for one in message.postbacks] == ["", "tests"]
    with house.vault() as vault:
        assert trail.latest(vault.catalog, action="corrected a postback")[0].who == "tests"


def test_a_search_is_saved_opened_and_exported(house: House, inside: Page) -> None:
    inside.goto(f"{house.dashboard}/searches?query=keyword:storm")
    inside.get_by_label("Name").fill("Pictures of the storm")
    inside.get_by_label("Name").press("Enter")
    inside.get_by_role("button", name="Save").click()
    inside.get_by_role("link", name="Open Pictures of the storm").click()
    expect(inside.locator("a.tile")).to_have_count(2)
    inside.goto(f"{house.dashboard}/exports")
    inside.get_by_label("Start from a saved search").click()
    inside.get_by_role("option", name="Pictures of the storm").click()
    inside.get_by_role("button", name="Export 2 messages").click()
    expect(inside.get_by_text(": Done")).to_be_visible()
    inside.get_by_role("button", name="Delete").click()
    expect(inside.get_by_text("The archive is deleted (1 volume")).to_be_visible()
    inside.get_by_role("button", name="Delete for good").click()
    expect(inside.get_by_text(": Done")).to_have_count(0)


def test_a_message_says_who_sent_it_and_leads_to_all_of_theirs(house: House, inside: Page) -> None:
    with house.vault() as vault:
        naming.name(vault, BEN, "Ben <i>Okafor</i>")
    inside.goto(f"{house.dashboard}/message?id=sinch-page-2")
    expect(inside.get_by_role("heading", level=1)).to_have_text(
        "Message from Ben <i>Okafor</i> (+1 408-555-0122)"
    )
    inside.get_by_role("link", name="Ben <i>Okafor</i>, +1 408-555-0122 (14085550122)").press("Enter")
    expect(inside.locator("a.tile")).to_have_count(1)
    assert f"sender={BEN}" in inside.url


def test_what_is_missing_is_tried_from_the_messages_own_page(house: House, inside: Page) -> None:
    inside.goto(f"{house.dashboard}/message?id=sinch-late")
    expect(inside.get_by_text("This file is not downloaded yet.")).to_be_visible()
    inside.get_by_role("button", name="Try 1 missing file now").click()
    expect(inside.get_by_text("1 file could not be fetched: ")).to_be_visible()


def test_an_export_with_a_password_is_opened_by_that_password_only(
    house: House, inside: Page, tmp_path: Path
) -> None:
    inside.goto(f"{house.dashboard}/exports?query=keyword:storm")
    inside.get_by_label("Password", exact=True).fill("higher than the pier")
    inside.get_by_label("Password", exact=True).press("Enter")
    expect(inside.get_by_text("7-Zip")).to_be_visible()
    inside.get_by_role("button", name="Export 2 messages").click()
    expect(inside.get_by_label("Password", exact=True)).to_have_value("")
    expect(inside.get_by_text(", with a password")).to_be_visible()
    with house.vault() as vault:
        asked = register.latest(vault.catalog)[0]
        made = inside.locator(f".st-key-export-{asked.id}")
        link = made.get_by_role("link", name="-01.zip").get_attribute("href")
        address = urljoin(f"{house.dashboard}/exports", link)
        taken = httpx.get(address, cookies=house.visitor(), trust_env=False)
        working.delete(vault, asked.id)
    path = tmp_path / "out.zip"
    path.write_bytes(taken.content)
    assert verify(path, password="higher than the pier").ok
    assert not verify(path, password="lower than the pier").ok
    assert "has a password" in verify(path).problems[0].problem


def test_times_and_numbers_are_written_as_the_browser_does(house: House, browser: Browser) -> None:
    with house.vault() as vault:
        saved = searches.save(vault.catalog, "for the zone", "keyword:storm", saved_by="demo")
    context = browser.new_context(timezone_id="Asia/Kolkata", locale="de-DE")
    page = context.new_page()
    house.enter(page)
    page.goto(f"{house.dashboard}/searches")
    written = page.evaluate(BROWSERS_OWN, saved.saved_at.isoformat())
    expect(page.locator(".st-key-search-for-the-zone")).to_contain_text(f"saved {written} by demo")
    context.close()


def test_a_test_postback_goes_the_whole_way_and_is_removed(house: House, inside: Page) -> None:
    inside.goto(f"{house.dashboard}/settings")
    inside.get_by_role("button", name="Send a test postback").click()
    expect(inside.get_by_text("Everything works, from the receiver to the archive")).to_be_visible()
    for step in ("Receiver: answered 200", "Worker: took it", "Archive: the raw postback, byte for byte"):
        expect(inside.get_by_text(f"✓ {step}")).to_be_visible()
    inside.get_by_role("button", name="Remove 1 test message").click()
    expect(inside.get_by_role("button", name="Remove 1 test message")).to_have_count(0)
    with house.vault() as vault:
        assert rehearsal.tests(vault) == 0


def test_the_address_for_postbacks_is_hidden_shown_and_copied(house: House, inside: Page) -> None:
    inside.context.grant_permissions(["clipboard-read", "clipboard-write"])
    inside.goto(f"{house.dashboard}/settings")
    field = inside.get_by_role("textbox", name="Address for postbacks")
    expect(field).to_have_text(f"{house.receiver}/postbacks/sinch/••••••••")
    inside.get_by_role("button", name="Copy", exact=True).press("Enter")
    expect(inside.get_by_text("Copied")).to_be_visible()
    assert inside.evaluate("() => navigator.clipboard.readText()") == house.postbacks
    inside.get_by_role("button", name="Show", exact=True).click()
    expect(field).to_have_text(house.postbacks)


@pytest.mark.parametrize("size", ["desktop", "phone in the dark"])
@pytest.mark.parametrize(
    "address",
    [
        "message?id=sinch-page-1",
        "message?id=sinch-late",
        "senders",
        "keywords",
        "operations",
        "quarantine",
        "settings",
        "searches",
        "exports",
        "audit",
    ],
)
def test_every_page_fits_its_window_and_axe_finds_nothing_serious(
    house: House, inside: Page, address: str, size: str
) -> None:
    if size == "phone in the dark":
        inside.set_viewport_size(PHONE)
        inside.emulate_media(color_scheme="dark", reduced_motion="reduce")
    inside.goto(f"{house.dashboard}/{address}")
    expect(inside.get_by_role("heading", level=1)).to_be_visible()
    expect(inside.locator(".mms-account")).to_be_visible()  # with it come the styles of all pages
    expect(inside.locator("[data-test-script-state=notRunning]")).to_be_visible()
    assert fits(inside)
    assert serious_violations(inside) == []


@pytest.mark.parametrize("address", ["audit", "settings", "exports", "operations", "quarantine"])
def test_a_page_that_needs_another_role_says_which_one(house: House, page: Page, address: str) -> None:
    house.enter(page, "viewer", role=Role.VIEWER)
    page.goto(f"{house.dashboard}/{address}")
    expect(page.get_by_text("needs the role")).to_be_visible()
    expect(page.get_by_text("Page not found")).to_have_count(0)
    expect(page.get_by_role("link", name=address.capitalize(), exact=True)).to_have_count(0)
    assert serious_violations(page) == []
    page.get_by_role("link", name="Back to the gallery").click()
    expect(page.get_by_role("link", name="Picture from").first).to_be_visible()


@pytest.mark.parametrize("size", ["desktop", "laptop", "phone in the dark"])
def test_the_audit_log_shows_every_column_and_is_asked_by_number(
    house: House, inside: Page, size: str
) -> None:
    if size == "laptop":
        inside.set_viewport_size({"width": 1280, "height": 720})
    if size == "phone in the dark":
        inside.set_viewport_size(PHONE)
        inside.emulate_media(color_scheme="dark", reduced_motion="reduce")
    with house.vault() as vault:
        trail.append(vault.catalog, "looked at", who="anna", subject="of Ben", numbers=(BEN,))
    inside.goto(f"{house.dashboard}/audit?number=%28408%29+555-0122")
    row = inside.get_by_role("row").filter(has_text="of Ben").first
    for cell in ("anna", "looked at", "of Ben"):
        box = row.get_by_text(cell, exact=True).bounding_box()
        assert box
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= inside.viewport_size["width"]  # type: ignore[index]
    assert fits(inside)
    assert serious_violations(inside) == []
    inside.get_by_role("button", name="Check the audit log").click()
    expect(inside.get_by_text("checked, none changed or missing")).to_be_visible()
    inside.goto(f"{house.dashboard}/audit?number=%28408%29+555-0199")
    expect(inside.get_by_text("No entry of the audit log matches.")).to_be_visible()


@pytest.mark.parametrize("size", ["desktop", "phone"])
def test_a_message_tells_an_admin_who_saw_it(house: House, inside: Page, size: str) -> None:
    if size == "phone":
        inside.set_viewport_size(PHONE)
    with house.vault() as vault:
        trail.append(vault.catalog, "held", who="carl", subject="keyword:storm", messages=("sinch-page-1",))
    inside.goto(f"{house.dashboard}/message?id=sinch-page-1")
    inside.get_by_text("Who saw this").click()
    row = inside.get_by_role("row").filter(has_text="carl").first
    expect(row).to_contain_text("held")
    expect(inside.get_by_role("row").filter(has_text="looked at").first).to_be_visible()
    expect(inside.locator("[data-test-script-state=notRunning]")).to_be_visible()
    assert fits(inside)
    assert serious_violations(inside) == []


def test_the_order_of_contact_sheets_is_offered_where_they_are_asked_for(house: House, inside: Page) -> None:
    inside.goto(f"{house.dashboard}/exports?query=keyword:pier")
    expect(inside.get_by_role("combobox", name="Contact sheets")).to_have_count(0)
    inside.get_by_role("combobox", name="Also as").click()
    inside.get_by_role("option", name="Contact sheets (PDF)").click()
    inside.keyboard.press("Escape")
    inside.get_by_role("combobox", name="Contact sheets").click()
    inside.get_by_role("option", name="Newest first").click()
    expect(inside.locator("[data-test-script-state=notRunning]")).to_be_visible()
    inside.get_by_role("button", name="Export 1 message").click()
    with house.vault() as vault:
        (asked,) = until(lambda: register.latest(vault.catalog, limit=1), what="the export asked for")
        choice = asked.choice
    assert (choice.formats, choice.sheet_order) == (("pdf",), "newest")
    assert choice.zone


def test_an_address_of_no_page_says_so_and_leads_to_the_gallery(house: House, page: Page) -> None:
    house.enter(page)
    answer = page.goto(f"{house.dashboard}/nonsense?q=storm")
    assert answer
    assert answer.status == 404
    expect(page.get_by_role("heading", name="Page not found")).to_be_visible()
    assert not serious_violations(page)
    page.get_by_role("link", name="go to the gallery").click()
    expect(page.locator("a.tile").first).to_be_visible()
