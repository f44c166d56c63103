"""The pages of a contact sheet: messages below each other, each with its pictures, texts and hashes.

Text is shaped by HarfBuzz and laid out in both directions. A letter that no font has is shown as the
replacement character, and the last page names it.
"""

import io
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from fpdf import FPDF
from fpdf.bidi import auto_detect_base_direction
from fpdf.enums import TextDirection
from fpdf.line_break import Fragment
from PIL import Image

from mmsvault.exporting import fonts
from mmsvault.exporting.planning import zone_of
from mmsvault.media.inspecting import MOST_TEXT
from mmsvault.message import MediaItem, MediaState, Message

MARGIN, TOP, BOTTOM = 12.0, 22.0, 16.0
PICTURE_WIDTH, PICTURE_HEIGHT, GAP = 48.0, 36.0, 4.0
"""Millimetres, of an A4 page."""
LEAST_ROOM = 24.0
"""A message begins on the next page where less is left of this one."""
LARGE, NORMAL, SMALL = 11.0, 9.0, 6.5
LINE_MM_A_POINT = 0.48
MOST_MISSING_NAMED = 20
PIECE = 200
"""Letters that are laid out by themselves where a paragraph is too odd to be laid out whole."""
LONGEST_LINE = 2_000
"""Letters of a subject, number or reason that a sheet shows."""
INSTEAD = "\N{REPLACEMENT CHARACTER}"
_JOINERS = frozenset("\N{ZERO WIDTH JOINER}\N{ZERO WIDTH NON-JOINER}\N{COMBINING ENCLOSING KEYCAP}")


@dataclass(frozen=True)
class Heading:
    """What every page says: whose messages these are, from which export, in which order and zone."""

    sender: str
    made_at: datetime
    made_by: str
    is_oldest_first: bool
    zone: str = ""


