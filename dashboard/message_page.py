"""A message: its facts, its files with their originals, and the raw postbacks; a page or a drawer."""

import streamlit as st

from dashboard import notices
from dashboard.components import sheet
from dashboard.record import details, heading, parts
from dashboard.visiting import visit
from mmsvault.message import Message, MessageState, RawPostback, utc_now

FRESH_EVERY_SECONDS = 4
POSTBACK_BYTES_SHOWN = 1 << 16
_NOTED = "message that was noted"


def message_page() -> None:
    """Show the message that the page's address names: `/message?id=...`."""
    message_id = st.query_params.get("id", "")
    if message_id:
        _show(message_id, link=False)
    else:
        notices.no_message_chosen()


@st.dialog("Message", width="medium", position="right")
def open_drawer(message_id: str) -> None:
    """Show a message beside the gallery."""
    _show(message_id, link=True)


def _show(message_id: str, *, link: bool) -> None:
    with notices.spoken():
        visitor = visit()
        message = visitor.view.load(message_id)
        if st.session_state.get(_NOTED) != message_id:
            visitor.note("looked at", subject=message_id)
            st.session_state[_NOTED] = message_id
        # What still waits for files changes by itself; the rest is read once.
        waits = message.state is MessageState.PENDING
        st.fragment(_body, run_every=FRESH_EVERY_SECONDS if waits else None)(message_id, link=link)


def _body(message_id: str, *, link: bool) -> None:
    with notices.spoken():
        visitor = visit()
        message = visitor.view.load(message_id)
        now = utc_now()
        sheet(
            heading=heading(message),
            details=details(message, now=now),
            parts=parts(message, sign=visitor.room.links.sign, now=now),
            message_id=message.id,
            link=link,
        )
        for postback in message.postbacks:
            _raw_postback(message, postback)


def _raw_postback(message: Message, postback: RawPostback) -> None:
    label = f"Raw postback `{postback.name}`"
    folded = st.expander(label, key=f"raw {message.id} {postback.name}", on_change="rerun")
    if not folded.open:
        return
    with folded, notices.spoken():
        visitor = visit()
        visitor.view.load(message.id)
        key = message.prefix + postback.name
        with visitor.room.bucket.open(key) as response:
            body = response.read(POSTBACK_BYTES_SHOWN + 1)
        st.code(body[:POSTBACK_BYTES_SHOWN].decode(errors="replace"), language=None, wrap_lines=True)
        if len(body) > POSTBACK_BYTES_SHOWN:
            st.text("Only its beginning is shown.")
        st.text(f"SHA-256 {postback.sha256}, received from {postback.source or 'an unknown address'}")
