"""A provider's notice becomes a Message: one module for each provider, found by its name in the path.

A provider's module has `parse(body, content_type) -> Notice` and knows all of that provider's dialects.
What is common to all of them (the message id, times, the folder in the bucket) is settled here. `charset`,
`xml_body`, `json_body`, `tree`, `body` and `files` read what is sent, with its slips. The guide for a new
one is docs/adding-a-provider.md.
"""

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from mmsvault.errors import NotUnderstoodError
from mmsvault.message import MediaItem, Message, Receipt, believed_at
from mmsvault.postbacks import sinch
from mmsvault.postbacks.notice import Notice
from mmsvault.postbacks.timestamps import moment_of

PROVIDERS: Mapping[str, Callable[[bytes, str], Notice]] = {"sinch": sinch.parse}

LONGEST_NAME = 120
"""Characters of a message id; file systems under an embedded bucket take 255 bytes for a name."""


@dataclass(frozen=True)
class OtherNotice:
    """A postback with another code than a received MMS; it is counted and goes no further."""

    code: str


def understand(receipt: Receipt, *, retention: timedelta) -> Message | OtherNotice:
    """Return the message that the receipt announces; its files are pending and due at once.

    `retention` is how long the provider keeps files from the time that it received the message. Where the
    postback tells no time that can be believed, that of the receipt stands in. Raises NotUnderstoodError
    with the reason for a person.
    """
    notice = PROVIDERS[receipt.provider](receipt.body, _content_type(receipt))
    if not notice.announces_message:
        return OtherNotice(code=notice.code)
    if not notice.tracking_id:
        raise NotUnderstoodError(
            "The postback has no tracking id, so its message cannot be told from others."
        )
    received_at, doubts = _received_at(notice.timestamp, receipt)
    identity = message_id(receipt.provider, notice.tracking_id)
    return Message(
        id=identity,
        provider=receipt.provider,
        tracking_id=notice.tracking_id,
        sender=notice.sender,
        to=notice.to,
        keyword=notice.keyword,
        subject=notice.subject,
        operator_id=notice.operator_id,
        received_at=received_at,
        deadline_at=_later(min(received_at, receipt.received_at), retention),
        recorded_at=receipt.received_at,
        prefix=f"messages/{received_at:%Y/%m/%d}/{identity}/",
        media=tuple(
            MediaItem(position=position, url=url, next_attempt_at=receipt.received_at)
            for position, url in enumerate(notice.urls)
        ),
        repaired=(*notice.repaired, *doubts),
    )


def message_id(provider: str, tracking_id: str) -> str:
    """Return the id that is the key of a message everywhere, safe in paths, URLs and shells.

    Letters, digits, `_` and `-` stand for themselves, every other byte becomes `~XX`; two tracking
    ids never share an id. A very long one is cut and ends in its SHA-256.
    """
    safe = re.sub(
        rb"[^A-Za-z0-9_-]",
        lambda found: b"~%02X" % found.group()[0],
        tracking_id.encode("utf-8", "surrogatepass"),
    ).decode()
    if len(safe) > LONGEST_NAME:
        digest = hashlib.sha256(tracking_id.encode("utf-8", "surrogatepass")).hexdigest()[:40]
        safe = f"{safe[: LONGEST_NAME - 42]}~~{digest}"
    return f"{provider}-{safe}"


def _content_type(receipt: Receipt) -> str:
    return next((value for name, value in receipt.headers.items() if name.lower() == "content-type"), "")


def _received_at(text: str, receipt: Receipt) -> tuple[datetime, tuple[str, ...]]:
    """Return when the provider received the message, and what was wrong with the time that it tells."""
    moment = moment_of(text)
    if moment is None:
        return receipt.received_at, ("timestamp not understood",) if text else ()
    believed = believed_at(moment, received_at=receipt.received_at)
    return (believed, ()) if believed else (receipt.received_at, ("timestamp not believed",))


def _later(moment: datetime, span: timedelta) -> datetime:
    try:
        return moment + span
    except OverflowError:
        return datetime.max.replace(tzinfo=UTC)