class Pages(FPDF):
    """The pages of one contact sheet."""

    def __init__(self, heading: Heading, *, name: str) -> None:
        super().__init__(format="A4")
        self._heading, self._name = heading, name
        self._zone = zone_of(heading.zone)
        self._families: dict[Any, str] = {}
        self._missing: dict[str, None] = {}
        self._in_footer = False
        self._base = self._family(fonts.available()[0])
        self.set_creation_date(heading.made_at)
        self.set_title(f"Messages from {plain(heading.sender)}")
        self.set_margins(MARGIN, TOP)
        self.c_margin = 0
        self.set_auto_page_break(auto=True, margin=BOTTOM)
        self.set_text_shaping(use_shaping_engine=True)
        self.set_font(self._base, size=NORMAL)
        self.add_page()

    def header(self) -> None:
        """Draw the head of a page."""
        told, margin = self._heading, self.l_margin
        self.set_left_margin(MARGIN)
        self.set_xy(MARGIN, 9)
        self._line(f"Messages from {told.sender or 'an unknown number'}", LARGE)
        order = "oldest" if told.is_oldest_first else "newest"
        zone = f"{told.zone}, UTC in brackets" if self._zone is not UTC else "UTC"
        by = f" by {told.made_by}" if told.made_by else ""
        exported = f"Exported {self.moment(told.made_at)}{by}"
        self._line(f"{exported}. The {order} message is first. Times: {zone}.", SMALL)
        self.set_left_margin(margin)
        self.set_xy(margin, TOP)

    def footer(self) -> None:
        """Draw the foot of a page: the file's name and the number of the page."""
        self.set_font(self._base, size=SMALL)
        self.set_xy(MARGIN, -11)
        self.cell(120, 4, self._name)
        self._in_footer = True  # there only the number of all pages stands for something else
        try:
            self.set_xy(self.w - MARGIN - 60, -11)
            self.cell(60, 4, f"Page {self.page_no()} of {{nb}}", align="R")
        finally:
            self._in_footer = False

    def add_message(self, message: Message, pictures: Iterator[bytes | None]) -> None:
        """Add a message; `pictures` gives the thumbnail of each of its files, or None."""
        self._make_room(LEAST_ROOM)
        self.set_draw_color(150)
        self.line(MARGIN, self.get_y(), self.w - MARGIN, self.get_y())
        self.ln(1)
        to = ", ".join(message.to)
        keyword = f"   Keyword: {message.keyword}" if message.keyword else ""
        self._line(f"{self.moment(message.received_at)}   To: {to}{keyword}", NORMAL)
        self._line(message.id, SMALL)
        if message.subject:
            self._line(f"Subject: {message.subject}", NORMAL)
        if not message.media:
            self._line("The message has no files.", SMALL)
        for item, picture in zip(message.media, pictures, strict=True):
            self._add_file(item, len(message.media), picture)
        self.ln(3)

    def finish(self) -> bytes:
        """Say which letters are missing, and return the PDF."""
        if self._missing:
            named = [f"U+{ord(letter):04X}" for letter in list(self._missing)[:MOST_MISSING_NAMED]]
            more = len(self._missing) - len(named)
            others = f" and {more:,} more" if more else ""
            text = (
                f"No font of this sheet has these characters, which are shown as {INSTEAD}: "
                f"{', '.join(named)}{others}. messages.csv beside this file has every character. "
                f"{fonts.LACKING}"
            )
            self._line(text, SMALL)
        return bytes(self.output())

    def moment(self, at: datetime) -> str:
        """Return a time to the second, in the sheet's zone and in UTC."""
        in_utc = at.astimezone(UTC)
        if self._zone is UTC:
            return f"{in_utc:%Y-%m-%d %H:%M:%S} UTC"
        local = at.astimezone(self._zone)
        told = f"{local:%Y-%m-%d %H:%M:%S} {local:%Z}"
        return f"{told} ({in_utc:%Y-%m-%d %H:%M:%S} UTC)"

    def _add_file(self, item: MediaItem, count: int, picture: bytes | None) -> None:
        self.ln(1)
        self._make_room(PICTURE_HEIGHT + 2 if picture else LEAST_ROOM / 2)
        top, page = self.get_y(), self.page
        if picture:
            self.image(_jpeg(picture), MARGIN, top, PICTURE_WIDTH, PICTURE_HEIGHT, keep_aspect_ratio=True)
        self.set_left_margin(MARGIN + (PICTURE_WIDTH if picture else 0) + GAP)
        self.set_xy(self.l_margin, top)
        self._line(f"File {item.position + 1} of {count}: {_about(item)}", SMALL)
        if item.sha256:
            self._line(f"SHA-256 {item.sha256}", SMALL)
        for said in (item.reason, item.doubt and f"In doubt: {item.doubt}"):
            if said:
                self._line(said, SMALL)
        self._add_text(item)
        self.set_left_margin(MARGIN)
        below = top + PICTURE_HEIGHT + 1 if picture and self.page == page else self.get_y()
        self.set_xy(MARGIN, max(self.get_y(), below))

    def _add_text(self, item: MediaItem) -> None:
        for line in item.text.splitlines():
            self._write(line, NORMAL)
        if len(item.text) >= MOST_TEXT:
            self._line(
                f"These are the first {MOST_TEXT:,} characters. The file itself has all of them.", SMALL
            )

    def _line(self, text: str, size: float) -> None:
        self._write(" ".join(text.split())[:LONGEST_LINE], size)

    def _write(self, text: str, size: float) -> None:
        """Write a paragraph from the left margin on, over as many lines and pages as it needs."""
        self.set_font(self._base, size=size)
        self.set_x(self.l_margin)
        shown, height = plain(text), size * LINE_MM_A_POINT
        if not shown.strip():
            self.ln(height)
            return
        try:
            self._lay_out(shown, height)
        except RecursionError:  # fpdf2 goes one call deeper for each letter that has no direction
            for start in range(0, len(shown), PIECE):
                self._lay_out(shown[start : start + PIECE], height)

    def _lay_out(self, text: str, height: float) -> None:
        align = "R" if auto_detect_base_direction(text) is TextDirection.RTL else "L"
        self.multi_cell(0, height, text, align=align, new_x="LMARGIN", new_y="NEXT")

    def _make_room(self, height: float) -> None:
        if self.get_y() + height > self.h - BOTTOM:
            self.add_page()

    def _parse_chars(self, text: str, markdown: bool, **more: Any) -> Iterator[Fragment]:
        """Split text by font, as fpdf2 does, but keep emoji sequences and marks with what they belong to."""
        if self._in_footer:
            yield from super()._parse_chars(text, markdown, **more)
            return
        run: list[str] = []
        font = None
        for letter in text:
            if font and _belongs_to_letter_before(letter):
                if ord(letter) in fonts.letters_of(font):
                    run.append(letter)
                    continue
                if _is_invisible(letter):
                    continue
            chosen, shown = self._chosen(letter)
            if run and chosen != font:
                yield self._fragment(run, font)
                run = []
            font = chosen
            run.append(shown)
        if run:
            yield self._fragment(run, font)

    def _chosen(self, letter: str) -> tuple[Any, str]:
        """Return the font of a letter, and what is shown of it."""
        base = fonts.available()[0]
        found = base if letter == "\n" else fonts.font_of(letter)
        if found:
            return found, letter
        if not _is_invisible(letter):
            self._missing[letter] = None
        shown = INSTEAD if ord(INSTEAD) in fonts.letters_of(base) else "?"
        return base, shown

    def _fragment(self, run: list[str], font: Any) -> Fragment:
        state = self._get_current_graphics_state()
        state.font_family = self._family(font)
        state.font_style = ""
        state.current_font = self.fonts[state.font_family]
        return Fragment(run, state, self.k)

    def _family(self, font: Any) -> str:
        """Return the name by which these pages know a font, which is read when it is first needed."""
        if font not in self._families:
            name = f"sheet{len(self._families)}"
            self.add_font(name, fname=font)
            self._families[font] = name
        return self._families[font]


def plain(text: str) -> str:
    """Return text without what would steer the page: controls, and marks that turn the direction round."""
    shown = unicodedata.normalize("NFC", text.expandtabs(4))
    return "".join(letter for letter in shown if letter in _JOINERS or _is_printed(letter))


def _is_printed(letter: str) -> bool:
    return unicodedata.category(letter) not in ("Cc", "Cf", "Cs", "Zl", "Zp")


def _is_invisible(letter: str) -> bool:
    return unicodedata.category(letter) == "Cf" or "\ufe00" <= letter <= "\ufe0f"


def _belongs_to_letter_before(letter: str) -> bool:
    is_skin_tone = "\U0001f3fb" <= letter <= "\U0001f3ff"
    return letter in _JOINERS or is_skin_tone or unicodedata.category(letter).startswith("M")


def _about(item: MediaItem) -> str:
    kind = item.content_type or "type unknown"
    if item.state is not MediaState.STORED:
        return f"{item.state.value}, {kind}"
    size = f"{item.size:,} bytes" if item.size is not None else ""
    pixels = f"{item.width} x {item.height} pixels" if item.width and item.height else ""
    seconds = f"{item.duration_ms / 1000:.1f} seconds" if item.duration_ms else ""
    return ", ".join(said for said in (kind, pixels, seconds, size) if said)


def _jpeg(thumbnail: bytes) -> io.BytesIO:
    encoded = io.BytesIO()
    with Image.open(io.BytesIO(thumbnail), formats=["WEBP", "JPEG", "PNG"]) as opened:
        opened.convert("RGB").save(encoded, "JPEG", quality=80)
    encoded.seek(0)
    return encoded
