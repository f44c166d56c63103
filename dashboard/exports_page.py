"""Exports: archives of a search for lawyers, newsrooms and successors; made in the background."""

from contextlib import suppress
from datetime import datetime

import streamlit as st

from dashboard import exports_route, locally, notices
from dashboard.reading_room import ReadingRoom
from dashboard.searched import count, search_box, show_search, whose
from dashboard.visiting import Visit, visit
from mmsvault.catalog import people, searches, selections
from mmsvault.catalog.permissions import Action
from mmsvault.errors import NotFoundError
from mmsvault.exporting import planning, register, working
from mmsvault.exporting.planning import FORMATS, SHEET_ORDERS, VOLUME_BYTES, Choice
from mmsvault.exporting.register import Export, State
from mmsvault.message import utc_now

FRESH_EVERY_SECONDS = 2
CHOSEN, SELECTION = "chosen", "selection"
"""Where the page's address has messages that were selected in the gallery: few of them, or many."""
SHOWN = 30
LOOKED_THROUGH = 1000
OPENED_WITH = (
    "Files are encrypted with AES-256; their names and sizes stay readable. 7-Zip, WinZip, Keka and "
    "`mmsvault import` open such an archive, the file managers of Windows and macOS do not. Write the "
    "password down and send it another way than the archive: nobody can look it up again."
)
TOO_SHORT = (
    f"The password of an archive has at least {people.SHORTEST_PASSWORD} characters: whoever has the archive "
    "can try as many as they like."
)
_PASSWORD = "password of the archive"  # noqa: S105 - where the page has it
VOLUME_SIZES = {"4 GB": VOLUME_BYTES, "1 GB": 1 << 30, "500 MB": 500 << 20, "One file": 0}
FORMAT_NAMES = {"eml": "E-mail files (EML)", "pdf": "Contact sheets (PDF)"}
SHEET_ORDER_NAMES = {"oldest": "Oldest first", "newest": "Newest first"}
STATES = {
    State.WAITING: "Waiting for its turn",
    State.RUNNING: "Being made",
    State.DONE: "Done",
    State.FAILED: "Failed",
    State.ENDING: "Being cancelled",
    State.CANCELLED: "Cancelled",
}


def exports_page() -> None:
    """Show the page."""
    with notices.spoken():
        visitor = visit(Action.EXPORT)
        st.title("Exports")
        _saved(visitor)
        _new(visitor)
        st.header("History")
        st.fragment(_history, run_every=FRESH_EVERY_SECONDS)()


def _saved(visitor: Visit) -> None:
    """Offer the saved searches to start from."""
    known = {
        one.name: one.query for one in searches.list_all(visitor.room.catalog, scope=visitor.person.scope)
    }
    if known:
        st.selectbox(
            "Start from a saved search",
            list(known),
            index=None,
            key="saved",
            placeholder="or write one below",
            on_change=_take,
            args=(known,),
            width=420,
        )


def _take(known: dict[str, str]) -> None:
    if chosen := st.session_state.saved:
        st.session_state.query = known[chosen]


def _new(visitor: Visit) -> None:
    query = search_box("Messages to export", placeholder="every message, or a search as in the gallery")
    ids = _chosen(visitor)
    if ids == ():  # an export of these would be one of the whole archive
        return
    about = Choice(
        query=query,
        ids=ids or (),
        region=visitor.room.settings.default_region,
        scope=visitor.person.scope,
    )
    found = visitor.view.total(planning.query_of(about))
    if names := whose(visitor, about.query):
        st.text(names)
    choice = _how(about)
    notices.say_kept()
    st.button(
        f"Export {count(found)}",
        key="export",
        type="primary",
        icon=":material/archive:",
        disabled=not found.messages,
        on_click=_ask,
        args=(choice,),
    )


