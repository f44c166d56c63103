"""Raw bodies as they were received: strangers' bytes, shown as text and nothing else."""

import codecs
import unicodedata

import streamlit as st

from mmsvault.postbacks.charset import decode

BYTES_READ = (1 << 16) + 1
"""How many bytes of a body to hand over: one more than are shown, so that what is left out is said."""
_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_WHITE = "\t\n\r"


def show_body(body: bytes) -> None:
    """Show the beginning of a body."""
    st.code(readable(body[: BYTES_READ - 1]), language=None, wrap_lines=True)
    if len(body) == BYTES_READ:
        st.text("Only its beginning is shown.")


def readable(body: bytes) -> str:
    r"""Return a body as text in which every byte can be seen: what is no text is written as `\x0b`."""
    encoding = _encoding(body)
    text = body.decode(encoding, "backslashreplace")
    return "".join(letter if _is_text(letter) else _escaped(letter) for letter in text)


def editable(body: bytes) -> str:
    """Return a body as a person corrects it: decoded, without the control characters that no form takes."""
    text, _ = decode(body)
    return "".join(letter for letter in text if _is_text(letter)).replace("\r\n", "\n")


def _encoding(body: bytes) -> str:
    return next((name for mark, name in _MARKS.items() if body.startswith(mark)), "utf-8")


def _is_text(letter: str) -> bool:
    return letter in _WHITE or unicodedata.category(letter) not in ("Cc", "Cs")


def _escaped(letter: str) -> str:
    code = ord(letter)
    return f"\\x{code:02x}" if code <= 0xFF else f"\\u{code:04x}"  # noqa: PLR2004 - as Python writes them
