"""Film and sound: what is in them, a poster frame that is not black, a picture of the sound wave.

Each type is opened with its own demuxer and no other, so that a file cannot pass for a playlist that
names other files or addresses.
"""

import contextlib
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.stream import Disposition
from PIL import Image, ImageDraw

from mmsvault.media import images
from mmsvault.media.facts import Facts, NotShownError

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
}
"""How each type is opened; a preview is made of the type that was found out here."""
_WITHOUT_PICTURES = {
    "video/3gpp": "audio/3gpp",
    "video/3gpp2": "audio/3gpp2",
    "video/mp4": "audio/mp4",
    "video/quicktime": "audio/mp4",
    "video/x-ms-wmv": "audio/x-ms-wma",
    "video/webm": "audio/webm",
    "video/x-matroska": "audio/x-matroska",
}
LONGEST = 24 * 3600
"""Seconds; a file that says it is longer is not believed."""
SECONDS_FOR_A_WAVE = 6
POSTER_PLACES = (0.0, 0.1, 0.3, 0.5, 0.8)
"""Where a poster frame is looked for, as parts of the length."""
BROKEN_PACKETS_BEFORE_GIVING_UP = 100
BRIGHT_ENOUGH, VARIED_ENOUGH = 28.0, 10.0
"""Mean and standard deviation of a frame's lightness (0 to 255) from which it tells something."""
WAVE_SIZE = (320, 200)
WAVE_BARS = 64
WAVE_RATE = 8000
_USUAL_PIXELS = ("yuv420p", "yuvj420p")


@dataclass
class Recording:
    """An opened file with the streams that are watched and heard; album art is neither."""

    container: Any
    pictures: Any
    sound: Any


@contextlib.contextmanager
def opened(path: Path, content_type: str) -> Iterator[Recording]:
    """Give the opened file. Raises NotShownError for one that cannot be read."""
    try:
        with av.open(str(path), format=_demuxer(path, content_type), metadata_errors="ignore") as container:
            watched = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
            heard = list(container.streams.audio)
            for stream in (*watched, *heard):
                stream.codec_context.thread_count = 1
            yield Recording(container, watched[0] if watched else None, heard[0] if heard else None)
    except (av.error.FFmpegError, ValueError, ArithmeticError, LookupError, MemoryError) as error:
        raise NotShownError(f"thumbnail not made: it cannot be played ({_words(error)})") from error


def describe(path: Path, content_type: str, *, max_pixels: int) -> Facts:
    """Return the facts of a film or sound, with its thumbnail. Raises NotShownError."""
    with opened(path, content_type) as recording:
        facts = _of_streams(recording, content_type)
        try:
            if recording.pictures is not None:
                return _with_poster(recording, facts, max_pixels)
            return _with_wave(recording, facts)
        except NotShownError as error:
            return replace(facts, reason="; ".join(filter(None, (facts.reason, str(error)))))
        except (av.error.FFmpegError, ValueError, ArithmeticError, LookupError, MemoryError) as error:
            return replace(facts, reason=f"thumbnail not made: it cannot be played ({_words(error)})")


def _demuxer(path: Path, content_type: str) -> str:
    if content_type == "video/mpeg":  # a bare stream of pictures, or one with sound
        with path.open("rb") as file:
            return "mpegvideo" if file.read(4) == b"\0\0\x01\xb3" else "mpeg"
    return DEMUXERS[content_type]


def _of_streams(recording: Recording, content_type: str) -> Facts:
    container, pictures, sound = recording.container, recording.pictures, recording.sound
    if pictures is None:
        content_type = _WITHOUT_PICTURES.get(content_type, content_type)
    elif content_type == "audio/ogg":
        content_type = "video/ogg"
    seconds = container.duration / av.time_base if container.duration else None
    reason = ""
    if seconds is not None and not 0 <= seconds <= LONGEST:
        seconds, reason = None, f"its length is not known: the file says {seconds:,.0f} s"
    said = {name.lower(): value for name, value in container.metadata.items()}
    return Facts(
        content_type,
        width=pictures.codec_context.width or None if pictures is not None else None,
        height=pictures.codec_context.height or None if pictures is not None else None,
        duration_ms=None if seconds is None else round(seconds * 1000),
        codecs=tuple(_codec_name(stream) for stream in (pictures, sound) if stream is not None),
        captured=_captured(said),
        has_location=any("location" in name for name in said),
        reason=reason,
    )


def _codec_name(stream: Any) -> str:
    context = stream.codec_context
    name = str(context.codec.canonical_name if hasattr(context.codec, "canonical_name") else context.name)
    name = {"amrnb": "amr_nb", "amrwb": "amr_wb", "mp3float": "mp3"}.get(name, name)
    pixels = getattr(context, "pix_fmt", None)
    return f"{name}/{pixels}" if pixels and name == "h264" and pixels not in _USUAL_PIXELS else name


def _captured(said: dict[str, str]) -> str:
    moment = said.get("com.apple.quicktime.creationdate") or said.get("creation_time") or ""
    found = re.match(r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:\.\d+)?(Z|[+-]\d\d:?\d\d)?", moment)
    if not found or found[1] < "1971":  # clocks that were never set
        return ""
    return f"{found[1]}T{found[2]}{found[3] or ''}"


