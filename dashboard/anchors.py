"""Links to other pages that look like buttons and stay in the tab."""

import html
from urllib.parse import urlencode

import streamlit as st


def gallery_address(**asked: str) -> str:
    """Return the gallery's address for what is asked of it: `q`, `sender` or `keyword`."""
    return f"./?{urlencode(asked)}"


def message_address(message_id: str) -> str:
    """Return the address of a message's own page."""
    return f"message?{urlencode({'id': message_id})}"


def anchor(label: str, address: str, *, name: str = "") -> None:
    """Draw a link; `name` is what a screen reader says where the label alone says too little."""
    said = f" aria-label='{html.escape(name, quote=True)}'" if name else ""
    st.html(
        f"<style>{_STYLE}</style><a class='mms-anchor' href='{html.escape(address, quote=True)}'"
        f" target='_self'{said}>{html.escape(label)}</a>",
        width="content",
    )


_STYLE = """
.mms-anchor { display: inline-block; padding: .45rem .8rem; font-size: .875rem; line-height: 1.5;
  color: inherit !important; text-decoration: none !important; white-space: nowrap;
  border: 1px solid color-mix(in srgb, currentColor 22%, transparent); border-radius: 8px; }
.mms-anchor:hover { border-color: currentColor; }
.mms-anchor:focus-visible { outline: 3px solid light-dark(#1f6f5c, #6cc7ae); outline-offset: 1px; }
"""
