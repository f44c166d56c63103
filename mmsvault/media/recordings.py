"""Film and sound: what is in them, a poster frame that is not black, a picture of the sound wave."""

import contextlib
import itertools
import re
import time
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from PIL import Image, ImageDraw

from mmsvault.media import frames, images, tracks
from mmsvault.media.facts import Facts, NotShownError
from mmsvault.media.tracks import Recording

_WITHOUT_PICTURES = {
    "video/3gpp": "audio/3gpp",
    "video/3gpp2": "audio/3gpp2",
    "video/mp4": "audio/mp4",
    "video/quicktime": "audio/mp4",
    "video/x-ms-wmv": "audio/x-ms-wma",
    "video/webm": "audio/webm",
    "video/x-matroska": "audio/x-matroska",
}
_WITH_PICTURES = {"audio/ogg": "video/ogg", "audio/mp4": "video/mp4"}
_LENGTH_IS_GUESSED = frozenset(("audio/aac", "audio/mpeg", "audio/wav", "audio/amr", "audio/amr-wb"))
"""Types whose frames carry no time: where all was heard, that is how long it is."""
LONGEST = 24 * 3600
"""Seconds; a file that says it is longer is not believed."""
SECONDS_FOR_A_WAVE = 6
SECONDS_FOR_A_POSTER = 6
POSTER_PLACES = (0.0, 0.1, 0.3, 0.5, 0.8)
"""Where a poster frame is looked for, as parts of the length."""
FRAMES_BETWEEN_LOOKS = 15
MOST_FRAMES_FOR_A_POSTER = 600
"""Of a film whose length is not known."""
BRIGHT_ENOUGH, VARIED_ENOUGH = 28.0, 10.0
"""Mean and standard deviation of a frame's lightness (0 to 255) from which it tells something."""
WAVE_SIZE = (320, 200)
WAVE_BARS = 64
WAVE_RATE = 8000
_USUAL_PIXELS = ("yuv420p", "yuvj420p")
_UNUSUAL_PROFILES = ("xHE-AAC",)
"""Not what browsers call by the codec's name."""


def describe(path: Path, content_type: str, *, max_pixels: int) -> Facts:
    """Return the facts of a film or sound, with its thumbnail. Raises NotShownError."""
    with tracks.opened(path, content_type) as recording:
        facts = _of_streams(recording, content_type)
        try:
            return _with_thumbnail(recording, facts, max_pixels)
        except NotShownError as error:
            return _remarked(facts, str(error))
        except tracks.BROKEN as error:
            return _remarked(facts, f"thumbnail not made: it cannot be played ({tracks.said_by(error)})")


def _with_thumbnail(recording: Recording, facts: Facts, max_pixels: int) -> Facts:
    """Return the facts with a frame as thumbnail, or the sound wave where no frame can be decoded."""
    if recording.pictures is not None:
        shown = _with_poster(recording, facts, max_pixels)
        if shown is not None:
            return shown
        if recording.sound is None:
            raise NotShownError(f"thumbnail not made: {NO_PICTURE}")
        facts = _remarked(facts, NO_PICTURE)
        with contextlib.suppress(av.error.FFmpegError):
            recording.container.seek(recording.container.start_time or 0)
    if recording.sound is not None:
        return _with_wave(recording, facts)
    if recording.left_out:
        raise NotShownError("thumbnail not made: there is nothing else in it")
    raise NotShownError("thumbnail not made: there is neither picture nor sound in it")


NO_PICTURE = "no picture of the film can be decoded"


def _remarked(facts: Facts, remark: str) -> Facts:
    return replace(facts, reason="; ".join(filter(None, (facts.reason, remark))))


def _of_streams(recording: Recording, content_type: str) -> Facts:
    container, pictures, sound = recording.container, recording.pictures, recording.sound
    called = _WITH_PICTURES if recording.has_pictures else _WITHOUT_PICTURES
    content_type = called.get(content_type, content_type)
    width, height = _size(recording)
    seconds = container.duration / av.time_base if container.duration else None
    length = ""
    if seconds is not None and not 0 <= seconds <= LONGEST:
        seconds, length = None, f"its length is not known: the file says {seconds:,.0f} s"
    said = {name.lower(): value for name, value in container.metadata.items()}
    return Facts(
        content_type,
        width=width,
        height=height,
        duration_ms=None if seconds is None else round(seconds * 1000),
        codecs=tuple(_codec_name(stream) for stream in (pictures, sound) if stream is not None),
        captured=_captured(said),
        has_location=any("location" in name for name in said),
        reason="; ".join(filter(None, (length, *recording.left_out))),
    )


def _size(recording: Recording) -> tuple[int | None, int | None]:
    context = getattr(recording.pictures, "codec_context", None)
    if context is None or not context.width or not context.height:
        return None, None
    return frames.stretched(context.width, context.height, recording.pixel_aspect)


def _codec_name(stream: Any) -> str:
    context = stream.codec_context
    name = str(context.codec.canonical_name if hasattr(context.codec, "canonical_name") else context.name)
    name = {"amrnb": "amr_nb", "amrwb": "amr_wb", "mp3float": "mp3"}.get(name, name)
    pixels = getattr(context, "pix_fmt", None)
    if stream.profile in _UNUSUAL_PROFILES:
        return f"{name}/{stream.profile.lower()}"
    return f"{name}/{pixels}" if pixels and name == "h264" and pixels not in _USUAL_PIXELS else name


