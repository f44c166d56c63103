"""Contact sheets: the messages of each sender as printed pages (PDF), for people.

Messages come in the order of the archive and leave by sender, so they wait in a database that lives
on the disk and has no name. A sheet ends after some pages: none is ever large in memory.
"""

import sqlite3
from collections.abc import Callable, Iterator
from datetime import datetime
from itertools import groupby
from typing import Self

from mmsvault.exporting.sheet_pages import Heading, Pages
from mmsvault.message import Message, normal_number

MOST_PAGES = 100
"""A sheet that has this many pages ends with the message that it is at; the next one goes on."""

Picture = Callable[[str], bytes | None]
"""Gives a thumbnail by its key, decoded in the sandbox and encoded anew; None where there is none."""


class Sheets:
    """Gathers messages, and then gives the contact sheets.

    `order` is `oldest` or `newest`, or empty: then the oldest message is first where all are of one sender,
    else the newest. `zone` is the name of a time zone; times are in UTC without one.
    """

    def __init__(self, *, order: str = "", zone: str = "", made_by: str = "") -> None:
        self._order, self._zone, self._made_by = order, zone, made_by
        self._rows = sqlite3.connect("", isolation_level=None)
        self._rows.execute(
            "CREATE TABLE told (sender TEXT, at REAL, number INTEGER PRIMARY KEY, message TEXT)"
        )
        self._rows.execute("BEGIN")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._rows.close()

    def note(self, message: Message) -> None:
        """Remember a message."""
        sender, at = normal_number(message.sender) or "unknown", message.received_at.timestamp()
        told = message.model_dump_json(exclude={"postbacks", "attempts", "note"})
        self._rows.execute("INSERT INTO told (sender, at, message) VALUES (?, ?, ?)", (sender, at, told))

    def sheets(self, picture: Picture, *, made_at: datetime) -> Iterator[tuple[str, bytes]]:
        """Give the name and the bytes of each sheet, sender by sender."""
        oldest_first = self._is_oldest_first()
        # Messages come newest first, so that of the same moment the last to come is the oldest.
        direction = "at ASC, number DESC" if oldest_first else "at DESC, number ASC"
        found = self._rows.execute(f"SELECT sender, message FROM told ORDER BY sender, {direction}")  # noqa: S608 - one of two
        for sender, rows in groupby(found, key=lambda row: str(row[0])):
            messages = (Message.model_validate_json(row[1]) for row in rows)
            yield from self._of_sender(sender, messages, picture, made_at, is_oldest_first=oldest_first)

    def _of_sender(
        self,
        sender: str,
        messages: Iterator[Message],
        picture: Picture,
        made_at: datetime,
        *,
        is_oldest_first: bool,
    ) -> Iterator[tuple[str, bytes]]:
        number, pages, name = 0, None, ""
        for message in messages:
            if pages is None:
                number += 1
                name = f"{_name(sender)}-{number:02d}.pdf"
                heading = Heading(message.sender, made_at, self._made_by, is_oldest_first, self._zone)
                pages = Pages(heading, name=name)
            keys = (item.thumbnail_key for item in message.media)
            pages.add_message(message, (picture(key) if key else None for key in keys))
            if pages.page_no() >= MOST_PAGES:
                yield name, pages.finish()
                pages = None
        if pages:
            yield name, pages.finish()

    def _is_oldest_first(self) -> bool:
        if self._order:
            return self._order == "oldest"
        found = self._rows.execute("SELECT count(*) FROM (SELECT DISTINCT sender FROM told LIMIT 2)")
        return int(found.fetchone()[0]) == 1


def _name(sender: str) -> str:
    safe = "".join(letter if letter.isascii() and letter.isalnum() else "_" for letter in sender)
    return f"from-{safe[:60]}"
