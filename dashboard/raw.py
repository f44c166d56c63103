"""Raw bodies as they were received: strangers' bytes, shown as text and nothing else."""

import streamlit as st

BYTES_READ = (1 << 16) + 1
"""How many bytes of a body to hand over: one more than are shown, so that what is left out is said."""


def show_body(body: bytes) -> None:
    """Show the beginning of a body."""
    st.code(body[: BYTES_READ - 1].decode(errors="replace"), language=None, wrap_lines=True)
    if len(body) == BYTES_READ:
        st.text("Only its beginning is shown.")