def _captured(said: dict[str, str]) -> str:
    moment = said.get("com.apple.quicktime.creationdate") or said.get("creation_time") or ""
    found = re.match(r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:\.\d+)?(Z|[+-]\d\d:?\d\d)?", moment)
    if not found or found[1] < "1971":  # clocks that were never set
        return ""
    return f"{found[1]}T{found[2]}{found[3] or ''}"


def _with_poster(recording: Recording, facts: Facts, max_pixels: int) -> Facts | None:
    """Return the facts with a frame as thumbnail; None where none can be decoded."""
    images.check_size(facts.width or 0, facts.height or 0, max_pixels=max_pixels)
    best: tuple[float, tuple[int, int], Image.Image] | None = None
    for frame in _candidates(recording, facts.duration_ms):
        images.check_size(frame.width, frame.height, max_pixels=max_pixels)
        size = frames.shown_size(frame, recording.pixel_aspect)
        picture = _small(frame, size)
        light = np.asarray(picture.convert("L"))
        mean, spread = float(light.mean()), float(light.std())
        if best is None or spread > best[0]:
            best = spread, size, picture
        if mean >= BRIGHT_ENOUGH and spread >= VARIED_ENOUGH:
            break
    if best is None:
        return None
    _, (width, height), picture = best
    return replace(
        facts,
        width=width,
        height=height,
        perceptual_hash=images.perceptual_hash(picture),
        thumbnail=images.as_webp(picture),
    )


def _candidates(recording: Recording, duration_ms: int | None) -> Iterator[Any]:
    """Yield the first frame, then frames from here and there while there is time to look for one."""
    give_up = time.monotonic() + SECONDS_FOR_A_POSTER
    film = tracks.decoded(recording.container, recording.pictures)
    first = next(film, None)
    if first is not None:
        yield first
    if not duration_ms:
        yield from _now_and_then(film, give_up)
        return
    begin = recording.container.start_time or 0
    for place in POSTER_PLACES[1:]:
        if time.monotonic() > give_up:
            return
        wanted = begin + round(duration_ms * 1000 * place)
        frame = _frame_at(recording, wanted / av.time_base, give_up)
        if frame is not None:
            yield frame


def _now_and_then(film: Iterator[Any], give_up: float) -> Iterator[Any]:
    for at, frame in zip(range(1, MOST_FRAMES_FOR_A_POSTER), film, strict=False):
        if time.monotonic() > give_up:
            return
        if at % FRAMES_BETWEEN_LOOKS == 0:
            yield frame


def _frame_at(recording: Recording, seconds: float, give_up: float) -> Any:
    """Return the frame that is shown then, or the last before it where the film ends or time runs out.

    A film of a phone may have no more than one frame to seek to, its first.
    """
    try:
        recording.container.seek(round(seconds * av.time_base))
    except av.error.FFmpegError:
        return None
    last = None
    for frame in tracks.decoded(recording.container, recording.pictures):
        last = frame
        if frame.time is None or frame.time >= seconds or time.monotonic() > give_up:
            break
    return last


def _small(frame: Any, size: tuple[int, int]) -> Image.Image:
    scale = min(1.0, images.THUMBNAIL_PIXELS / max(size))
    small = (max(1, round(size[0] * scale)), max(1, round(size[1] * scale)))
    return Image.fromarray(frames.picture(frame, small), "RGB")


def _with_wave(recording: Recording, facts: Facts) -> Facts:
    peaks, is_whole = _peaks(recording)
    if not peaks:
        raise NotShownError("thumbnail not made: no sound in it can be decoded")
    heard_ms = round(len(peaks) * _BLOCK / WAVE_RATE * 1000)
    believed = facts.duration_ms is not None and (
        facts.content_type not in _LENGTH_IS_GUESSED
        or abs(heard_ms - facts.duration_ms) <= LENGTH_TOLERANCE_MS + facts.duration_ms // 20
    )
    return replace(
        facts,
        duration_ms=heard_ms if is_whole and not believed else facts.duration_ms,
        thumbnail=images.as_webp(_wave(peaks)),
    )


LENGTH_TOLERANCE_MS = 250
_BLOCK = WAVE_RATE // 50


def _peaks(recording: Recording) -> tuple[list[int], bool]:
    """Return the loudest sample (0 to 32767) of every 20 ms, and whether that is all of it."""
    resampler = Resampler(format="s16", layout="mono", rate=WAVE_RATE, frame_size=_BLOCK)
    peaks: list[int] = []
    give_up = time.monotonic() + SECONDS_FOR_A_WAVE
    for frame in itertools.chain(tracks.decoded(recording.container, recording.sound), (None,)):
        blocks = (block.to_ndarray().astype(np.int32) for block in resampler.resample(frame))
        peaks.extend(int(np.abs(samples).max()) for samples in blocks)
        if time.monotonic() > give_up or len(peaks) > LONGEST * 50:
            return peaks, False
    return peaks, True


class Resampler:
    """Brings sound into one form, also where the form that comes in changes within a file."""

    def __init__(self, **form: Any) -> None:
        self._form = form
        self._given: tuple[str, str, int] | None = None
        self._made = av.AudioResampler(**form)

    def resample(self, frame: Any) -> list[Any]:
        """Return what is ready of the sound up to this frame; all of it where there is no further frame."""
        if frame is None:
            return self._made.resample(None)
        frame.pts = None  # times out of order would stop it
        given = (frame.format.name, frame.layout.name, frame.sample_rate)
        ready = []
        if self._given not in (None, given):
            ready = self._made.resample(None)
            self._made = av.AudioResampler(**self._form)
        self._given = given
        return [*ready, *self._made.resample(frame)]


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
