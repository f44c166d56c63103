"""Messages as e-mail (RFC 5322, MIME): one file each, for mail programs and for e-discovery.

A number is written as an address of a domain that exists nowhere (RFC 2606). Files are encoded piece
by piece, so that a large one needs no more memory than a small one.
"""

import base64
import hashlib
import re
from collections.abc import Callable, Iterator
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP

from mmsvault.errors import DamagedError
from mmsvault.message import MediaItem, MediaState, Message

DOMAIN = "mms.invalid"
_LINE_BYTES = 57
"""What one line of 76 characters of base64 holds (RFC 2045, 6.8)."""
_CONTENT_TYPE = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+-]*/[A-Za-z0-9][A-Za-z0-9.+-]*")


def letter(message: Message, chunks: Callable[[str], Iterator[bytes]]) -> Iterator[bytes]:
    """Give the message with its stored files as an e-mail; `chunks` gives an object by its key.

    Raises DamagedError where a file is not what was archived.
    """
    boundary = f"=_{hashlib.sha256(message.id.encode()).hexdigest()[:40]}"
    yield _headers(message, boundary)
    yield _part(boundary, "text/plain; charset=utf-8", "inline")
    yield from _encoded(iter([_summary(message).encode("utf-8", "replace")]))
    for item in message.media:
        if item.state is MediaState.STORED:
            content_type = item.content_type if _CONTENT_TYPE.fullmatch(item.content_type) else ""
            name = item.key.rpartition("/")[2]
            placed = f'attachment; filename="{name}"'
            yield _part(boundary, content_type or "application/octet-stream", placed)
            yield from _encoded(_checked(item, chunks(item.key)))
    yield f"--{boundary}--\r\n".encode()


def _headers(message: Message, boundary: str) -> bytes:
    head = EmailMessage(policy=SMTP)
    head["From"] = _address(message.sender)
    head["To"] = [_address(number) for number in message.to]
    head["Date"] = message.received_at
    head["Subject"] = _line(message.subject) or f"MMS from {_line(message.sender)}"
    head["Message-ID"] = f"<{message.id}@{DOMAIN}>"
    head["X-MMS-Keyword"] = _line(message.keyword)
    head["X-MMS-Tracking-ID"] = _line(message.tracking_id)
    head["X-MMS-Operator-ID"] = _line(message.operator_id)
    head["MIME-Version"] = "1.0"
    lines = head.as_bytes().rstrip(b"\r\n")
    return lines + f'\r\nContent-Type: multipart/mixed; boundary="{boundary}"\r\n\r\n'.encode()


def _part(boundary: str, content_type: str, placed: str) -> bytes:
    return (
        f"--{boundary}\r\nContent-Type: {content_type}\r\nContent-Disposition: {placed}\r\n"
        "Content-Transfer-Encoding: base64\r\n\r\n"
    ).encode()


def _encoded(chunks: Iterator[bytes]) -> Iterator[bytes]:
    rest = b""
    for chunk in chunks:
        data = rest + chunk
        whole = len(data) - len(data) % _LINE_BYTES
        rest = data[whole:]
        yield base64.encodebytes(data[:whole]).replace(b"\n", b"\r\n")
    yield base64.encodebytes(rest).replace(b"\n", b"\r\n")


def _checked(item: MediaItem, chunks: Iterator[bytes]) -> Iterator[bytes]:
    digest = hashlib.sha256()
    for chunk in chunks:
        digest.update(chunk)
        yield chunk
    if digest.hexdigest() != item.sha256:
        raise DamagedError(item.key, f"{item.key} is not what was archived: its SHA-256 differs.")


def _address(number: str) -> Address:
    # Letters and digits are safe on both sides of an address; what else was sent is in the name.
    return Address(_line(number), re.sub(r"[^A-Za-z0-9]", "", number)[:60] or "unknown", DOMAIN)


def _summary(message: Message) -> str:
    lines = [
        message.subject,
        "",
        f"Received {message.received_at:%Y-%m-%d %H:%M:%S} UTC by {message.provider}",
    ]
    for item in message.media:
        what = item.text or item.reason
        lines.append(
            f"File {item.position}: {item.content_type or item.state.value}" + (f"\n{what}" if what else "")
        )
    return "\r\n".join("\n".join(lines).splitlines()) + "\r\n"


def _line(text: str) -> str:
    """Return text on one line and without control characters, as a header must be."""
    plain = "".join(letter if letter.isprintable() else " " for letter in text)
    return " ".join(plain.encode("utf-8", "replace").decode().split())
