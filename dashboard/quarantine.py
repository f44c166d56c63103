"""Postbacks that nobody understood: why, their raw bodies as text, and the way to try them again."""

import streamlit as st
from redis.exceptions import RedisError

from dashboard import locally, notices, raw
from dashboard.visiting import Visit, visit
from mmsvault import replaying
from mmsvault.catalog.permissions import Action
from mmsvault.errors import UnavailableError
from mmsvault.message import Receipt
from mmsvault.queueing.connection import connect_to_answer
from mmsvault.queueing.durable import DurableQueue
from mmsvault.queueing.jobs import open_queue
from mmsvault.replaying import Quarantined

SHOWN = 20
PATIENCE_SECONDS = 10
CAME_OF = {
    "message": "Understood now: it is a message.",
    "duplicate": "Understood now: its message is here already.",
    "other": "Understood now: a notice of another kind, which is counted.",
    "quarantined": "Still not understood.",
    "waiting": "It waits for a worker.",
}


def show_quarantine() -> None:
    """Show what is in quarantine."""
    with notices.spoken():
        visitor = visit(Action.REPLAY)
        st.header("Quarantine")
        found = replaying.quarantined(visitor.room.vault, limit=SHOWN)
        if not found:
            st.info("Nothing is in quarantine: every postback was understood.")
            return
        for one in found:
            with st.container(border=True, key=f"quarantined {one.folder}"):
                _show(one)
        if len(found) == SHOWN:
            st.caption(
                f"The newest {SHOWN} are shown. `mmsvault replay quarantine/` tries all of them again."
            )


def _show(one: Quarantined) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        at = locally.moment(one.received_at) if one.received_at else "At an unknown time"
        st.text(f"{at}, from {one.source or 'an unknown address'}")
        st.space("stretch")
        if not one.understood_as:
            st.button("Replay", key=f"replay {one.folder}", on_click=_replay, args=(one.folder,))
    st.text(f"Understood since, as {one.understood_as}." if one.understood_as else one.reason)
    folded = st.expander("Raw body", key=f"body {one.folder}", on_change="rerun")
    if folded.open:
        with folded, notices.spoken():
            vault = visit(Action.REPLAY).room.vault
            raw.show_body(replaying.body(vault, one.folder, most_bytes=raw.BYTES_READ))
            st.caption(one.folder)


def _replay(folder: str) -> None:
    with notices.spoken():
        visitor = visit(Action.REPLAY)
        for receipt in replaying.receipts(visitor.room.vault, [folder], provider="sinch"):
            if isinstance(receipt, Receipt):
                st.toast(CAME_OF[_once_more(visitor, receipt)])
            else:
                st.toast("It is not in quarantine any more.")
        visitor.note("replayed", subject=folder)


def _once_more(visitor: Visit, receipt: Receipt) -> str:
    """Put the receipt into the queue and return what came of it within some seconds."""
    vault = visitor.room.vault
    try:
        with connect_to_answer(vault.settings.effective_redis_url) as connection:
            replaying.replay(vault, DurableQueue(open_queue(connection)), receipt)
    except RedisError as error:
        raise UnavailableError("The queue cannot be reached.") from error
    outcomes = replaying.outcomes(vault, [receipt.id], wait_seconds=PATIENCE_SECONDS)
    return next((outcome for outcome, count in outcomes.items() if count), "waiting")
