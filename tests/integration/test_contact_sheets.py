"""Contact sheets as PDF: read back by PDFium, page by page, as text and as pictures."""

import io
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pypdfium2
import pytest
from PIL import Image

from mmsvault.errors import RejectedInputError
from mmsvault.exporting import fonts, planning, sheets
from mmsvault.exporting.sheets import Sheets
from mmsvault.message import MediaItem, MediaState, Message
from tests.integration.archive import Archive, picture, words
from tests.integration.exports import described, made

MADE_AT = datetime(2026, 11, 24, 9, tzinfo=UTC)
RED = (200, 60, 60)
SCRIPTS = {
    "Arabic": "السلام عليكم",
    "Hebrew": "שלום עולם",
    "Japanese": "日本語のテキスト",
    "Chinese": "中文简体和繁體",
    "Korean": "한국어 문장",
    "emoji": "🐟🌊👍",
    "Greek": "Καλημέρα",
    "Devanagari": "नमस्ते",
}


def thumbnail(_key: str) -> bytes:
    drawn = io.BytesIO()
    Image.new("RGB", (320, 240), RED).save(drawn, "WEBP")
    return drawn.getvalue()


def message(number: int = 0, *files: dict[str, Any], **more: Any) -> Message:
    """Return a message that came `number` minutes after noon, with files of which these things are said."""
    media = tuple(
        MediaItem(
            position=place,
            url="http://provider.test/x",
            state=MediaState.STORED,
            size=1234,
            sha256=f"{place:02d}" * 32,
            **told,
        )
        for place, told in enumerate(files)
    )
    return described(f"m{number}", minutes=number, **more).model_copy(update={"media": media})


def sheet_of(*messages: Message, **how: str) -> list[tuple[str, pypdfium2.PdfDocument]]:
    """Return the names and the contents of the sheets of these messages, given as an export does."""
    with Sheets(**how) as gathered:
        for one in sorted(messages, key=lambda one: one.received_at, reverse=True):
            gathered.note(one)
        made_sheets = list(gathered.sheets(thumbnail, made_at=MADE_AT))
    return [(name, pypdfium2.PdfDocument(data)) for name, data in made_sheets]


def pages_of(*messages: Message, **how: str) -> list[str]:
    """Return the text of each page of the only sheet of these messages."""
    ((_, document),) = sheet_of(*messages, **how)
    return [page.get_textpage().get_text_bounded() for page in document]


def said(*messages: Message, **how: str) -> str:
    return "\n".join(pages_of(*messages, **how))


def rendered(document: pypdfium2.PdfDocument, page: int = 0) -> Image.Image:
    shown: Image.Image = document[page].render(scale=2).to_pil().convert("RGB")
    return shown


def test_the_sheet_of_one_sender_has_the_oldest_message_first() -> None:
    text = said(message(1, subject="early"), message(2, subject="late"))
    assert text.index("early") < text.index("late")
    assert "The oldest message is first" in text


def test_the_sheets_of_several_senders_have_the_newest_message_first() -> None:
    found = sheet_of(
        message(1, subject="early"), message(2, subject="late"), message(3, sender="14085550199")
    )
    assert [name for name, _ in found] == ["from-14085550123-01.pdf", "from-14085550199-01.pdf"]
    text = found[0][1][0].get_textpage().get_text_bounded()
    assert text.index("late") < text.index("early")
    assert "The newest message is first" in text


@pytest.mark.parametrize(("order", "expected"), [("oldest", ["one", "two"]), ("newest", ["two", "one"])])
def test_the_order_can_be_chosen(order: str, expected: list[str]) -> None:
    text = said(message(1, subject="one"), message(2, subject="two"), order=order)
    assert sorted(("one", "two"), key=text.index) == expected


def test_of_messages_of_one_moment_the_first_to_come_is_the_oldest() -> None:
    with Sheets() as gathered:
        for subject in ("late", "early"):  # an export goes from the newest to the oldest
            gathered.note(message(subject=subject))
        ((_, data),) = gathered.sheets(thumbnail, made_at=MADE_AT)
    text = pypdfium2.PdfDocument(data)[0].get_textpage().get_text_bounded()
    assert text.index("early") < text.index("late")


