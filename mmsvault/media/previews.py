"""What a browser is given where it cannot show or play the original: WebP, or MP4 of H.264 and AAC.

Bounds of size and length are kept here, that of time by the sandbox. Only a preview is bounded; the
original stays as long and as large as it is.
"""

from fractions import Fraction
from pathlib import Path
from typing import Any

import av

from mmsvault.media import documents, frames, images, playing, recordings, tracks
from mmsvault.media.facts import NotShownError
from mmsvault.media.tracks import Recording

LONGEST_SECONDS = 600
LONGEST_EDGE = 1280
SOUND_RATE = 44_100
SOUND_BITS_A_SECOND = 96_000
SOUND_BLOCK = 1024
SHORTEST_GAP_SECONDS = 0.1
"""What is shorter is how files round their times."""
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
    with tracks.opened(path, content_type) as recording:
        size = _size_of_first(recording, max_pixels)
    with tracks.opened(path, content_type) as recording:
        return _transcode(recording, into, size=size, max_pixels=max_pixels)


def _size_of_first(recording: Recording, max_pixels: int) -> tuple[int, int] | None:
    """Return the size of the preview's pictures, which must be known before the first sound is written."""
    if recording.pictures is None:
        return None
    frame = next(tracks.decoded(recording.container, recording.pictures), None)
    if frame is None:
        return None
    images.check_size(frame.width, frame.height, max_pixels=max_pixels)
    return _even_size(*frames.shown_size(frame, recording.pixel_aspect))


def _transcode(recording: Recording, into: Path, *, size: tuple[int, int] | None, max_pixels: int) -> str:
    begins = _begin(recording) if size else None
    with av.open(str(into), "w", format="mp4", options={"movflags": "faststart"}) as made:
        pictures = _Pictures(made, recording.pictures, size, begins, max_pixels) if size else None
        sound = _Sound(made, begins) if recording.sound is not None else None
        streams = [stream for stream in (recording.pictures, recording.sound) if stream is not None]
        is_whole = True
        for frame in tracks.decoded(recording.container, *streams):
            track = pictures if isinstance(frame, av.VideoFrame) else sound
            if track is not None and not track.add(frame):
                is_whole = False
                break
        written = sum(track.finish() for track in (pictures, sound) if track is not None)
    if not written:
        raise NotShownError("nothing in it can be decoded")
    return "" if is_whole else f"the preview ends after {LONGEST_SECONDS // 60} minutes"


def _begin(recording: Recording) -> float | None:
    """Return when the first of pictures and sound begins, in the file's own time.

    None where the two cannot be placed by one clock; each then begins with the preview.
    """
    both = (recording.pictures, recording.sound)
    known = [float(one.start_time * one.time_base) for one in both if one and one.start_time is not None]
    if len(known) < len(both) or max(known) - min(known) > LONGEST_SECONDS:
        return None
    return min(known)


class _Pictures:
    """H.264 at a steady rate: each picture stands where its own time puts it."""

    def __init__(
        self, made: Any, given: Any, size: tuple[int, int], begins: float | None, max_pixels: int
    ) -> None:
        self._made, self._size, self._max_pixels = made, size, max_pixels
        self._rate = recordings.frame_rate(given)
        self._stream = made.add_stream("libx264", rate=self._rate, options=PICTURE_OPTIONS)
        self._stream.pix_fmt = "yuv420p"
        self._stream.width, self._stream.height = size
        for name in ("color_primaries", "color_trc", "colorspace"):
            setattr(self._stream.codec_context, name, getattr(given.codec_context, name))
        self._begins = begins
        self._last = -1

    def add(self, frame: Any) -> bool:
        """Take a frame; return False once the preview is long enough."""
        images.check_size(frame.width, frame.height, max_pixels=self._max_pixels)
        at = self._place(frame.time)
        if at > LONGEST_SECONDS * self._rate:
            return False
        if at > self._last:  # else there are more frames than the preview shows
            if self._last < 0 < at:
                self._encode(frame, 0)  # players show the first picture until it is its turn
            self._last = at
            self._encode(frame, at)
        return True

    def _place(self, seconds: float | None) -> int:
        if seconds is None:
            return self._last + 1
        if self._begins is None:
            self._begins = seconds
        return max(round((seconds - self._begins) * self._rate), 0)

    def _encode(self, frame: Any, at: int) -> None:
        ready = frames.film(frame, self._size)
        ready.pts, ready.time_base = at, Fraction(1) / self._rate
        ready.pict_type = av.video.frame.PictureType.NONE  # the original's is no order for ours
        self._made.mux(self._stream.encode(ready))

    def finish(self) -> int:
        """Write what is still held back; return whether there was anything at all."""
        if self._last >= 0:
            self._made.mux(self._stream.encode(None))
        return self._last >= 0


class _Sound:
    """AAC without gaps: where the file has one, silence keeps what follows beside its picture."""

    def __init__(self, made: Any, begins: float | None) -> None:
        self._made, self._begins = made, begins
        self._stream = made.add_stream("aac", rate=SOUND_RATE, layout="stereo")
        self._stream.bit_rate = SOUND_BITS_A_SECOND
        self._resampler = recordings.Resampler(
            format="fltp", layout="stereo", rate=SOUND_RATE, frame_size=SOUND_BLOCK
        )
        self._given = 0.0
        self._written = 0

    def add(self, frame: Any) -> bool:
        """Take a frame; return False once the preview is long enough."""
        if self._begins is not None and frame.time is not None:
            self._fill(frame, frame.time - self._begins - self._given)
        self._given += frame.samples / frame.sample_rate
        self._encode(self._resampler.resample(frame))
        return self._given < LONGEST_SECONDS

    def _fill(self, frame: Any, seconds: float) -> None:
        """Put silence before the frame; what is too long for a gap is a broken clock."""
        if not SHORTEST_GAP_SECONDS <= seconds <= LONGEST_SECONDS:
            return
        left = round(seconds * frame.sample_rate)
        self._given += left / frame.sample_rate
        while left > 0:
            count = min(left, frame.sample_rate)
            self._encode(self._resampler.resample(_silence(frame, count)))
            left -= count

    def _encode(self, blocks: Any) -> None:
        for block in blocks:
            block.pts, block.time_base = self._written, Fraction(1, SOUND_RATE)
            self._written += block.samples
            self._made.mux(self._stream.encode(block))

    def finish(self) -> int:
        """Write what is still held back; return whether there was anything at all."""
        if self._given:
            self._encode(self._resampler.resample(None))
            self._made.mux(self._stream.encode(None))
        return self._given > 0


def _silence(like: Any, samples: int) -> Any:
    """Return a frame of silence in the form of another."""
    frame = av.AudioFrame(format=like.format.name, layout=like.layout.name, samples=samples)
    level = 0x80 if like.format.name.startswith("u8") else 0
    for plane in frame.planes:
        plane.update(bytes((level,)) * plane.buffer_size)
    frame.sample_rate, frame.time_base = like.sample_rate, like.time_base
    return frame


def _even_size(width: int, height: int) -> tuple[int, int]:
    scale = min(1.0, LONGEST_EDGE / max(width, height))
    return max(2, round(width * scale / 2) * 2), max(2, round(height * scale / 2) * 2)
