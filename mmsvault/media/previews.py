"""What a browser is given where it cannot show or play the original: WebP, or MP4 of H.264 and AAC.

Bounds of size and length are kept here, that of time by the sandbox. Only a preview is bounded; the
original stays as long and as large as it is.
"""

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from mmsvault.media import documents, images, playing, recordings
from mmsvault.media.facts import NotShownError

LONGEST_SECONDS = 600
LONGEST_EDGE = 1280
SOUND_RATE = 44_100
SOUND_BITS_A_SECOND = 96_000
PICTURE_OPTIONS = {"preset": "veryfast", "crf": "26", "threads": "2"}


def make(path: Path, content_type: str, *, into: Path, preview_type: str, max_pixels: int) -> str:
    """Write the preview of the file at `path`; return what a person should know of it, or nothing.

    Raises NotShownError.
    """
    if content_type in playing.DOCUMENTS:
        drawn, remark = documents.pages(path)
        into.write_bytes(drawn)
        return remark
    if preview_type == "image/webp":
        into.write_bytes(images.preview(path, content_type, max_pixels=max_pixels))
        return ""
    with recordings.opened(path, content_type) as recording:
        size = _size_of_first(recording, max_pixels)
    with recordings.opened(path, content_type) as recording:
        return _transcode(recording, into, size=size, max_pixels=max_pixels)


def _size_of_first(recording: recordings.Recording, max_pixels: int) -> tuple[int, int] | None:
    """Return the size of the preview's pictures, which must be known before the first sound is written."""
    if recording.pictures is None:
        return None
    frame = next(recordings.decoded(recording.container, recording.pictures), None)
    if frame is None:
        return None
    images.check_size(frame.width, frame.height, max_pixels=max_pixels)
    size = (frame.width, frame.height)
    return _even_size(*(size[::-1] if frame.rotation % 180 else size))


def _transcode(
    recording: recordings.Recording, into: Path, *, size: tuple[int, int] | None, max_pixels: int
) -> str:
    with av.open(str(into), "w", format="mp4", options={"movflags": "faststart"}) as made:
        pictures = _Pictures(made, recording.pictures, size, max_pixels) if size else None
        sound = _Sound(made) if recording.sound is not None else None
        streams = [stream for stream in (recording.pictures, recording.sound) if stream is not None]
        is_whole = True
        for frame in recordings.decoded(recording.container, *streams):
            track = pictures if isinstance(frame, av.VideoFrame) else sound
            if track is not None and not track.add(frame):
                is_whole = False
                break
        written = sum(track.finish() for track in (pictures, sound) if track is not None)
    if not written:
        raise NotShownError("nothing in it can be decoded")
    return "" if is_whole else f"the preview ends after {LONGEST_SECONDS // 60} minutes"


class _Pictures:
    """H.264 at a steady rate: each picture stands where its own time puts it."""

    def __init__(self, made: Any, given: Any, size: tuple[int, int], max_pixels: int) -> None:
        self._made, self._size, self._max_pixels = made, size, max_pixels
        self._rate = recordings.frame_rate(given)
        self._stream = made.add_stream("libx264", rate=self._rate, options=PICTURE_OPTIONS)
        self._stream.pix_fmt = "yuv420p"
        self._stream.width, self._stream.height = size
        self._start: float | None = None
        self._last = -1

    def add(self, frame: Any) -> bool:
        """Take a frame; return False once the preview is long enough."""
        images.check_size(frame.width, frame.height, max_pixels=self._max_pixels)
        at = self._place(frame.time)
        if at > LONGEST_SECONDS * self._rate:
            return False
        if at > self._last:  # else there are more frames than the preview shows
            self._last = at
            self._encode(frame, at)
        return True

    def _place(self, seconds: float | None) -> int:
        if seconds is None:
            return self._last + 1
        if self._start is None:
            self._start = seconds
        return max(round((seconds - self._start) * self._rate), 0)

    def _encode(self, frame: Any, at: int) -> None:
        turned = frame
        if frame.rotation % 360:
            pixels = np.ascontiguousarray(recordings.upright(frame))
            turned = av.VideoFrame.from_ndarray(pixels, format="rgb24")
        ready = turned.reformat(width=self._size[0], height=self._size[1], format="yuv420p")
        ready.pts, ready.time_base = at, Fraction(1) / self._rate
        ready.pict_type = av.video.frame.PictureType.NONE  # the original's is no order for ours
        self._made.mux(self._stream.encode(ready))

    def finish(self) -> int:
        """Write what is still held back; return whether there was anything at all."""
        if self._last >= 0:
            self._made.mux(self._stream.encode(None))
        return self._last >= 0


class _Sound:
    """AAC, without the gaps that a broken file may have."""

    def __init__(self, made: Any) -> None:
        self._made = made
        self._stream = made.add_stream("aac", rate=SOUND_RATE, layout="stereo")
        self._stream.bit_rate = SOUND_BITS_A_SECOND
        self._resampler = av.AudioResampler(format="fltp", layout="stereo", rate=SOUND_RATE, frame_size=1024)
        self._samples = 0

    def add(self, frame: Any) -> bool:
        """Take a frame; return False once the preview is long enough."""
        frame.pts = None
        self._encode(self._resampler.resample(frame))
        return self._samples < LONGEST_SECONDS * SOUND_RATE

    def _encode(self, blocks: Any) -> None:
        for block in blocks:
            block.pts, block.time_base = self._samples, Fraction(1, SOUND_RATE)
            self._samples += block.samples
            self._made.mux(self._stream.encode(block))

    def finish(self) -> int:
        """Write what is still held back; return whether there was anything at all."""
        if self._samples:
            self._encode(self._resampler.resample(None))
            self._made.mux(self._stream.encode(None))
        return self._samples > 0


def _even_size(width: int, height: int) -> tuple[int, int]:
    scale = min(1.0, LONGEST_EDGE / max(width, height))
    return max(2, round(width * scale / 2) * 2), max(2, round(height * scale / 2) * 2)