def test_a_long_text_is_there_whole_over_as_many_pages_as_it_needs() -> None:
    lines = [f"line {number} of the letter" for number in range(300)]
    pages = pages_of(message(1, {"content_type": "text/plain", "text": "\n".join(lines)}))
    everything = "\n".join(pages)
    assert len(pages) > 3
    assert all(line in everything for line in lines)


def test_no_text_stops_inside_a_word() -> None:
    subject = " ".join(f"word{number}" for number in range(200))
    assert set(subject.split()) <= set(said(message(1, subject=subject)).split())


def test_subject_and_text_and_card_are_all_there() -> None:
    text = said(
        message(
            1,
            {"content_type": "text/plain", "text": "what the text says"},
            {"content_type": "text/vcard", "text": "Anna Lind\n+1 408 555 0123"},
            subject="what the subject says",
        )
    )
    for part in ("what the subject says", "what the text says", "Anna Lind", "+1 408 555 0123"):
        assert part in text


def test_a_text_that_the_archive_has_only_the_beginning_of_says_so() -> None:
    assert "The file itself has all of them" in said(
        message(1, {"content_type": "text/plain", "text": "word " * 4_000})
    )


def test_times_are_in_utc_and_say_so() -> None:
    assert "2026-11-20 12:01:00 UTC" in said(message(1))


def test_times_are_in_the_zone_that_is_asked_for_and_in_utc() -> None:
    text = said(message(1), zone="Europe/Zurich")
    assert "2026-11-20 13:01:00 CET (2026-11-20 12:01:00 UTC)" in text
    assert "Europe/Zurich" in text


def test_an_unknown_zone_is_refused_with_an_example() -> None:
    with pytest.raises(RejectedInputError, match="Write it like Europe/Zurich"):
        planning.zone_of("Europe/Atlantis")


def test_every_file_has_its_sha256() -> None:
    text = said(message(1, {"content_type": "image/jpeg"}, {"content_type": "audio/amr"}))
    assert "00" * 32 in text
    assert "01" * 32 in text


def test_a_file_that_is_missing_says_why() -> None:
    lost = message(1, {"content_type": "image/jpeg", "reason": "The provider deleted it."})
    gone = lost.media[0].model_copy(update={"state": MediaState.LOST})
    text = said(lost.model_copy(update={"media": (gone,)}))
    assert "lost, image/jpeg" in text
    assert "The provider deleted it." in text


def test_every_page_says_which_of_how_many_it_is() -> None:
    pages = pages_of(*(message(number, subject=f"subject {number}") for number in range(60)))
    assert len(pages) > 2
    for number, text in enumerate(pages, start=1):
        assert f"Page {number} of {len(pages)}" in text


def test_what_stands_for_the_number_of_pages_is_left_alone_in_a_message() -> None:
    assert "{nb}" in said(message(1, subject="{nb}"))


@pytest.mark.parametrize("script", SCRIPTS)
def test_text_of_every_script_is_drawn_and_no_letter_is_missing(script: str) -> None:
    ((_, document),) = sheet_of(message(1, subject=SCRIPTS[script]))
    text = document[0].get_textpage().get_text_bounded()
    assert "No font" not in text
    if script not in ("Arabic", "Devanagari"):  # PDFium gives shaped letters back with gaps
        assert SCRIPTS[script] in text
    ((_, empty),) = sheet_of(message(1, subject=" "))
    assert rendered(document).tobytes() != rendered(empty).tobytes()


def test_arabic_letters_are_joined_as_they_are_written() -> None:
    (joined,) = widths("سلام")
    assert joined < 0.8 * sum(widths(*"سلام"))


def test_a_family_of_emoji_is_one_picture() -> None:
    (family,), (single,) = widths("👨\u200d👩\u200d👧"), widths("👨")
    assert family < 1.5 * single


