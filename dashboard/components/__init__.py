"""The two components that draw what strangers sent: the grid of tiles and the sheet of a message.

They get data only, never markup, and put it on the page as text (`textContent`).
"""

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import streamlit as st

from dashboard.record import Fact, Part
from dashboard.tiles import Tile

_HERE = Path(__file__).parent


@cache  # Streamlit takes a component's name once; its registry is there once the server runs
def _component(name: str) -> Any:
    drawing = (_HERE / "drawing.js").read_text().replace("export ", "")
    return st.components.v2.component(
        f"mmsvault_{name}",
        html='<div class="root"></div>',
        css=(_HERE / f"{name}.css").read_text(),
        js=f"{drawing}\n{(_HERE / f'{name}.js').read_text()}",
    )


def grid(tiles: Sequence[Tile], *, page: int, total: str) -> str | None:
    """Draw the tiles, and return the id of the message that was just opened, if one was.

    A change of `page` brings the visitor back to the top.
    """
    result = _component("grid")(
        key="grid", data={"tiles": tiles, "page": page, "total": total}, on_open_change=_nothing
    )
    opened: str | None = result.open
    return opened


def sheet(
    *, heading: Sequence[Fact], details: Sequence[Fact], parts: Sequence[Part], message_id: str, link: bool
) -> None:
    """Draw a message; `link` leads to its own page."""
    _component("sheet")(
        key=f"sheet {message_id}",
        data={"heading": heading, "details": details, "parts": parts, "link": message_id if link else ""},
    )


def _nothing() -> None:
    """Stand for the callback that makes Streamlit hand a component's value to the script."""
