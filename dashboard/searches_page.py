"""Saved searches: queries that people come back to, opened in the gallery or exported, under names."""

import streamlit as st

from dashboard import locally, notices
from dashboard.anchors import anchor, gallery_address
from dashboard.searched import count, search_box, show_search, whose
from dashboard.visiting import Visit, visit
from mmsvault.catalog import searches
from mmsvault.catalog.language import parse
from mmsvault.catalog.permissions import Action
from mmsvault.catalog.searches import SavedSearch
from mmsvault.errors import ForbiddenError, NotFoundError, SearchError

LONGEST_NAME = 80


def searches_page() -> None:
    """Show the page."""
    with notices.spoken():
        visitor = visit()
        st.title("Saved searches")
        notices.say_kept()
        found = searches.list_all(visitor.room.catalog, scope=visitor.person.scope)
        if not found:
            st.info("No search is saved yet. Give one a name below: who sees what you see finds it here.")
        for one in found:
            with st.container(border=True, key=f"search-{one.name}"):
                _show(visitor, one)
        _new(visitor)


def may_change(visitor: Visit, one: SavedSearch) -> bool:
    """Return whether a saved search is this person's to replace or remove: their own, or all for managers."""
    return one.is_for(visitor.person.scope) and (
        one.saved_by == visitor.person.name or visitor.may(Action.TAG)
    )


def _show(visitor: Visit, one: SavedSearch) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.text(one.name)
        st.space("stretch")
        anchor("Open", gallery_address(q=one.query), name=f"Open {one.name} in the gallery")
        if visitor.may(Action.EXPORT):
            address = gallery_address(query=one.query).replace("./", "exports", 1)
            anchor("Export", address, name=f"Export {one.name}")
        if may_change(visitor, one):
            with st.popover("Delete"):
                st.text("The search is forgotten; its messages stay.")
                st.button("Delete the search", key=f"delete {one.name}", on_click=_remove, args=(one.name,))
    show_search(visitor, one.query)
    by = f" by {one.saved_by}" if one.saved_by else ""
    st.text(f"{_count(visitor, one.query)}; saved {locally.moment(one.saved_at)}{by}")


def _count(visitor: Visit, query: str) -> str:
    """Return how many messages a search finds now, or that it is understood no more."""
    try:
        return count(visitor.view.total(parse(query, region=visitor.room.settings.default_region)))
    except SearchError as error:
        return error.problem


def _new(visitor: Visit) -> None:
    st.header("Save a search")
    query = search_box("Search", placeholder="keyword:storm type:image, as in the gallery")
    if query:
        with notices.spoken():
            asked = parse(query, region=visitor.room.settings.default_region)
            st.text(f"It finds {count(visitor.view.total(asked))} now. {whose(visitor, query)}".rstrip())
    name = st.text_input("Name", key="name", placeholder="Pictures of the storm", max_chars=LONGEST_NAME)
    st.button("Save", key="save", type="primary", on_click=_save, args=(name, query))


def _save(name: str, query: str) -> None:
    with notices.spoken():
        visitor = visit()
        clean = " ".join("".join(one if one.isprintable() else " " for one in name).split())
        if not clean:
            notices.say_next("A saved search needs a name.")
            return
        parse(query, region=visitor.room.settings.default_region)
        catalog, scope = visitor.room.catalog, visitor.person.scope
        known = {one.name: one for one in searches.list_all(catalog)}.get(clean)
        if known and not may_change(visitor, known):
            notices.say_next(f"There is a saved search called {clean} already; choose another name.")
            return
        searches.save(catalog, clean, query.strip(), saved_by=visitor.person.name, scope=scope)
        visitor.note("saved a search", subject=clean, details=query)
        notices.say_next(f"Saved as {clean}.")
        st.session_state["query"] = st.session_state["name"] = ""


def _remove(name: str) -> None:
    with notices.spoken():
        visitor = visit()
        catalog, scope = visitor.room.catalog, visitor.person.scope
        try:
            if not may_change(visitor, searches.find(catalog, name, scope=scope)):
                raise ForbiddenError("This search is somebody else's.")
            searches.remove(catalog, name, scope=scope)
        except NotFoundError:
            return  # somebody else was quicker
        visitor.note("removed a search", subject=name)