def _with_poster(recording: Recording, facts: Facts, max_pixels: int) -> Facts:
    images.check_size(facts.width or 0, facts.height or 0, max_pixels=max_pixels)
    best: tuple[float, Any, Image.Image] | None = None
    for frame in _candidates(recording, facts.duration_ms):
        images.check_size(frame.width, frame.height, max_pixels=max_pixels)
        picture = _small(frame)
        light = np.asarray(picture.convert("L"))
        mean, spread = float(light.mean()), float(light.std())
        if best is None or spread > best[0]:
            best = spread, frame, picture
        if mean >= BRIGHT_ENOUGH and spread >= VARIED_ENOUGH:
            break
    if best is None:
        raise NotShownError("thumbnail not made: no picture of the film can be decoded")
    _, frame, picture = best
    size = (frame.width, frame.height)
    width, height = size[::-1] if frame.rotation % 180 else size
    return replace(
        facts,
        width=width,
        height=height,
        perceptual_hash=images.perceptual_hash(picture),
        thumbnail=images.as_webp(picture),
    )


def _candidates(recording: Recording, duration_ms: int | None) -> Iterator[Any]:
    """Yield frames from here and there; from the beginning only where the length is not known."""
    stream = recording.pictures
    for place in POSTER_PLACES if duration_ms else POSTER_PLACES[:1]:
        if place:
            try:
                recording.container.seek(int((duration_ms or 0) * 1000 * place))
            except av.error.FFmpegError:
                return
        frame = next(decoded(recording.container, stream), None)
        if frame is not None:
            yield frame


def decoded(container: Any, *streams: Any) -> Iterator[Any]:
    """Yield the frames of the streams as they come; what is broken in between is passed over."""
    broken = 0
    packets = container.demux(*streams)
    while broken < BROKEN_PACKETS_BEFORE_GIVING_UP:
        try:
            packet = next(packets, None)
            if packet is None:
                return
            yield from packet.decode()
        except av.error.FFmpegError:
            broken += 1


def upright(frame: Any) -> Any:
    """Return the frame as RGB pixels, turned as it is to be shown."""
    pixels = frame.to_ndarray(format="rgb24")
    return np.rot90(pixels, frame.rotation // 90) if frame.rotation % 360 else pixels


def _small(frame: Any) -> Image.Image:
    scale = min(1.0, images.THUMBNAIL_PIXELS / max(frame.width, frame.height))
    size = (max(1, round(frame.width * scale)), max(1, round(frame.height * scale)))
    small = frame.reformat(width=size[0], height=size[1], format="rgb24")
    return Image.fromarray(np.ascontiguousarray(np.rot90(small.to_ndarray(), frame.rotation // 90)), "RGB")


def _with_wave(recording: Recording, facts: Facts) -> Facts:
    if recording.sound is None:
        raise NotShownError("thumbnail not made: there is neither picture nor sound in it")
    peaks, is_whole = _peaks(recording)
    if not peaks:
        raise NotShownError("thumbnail not made: no sound in it can be decoded")
    heard_ms = round(len(peaks) * _BLOCK / WAVE_RATE * 1000)
    return replace(
        facts,
        duration_ms=heard_ms if is_whole and facts.duration_ms is None else facts.duration_ms,
        thumbnail=images.as_webp(_wave(peaks)),
    )


_BLOCK = WAVE_RATE // 50


def _peaks(recording: Recording) -> tuple[list[int], bool]:
    """Return the loudest sample (0 to 32767) of every 20 ms, and whether that is all of it."""
    resampler = av.AudioResampler(format="s16", layout="mono", rate=WAVE_RATE, frame_size=_BLOCK)
    peaks: list[int] = []
    give_up = time.monotonic() + SECONDS_FOR_A_WAVE
    for frame in decoded(recording.container, recording.sound):
        frame.pts = None  # times out of order would stop the resampler
        blocks = (block.to_ndarray().astype(np.int32) for block in resampler.resample(frame))
        peaks.extend(int(np.abs(samples).max()) for samples in blocks)
        if time.monotonic() > give_up or len(peaks) > LONGEST * 50:
            return peaks, False
    return peaks, True


def _wave(peaks: list[int]) -> Image.Image:
    width, height = WAVE_SIZE
    groups = np.array_split(np.asarray(peaks), min(WAVE_BARS, len(peaks)))
    bars = np.array([group.max() for group in groups], dtype=float)
    bars = np.sqrt(bars / max(float(bars.max()), 1.0))
    picture = Image.new("RGB", WAVE_SIZE, (238, 240, 246))
    pen = ImageDraw.Draw(picture)
    step = (width - 32) / len(bars)
    for at, bar in enumerate(bars):
        reach = max(1.5, float(bar) * (height / 2 - 28))
        left = 16 + at * step
        box = (left, height / 2 - reach, left + max(1.0, min(step * 0.6, 8.0)), height / 2 + reach)
        pen.rectangle(box, fill=(74, 96, 160))
    return picture


def frame_rate(stream: Any) -> Fraction:
    """Return pictures a second, where the file says so in earnest."""
    rate = stream.average_rate or stream.guessed_rate or Fraction(15)
    return Fraction(min(max(rate, Fraction(1)), Fraction(30))).limit_denominator(1001)


def _words(error: BaseException) -> str:
    return str(getattr(error, "strerror", "") or error or type(error).__name__)[:200]
