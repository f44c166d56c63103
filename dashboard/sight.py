"""What a browser sees before any script has run: the first tiles, as elements of the page itself.

Where they stand depends on what only the browser knows: its time zone, by which they are put under days,
how high the search above them is, and whether the page is dark. The gallery leaves that in a cookie for
the next time (`look.js`); who has none yet sees the first tiles once the script has drawn them.
"""

import re
from collections.abc import Sequence
from datetime import datetime, tzinfo
from html import escape
from itertools import groupby
from typing import NamedTuple
from urllib.parse import unquote

from dashboard import locally
from dashboard.tiles import Tile

_COOKIE = re.compile(r"(?:^|;\s*)mmsvault_look=([^;]{1,200})")
_LOOK = re.compile(r"(?P<zone>[\w+/-]{1,64})\|(?P<top>\d{1,4}(?:\.\d{1,4})?)\|(?P<tone>light|dark)")


FEW = 2
"""Days with so few tiles share a row, as in `grid.js`."""


class Look(NamedTuple):
    """How a browser shows the gallery. `top_px` is what stands above the tiles."""

    zone: tzinfo
    top_px: str
    tone: str


def look_in(cookies: str) -> Look | None:
    """Return what the gallery left in a Cookie header, if it is there and makes sense."""
    kept = _COOKIE.search(cookies)
    found = _LOOK.fullmatch(unquote(kept[1])) if kept else None
    return Look(locally.zone_of(found["zone"]), found["top"], found["tone"]) if found else None


def drawn(tiles: Sequence[Tile], look: Look) -> str:
    """Return the tiles as HTML: their places and pictures, without words. Nobody is read this aloud."""

    def day_of(tile: Tile) -> object:
        return locally.in_zone(datetime.fromisoformat(tile["at"]), look.zone).date()

    days = (_day(list(group)) for _, group in groupby(tiles, day_of))
    return (
        f'<div class="mmsvault-early {look.tone}" aria-hidden="true"><div class="root">'
        f'<div style="height: {look.top_px}px"></div><div class="grid">{"".join(days)}</div></div></div>'
    )


def _day(tiles: Sequence[Tile]) -> str:
    head = '<div class="head"><h2>&nbsp;</h2><span class="choose"></span></div>'
    few = " few" if len(tiles) <= FEW else ""
    return f'<section class="day{few}">{head}<ul>{"".join(map(_tile, tiles))}</ul></section>'


def _tile(tile: Tile) -> str:
    picture = f'<img alt="" decoding="async" src="{escape(tile["src"])}">' if tile["src"] else ""
    link = f'<a class="tile" href="./{escape(tile["href"])}" tabindex="-1">{picture}</a>'
    return f'<li style="--ratio: {tile["ratio"]}">{link}</li>'
