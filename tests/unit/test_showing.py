"""How each kind of file is shown: in the message view and on the gallery's tiles."""

from datetime import UTC, datetime, timedelta

import pytest

from dashboard.record import Fact, Part, in_order, parts, record
from dashboard.showing import card_lines
from dashboard.tiles import tiles
from mmsvault.message import MediaItem, MediaState, Message

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
STILL, WEBP = "files/m/t.webp?image/webp", "files/m/p.webp?image/webp"
CARD = "Name: <b>Ada</b>\nPhone (cell): +1 408 555 0123\nNote: a: b\n\nName: Ben"


def item(content_type: str, position: int = 0, **changes: object) -> MediaItem:
    given = {
        "position": position,
        "url": f"http://m.example/{position}",
        "state": MediaState.STORED,
        "content_type": content_type,
        "key": f"m/{position:02d}.x",
        **changes,
    }
    return MediaItem.model_validate(given)


def message(*items: MediaItem) -> Message:
    return Message(
        id="sinch-1",
        provider="sinch",
        tracking_id="1",
        sender="14085550123",
        to=("28444",),
        received_at=NOON,
        deadline_at=NOON + timedelta(days=30),
        recorded_at=NOON,
        prefix="m/",
        media=items,
    )


def sign(key: str, content_type: str, *, download: bool = False) -> str:
    return f"files/{key}?{content_type}{'&download=1' if download else ''}"


def part(one: MediaItem) -> Part:
    return parts(message(one), sign=sign, now=NOON)[0]


def by_label(facts: list[Fact]) -> dict[str, str]:
    return {fact.label: fact.value for fact in facts}


@pytest.mark.parametrize(
    ("one", "show", "source"),
    [
        (item("image/avif"), "image", "files/m/00.x?image/avif"),
        (
            item("image/heic", preview_key="m/p.webp"),
            "image",
            WEBP,
        ),
        (item("image/heic", thumbnail_key="m/t.webp"), "still", STILL),
        (item("video/3gpp", codecs=("h264", "aac")), "video", "files/m/00.x?video/3gpp"),
        (
            item("video/3gpp", codecs=("h263",), thumbnail_key="m/t.webp"),
            "still",
            STILL,
        ),
        (item("video/mp4", codecs=("hevc",), preview_key="m/p.mp4"), "video", "files/m/p.mp4?video/mp4"),
        (item("audio/amr", codecs=("amr_nb",), preview_key="m/p.m4a"), "audio", "files/m/p.m4a?audio/mp4"),
        (
            item("application/pdf", thumbnail_key="m/t.webp", text="words"),
            "still",
            STILL,
        ),
        (item("application/pdf", thumbnail_key="m/t.webp", preview_key="m/p.webp"), "pages", WEBP),
        (item("text/html", text="<script>"), "text", ""),
        (item("text/vcard", text=CARD), "card", ""),
        (item("text/vcard", text="BEGIN:VCARD\nbroken: yes"), "text", ""),
        (item("image/svg+xml"), "", ""),
        (item("audio/midi"), "", ""),
        (item("application/zip"), "", ""),
    ],
)
def test_each_kind_is_shown_by_what_a_browser_can_do_with_it(one: MediaItem, show: str, source: str) -> None:
    shown = part(one)
    assert (shown["show"], shown["src"]) == (show, source)
    assert shown["download"].endswith("download=1")


def test_a_card_is_lines_of_text_whatever_it_says() -> None:
    assert card_lines(CARD) == [
        [("Name", "<b>Ada</b>"), ("Phone (cell)", "+1 408 555 0123"), ("Note", "a: b")],
        [("Name", "Ben")],
    ]


def test_a_preview_that_is_being_made_and_one_that_failed_are_told() -> None:
    due = part(item("video/3gpp", codecs=("h263",), thumbnail_key="t", preview_due_at=NOON))
    assert due["note"].endswith("A preview that they do show is being made.")
    failed = part(
        item("video/3gpp", codecs=("h263",), thumbnail_key="t", reason="preview not made: it took long")
    )
    assert failed["note"] == "preview not made: it took long"


