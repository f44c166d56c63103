"""Who saw a message and did something with it, from the audit log, on the message's own page."""

import streamlit as st

from dashboard import notices
from dashboard.audit_page import show_entries
from dashboard.visiting import Visit, visit
from mmsvault.catalog import trail
from mmsvault.catalog.permissions import Action
from mmsvault.catalog.trail import Asked

SHOWN = 50


def show_who_saw(visitor: Visit, message_id: str) -> None:
    """Offer the list, to those who may read the audit log."""
    if not visitor.may(Action.READ_TRAIL):
        return
    folded = st.expander("Who saw this", key=f"who saw {message_id}", on_change="rerun")
    if not folded.open:
        return
    with folded, notices.spoken():
        room = visit(Action.READ_TRAIL).room
        found = trail.asked_for(room.catalog, Asked(message=message_id), limit=SHOWN + 1)
        show_entries(found[:SHOWN])
        if len(found) > SHOWN:
            st.caption(f"These are the newest {SHOWN} entries. The page Audit has them all.")
        st.caption("Pictures seen in the gallery only are not in the audit log; opened messages are.")
