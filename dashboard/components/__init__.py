"""The components that draw what strangers sent: the gallery and the sheet of a message.

They get data only, never markup, and put it on the page as text (`textContent`). Their modules are
served by `front`; what Streamlit is given is only how to find them.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any

import streamlit as st

from dashboard import front
from dashboard.record import Record


@cache  # Streamlit takes a component's name once; its registry is there once the server runs
def _component(name: str) -> Any:
    module = f'new URL("{front.address(f"{name}.js")}", document.baseURI)'
    return st.components.v2.component(
        f"mmsvault_{name}",
        html='<div class="root"></div>',
        # On two lines: Streamlit takes a single one for the name of a file. `early` may have it already.
        js="export default async (given) =>\n"
        f"  (window.mmsvaultModules?.{name} || (await import({module}))).mount(given);\n",
    )


def gallery(*, may: list[str], done: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """Draw the gallery, and return what its visitor just asked to be done, if anything.

    `may` names the deeds that it offers. A change of `done` has it show what became of one.
    """
    result = _component("gallery")(
        key="gallery",
        data={"may": may, "done": done, "style": front.address("gallery.css")},
        on_wanted_change=_nothing,
    )
    wanted: Mapping[str, Any] | None = result.wanted
    return wanted


def sheet(found: Record) -> None:
    """Draw a message."""
    _component("sheet")(key=f"sheet {found['id']}", data={"record": found, "modules": front.address("")})


def _nothing() -> None:
    """Stand for the callback that makes Streamlit hand a component's value to the script."""
