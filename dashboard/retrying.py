"""The button that has what is missing of a message fetched at once, wherever such a message is shown."""

import streamlit as st

from dashboard import locally, notices, wording
from dashboard.visiting import visit
from mmsvault import disposition
from mmsvault.catalog.permissions import Action


def offer(message_id: str, label: str) -> None:
    """Draw the button."""
    st.button(
        label,
        key=f"try {message_id}",
        icon=":material/refresh:",
        on_click=_try,
        args=(message_id,),
        help="Fetches what is missing or in doubt before all else. Of two versions both are kept.",
    )


def _try(message_id: str) -> None:
    with notices.spoken():
        visitor = visit()
        visitor.message(Action.REQUEUE, message_id)
        files = disposition.retry_now(visitor.room.vault, message_id)
        details = wording.plural(files, "file")
        visitor.note("fetched again", subject=message_id, details=details, messages=(message_id,))
        st.toast(f"{locally.plural(files, 'file')} fetched again", icon=":material/refresh:")
