"""What a browser shows and plays, told by content type and codecs; never by a file's name.

Measured in Chromium, which plays what the others play too: docs/media.md has the table.
"""

from pathlib import PurePosixPath

LARGEST_SHOWN_BYTES = 4_000_000
"""A larger picture is shown by its preview; the original stays one click away."""

IMAGES = frozenset(("image/jpeg", "image/png", "image/gif", "image/webp", "image/avif", "image/bmp"))

DOCUMENTS = frozenset(("application/pdf",))
"""Documents are shown as pictures of their pages: no program of a browser opens what strangers sent."""

_H264 = frozenset(("h264", "aac", "mp3"))
_PCM = frozenset(("pcm_s16le", "pcm_u8", "pcm_mulaw", "pcm_alaw"))
PLAYED = {
    "video/mp4": _H264,
    "video/3gpp": _H264,
    "video/webm": frozenset(("vp8", "vp9", "av1", "opus", "vorbis")),
    "audio/webm": frozenset(("opus", "vorbis")),
    "audio/mp4": frozenset(("aac", "mp3")),
    "audio/3gpp": frozenset(("aac",)),
    "audio/aac": frozenset(("aac",)),
    "audio/mpeg": frozenset(("mp3",)),
    "audio/wav": _PCM,
    "audio/ogg": frozenset(("opus", "vorbis", "flac")),
    "audio/flac": frozenset(("flac",)),
}
"""Codecs that play, by container."""

_PREVIEWS = {".mp4": "video/mp4", ".m4a": "audio/mp4", ".webp": "image/webp"}


def preview_type(content_type: str, codecs: tuple[str, ...], *, size: int, animated: bool = False) -> str:
    """Return the content type of the preview that a browser needs, or the empty string for none.

    Sound and film without codecs could not be read at all, so no preview can be made of them.
    """
    main = content_type.partition("/")[0]
    if main == "image":
        shown = content_type in IMAGES and (size <= LARGEST_SHOWN_BYTES or animated)
        return "" if shown else "image/webp"
    if content_type in DOCUMENTS:
        return "image/webp"
    if main not in ("video", "audio") or not codecs or plays(content_type, codecs):
        return ""
    return "video/mp4" if main == "video" else "audio/mp4"


def plays(content_type: str, codecs: tuple[str, ...]) -> bool:
    """Return whether a browser plays sound or film of this container with these codecs."""
    return bool(codecs) and PLAYED.get(content_type, frozenset()).issuperset(codecs)


def shown_as(content_type: str, codecs: tuple[str, ...]) -> str:
    """Return the element that shows the original: image, video or audio; empty where none does."""
    if content_type in IMAGES:
        return "image"
    return content_type.partition("/")[0] if plays(content_type, codecs) else ""


def preview_extension(content_type: str) -> str:
    """Return the extension, with its dot, of a preview."""
    return next(name for name, kind in _PREVIEWS.items() if kind == content_type)


def type_of_preview(key: str) -> str:
    """Return the content type of a preview, which its extension tells."""
    return _PREVIEWS.get(PurePosixPath(key).suffix, "")
