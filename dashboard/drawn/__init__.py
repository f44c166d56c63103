"""Components of the pages beside the gallery: a list of senders or keywords, hours as bars, an address.

They get data only, never markup, and put it on the page as text (`textContent`). Times and numbers
come as they are and are written as the visitor's browser writes them.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, TypedDict

import streamlit as st

_HERE = Path(__file__).parent


class Row(TypedDict):
    """A sender or keyword. `days` are its messages by day, the oldest first; times in ISO 8601."""

    key: str
    title: str
    note: str
    href: str
    messages: int
    first: str
    last: str
    days: list[int]
    pictures: list[str]
    may_name: bool
    named: bool


@cache  # Streamlit takes a component's name once; its registry is there once the server runs
def _component(name: str) -> Any:
    shared = (_HERE / "shared.js").read_text().replace("export ", "")
    return st.components.v2.component(
        f"mmsvault_{name}",
        html='<div class="root"></div>',
        css=(_HERE / f"{name}.css").read_text(),
        js=f"{shared}\n{(_HERE / f'{name}.js').read_text()}",
    )


def tally_list(rows: Sequence[Row], *, label: str) -> str | None:
    """Draw the rows; return the key of the one that somebody wants to name now."""
    result = _component("tallies")(
        key="tallies", data={"rows": rows, "label": label}, on_name_change=_nothing
    )
    named: str | None = result.name
    return named


def hours(
    bars: Sequence[Mapping[str, Any]], *, series: Sequence[tuple[str, str]], label: str, key: str
) -> None:
    """Draw stacked bars. A bar has `at` (ISO 8601) and a number for each name in `series`: (name, tone)."""
    _component("hours")(key=key, data={"bars": bars, "series": series, "label": label})


def address(whole: str, *, hidden: str, label: str) -> None:
    """Draw an address with a secret in it, `hidden` until it is asked for, and a button that copies it."""
    _component("address")(key="address", data={"whole": whole, "hidden": hidden, "label": label})


def _nothing() -> None:
    """Stand for the callback that makes Streamlit hand a component's value to the script."""
