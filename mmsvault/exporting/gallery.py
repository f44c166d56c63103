"""data/index.html: the offline gallery, one page with its script and its messages in it.

It is opened from a folder, by people and years away from here, so it may load nothing: a policy in
the page allows its own style and script by their hashes, and files beside it as pictures, film and
sound. The messages are data, which no browser runs.
"""

import base64
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from importlib.resources import files
from pathlib import PurePosixPath

from mmsvault.message import MediaItem, Message

_PREVIEW_TYPES = {
    ".mp4": "video/mp4",
    ".m4a": "audio/mp4",
    ".mp3": "audio/mpeg",
    ".jpg": "image/jpeg",
    ".png": "image/png",
    ".webp": "image/webp",
}


def page(rows: Iterable[bytes]) -> Iterator[bytes]:
    """Give the page around the rows, which stand joined by `separator`."""
    style, script = _asset("gallery.css"), _asset("gallery.js")
    policy = "; ".join(
        (
            "default-src 'none'",
            f"style-src '{_hash(style)}'",
            f"script-src '{_hash(script)}'",
            "img-src 'self' file:",
            "media-src 'self' file:",
            "base-uri 'none'",
            "form-action 'none'",
        )
    )
    before, _, after = _asset("gallery.html").partition("{messages}")
    yield before.format(policy=policy, style=style).encode()
    yield from rows
    yield after.format(script=script).encode()


SEPARATOR = b",\n"


def row(message: Message, paths: Mapping[str, str]) -> bytes:
    """Return what the page knows of a message; `paths` are the names in the archive, by key."""
    told = {
        "id": message.id,
        "at": message.received_at.isoformat().replace("+00:00", "Z"),
        "from": message.sender,
        "to": message.to,
        "keyword": message.keyword,
        "subject": message.subject,
        "carrier": message.operator_id,
        "state": message.state.value,
        "tags": message.tags,
        "media": [_file(item, paths) for item in message.media],
    }
    text = json.dumps(told, ensure_ascii=False, separators=(",", ":"))
    # In a script element `</script>` and `<!--` would end the data (HTML, 13.2.5.4).
    return text.replace("<", "\\u003c").encode("utf-8", "backslashreplace")


def _file(item: MediaItem, paths: Mapping[str, str]) -> dict[str, object]:
    preview = paths.get(item.preview_key, "")
    return {
        "state": item.state.value,
        "type": item.content_type,
        "size": item.size,
        "sha256": item.sha256,
        "path": paths.get(item.key, ""),
        "thumbnail": paths.get(item.thumbnail_key, ""),
        "preview": preview,
        "previewType": _PREVIEW_TYPES.get(PurePosixPath(preview).suffix, ""),
        "text": item.text,
        "reason": item.reason,
    }


@cache
def _asset(name: str) -> str:
    return (files(__package__) / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
