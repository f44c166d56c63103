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

_DONE = "what was done last"
_SHOWN_REASONS = 10


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
        add = st.multiselect(
            "Add", known, key="tags to add", accept_new_options=True, placeholder="choose or write"
        )
        remove = st.multiselect("Take away", known, key="tags to remove", placeholder="none")
        if st.button("Save", type="primary", key="save tags", disabled=not (add or remove)):
            done = deeds.tag(visitor, choice, add=add, remove=remove)
            _finish(f"{locally.plural(done, 'message')} tagged.")


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
