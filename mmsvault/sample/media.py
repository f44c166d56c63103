"""Files such as phones send, made by code: pictures, films, sound, text and contacts."""

import io
import math
import struct
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import av
import numpy as np
from av.container import OutputContainer
from PIL import Image, ImageDraw

from mmsvault.sample.scenes import Size, scene

PHOTO_SIZE: Size = (1280, 960)
AMR = "libopencore_amrnb"
_TURNED = {
    1: None,
    3: Image.Transpose.ROTATE_180,
    6: Image.Transpose.ROTATE_90,
    8: Image.Transpose.ROTATE_270,
}
"""How the pixels of an upright picture are stored for each EXIF orientation that phones write."""


@dataclass(frozen=True)
class SampleFile:
    """A file with its name and the content type that the provider declares."""

    name: str
    content_type: str
    data: bytes


def photograph(seed: int, *, size: Size = PHOTO_SIZE, orientation: int = 1) -> SampleFile:
    """Return a JPEG of `size` as shown; with another orientation its pixels lie otherwise."""
    upright = scene(seed, size)
    turn = _TURNED[orientation]
    exif = Image.Exif()
    exif[0x010F], exif[0x0110], exif[0x0112] = "MMS Vault", "Sample phone", orientation
    exif.get_ifd(0x8769)[0x9003] = datetime(2026, 11, 1 + seed % 20, 9, 30).strftime("%Y:%m:%d %H:%M:%S")  # noqa: DTZ001 - EXIF has no zone
    kept = io.BytesIO()
    (upright.transpose(turn) if turn else upright).save(kept, "JPEG", quality=86, exif=exif)
    return SampleFile(f"IMG_{seed:04d}.jpg", "image/jpeg", kept.getvalue())


def drawing(seed: int) -> SampleFile:
    """Return a PNG with transparent parts, such as a sticker."""
    hue = [(226, 74, 92), (66, 132, 214), (248, 178, 52)][seed % 3]
    picture = Image.new("RGBA", (512, 512))
    pen = ImageDraw.Draw(picture)
    pen.ellipse([40, 40, 472, 472], fill=(*hue, 255))
    for x in (180, 332):
        pen.ellipse([x - 34, 168, x + 34, 260], fill="white")
        pen.ellipse([x - 14, 196, x + 14, 240], fill=(30, 30, 40))
    pen.arc([150, 220, 362, 390], 20, 160, fill="white", width=22)
    kept = io.BytesIO()
    picture.save(kept, "PNG", optimize=True)
    return SampleFile("sticker.png", "image/png", kept.getvalue())


def animation() -> SampleFile:
    """Return an animated GIF."""
    frames = []
    for step in range(12):
        frame = Image.new("RGB", (320, 240), (28, 36, 66))
        pen = ImageDraw.Draw(frame)
        x, y = 160 + 90 * math.cos(step * math.tau / 12), 120 + 60 * math.sin(step * math.tau / 12)
        pen.ellipse([70, 60, 250, 180], outline=(92, 108, 160), width=3)
        pen.ellipse([x - 26, y - 26, x + 26, y + 26], fill=(250, 196, 80))
        frames.append(frame.quantize(32))
    kept = io.BytesIO()
    frames[0].save(kept, "GIF", save_all=True, append_images=frames[1:], duration=80, loop=0)
    return SampleFile("spin.gif", "image/gif", kept.getvalue())


def film_3gp() -> SampleFile:
    """Return what phones sent for years: H.263 at 176 x 144 with AMR sound."""
    return SampleFile("VID_0007.3gp", "video/3gpp", film("3gp", "h263", AMR, size=(176, 144), rate=8000))


def film_mp4() -> SampleFile:
    """Return what phones send today: H.264 with AAC sound, ready to stream."""
    return SampleFile("VID_0042.mp4", "video/mp4", film("mp4", "libx264", "aac", size=(640, 360)))


def voice() -> SampleFile:
    """Return a voice note: two seconds of AMR."""
    frames = b"".join(b"\x3c" + bytes((step * at) % 256 for at in range(31)) for step in range(1, 101))
    return SampleFile("note.amr", "audio/amr", b"#!AMR\n" + frames)


def voice_message() -> SampleFile:
    """Return a voice message of an iPhone: two seconds of Opus in CAF, which FFmpeg does not write."""
    rate, block = 48000, 960
    with av.open(io.BytesIO(), "w", format="ogg") as container:
        stream = container.add_stream("libopus", rate=rate, layout="mono")
        packets = [
            bytes(packet) for made in _sound(stream, rate, seconds=2) for packet in made if packet.size
        ]
    lengths = b"".join(_seven_bits(len(packet)) for packet in packets)
    chunks = (
        (b"desc", struct.pack(">d4sIIIII", rate, b"opus", 0, 0, block, 1, 0)),
        (b"pakt", struct.pack(">qqii", len(packets), len(packets) * block, 0, 0) + lengths),
        (b"data", bytes(4) + b"".join(packets)),
    )
    body = b"".join(name + struct.pack(">q", len(data)) + data for name, data in chunks)
    return SampleFile("message.caf", "audio/x-caf", b"caff\0\1\0\0" + body)


def _seven_bits(number: int) -> bytes:
    """Return a number in as many bytes as it needs, seven bits in each; all but the last are marked."""
    last, rest = number & 0x7F, number >> 7
    marked = b""
    while rest:
        marked, rest = bytes((0x80 | rest & 0x7F,)) + marked, rest >> 7
    return marked + bytes((last,))


