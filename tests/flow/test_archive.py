"""From a postback to the gallery, with every part a process of its own."""

import hashlib
import io
import os
import signal
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import httpx
import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from mmsvault.sample import faults, media
from mmsvault.sample.media import SampleFile
from mmsvault.sample.notices import Notice, lower_case_xml
from mmsvault.sample.provider import SampleProvider
from tests.accounts import account
from tests.flow.conftest import RememberingProvider
from tests.house import House
from tests.servers import until

# The time of the provider's published example.
EXAMPLE_AT = datetime(2014, 2, 3, 11, 19, 49, tzinfo=timezone(timedelta(hours=-5)))


def notice(name: str, *urls: str, **more: Any) -> Notice:
    given = {"tracking_id": name, "sender": "14085550123", "to": "28444", "timestamp": datetime.now(UTC)}
    return Notice(urls=urls, **{**given, **more})


def archived(house: House, message_id: str, *, seconds: float = 60) -> dict[str, Any]:
    """Return what `show` says of the message once it is archived."""
    house.archived(message_id, seconds=seconds)
    message: dict[str, Any] = house.json("show", message_id)
    return message


def test_the_published_example_is_archived_byte_for_byte_and_found(
    house: House, provider: SampleProvider, page: Page
) -> None:
    files = (media.photograph(0), media.photograph(1, orientation=6), media.text("Grüße 🐟 from the pier"))
    example = Notice(
        tracking_id="MMS_MO_iLnCRrL6",
        sender="14082257140",
        to="28444",
        keyword="all",
        operator_id="31002",
        timestamp=EXAMPLE_AT,
        urls=tuple(provider.offer(file) for file in files),
    )
    assert provider.send(house.postbacks, example) == 200
    message = archived(house, "sinch-MMS_MO_iLnCRrL6")
    assert message["received_at"] == "2014-02-03T16:19:49Z"
    assert message["deadline_at"] == "2014-03-05T16:19:49Z"
    assert [item["content_type"] for item in message["media"]] == ["image/jpeg", "image/jpeg", "text/plain"]
    with house.vault() as vault:
        for item, file in zip(message["media"], files, strict=True):
            assert vault.bucket.read(item["key"]) == file.data
            assert item["sha256"] == hashlib.sha256(file.data).hexdigest()
        prefix = "messages/2014/02/03/sinch-MMS_MO_iLnCRrL6/"
        assert vault.bucket.read(f"{prefix}postback.xml") == lower_case_xml(example)
        assert b'"tracking_id": "MMS_MO_iLnCRrL6"' in vault.bucket.read(f"{prefix}message.json")
        thumbnail = vault.bucket.read(message["media"][1]["thumbnail_key"])
        with Image.open(io.BytesIO(thumbnail)) as small:
            assert small.size == (320, 240), "its pixels were lying on their side"
    for query in ("from:14082257140", "keyword:all", "pier"):
        found = house.json("search", query)
        assert found == {"total": 1, "messages": [message], "next": None}, query
    shown_in_the_gallery(house, page, message)


def shown_in_the_gallery(house: House, page: Page, message: dict[str, Any]) -> None:
    house.enter(page)
    page.goto(f"{house.dashboard}/?sender=14082257140")
    tiles = page.locator(f"a.tile[data-message='{message['id']}']")
    expect(tiles).to_have_count(2)
    until(
        lambda: tiles.locator("img").evaluate_all("all => all.every(one => one.naturalWidth > 0)"),
        what="the thumbnails being loaded",
    )
    tiles.first.click()
    lightbox = page.get_by_role("dialog")
    lightbox.get_by_role("button", name="Facts (i)").click()
    expect(lightbox.get_by_text("MMS_MO_iLnCRrL6", exact=True)).to_be_visible()
    expect(lightbox.get_by_text("Grüße 🐟 from the pier")).to_be_visible()
    original = lightbox.locator("img.whole")
    until(lambda: original.evaluate("one => one.naturalWidth") == 1280, what="the original being loaded")


def test_the_same_postback_five_times_is_one_message_and_four_duplicates(
    house: House, provider: SampleProvider
) -> None:
    before = house.receipts()
    repeated = notice("five-times", provider.offer(media.drawing(0)))
    for _ in range(5):
        assert provider.send(house.postbacks, repeated) == 200
    archived(house, "sinch-five-times")

    def counted() -> bool:
        after = house.receipts()
        new = {name: after[name] - before[name] for name in after}
        return new == {"total": 5, "duplicates": 4, "other": 0, "quarantined": 0}

    until(counted, what="one message and four duplicates")
    assert house.json("search", "", "--limit", "100")["messages"]
    assert sum(one["id"] == "sinch-five-times" for one in house.json("search", "")["messages"]) == 1


