"""The pages and how they are reached."""

from pathlib import Path

import streamlit as st

from dashboard import notices
from dashboard.alerts import show_alerts
from dashboard.audit_page import audit_page
from dashboard.exports_page import exports_page
from dashboard.gallery import gallery
from dashboard.message_page import message_page
from dashboard.operations_page import operations_page
from dashboard.quarantine_page import quarantine_page
from dashboard.searches_page import searches_page
from dashboard.settings_page import settings_page
from dashboard.tallies_page import keywords_page, senders_page
from dashboard.visiting import Visit, visit
from mmsvault.catalog.permissions import Action

_HERE = Path(__file__).parent
_PAGES_BY_ROLE = (
    (exports_page, "Exports", ":material/archive:", Action.EXPORT),
    (operations_page, "Operations", ":material/monitor_heart:", Action.REQUEUE),
    (quarantine_page, "Quarantine", "", Action.REPLAY),  # operations and alerts lead there
    (audit_page, "Audit", ":material/policy:", Action.READ_TRAIL),
    (settings_page, "Settings", ":material/settings:", Action.SEE_SETTINGS),
)


def show() -> None:
    """Show the page that the visitor's address names."""
    # Drawn here: a page without an icon of its own has one fetched from a font server.
    st.set_page_config(page_title="MMS Vault", page_icon=_HERE / "icon.svg", layout="wide")
    st.logo(_HERE / "logo.svg", size="large")
    visitor = _visitor()
    # A message has an address of its own; without one there is no such page to go to.
    pages = [
        st.Page(gallery, title="Gallery", icon=":material/photo_library:", default=True),
        st.Page(
            message_page,
            title="Message",
            icon=":material/mms:",
            url_path="message",
            visibility="hidden",  # the menu stays as it is while messages are opened and closed
        ),
    ]
    pages.insert(1, st.Page(senders_page, title="Senders", icon=":material/group:", url_path="senders"))
    pages.insert(2, st.Page(keywords_page, title="Keywords", icon=":material/sell:", url_path="keywords"))
    icon = ":material/saved_search:"
    pages.insert(3, st.Page(searches_page, title="Searches", icon=icon, url_path="searches"))
    pages += [
        st.Page(
            page,
            title=title,
            icon=icon,
            url_path=title.lower(),
            # The page itself says to somebody without the role what it needs.
            visibility="visible" if icon and visitor.may(action) else "hidden",
        )
        for page, title, icon, action in _PAGES_BY_ROLE
    ]
    chosen = st.navigation(pages, position="top")
    if not (chosen.url_path == "operations" and visitor.may(Action.OPERATE)):  # it has them all, and more
        show_alerts(over_the_page=chosen.url_path == "")  # the gallery's tiles are there before they are
    chosen.run()


def _visitor() -> Visit:
    """Show who is logged in, with the way to log out, and return them; stop where nobody is."""
    visitor = None
    with notices.spoken():
        visitor = visit()
    if visitor is None:
        st.stop()
    name = visitor.person.name
    # A name has letters, digits and . _ @ + - only.
    st.html(f"<style>{_STYLE}</style><a class='mms-account' href='account' target='_self'>{name}</a>")
    return visitor


_STYLE = """
[data-testid="stCaptionContainer"], [data-testid="stCaptionContainer"] :is(p, li, code) {
  color: light-dark(#5c5b59, #b8b7b4) !important; opacity: 1 !important; }
:is([data-testid="stBaseButton-primary"], [data-testid="stBaseButton-primaryFormSubmit"]),
:is([data-testid="stBaseButton-primary"], [data-testid="stBaseButton-primaryFormSubmit"]) p {
  color: light-dark(#fff, #0f1f1a) !important; }
[class*="st-key-delete"] [data-testid="stBaseButton-primary"]:not(:disabled) {
  background: light-dark(#b3261e, #ff8a80) !important; border-color: transparent !important; }
[data-testid="stExpandSidebarButton"] { width: auto !important; padding: 0 .5rem !important; }
[data-testid="stExpandSidebarButton"]::after { content: "Menu"; margin-left: .25rem; font-size: .9rem; }
.mms-account { position: fixed; top: 1.05rem; right: 3.5rem; z-index: 1000000; }
.mms-account { font-size: .85rem; color: inherit; }
"""