def test_a_pdf_says_that_its_pages_are_being_made_and_when_there_are_more() -> None:
    due = part(item("application/pdf", thumbnail_key="t", preview_due_at=NOON))
    assert due["note"].startswith("This is its first page, small.")
    cut = part(
        item("application/pdf", preview_key="p.webp", reason="the preview shows the first 10 pages of 12")
    )
    assert cut["note"] == "the preview shows the first 10 pages of 12"


def test_what_was_found_out_is_told_in_words() -> None:
    facts = by_label(
        part(
            item(
                "image/gif",
                frame_count=12,
                captured="2026-11-03T09:30:00-08:00",
                has_location=True,
                declared_type="image/jpeg; name=x",
            )
        )["facts"]
    )
    assert facts["Moves"] == "12 frames"
    assert facts["Taken"] == "November 3, 2026, 9:30:00\u202fAM UTC-08:00"
    assert facts["Location"] == "the file says where it was taken"
    assert facts["Declared as"] == "image/jpeg; name=x"
    zoneless = by_label(part(item("image/jpeg", captured="2026-11-03T09:30:00"))["facts"])
    assert zoneless["Taken"] == "November 3, 2026, 9:30:00\u202fAM by the phone's clock"
    assert "Taken" not in by_label(part(item("image/jpeg", captured="yesterday"))["facts"])


def test_the_senders_order_counts_and_what_it_does_not_name_comes_last() -> None:
    slides = item("application/smil", 0, text="cid:Two%20a.JPG\ntext.txt\nmissing.gif")
    files = (
        item("image/gif", 1, url="http://m.example/c/other.gif"),
        item("text/plain", 2, url="http://m.example/c/text.txt?x=1"),
        item("image/jpeg", 3, url="http://m.example/c/two%20a.jpg"),
    )
    assert [one.position for one in in_order((slides, *files))] == [3, 2, 1, 0]
    assert [one.position for one in in_order(files)] == [1, 2, 3]


def test_when_a_file_was_taken_is_a_time_for_browsers_where_it_says_its_zone() -> None:
    def at(captured: str) -> str:
        facts = part(item("image/jpeg", captured=captured))["facts"]
        return next(fact.at for fact in facts if fact.label == "Taken")

    assert at("2026-11-03T09:30:00-08:00") == "2026-11-03T09:30:00-08:00"
    assert not at("2026-11-03T09:30:00")


def test_a_sender_who_has_a_name_is_called_by_it_on_tiles_and_in_the_facts() -> None:
    one = message(item("image/jpeg"))
    (named,), (nameless,) = tiles((one,), sign=sign, names={"14085550123": "Ada"}), tiles((one,), sign=sign)
    assert (named["name"], named["sender"]) == ("Ada", "+1 408-555-0123")
    assert (nameless["name"], nameless["sender"]) == ("", "+1 408-555-0123")
    told = record(one, sign=sign, now=NOON, names={"14085550123": "Ada"})
    assert told["title"] == "Message from Ada (+1 408-555-0123)"
    assert by_label(told["heading"])["From"] == "Ada, +1 408-555-0123 (14085550123)"


def test_a_file_at_an_address_that_is_none_has_its_place() -> None:
    slides = item("application/smil", 0, url="http://[0.smil", text="2.jpg\n1.jpg")
    files = [item("image/jpeg", number, url=f"http://[/{number}.jpg") for number in (1, 2, 3)]
    assert [one.position for one in in_order((slides, *files))] == [2, 1, 3, 0]


def test_the_order_of_the_parts_has_no_tile_of_its_own() -> None:
    made = tiles((message(item("application/smil"), item("image/jpeg", 1)),), sign=sign)
    assert [tile["kind"] for tile in made] == ["image"]


def test_tiles_tell_that_a_picture_moves_and_show_waves_and_cards_in_their_shape() -> None:
    moving, sound, card = tiles(
        (
            message(
                item("image/gif", 0, frame_count=12),
                item("audio/amr", 1, thumbnail_key="t", duration_ms=2000),
                item("text/vcard", 2, text=CARD),
            ),
        ),
        sign=sign,
    )
    assert (moving["moves"], sound["moves"]) == ("GIF", "")
    assert (sound["ratio"], sound["length"]) == (1.6, "0:02")
    assert card["text"] == "<b>Ada</b>\n+1 408 555 0123"
