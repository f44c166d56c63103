"""The tracks of a film or sound: which are watched and heard, and what the others are.

Each type is opened with its own demuxer and no other, so that a file cannot pass for a playlist that
names other files or addresses.
"""

import contextlib
import re
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.stream import Disposition

from mmsvault.errors import plain_reason
from mmsvault.media.facts import NotShownError

DEMUXERS = {
    "video/3gpp": "mov",
    "video/3gpp2": "mov",
    "video/mp4": "mov",
    "video/quicktime": "mov",
    "audio/mp4": "mov",
    "audio/3gpp": "mov",
    "audio/3gpp2": "mov",
    "video/mpeg": "mpeg",
    "video/mp2t": "mpegts",
    "video/x-msvideo": "avi",
    "video/x-ms-wmv": "asf",
    "audio/x-ms-wma": "asf",
    "video/webm": "matroska",
    "audio/webm": "matroska",
    "video/x-matroska": "matroska",
    "audio/x-matroska": "matroska",
    "video/x-flv": "flv",
    "audio/amr": "amr",
    "audio/amr-wb": "amr",
    "audio/aac": "aac",
    "audio/mpeg": "mp3",
    "audio/wav": "wav",
    "audio/ogg": "ogg",
    "video/ogg": "ogg",
    "audio/flac": "flac",
    "audio/qcelp": "qcp",
    "audio/x-caf": "caf",
    "audio/x-aiff": "aiff",
    "audio/basic": "au",
}
"""How each type is opened; a preview is made of the type that was found out here."""
BROKEN_PACKETS_BEFORE_GIVING_UP = 100
"""Of one track; the others go on."""
UNREADABLE = "its data is broken"
_STILLS = ("mjpeg", "png", "bmp", "gif", "webp")
BROKEN = (av.error.FFmpegError, ValueError, ArithmeticError, LookupError, MemoryError)
"""What a decoder raises at a broken file."""


@dataclass(frozen=True)
class Recording:
    """An opened file with the tracks that are watched and heard; covers are neither.

    `has_pictures` counts tracks of pictures that cannot be decoded too. `left_out` has a remark for a
    person on each track that cannot be decoded.
    """

    container: Any
    pictures: Any
    sound: Any
    has_pictures: bool
    left_out: tuple[str, ...]

    @property
    def pixel_aspect(self) -> Fraction:
        """Return how much wider than high a pixel is shown."""
        return Fraction(getattr(self.pictures, "sample_aspect_ratio", None) or 1)


@contextlib.contextmanager
def opened(path: Path, content_type: str) -> Iterator[Recording]:
    """Give the opened file. Raises NotShownError for one that cannot be read."""
    try:
        with av.open(str(path), format=_demuxer(path, content_type), metadata_errors="ignore") as container:
            yield _recording(container)
    except BROKEN as error:
        raise NotShownError(f"thumbnail not made: {_problem(error, path, content_type)}") from error


def said_by(error: BaseException) -> str:
    """Return what a decoder says of a broken file, for a person."""
    said = getattr(error, "strerror", None)
    return plain_reason(Exception(said) if said else error, otherwise=UNREADABLE)


def decoded(container: Any, *streams: Any) -> Iterator[Any]:
    """Yield the frames of the streams as they come; what is broken in between is passed over."""
    broken: Counter[int] = Counter()
    packets = container.demux(*streams)
    while broken[_DEMUXER] < BROKEN_PACKETS_BEFORE_GIVING_UP:
        try:
            packet = next(packets, None)
        except av.error.FFmpegError:
            broken[_DEMUXER] += 1
            packets = container.demux(*streams)
            continue
        if packet is None:
            return
        if broken[packet.stream_index] >= BROKEN_PACKETS_BEFORE_GIVING_UP:
            continue
        try:
            yield from packet.decode()
        except av.error.FFmpegError:
            broken[packet.stream_index] += 1


_DEMUXER = -1
"""Stands for no track: the container itself cannot be read on."""


def _demuxer(path: Path, content_type: str) -> str:
    if content_type == "video/mpeg":  # a bare stream of pictures, or one with sound
        with path.open("rb") as file:
            return "mpegvideo" if file.read(4) == b"\0\0\x01\xb3" else "mpeg"
    return DEMUXERS[content_type]


def _recording(container: Any) -> Recording:
    heard = list(container.streams.audio)
    watched = [stream for stream in container.streams.video if not _is_cover(stream, beside=heard)]
    pictures, sound = _chosen(watched), _chosen(heard)
    for stream in filter(None, (pictures, sound)):
        stream.codec_context.thread_count = 1
    unknown = [stream for stream in (*watched, *heard) if stream.codec_context is None]
    return Recording(container, pictures, sound, bool(watched), _left_out(container, unknown))


def _is_cover(stream: Any, *, beside: Sequence[Any]) -> bool:
    """Return whether the track is a picture of a song or of a chapter, which no player takes for a film."""
    if stream.disposition & (Disposition.attached_pic | Disposition.timed_thumbnails):
        return True
    context = stream.codec_context
    return bool(beside) and context is not None and context.name in _STILLS and stream.frames == 1


def _chosen(streams: Sequence[Any]) -> Any:
    """Return the track that a player plays: the first that is switched on, of those that can be decoded."""
    known = [stream for stream in streams if stream.codec_context is not None]
    return next((one for one in known if one.disposition & Disposition.default), known[0] if known else None)


def _left_out(container: Any, unknown: Sequence[Any]) -> tuple[str, ...]:
    if not unknown:
        return ()
    names = _codec_names(container)
    return tuple(
        f"a track of {_KINDS[stream.type]} is left out, since nothing here can decode it "
        f"(codec: {names.get(stream.index, 'without a name')})"
        for stream in unknown
    )


_KINDS = {"video": "pictures", "audio": "sound"}
_described = re.compile(r"Stream #0:(\d+)\S*: (?:Audio|Video): (\w+)(?: \([^()]*\))*? \((.{4,16}?) / 0x")
_describing = threading.Lock()


def _codec_names(container: Any) -> dict[int, str]:
    """Return the name of each track's codec, or the four letters that its container gives it."""
    with _describing:
        before = av.logging.get_level()
        av.logging.set_level(av.logging.INFO)  # the description is made as a log
        try:
            description = container.dumps_format()
        finally:
            av.logging.set_level(before)
    found = _described.finditer(description)
    return {
        int(index): letters if name == "none" else name
        for index, name, letters in (f.groups() for f in found)
    }


def _problem(error: BaseException, path: Path, content_type: str) -> str:
    if DEMUXERS.get(content_type) == "mov" and not _has_index(path):
        return "it is not complete: its index (moov) is missing"
    return f"it cannot be played ({said_by(error)})"


def _has_index(path: Path) -> bool:
    """Return whether an MP4 or its kin holds the list of its tracks, without which nothing is found."""
    size = path.stat().st_size
    with path.open("rb") as file:
        at = 0
        for _ in range(_MOST_BOXES):
            file.seek(at)
            head = file.read(16)
            if head[4:8] in (b"moov", b"moof"):
                return True
            length = int.from_bytes(head[:4], "big")
            if length == 1:  # the length follows, in eight bytes
                length = int.from_bytes(head[8:16], "big")
            at += length
            if length < _SHORTEST_BOX or at >= size:
                return False
    return True


_MOST_BOXES, _SHORTEST_BOX = 10_000, 8
