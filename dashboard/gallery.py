"""The gallery: every file that came in, newest first, by sender, keyword or search."""

import streamlit as st

from dashboard import notices, wording
from dashboard.components import grid
from dashboard.counts import show_counts
from dashboard.exports_page import exports_page, search_in_words
from dashboard.message_page import open_drawer
from dashboard.reading_room import reading_room
from dashboard.tiles import tiles
from dashboard.visiting import Visit, visit
from mmsvault.catalog.language import EVERYTHING, Query, Term, parse
from mmsvault.catalog.people import Role
from mmsvault.catalog.queries import Page
from mmsvault.catalog.views import View, scope_of
from mmsvault.message import utc_now

MESSAGES_A_PAGE = 60
FRESH_EVERY_SECONDS = 4
NO_KEYWORD = "(none)"
CHOICES_KEPT_SECONDS = 10
SEARCH_HELP = (
    'Words and "phrases" look in subjects and texts. `from:` `to:` `number:` take a number or a part '
    "of it with \\*; `keyword:` `type:image|video|audio|text|contact` `state:pending|lost` "
    "`carrier:verizon` `after:2014-02-01` `before:` `tag:` `has:media`; `-` negates, `OR` joins two."
)
_CHOSEN = ("sender", "keyword")
_OPENED = "opened message"
_TRAIL = "trail of pages"
_NOTED = "search that was noted"


def gallery() -> None:
    """Show the page."""
    with notices.spoken():
        visitor = visit()
        query = _filters(visitor)
        st.fragment(_live, run_every=FRESH_EVERY_SECONDS)(query)
    if opened := st.session_state.pop(_OPENED, None):
        open_drawer(opened)


def _filters(visitor: Visit) -> Query:
    """Return what is searched for. Raises SearchError."""
    senders, keywords = (
        _with_chosen(key, names) for key, names in zip(_CHOSEN, _choices(visitor.person.scope), strict=True)
    )
    left, right = st.columns(2, vertical_alignment="bottom")
    right = right.container(horizontal=True, wrap=False, vertical_alignment="bottom")
    text = left.text_input(
        "Search",
        key="q",
        bind="query-params",
        type="search",
        placeholder="words, from:1408*, type:video, after:2014-02-01",
        icon=":material/search:",
        help=SEARCH_HELP,
    )
    sender = right.selectbox(
        "Sender", senders, index=None, key="sender", bind="query-params", placeholder="Anyone"
    )
    keyword = right.selectbox(
        "Keyword", keywords, index=None, key="keyword", bind="query-params", placeholder="Any"
    )
    wanted = search_in_words(text or "", sender=sender, keyword="none" if keyword == NO_KEYWORD else keyword)
    may_export = visitor.person.role.includes(Role.EXPORTER)
    if may_export and right.button("Export", key="export these", icon=":material/archive:"):
        st.switch_page(st.Page(exports_page, url_path="exports"), query_params={"query": wanted})
    groups = list(parse(text or "", region=visitor.room.settings.default_region).groups)
    if sender:
        groups.append((Term("from", sender),))
    if keyword:
        groups.append((Term("keyword", "none" if keyword == NO_KEYWORD else keyword),))
    _note_once(
        visitor, " ".join((text or "", f"from:{sender}" * bool(sender), f"keyword:{keyword}" * bool(keyword)))
    )
    return Query(tuple(groups))


def _note_once(visitor: Visit, searched: str) -> None:
    """Enter a search into the trail when it is a new one, not whenever the page is drawn again."""
    words = searched.strip()
    if st.session_state.get(_NOTED) != words:
        visitor.note("searched", subject=words or "everything")
        st.session_state[_NOTED] = words


def _with_chosen(key: str, names: list[str]) -> list[str]:
    """Add the one that the page's address names, which need not be among the latest."""
    chosen = st.session_state.get(key) or st.query_params.get(key)
    return names if not chosen or chosen in names else [*names, chosen]


@st.cache_data(ttl=CHOICES_KEPT_SECONDS, show_spinner=False)
def _choices(scope: str) -> tuple[list[str], list[str]]:
    # Kept for each scope by itself: who sees less is offered less.
    # The plain keys: they stand in the page's address, so they must not change with what comes in.
    room = reading_room()
    view = View(room.catalog, scope_of(scope, region=room.settings.default_region))
    senders = [tally.key for tally in view.senders()]
    return senders, [tally.key or NO_KEYWORD for tally in view.keywords()]


def _live(query: Query) -> None:
    """Show what changes by itself: the counts and the page of tiles."""
    with notices.spoken():
        visitor = visit()
        everything = show_counts(visitor.view)
        trail = _trail(query)
        page = visitor.view.search(query, limit=MESSAGES_A_PAGE, after=trail[-1] if trail else None)
        if page.messages:
            _show_page(page, trail)
        elif everything and query != EVERYTHING:
            _show_no_hits()
        elif not everything:
            notices.empty_vault(visitor.person, visitor.room.settings)


def _show_page(page: Page, trail: list[str]) -> None:
    room = reading_room()
    opened = grid(
        tiles(page.messages, sign=room.links.sign, today=utc_now().date()),
        page=len(trail),
        total=f"{'' if page.total_is_exact else 'more than '}{wording.plural(page.total, 'message')}",
    )
    if opened:
        st.session_state[_OPENED] = opened
        st.rerun()
    if not (trail or page.next):
        return
    with st.container(horizontal=True, horizontal_alignment="center", vertical_alignment="center"):
        st.button(
            "Newer", key="newer", icon=":material/chevron_left:", disabled=not trail, on_click=_turn_back
        )
        pages = f" of {-(-page.total // MESSAGES_A_PAGE)}" if page.total_is_exact else ""
        st.text(f"Page {len(trail) + 1}{pages}")
        st.button(
            "Older",
            key="older",
            icon=":material/chevron_right:",
            icon_position="right",
            disabled=not page.next,
            on_click=_turn,
            args=(page.next,),
        )


def _show_no_hits() -> None:
    chosen = [
        f"{label}: {st.session_state[key]}"
        for key, label in (("q", "search"), ("sender", "sender"), ("keyword", "keyword"))
        if st.session_state.get(key)
    ]
    with st.container(border=True):
        st.markdown("**No message fits this:**")
        st.text("\n".join(chosen))
        if st.button("Show all messages", key="clear", icon=":material/close:", on_click=_clear):
            st.rerun()


def _clear() -> None:
    st.session_state.q = ""
    st.session_state.sender = st.session_state.keyword = None


def _trail(query: Query) -> list[str]:
    """Return where the pages up to the present one start; another query starts on its first page."""
    kept: tuple[Query, list[str]] | None = st.session_state.get(_TRAIL)
    if kept is None or kept[0] != query:
        kept = (query, [])
        st.session_state[_TRAIL] = kept
    return kept[1]


def _turn(to: str) -> None:
    st.session_state[_TRAIL][1].append(to)


def _turn_back() -> None:
    st.session_state[_TRAIL][1].pop()
