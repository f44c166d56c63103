"""The pages and how they are reached."""

from pathlib import Path

import streamlit as st

from dashboard.exports_page import exports_page
from dashboard.gallery import gallery
from dashboard.message_page import message_page

_HERE = Path(__file__).parent


def show() -> None:
    """Show the page that the visitor's address names."""
    # Drawn here: a page without an icon of its own has one fetched from a font server.
    st.set_page_config(page_title="MMS Vault", page_icon=_HERE / "icon.svg", layout="wide")
    st.logo(_HERE / "logo.svg", size="large")
    # A message has an address of its own; without one there is no such page to go to.
    pages = [
        st.Page(gallery, title="Gallery", icon=":material/photo_library:", default=True),
        st.Page(exports_page, title="Exports", icon=":material/archive:", url_path="exports"),
        st.Page(
            message_page,
            title="Message",
            icon=":material/mms:",
            url_path="message",
            visibility="visible" if "id" in st.query_params else "hidden",
        ),
    ]
    st.navigation(pages, position="top").run()
