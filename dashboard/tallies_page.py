"""Senders and keywords: how many messages each has, since when, day by day, and the latest pictures.

The kept counts answer in any order and page by page. A name that people give a sender stands in
front of its number from then on, everywhere.
"""

from collections.abc import Mapping, Sequence
from datetime import date

import streamlit as st

from dashboard import lists_route, locally, notices, wording
from dashboard.anchors import gallery_address
from dashboard.drawn import Row, tally_list
from dashboard.filters import NO_KEYWORD
from dashboard.reading_room import ReadingRoom, reading_room
from dashboard.showing import THUMBNAIL_TYPE
from dashboard.visiting import Visit, visit
from mmsvault import naming
from mmsvault.catalog.counting import Order, Tally
from mmsvault.catalog.language import Query, Term
from mmsvault.catalog.permissions import Action
from mmsvault.catalog.rhythm import Picture
from mmsvault.catalog.tallies import KEYWORDS, SENDERS, Tallied
from mmsvault.catalog.views import View, scope_of
from mmsvault.errors import NotFoundError, RejectedInputError
from mmsvault.message import utc_now

ROWS_A_PAGE = 25
DAYS = 30
PICTURES = 4
DAYS_KEPT_SECONDS = 30
ORDERS: Mapping[str, Order] = {
    "Latest": "last_at",
    "Most messages": "messages",
    "First seen": "first_at",
    "A to Z": "key",
}


def senders_page() -> None:
    """Show who sent messages."""
    with notices.spoken():
        _page(visit(), SENDERS)


def keywords_page() -> None:
    """Show the keywords that messages came with."""
    with notices.spoken():
        _page(visit(), KEYWORDS)


def _page(visitor: Visit, tallied: Tallied) -> None:
    name = tallied.kept.name
    st.title(name.capitalize())
    with st.container(horizontal=True, vertical_alignment="bottom"):
        find = st.text_input(
            "Find",
            key="find",
            bind="query-params",
            placeholder="name, or how the number begins" if tallied is SENDERS else "how it begins",
            icon=":material/search:",
            width=320,
        ).strip()
        chosen = st.segmented_control(
            "Order", list(ORDERS), default="Latest", key="order", bind="query-params", required=True
        )
        order = ORDERS[chosen or "Latest"]
        if visitor.may(Action.EXPORT):
            address = lists_route.link(name, order=order, find=find)
            st.link_button("Download as CSV", address, icon=":material/download:")
    trail = _trail((name, order, find))
    region = visitor.room.settings.default_region
    found = visitor.view.tallies(
        tallied,
        order=order,
        limit=ROWS_A_PAGE + 1,
        after=trail[-1] if trail else None,
        find=find,
        region=region,
    )
    if found:
        _show(visitor, tallied, found, trail)
    elif find or trail:
        st.info(f"None of the {name} begins so. Find looks at the beginning; leave it empty to see all.")
    else:
        notices.empty_vault(visitor.person, visitor.room.settings)


def _show(visitor: Visit, tallied: Tallied, found: Sequence[Tally], trail: list[Tally]) -> None:
    shown, more = found[:ROWS_A_PAGE], len(found) > ROWS_A_PAGE
    keys = tuple(one.key for one in shown)
    days = _days(visitor.person.scope, tallied.kept.name, keys, utc_now().date())
    pictures = visitor.view.latest_pictures(tallied, keys, each=PICTURES)
    may_name = tallied is SENDERS and visitor.may(Action.NAME)
    listed = [
        row(
            one, tallied, days=days[one.key], pictures=pictures[one.key], room=visitor.room, may_name=may_name
        )
        for one in shown
    ]
    to_name = tally_list(listed, label=tallied.kept.name.capitalize())
    if to_name:
        _name(to_name)
    if trail or more:
        with st.container(horizontal=True, horizontal_alignment="center", vertical_alignment="center"):
            st.button(
                "Back",
                key="back",
                icon=":material/chevron_left:",
                disabled=not trail,
                on_click=_turn_back,
                args=(trail,),
            )
            st.text(f"Page {locally.number(len(trail) + 1)}")
            st.button(
                "More",
                key="more",
                icon=":material/chevron_right:",
                icon_position="right",
                disabled=not more,
                on_click=trail.append,
                args=(shown[-1],),
            )


def _turn_back(trail: list[Tally]) -> None:
    trail.pop()


def row(
    one: Tally,
    tallied: Tallied,
    *,
    days: list[int],
    pictures: Sequence[Picture],
    room: ReadingRoom,
    may_name: bool,
) -> Row:
    """Return a sender or keyword as its row is drawn."""
    if tallied is SENDERS:
        shown = wording.number(one.key) or "No number"
        title, note = (one.known_as, shown) if one.known_as else (shown, "")
    else:
        title, note = one.name or "No keyword", ""
    return Row(
        key=one.key,
        title=title,
        note=note,
        href=gallery_address(**_asked(tallied, one.key)),
        messages=one.messages,
        first=one.first_at.isoformat(),
        last=one.last_at.isoformat(),
        days=days,
        pictures=[room.links.sign(each.thumbnail_key, THUMBNAIL_TYPE) for each in pictures],
        may_name=may_name and bool(one.key),
        named=bool(one.known_as),
    )


def _asked(tallied: Tallied, key: str) -> dict[str, str]:
    """Return what the gallery's address says for this sender or keyword."""
    return {"sender": key} if tallied is SENDERS else {"keyword": key or NO_KEYWORD}


@st.cache_data(ttl=DAYS_KEPT_SECONDS, show_spinner=False)
def _days(scope: str, name: str, keys: tuple[str, ...], today: date) -> dict[str, list[int]]:
    # Counted anew for each scope: a keyword of a million messages in a month takes a while.
    room = reading_room()
    view = View(room.catalog, scope_of(scope, region=room.settings.default_region))
    return view.by_day(lists_route.LISTS[name], keys, days=DAYS, today=today)


def _trail(asked: tuple[str, str, str]) -> list[Tally]:
    """Return the last rows of the pages before this one; another question starts on its first page."""
    kept: tuple[tuple[str, str, str], list[Tally]] | None = st.session_state.get("trail of rows")
    if kept is None or kept[0] != asked:
        kept = (asked, [])
        st.session_state["trail of rows"] = kept
    return kept[1]


@st.dialog("Name of a sender")
def _name(number: str) -> None:
    with notices.spoken():
        visitor = visit(Action.NAME)
        sent = visitor.view.search(Query(((Term("from", number, exact=True),),)), limit=1)
        if not sent.messages:
            raise NotFoundError(f"There is no sender {number}.")
        st.text(wording.number(number))
        with st.form("name", border=False):
            given = st.text_input("Name", max_chars=naming.LONGEST_NAME, placeholder="Anna Lind, or a team")
            st.caption('Everybody who sees messages of this sender sees the name; `from:"name"` finds them.')
            saved = st.form_submit_button("Save", type="primary")
            taken_away = st.form_submit_button("No name")
        if not (saved or taken_away):
            return
        try:
            naming.name(visitor.room.vault, number, given if saved else "")
        except RejectedInputError as error:
            st.text(str(error))
            return
        visitor.note("named a sender", subject=number, numbers=(number,))
        st.rerun()