def music() -> SampleFile:
    """Return two seconds of MP3."""
    return SampleFile("jingle.mp3", "audio/mpeg", sound("mp3", "libmp3lame"))


def text(words: str, *, charset: str = "utf-8") -> SampleFile:
    """Return the words that came with a picture."""
    return SampleFile("text.txt", f"text/plain; charset={charset}", words.encode(charset))


def contact(name: str = "Ada Example", number: str = "+1 408 555 0123") -> SampleFile:
    """Return a contact as a vCard 3.0."""
    family = name.rpartition(" ")[2]
    lines = (
        "BEGIN:VCARD",
        "VERSION:3.0",
        f"N:{family};{name.partition(' ')[0]};;;",
        f"FN:{name}",
        f"TEL;TYPE=CELL:{number}",
        f"EMAIL:{name.partition(' ')[0].lower()}@example.com",
        "END:VCARD",
    )
    return SampleFile("contact.vcf", "text/x-vcard", "".join(f"{line}\r\n" for line in lines).encode())


def every_kind() -> tuple[SampleFile, ...]:
    """Return one file of each kind."""
    pictures = (photograph(0), photograph(1, orientation=6), drawing(0), animation())
    return (*pictures, film_3gp(), film_mp4(), voice(), music(), text("Grüße 🐟 from the pier"), contact())


def film(
    form: str,
    picture_codec: str,
    sound_codec: str = "",
    *,
    size: Size = (320, 240),
    rate: int = 44100,
    frame_rate: int = 15,
    black_seconds: float = 0,
    sound_tracks: int = 1,
    pixel_aspect: Fraction | None = None,
    is_mirrored: bool = False,
) -> bytes:
    """Return three seconds of a moving scene; without sound where its encoder is missing.

    `form` and the codecs are named as FFmpeg names them. The film begins with `black_seconds` of black.
    A player shows it with pixels of that aspect, and swaps left and right where it is mirrored.
    """
    with tempfile.TemporaryDirectory() as folder:  # the index can be moved to the front of a real file only
        path = Path(folder) / "film"
        options = {"movflags": "faststart"} if form == "mp4" else {}
        with av.open(str(path), "w", format=form, options=options) as container:
            quiet = {"x265-params": "log-level=none"} if picture_codec == "libx265" else {}
            stream = container.add_stream(picture_codec, rate=Fraction(frame_rate), options=quiet)
            pictures = cast("av.VideoStream", stream)
            pictures.width, pictures.height, pictures.pix_fmt = *size, "yuv420p"
            if pixel_aspect:
                pictures.codec_context.sample_aspect_ratio = pixel_aspect
            if is_mirrored:
                pictures.set_display_rotation(0, hflip=True)
            heard = [_sound_stream(container, sound_codec, rate) for _ in range(sound_tracks)]
            for view in _views(size, frame_rate, black_seconds):
                container.mux(pictures.encode(av.VideoFrame.from_ndarray(view, format="rgb24")))
            container.mux(pictures.encode())
            for track in filter(None, heard):
                for packets in _sound(track, rate, seconds=3):
                    container.mux(packets)
        return path.read_bytes()


def sound(form: str, codec: str, *, rate: int = 44100) -> bytes:
    """Return two seconds of a rising tone."""
    kept = io.BytesIO()
    with av.open(kept, "w", format=form) as container:
        stream = _sound_stream(container, codec, rate)
        for packets in _sound(stream, rate, seconds=2) if stream is not None else ():
            container.mux(packets)
    return kept.getvalue()


def _views(size: Size, frame_rate: int, black_seconds: float) -> Iterator[Any]:
    wide = scene(0, (size[0] * 2, size[1]))
    for step in range(frame_rate * 3):
        left = round(size[0] * step / (frame_rate * 3))
        view = np.asarray(wide.crop((left, 0, left + size[0], size[1])))
        yield view if step >= black_seconds * frame_rate else np.zeros_like(view)


def _sound_stream(container: "OutputContainer", codec: str, rate: int) -> "av.AudioStream | None":
    if codec not in av.codecs_available:
        return None
    stream = cast("av.AudioStream", container.add_stream(codec, rate=rate))
    if codec == AMR:
        stream.codec_context.layout, stream.bit_rate = "mono", 12200
    if codec == "wmav2":
        stream.bit_rate = 64000
    return stream


def _sound(stream: "av.AudioStream", rate: int, *, seconds: int) -> Iterator[list[Any]]:
    """Yield a rising tone, encoded."""
    layout = stream.codec_context.layout.name
    block = 160 if rate == 8000 else 1024  # AMR's frame is 20 ms
    resampler = av.AudioResampler(
        format=stream.codec_context.format, layout=layout, rate=rate, frame_size=block
    )
    at = np.arange(rate * seconds) / rate
    wave = (9000 * np.sin(2 * np.pi * (330 + 60 * at) * at) * np.exp(-at / 2)).astype(np.int16)
    frame = av.AudioFrame.from_ndarray(wave[None, :], format="s16", layout="mono")
    frame.sample_rate, frame.pts, frame.time_base = rate, 0, Fraction(1, rate)
    for ready in (*resampler.resample(frame), *resampler.resample(None)):
        yield stream.encode(ready)
    yield stream.encode(None)