def widths(*texts: str) -> Iterator[float]:
    """Return how many pixels of the page's width the ink of each text takes."""
    found = []
    for text in texts:
        ((_, document),) = sheet_of(message(1, {"content_type": "text/plain", "text": text}))
        ((_, without),) = sheet_of(message(1, {"content_type": "text/plain", "text": "\n"}))
        shown, empty = rendered(document), rendered(without)
        lines = [
            y
            for y in range(shown.height)
            if shown.crop((0, y, shown.width, y + 1)).tobytes()
            != empty.crop((0, y, empty.width, y + 1)).tobytes()
        ]
        ink = shown.crop((0, lines[0], shown.width, lines[-1] + 1)).convert("L").point(lambda dot: 255 - dot)
        left, _, right, _ = ink.getbbox() or (0, 0, 0, 0)
        found.append(float(right - left))
    return iter(found)


def test_letters_that_no_font_has_are_named_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    only = fonts.available()[:1]
    monkeypatch.setattr(fonts, "available", lambda: only)
    text = said(message(1, subject="storm 日本"))
    assert "storm" in text
    assert "U+65E5, U+672C" in text
    assert "Install the packages" in text


def test_without_any_font_the_export_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fonts, "WHEELS", ())
    monkeypatch.setattr(fonts, "SYSTEM_FOLDERS", ())
    monkeypatch.setattr(fonts, "OTHERS", ())
    fonts.available.cache_clear()
    try:
        with pytest.raises(RejectedInputError, match="There is no font"):
            fonts.available()
    finally:
        fonts.available.cache_clear()


@pytest.mark.parametrize(
    "odd",
    [
        "\u202ereversed\u202c",
        "\u2066" * 200 + "deep",
        "אב" + "?!" * 3_000,
        "\ud800 half a character",
        "\U000e0041\ufdd0\x00\x1b[31m",
        "a" * 20_000,
        "e" + "\u0301" * 500,
    ],
)
def test_an_odd_text_ends_no_export(odd: str) -> None:
    item = {"content_type": "text/plain", "text": odd.encode("utf-8", "replace").decode()}
    assert "File 1 of 1" in said(message(1, item))


def test_pictures_are_on_the_page() -> None:
    ((_, document),) = sheet_of(message(1, {"content_type": "image/jpeg", "thumbnail_key": "x"}))
    colors = {color for _, color in rendered(document).getcolors(1 << 24) or ()}
    assert any(all(abs(a - b) < 12 for a, b in zip(color, RED, strict=True)) for color in colors)


def test_a_sheet_ends_after_some_pages_and_the_next_one_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sheets, "MOST_PAGES", 2)
    found = sheet_of(*(message(number, subject=f"subject {number};") for number in range(60)))
    assert [name for name, _ in found][:2] == ["from-14085550123-01.pdf", "from-14085550123-02.pdf"]
    assert all(len(document) <= 3 for _, document in found)
    text = "".join(page.get_textpage().get_text_bounded() for _, document in found for page in document)
    assert all(text.count(f"subject {number};") == 1 for number in range(60))


def test_the_same_messages_give_the_same_bytes() -> None:
    def bytes_of() -> bytes:
        with Sheets() as gathered:
            gathered.note(message(1, {"content_type": "image/jpeg", "thumbnail_key": "x"}, subject="日本"))
            ((_, data),) = gathered.sheets(thumbnail, made_at=MADE_AT)
        return data

    assert bytes_of() == bytes_of()


def test_an_export_has_the_sheet_in_the_order_and_zone_that_were_chosen(
    archive: Archive, tmp_path: Path
) -> None:
    archive.receive("one", picture(), words(), subject="Grüße 🐟", sender="14085550123")
    choice = {"formats": ("pdf",), "sheet_order": "newest", "zone": "Asia/Tokyo"}
    path = made(archive.vault, tmp_path / "out.zip", **choice)
    with zipfile.ZipFile(path) as opened:
        document = pypdfium2.PdfDocument(opened.read("data/contact-sheets/from-14085550123-01.pdf"))
    text = document[0].get_textpage().get_text_bounded()
    stored = archive.load("sinch-one")
    local = stored.received_at + timedelta(hours=9)
    assert f"{local:%Y-%m-%d %H:%M:%S} JST" in text
    assert "The newest message is first" in text
    assert "Subject: Grüße 🐟" in text
    assert "from the pier" in text
    assert all(item.sha256 in text for item in stored.media)