def _how(about: Choice) -> Choice:
    """Ask how these messages are to be exported."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        size = st.selectbox("Split at", list(VOLUME_SIZES), key="split", bind="query-params", width=160)
        formats = st.multiselect(
            "Also as",
            FORMATS,
            format_func=FORMAT_NAMES.__getitem__,
            key="formats",
            bind="query-params",
            width=320,
        )
        sheet_order = _sheet_order() if "pdf" in formats else ""
        st.text_input(
            "Password",
            type="password",
            key=_PASSWORD,
            placeholder="none: anybody can open it",
            autocomplete="new-password",
            max_chars=people.LONGEST_PASSWORD,
            width=260,
        )
        thumbnails = st.toggle("Thumbnails", value=True, key="thumbnails", bind="query-params")
        signed = st.toggle(
            "Signed",
            value=True,
            key="signed",
            bind="query-params",
            help="With this vault's Ed25519 key.",
        )
    if st.session_state[_PASSWORD]:
        st.caption(OPENED_WITH)
    chosen = {
        "volume_bytes": VOLUME_SIZES[size],
        "thumbnails": thumbnails,
        "formats": tuple(sorted(formats)),
        "signed": signed,
        "sheet_order": sheet_order,
        "zone": str(locally.zone()),
    }
    return about.model_copy(update=chosen)


def _sheet_order() -> str:
    """Ask which message of a contact sheet is first."""
    chosen = st.selectbox(
        "Contact sheets",
        SHEET_ORDERS,
        index=None,
        format_func=SHEET_ORDER_NAMES.__getitem__,
        key="sheet order",
        placeholder="Oldest first for one sender",
        help="Without a choice: the oldest message first where all are of one sender, else the newest.",
        width=260,
    )
    return chosen or ""


def _ask(choice: Choice) -> None:
    """Ask for the export, and let go of its password here."""
    with notices.spoken():
        visitor = visit(Action.EXPORT)
        password = st.session_state.get(_PASSWORD, "")
        if 0 < len(password) < people.SHORTEST_PASSWORD:
            notices.say_next(TOO_SHORT)
            return
        st.session_state[_PASSWORD] = ""
        now = utc_now()
        name = f"mms-export-{now:%Y%m%dT%H%M%SZ}"
        details = f"{name}, with a password" if password else name
        visitor.note("exported", subject=choice.in_words(), details=details)
        working.request(
            visitor.room.vault,
            choice.model_copy(update={"scope": visitor.person.scope}),
            name=name,
            made_by=visitor.person.name,
            made_at=now,
            password=password,
        )
        st.toast("The export began; it stands under History.", icon=":material/archive:")


def _chosen(visitor: Visit) -> tuple[str, ...] | None:
    """Say that messages were selected in the gallery, and return their ids; None where there are none.

    An address that names a selection which is not there (any more) gives no ids, never all messages.
    """
    if not (CHOSEN in st.query_params or SELECTION in st.query_params):
        return None
    ids = _selected(visitor)
    with st.container(horizontal=True, vertical_alignment="center", key="selected"):
        if ids:
            st.text(f"{locally.plural(len(ids), 'selected message')}")
        else:
            st.text("This selection has expired. Select the messages in the gallery again.")
        st.button("Export the whole archive instead", key="not chosen", on_click=_forget_chosen)
    return ids


def _selected(visitor: Visit) -> tuple[str, ...]:
    if CHOSEN in st.query_params:
        named = st.query_params.get_all(CHOSEN)[: selections.MOST_MESSAGES]
        return tuple(dict.fromkeys(one for one in named if one))
    with suppress(NotFoundError):
        identity = st.query_params[SELECTION]
        return selections.find(visitor.room.catalog, identity, owner=visitor.person.name, now=utc_now())
    return ()


def _forget_chosen() -> None:
    for name in (CHOSEN, SELECTION):
        st.query_params.pop(name, None)


def _history() -> None:
    with notices.spoken():
        visitor = visit(Action.EXPORT)
        latest = register.latest(visitor.room.catalog, limit=LOOKED_THROUGH)
        found = [one for one in latest if exports_route.may_have(visitor, one)][:SHOWN]
        if not found:
            st.info(
                "Nothing was exported yet. Say above which messages, and press Export: the archive is made "
                "in the background, and stands here to be downloaded until somebody deletes it."
            )
        for one in found:
            with st.container(border=True, key=f"export-{one.id}"):
                _show(visitor, one)


def _cancel(identity: str) -> None:
    visitor = _for_whom_it_is(identity)
    if visitor:
        visitor.note("cancelled an export", subject=identity)
        working.cancel(visitor.room.vault, identity)


def _delete(identity: str) -> None:
    visitor = _for_whom_it_is(identity)
    if visitor:
        visitor.note("deleted", subject=f"export {identity}")
        working.delete(visitor.room.vault, identity)


def _for_whom_it_is(identity: str) -> Visit | None:
    """Return who presses a button of an export, if it is theirs: the page may be an old one."""
    with notices.spoken():
        visitor = visit(Action.EXPORT)
        if exports_route.may_have(visitor, register.find(visitor.room.catalog, identity)):
            return visitor
    return None


def _show(visitor: Visit, found: Export) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.text(f"{found.name}: {STATES[found.state]}")
        st.space("stretch")
        if found.state in (State.WAITING, State.RUNNING):
            st.button("Cancel", key=f"cancel {found.id}", on_click=_cancel, args=(found.id,))
        elif found.state is not State.ENDING:
            with st.popover("Delete", key=f"deleting {found.id}"):
                st.text(f"The archive is deleted ({what_goes(found)}). Its messages stay in the vault.")
                st.button("Delete for good", key=f"delete {found.id}", on_click=_delete, args=(found.id,))
    encrypted = ", with a password" if found.choice.encrypted else ""
    st.caption(f"{locally.moment(found.made_at)} by {found.made_by}{encrypted}")
    show_search(visitor, found.choice.query, said=found.choice.in_words())
    if found.state is State.RUNNING:
        st.progress(found.share, text=in_words(found, utc_now()))
    if found.reason:
        st.text(found.reason)
    if found.state is State.DONE:
        _downloads(visitor.room, found)


def what_goes(found: Export) -> str:
    """Return what a deletion takes away."""
    if not found.volumes:
        return "nothing of it was made"
    size = locally.size(sum(volume.bytes for volume in found.volumes))
    return f"{locally.plural(len(found.volumes), 'volume')}, {size}"


def _downloads(room: ReadingRoom, found: Export) -> None:
    st.text(
        f"{locally.plural(found.messages, 'message')} in {locally.plural(len(found.volumes), 'volume')}, "
        f"{locally.size(sum(volume.bytes for volume in found.volumes))}"
    )
    if found.left_out:
        st.text(left_out(found.left_out))
    with st.container(horizontal=True):
        for volume in found.volumes:
            st.link_button(
                f"{volume.name} ({locally.size(volume.bytes)})",
                exports_route.signed_link(room, found.prefix + volume.name, exports_route.ZIP),
                icon=":material/download:",
            )
        st.link_button(
            "Set manifest",
            exports_route.signed_link(room, f"{found.prefix}{found.name}-set.json", exports_route.JSON),
        )


def left_out(count: int) -> str:
    """Return what to know of messages that were deleted while the export was made."""
    were = "was" if count == 1 else "were"
    told = locally.plural(count, "message")
    return f"{told} {were} deleted from the archive while the export was made. The export does not have them."


def in_words(found: Export, now: datetime) -> str:
    """Return how far an export is, and how long it will take at the rate so far."""
    planned = found.plan.messages if found.plan else 0
    done = f"{locally.number(found.messages)} of {locally.plural(planned, 'message')}"
    said = f"{done}, {locally.size(found.bytes)}"
    if not found.began_at or found.share <= 0:
        return said
    seconds = (now - found.began_at).total_seconds() * (1 - found.share) / found.share
    left = f"{seconds / 60:.0f} minutes" if seconds >= 90 else f"{seconds:.0f} seconds"  # noqa: PLR2004 - a minute and a half
    return f"{said}; about {left} to go"
