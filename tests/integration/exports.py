"""Messages put into an archive whole, as a finished worker leaves them, without one."""

import hashlib
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from mmsvault.catalog import upkeep
from mmsvault.exporting import delivering
from mmsvault.exporting.packing import Order
from mmsvault.exporting.planning import Choice
from mmsvault.media import sniffing
from mmsvault.message import MediaItem, MediaState, Message, RawPostback, utc_now
from mmsvault.postbacks import message_id
from mmsvault.vault import Vault

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
MADE_AT = datetime(2026, 11, 24, 9, tzinfo=UTC)
POSTBACK = b"<postback><origin>MMS_MO</origin></postback>"
THUMBNAIL = b"RIFF\x1a\0\0\0WEBPVP8L\r\0\0\0\x2f\0\0\0\x10\x07\x10\x11\x11\x88\x88\xfe\x07\0"


def described(name: str, *files: bytes, minutes: int = 0, **more: Any) -> Message:
    """Return a message with these files, as its record and the catalog say it."""
    identity = message_id("sinch", name)
    at = NOON + timedelta(minutes=minutes)
    prefix = f"messages/{at:%Y/%m/%d}/{identity}/"
    raw = RawPostback(
        name="postback.xml",
        sha256=hashlib.sha256(POSTBACK).hexdigest(),
        received_at=at,
        source="127.0.0.1",
        headers={},
    )
    given = {
        "id": identity,
        "provider": "sinch",
        "tracking_id": name,
        "sender": "14085550123",
        "to": ("28444",),
        "received_at": at,
        "deadline_at": at + timedelta(days=30),
        "recorded_at": at,
        "prefix": prefix,
        "postbacks": (raw,),
        "media": tuple(item(prefix, place, data) for place, data in enumerate(files)),
        **more,
    }
    return Message.model_validate(given)


def kept(vault: Vault, name: str, *files: bytes, minutes: int = 0, **more: Any) -> Message:
    """Enter a message with these files into the bucket and the catalog, and return it."""
    message = described(name, *files, minutes=minutes, **more)
    prefix = message.prefix
    vault.bucket.put(f"{prefix}postback.xml", POSTBACK, content_type="application/xml")
    for one, data in zip(message.media, files, strict=True):
        vault.bucket.put(one.key, data, content_type=one.content_type)
        vault.bucket.put(one.thumbnail_key, THUMBNAIL, content_type="image/webp")
    vault.bucket.put(f"{prefix}message.json", message.as_record(), content_type="application/json")
    upkeep.enter(vault.catalog, [message], now=utc_now())
    return message


def item(prefix: str, place: int, data: bytes) -> MediaItem:
    return MediaItem(
        position=place,
        url=f"http://m.example/{place}",
        state=MediaState.STORED,
        content_type=sniffing.true_type(data, ""),
        size=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
        key=f"{prefix}{place:02d}.png",
        thumbnail_key=f"{prefix}thumbs/{place:02d}.webp",
        thumbnail_sha256=hashlib.sha256(THUMBNAIL).hexdigest(),
        thumbnail_size=len(THUMBNAIL),
        width=1,
        height=1,
    )


def order(vault: Vault, **choice: Any) -> Order:
    password = choice.pop("password", "")
    chosen = Choice.model_validate({"query": "", **choice})
    return delivering.order(vault, chosen, name="case", made_at=MADE_AT, made_by="tests", password=password)


def made(vault: Vault, path: Path, **choice: Any) -> Path:
    """Export into one file, and return its path."""
    delivering.to_one_file(vault, order(vault, **choice), path, progress=lambda *_: None)
    return path
