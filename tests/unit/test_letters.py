"""A message as an e-mail file, read by Python's own parser."""

import hashlib
from collections.abc import Iterator
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmsvault.errors import DamagedError
from mmsvault.exporting.letters import letter
from mmsvault.message import Message
from tests.integration.exports import NOON, described

PNG = b"\x89PNG\r\n\x1a\n"
FIRST = PNG + b"first"
BIG = PNG + bytes(range(256)) * 1000


def chunks(data: bytes, size: int = 1000) -> Iterator[bytes]:
    return (data[start : start + size] for start in range(0, len(data), size))


def read(message: Message, *files: bytes) -> EmailMessage:
    by_key = {item.key: data for item, data in zip(message.media, files, strict=True)}
    raw = b"".join(letter(message, lambda key: chunks(by_key[key])))
    assert all(len(line) <= 998 for line in raw.split(b"\r\n"))
    parsed: Any = message_from_bytes(raw, policy=default)
    return parsed


def test_a_letter_has_the_message_and_its_files_byte_for_byte() -> None:
    message = described("one", FIRST, BIG, subject="Grüße 🐟", keyword="Störm", to=("28444", "a@b.example"))
    parsed = read(message, FIRST, BIG)
    assert parsed["subject"] == "Grüße 🐟"
    assert parsed["from"].addresses[0].display_name == "14085550123"
    assert [one.display_name for one in parsed["to"].addresses] == ["28444", "a@b.example"]
    assert parsed["date"].datetime == NOON
    assert parsed["x-mms-keyword"] == "Störm"
    assert "Grüße 🐟" in parsed.get_body().get_content()
    attached = list(parsed.iter_attachments())
    assert [part.get_content_type() for part in attached] == ["image/png", "image/png"]
    assert [part.get_filename() for part in attached] == ["00.png", "01.png"]
    assert [part.get_content() for part in attached] == [FIRST, BIG]
    assert hashlib.sha256(attached[1].get_content()).hexdigest() == message.media[1].sha256
    assert not parsed.defects


@given(st.text(), st.text(), st.text())
def test_whatever_was_sent_no_header_is_smuggled_in(subject: str, sender: str, keyword: str) -> None:
    parsed = read(described("one", subject=subject, sender=sender, keyword=keyword))
    assert set(parsed.keys()) <= {
        *("From", "To", "Date", "Subject", "Message-ID", "MIME-Version", "Content-Type"),
        *("X-MMS-Keyword", "X-MMS-Tracking-ID", "X-MMS-Operator-ID"),
    }
    assert list(parsed.iter_attachments()) == []


def test_a_changed_file_makes_no_letter() -> None:
    message = described("one", b"right")
    with pytest.raises(DamagedError):
        read(message, b"wrong")
