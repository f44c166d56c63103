"""What stands under a search wherever one is shown: how many messages it finds, and whose its numbers are."""

import streamlit as st

from dashboard import callers, locally
from dashboard.visiting import Visit
from mmsvault.catalog.language import parse
from mmsvault.catalog.totals import Total
from mmsvault.errors import RejectedInputError, SearchError

EVERYTHING = "(every message)"


def search_box(label: str, *, placeholder: str) -> str:
    """Draw the field for a search, which is in the page's address as well, and return what is in it."""
    written = st.text_input(
        label, key="query", bind="query-params", placeholder=placeholder, icon=":material/search:"
    )
    return written or ""


def show_search(visitor: Visit, query: str, *, said: str = "") -> None:
    """Show a search, or what is `said` of it, as its own text; below it the names of its numbers."""
    st.code(said or query or EVERYTHING, language=None)
    if names := whose(visitor, query):
        st.text(names)


def count(found: Total) -> str:
    """Return how many messages that is, in words."""
    return ("" if found.is_exact else "more than ") + locally.plural(found.messages, "message")


def whose(visitor: Visit, query: str) -> str:
    """Return the names of a search's numbers; empty for none, and for a search that is not understood."""
    try:
        asked = parse(query, region=visitor.room.settings.default_region)
        return callers.named_in(visitor.view, asked)
    except (SearchError, RejectedInputError):
        return ""
