"""The gallery: every file that came in, newest first. The browser draws it and asks `gallery_route`.

The script is here for what changes the archive: it runs once when the page opens, and again when the
visitor wants something done to the messages that they chose.
"""

from collections.abc import Mapping
from typing import Any

import streamlit as st

from dashboard import components, deeds, locally, notices
from dashboard.deeds import Choice
from dashboard.visiting import Visit, visit
from mmsvault.catalog.permissions import Action
from mmsvault.errors import RefusedError
from mmsvault.message import fold

_DONE = "what was done last"
_SHOWN_REASONS = 10
_SHOWN_TAGS = 24
_FEW = 100
"""Messages that are looked at for the tags that they have."""


def gallery() -> None:
    """Show the page."""
    with notices.spoken():
        visitor = visit()
        wanted = components.gallery(may=_may(visitor), done=st.session_state.get(_DONE))
        if wanted:
            _do(visitor, wanted)
        if not visitor.view.any():
            notices.empty_vault(visitor.person, visitor.room.settings)


def _may(visitor: Visit) -> list[str]:
    """Return the deeds that this visitor's role allows."""
    return [deed for deed, action in deeds.ACTIONS.items() if visitor.may(action)]


def _do(visitor: Visit, wanted: Mapping[str, Any]) -> None:
    """Do what was asked for, or ask the visitor more about it first. Raises ForbiddenError."""
    deed, choice = wanted.get("deed"), Choice.of(wanted)
    if deed in ("hold", "release"):
        changed = deeds.hold(visitor, choice, held=deed == "hold")
        _finish(f"{locally.plural(changed, 'message')} {'held' if deed == 'hold' else 'released'}.")
    elif deed == "tag":
        _ask_for_tags(choice)
    elif deed == "delete":
        _ask_to_delete(choice)


def _finish(said: str) -> None:
    """Have the gallery show what became of a deed, and say it."""
    number = (st.session_state.get(_DONE) or {"number": 0})["number"] + 1
    st.session_state[_DONE] = {"number": number, "said": said}
    st.rerun()


@st.dialog("Tags")
def _ask_for_tags(choice: Choice) -> None:
    with notices.spoken():
        visitor = visit()
        ids = deeds.found(visitor, Action.TAG, choice)
        st.text(f"Tags of {locally.plural(len(ids), 'message')}")
        known = visitor.view.tags()
        written = st.text_input("Add", key="tags to add", placeholder="front page, reviewed")
        chosen = st.pills("Tags in use", known[:_SHOWN_TAGS], selection_mode="multi", key="known tags to add")
        theirs = _tags_of(visitor, ids, otherwise=known)
        remove = st.pills("Remove", theirs, selection_mode="multi", key="tags to remove") if theirs else []
        add = list(dict.fromkeys([*(tag.strip() for tag in written.split(",") if tag.strip()), *chosen]))
        if not st.button("Save", type="primary", key="save tags"):
            return
        if add or remove:
            done = deeds.tag(visitor, choice, add=add, remove=remove)
            _finish(f"{locally.plural(done, 'message')} tagged.")
        st.text("Write a tag, or choose one to add or to remove.")


def _tags_of(visitor: Visit, ids: list[str], *, otherwise: list[str]) -> list[str]:
    """Return the tags that these messages have; of many messages, all tags that there are."""
    if len(ids) > _FEW:
        return otherwise
    found = {fold(tag): tag for message in visitor.view.load_all(ids) for tag in message.tags}
    return [found[key] for key in sorted(found)]


@st.dialog("Delete for good?")
def _ask_to_delete(choice: Choice) -> None:
    with notices.spoken():
        visitor = visit()
        ids = deeds.found(visitor, Action.DELETE, choice)
        weight = deeds.weigh(visitor, ids)
        going = weight.messages - weight.held
        if going:
            st.text(
                f"{locally.plural(going, 'message')} with all files, previews and raw postbacks "
                f"({locally.plural(weight.files, 'file')} in all, {locally.size(weight.bytes)}) will be "
                "removed from the archive. Nothing brings them back, not even a repeat of their postback."
            )
        if weight.held:
            st.text(f"{locally.plural(weight.held, 'message')} on hold will stay.")
        with st.container(horizontal=True):
            if st.button("Keep them", key="keep"):
                st.rerun()
            label = f"Delete {locally.plural(going, 'message')}"
            if st.button(label, type="primary", key="delete", icon=":material/delete:", disabled=not going):
                _delete(visitor, ids, choice)


def _delete(visitor: Visit, ids: list[str], choice: Choice) -> None:
    """Delete with a bar of progress; what stays is said with its reason."""
    bar = st.progress(0.0)
    stayed = []
    for number, (identity, reason) in enumerate(
        deeds.delete(visitor, ids, subject=choice.in_words()), start=1
    ):
        bar.progress(number / len(ids))
        if reason:
            stayed.append(f"{identity}: {reason}")
    said = f"{locally.plural(len(ids) - len(stayed), 'message')} deleted."
    if stayed:
        raise RefusedError("\n".join([said, "These stay:", *stayed[:_SHOWN_REASONS]]))
    _finish(said)