def test_a_page_in_place_of_a_picture_is_shown_as_what_was_answered_and_the_picture_comes_later(
    house: House, provider: SampleProvider, page: Page
) -> None:
    said = "Come back <b>later</b>"
    answer = SampleFile("", "text/html", f"<!DOCTYPE html><html><body>{said}</body></html>".encode())
    url = provider.offer(media.drawing(7), answers=(faults.in_place_of_it(answer),) * 100)
    assert provider.send(house.postbacks, notice("not-ready", url)) == 200
    shown = until(lambda: _tried(house, "sinch-not-ready"), what="the first attempt")
    assert shown["media"][0]["reason"] == "The provider answered with a web page in place of the file."
    house.enter(page)
    page.goto(f"{house.dashboard}/message?id=sinch-not-ready")
    page.get_by_text("What the provider answered for file 1").click()
    expect(page.get_by_text(said)).to_be_visible()
    provider.offered(url).answers.clear()
    house.json("requeue", "sinch-not-ready")
    stored = archived(house, "sinch-not-ready")
    assert stored["media"][0]["sha256"] == hashlib.sha256(media.drawing(7).data).hexdigest()


def _tried(house: House, message_id: str) -> dict[str, Any] | None:
    """Return what `show` says of a message once it was tried."""
    found = house.json("search", "", "--limit", "100")
    return next((one for one in found["messages"] if one["id"] == message_id and one["attempts"]), None)


def test_every_dialect_and_an_unknown_kind_of_file_are_archived(
    house: House, provider: SampleProvider
) -> None:
    odd = SampleFile("model.xyz", "image/jpeg", bytes(range(256)) * 4)
    for number, dialect in enumerate(("lower-case XML", "upper-case XML", "JSON")):
        sent = notice(f"dialect-{number}", provider.offer(odd), copy_to=("14085550199",))
        assert provider.send(house.postbacks, sent, dialect=dialect) == 200
        message = archived(house, f"sinch-dialect-{number}")
        assert message["media"][0]["content_type"] == "application/octet-stream"
        assert message["to"] == (["28444", "14085550199"] if dialect == "JSON" else ["28444"])


def test_a_worker_killed_in_the_middle_of_a_download_loses_nothing(
    house: House, provider: SampleProvider
) -> None:
    url = provider.offer(media.photograph(3), held=True)
    assert provider.send(house.postbacks, notice("killed", url)) == 200
    offer = provider.offered(url)
    until(offer.half_sent.is_set, what="the file being half sent")
    assert offer.held
    for process in house.processes("-m worker archive"):
        os.kill(process, signal.SIGKILL)
    offer.held.set()
    message = archived(house, "sinch-killed", seconds=60)
    assert message["media"][0]["sha256"] == hashlib.sha256(offer.file.data).hexdigest()


def test_a_file_that_is_not_served_yet_is_fetched_later(house: House, provider: SampleProvider) -> None:
    url = provider.offer(media.drawing(1), failures=(404, 503))
    assert provider.send(house.postbacks, notice("late", url)) == 200
    assert archived(house, "sinch-late", seconds=90)["attempts"] == 3


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "The body is empty."),
        (b'<!DOCTYPE x [<!ENTITY e "x">]><postback><code>N401</code></postback>', "document type"),
        (b'[{"code": "N401"}]', "no tracking id"),
        (b"<postback><code>N401</code><from>1</from></postback>", "no tracking id"),
        (b"\x00\xff", "neither XML nor JSON"),
    ],
)
def test_what_is_not_understood_is_kept_with_its_reason(house: House, body: bytes, reason: str) -> None:
    before = house.receipts()["quarantined"]
    assert httpx.post(house.postbacks, content=body).status_code == 200
    until(lambda: house.receipts()["quarantined"] == before + 1, what="quarantine")
    folder = f"quarantine/{datetime.now(UTC):%Y/%m/%d}/{hashlib.sha256(body).hexdigest()}/"
    with house.vault() as vault:
        assert vault.bucket.read(f"{folder}body") == body
        assert reason in vault.bucket.read(f"{folder}reason.json").decode()


def test_what_may_not_come_in_has_its_answer_and_the_service_goes_on(house: House) -> None:
    assert httpx.post(f"{house.receiver}/postbacks/sinch/wrong", content=b"x").status_code == 401
    assert httpx.post(house.postbacks, content=b" " * (2 << 20)).status_code == 413
    assert httpx.post(house.postbacks.replace("sinch", "nobody"), content=b"x").status_code == 404
    other = notice("other", code="N101", origin="MMS_MT")
    before = house.receipts()["other"]
    assert httpx.post(house.postbacks, content=lower_case_xml(other)).status_code == 200
    until(lambda: house.receipts()["other"] == before + 1, what="a notice being counted")
    assert house.is_ready()


def test_what_came_in_so_far_is_archived_once_and_byte_for_byte_and_there_is_nothing_else(
    house: House, provider: RememberingProvider
) -> None:
    """Everything that the tests above have sent to this vault."""
    sent = list(provider.sent.get(house.postbacks, {}).values())
    with house.vault() as vault:
        (row,) = account(vault, {"the tests above": sent})
    assert row.problems == (), "\n".join(row.problems)
    assert row.is_right() or not sent
