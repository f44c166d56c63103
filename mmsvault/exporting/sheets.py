"""Contact sheets: the messages of each sender as printed pages (PDF), pictures first, for people.

Messages come in the order of the archive and leave by sender, so they wait in a database that lives
on the disk and has no name. A sheet ends after some pages: none is ever large in memory.
"""

import io
import json
import logging
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from itertools import groupby, islice
from pathlib import Path
from typing import Self

from fpdf import FPDF
from PIL import Image

from mmsvault.message import MediaItem, Message, normal_number

TILES_A_SHEET = 200
COLUMNS, ROWS = 4, 5
MARGIN, TOP, GAP = 10.0, 24.0, 4.0
WIDTH, HEIGHT = (210 - 2 * MARGIN - (COLUMNS - 1) * GAP) / COLUMNS, 46.0
PICTURE_HEIGHT = 34.0
"""Millimetres, of an A4 page."""
LONGEST_WORDS = 300
FONTS = (
    "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf",
    "/usr/share/fonts/dejavu/DejaVuSans.ttf",
    "/Library/Fonts/Arial Unicode.ttf",
)
"""One with many scripts, where the machine has it; letters that the font lacks become `?`."""

for _name_of_log in ("fpdf", "fontTools"):
    logging.getLogger(_name_of_log).setLevel(logging.ERROR)  # letters that a font lacks are no news

Picture = Callable[[str], bytes | None]
"""Gives a thumbnail by its key, decoded in the sandbox and encoded anew; None where there is none."""
Tile = dict[str, str]


class Sheets:
    """Gathers messages, and then gives the contact sheets."""

    def __init__(self) -> None:
        self._rows = sqlite3.connect("", isolation_level=None)
        self._rows.execute("CREATE TABLE tiles (sender TEXT, at TEXT, number INTEGER PRIMARY KEY, tile TEXT)")
        self._rows.execute("BEGIN")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._rows.close()

    def note(self, message: Message) -> None:
        """Remember a message: one tile a file."""
        sender, at = normal_number(message.sender) or "unknown", message.received_at.isoformat()
        for item in message.media or (None,):
            row = (sender, at, json.dumps(_tile(message, item)))
            self._rows.execute("INSERT INTO tiles (sender, at, tile) VALUES (?, ?, ?)", row)

    def sheets(self, picture: Picture, *, made_at: datetime) -> Iterator[tuple[str, bytes]]:
        """Give the name and the bytes of each sheet, sender by sender, the newest messages first."""
        found = self._rows.execute("SELECT sender, tile FROM tiles ORDER BY sender, at DESC, number")
        for sender, rows in groupby(found, key=lambda row: str(row[0])):
            tiles = (json.loads(row[1]) for row in rows)
            number = 0
            while some := list(islice(tiles, TILES_A_SHEET)):
                number += 1
                yield f"{_name(sender)}-{number:02d}.pdf", _sheet(some, picture, made_at=made_at)


def _tile(message: Message, item: MediaItem | None) -> Tile:
    words = message.subject or (item.text if item else "") or message.keyword
    return {
        "sender": message.sender,
        "at": f"{message.received_at:%Y-%m-%d %H:%M}",
        "words": " ".join(words.split())[:LONGEST_WORDS],
        "kind": (item.content_type or item.state.value) if item else "no files",
        "thumbnail": item.thumbnail_key if item else "",
    }


def _sheet(tiles: Sequence[Tile], picture: Picture, *, made_at: datetime) -> bytes:
    pdf = FPDF(format="A4")
    pdf.set_creation_date(made_at)
    pdf.set_auto_page_break(auto=False)
    pdf.set_title(f"Messages from {_plain(tiles[0]['sender'])}")
    font = _font(pdf)
    for place, tile in enumerate(tiles):
        row, column = divmod(place % (COLUMNS * ROWS), COLUMNS)
        if row == column == 0:
            _begin_page(pdf, font, tile["sender"])
        _draw(pdf, font, tile, picture, at=(MARGIN + column * (WIDTH + GAP), TOP + row * (HEIGHT + GAP)))
    return bytes(pdf.output())


def _begin_page(pdf: FPDF, font: str, sender: str) -> None:
    pdf.add_page()
    pdf.set_font(font, size=12)
    pdf.set_xy(MARGIN, MARGIN)
    pdf.cell(120, 8, _writable(font, f"From {_plain(sender)}"))
    pdf.set_font(font, size=8)
    pdf.cell(0, 8, f"Page {pdf.page_no()}", align="R")


def _draw(pdf: FPDF, font: str, tile: Tile, picture: Picture, *, at: tuple[float, float]) -> None:
    x, y = at
    image = picture(tile["thumbnail"]) if tile["thumbnail"] else None
    pdf.set_draw_color(200)
    pdf.rect(x, y, WIDTH, HEIGHT)
    if image:
        pdf.image(_jpeg(image), x, y + 0.5, WIDTH, PICTURE_HEIGHT, keep_aspect_ratio=True)
    pdf.set_font(font, size=6.5)
    lines = (f"{tile['at']}  {tile['kind']}", _fitting(pdf, font, tile["words"]))
    for number, line in enumerate(lines):
        pdf.set_xy(x + 0.5, y + PICTURE_HEIGHT + 2 + 4 * number)
        pdf.cell(WIDTH - 1, 4, _writable(font, line))


def _jpeg(thumbnail: bytes) -> io.BytesIO:
    encoded = io.BytesIO()
    with Image.open(io.BytesIO(thumbnail), formats=["WEBP", "JPEG", "PNG"]) as opened:
        opened.convert("RGB").save(encoded, "JPEG", quality=80)
    encoded.seek(0)
    return encoded


def _fitting(pdf: FPDF, font: str, words: str) -> str:
    text = _writable(font, words)
    while text and pdf.get_string_width(text) > WIDTH - 2:
        text = text[: max(0, len(text) * 9 // 10 - 1)]
    return text


def _font(pdf: FPDF) -> str:
    for path in FONTS:
        if Path(path).exists():
            pdf.add_font("sheet", fname=path)
            return "sheet"
    return "helvetica"


def _writable(font: str, text: str) -> str:
    return _plain(text) if font == "sheet" else _plain(text).encode("latin-1", "replace").decode("latin-1")


def _plain(text: str) -> str:
    """Return text without what a page cannot show: control characters, and letters beyond 16 bits."""
    return "".join(letter if letter.isprintable() and ord(letter) < 0x10000 else "?" for letter in text)  # noqa: PLR2004 - see above


def _name(sender: str) -> str:
    safe = "".join(letter if letter.isascii() and letter.isalnum() else "_" for letter in sender)
    return f"from-{safe[:60]}"
