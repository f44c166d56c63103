"""What is found out about a file, as it comes back from the sandbox. Nothing here decodes anything."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Facts:
    """What a file is. Sizes in pixels, as shown upright; `thumbnail` is WebP.

    `codecs` are named as FFmpeg names them, with the pixel format where it is not the usual one.
    `captured` is when the picture was taken, in ISO 8601, without an offset where the file tells none.
    `preview_type` is the content type of the preview that a browser needs, empty where it needs none.
    `reason` says in plain words what could not be made, and why.
    """

    content_type: str
    width: int | None = None
    height: int | None = None
    duration_ms: int | None = None
    codecs: tuple[str, ...] = ()
    frame_count: int | None = None
    captured: str = ""
    has_location: bool = False
    perceptual_hash: str = ""
    text: str = ""
    thumbnail: bytes | None = None
    preview_type: str = ""
    reason: str = ""


class NotShownError(Exception):
    """There is nothing to show of a file; the text says why, for a person."""
