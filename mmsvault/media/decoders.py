"""Which decoder opens which kind of picture, and what is tried where the first one cannot.

Each type is opened by its own decoders and no others, so that a file cannot pass for another kind.
"""

import io
import re
import struct
import zlib
from pathlib import Path
from typing import Any

import av
import numpy as np
import pillow_heif
from av.stream import Disposition
from av.video.reformatter import ColorRange
from PIL import Image

from mmsvault.media import bitmaps
from mmsvault.media.facts import NotShownError
from mmsvault.media.sniffing import HEAD_BYTES, ICON, WBMP, wbmp_size

FORMATS = {
    "image/jpeg": ("JPEG",),
    "image/png": ("PNG",),
    "image/gif": ("GIF",),
    "image/webp": ("WEBP",),
    "image/bmp": ("BMP",),
    "image/tiff": ("TIFF",),
    "image/avif": ("AVIF",),
    "image/heic": ("HEIF",),
    "image/heif": ("HEIF",),
    "image/avci": ("HEIF",),
    "image/hej2k": ("HEIF",),
    "image/jp2": ("JPEG2000",),
    "image/jpx": ("JPEG2000",),
    "image/j2c": ("JPEG2000",),
    ICON: ("ICO", "CUR"),
}
"""Pillow's names of the decoders, by content type."""
_DEMUXERS = {
    "image/bmp": "bmp_pipe",
    "image/avif": "mov",
    "image/heic": "mov",
    "image/heif": "mov",
    "image/avci": "mov",
    "image/hej2k": "mov",
}
"""FFmpeg's names, of kinds that it decodes where Pillow does not: rare layouts, other codecs, sequences."""
_NOT_DECODED = {
    "image/jxl": "JPEG XL",
    "image/vnd.adobe.photoshop": "Photoshop",
    "image/x-canon-cr3": "Canon raw",
}
CONTENT_TYPES = frozenset((*FORMATS, WBMP, *_NOT_DECODED))

_RARE_CODECS = {
    b"avc1": "AVC",
    b"j2k1": "JPEG 2000",
    b"vvc1": "VVC",
    b"evc1": "EVC",
    b"jpeg": "JPEG",
    b"unci": "uncompressed pixels",
}
_ITEM = re.compile(rb"infe[\x02\x03]...(?:..|....)\0\0(" + b"|".join(_RARE_CODECS) + b")", re.DOTALL)
_ALPHA = re.compile(rb"urn:mpeg:(?:mpegB:cicp:systems:auxiliary:alpha|hevc:2015:auxid:1)\0")

_JPEG_END = b"\xff\xd9"
_ENTROPY = b"\x5a\x96\x33\xcc" * 256
"""What a JPEG's decoder takes for more pixels where some are missing."""
_PNG_MARK = b"\x89PNG\r\n\x1a\n"
_PNG_PROFILE = b"iCCP"
_PNG_NEEDED = frozenset(
    (
        *(b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"gAMA", b"cHRM", b"sRGB", b"eXIf"),
        *(_PNG_PROFILE, b"acTL", b"fcTL", b"fdAT"),
    )
)
_LARGEST_PROFILE = 1 << 20

Image.MAX_IMAGE_PIXELS = None  # the limit is ours (check_size), and is an error at once
pillow_heif.register_heif_opener(thumbnails=False)


def check_size(width: int, height: int, *, max_pixels: int) -> None:
    """Raise NotShownError for a picture that is too large to decode."""
    if width * height > max_pixels:
        limit = f"{max_pixels // 1_000_000:,} million" if max_pixels % 1_000_000 == 0 else f"{max_pixels:,}"
        raise NotShownError(f"thumbnail not made: {width:,} x {height:,} pixels is over the limit of {limit}")


def opened(path: Path, content_type: str, *, max_pixels: int) -> Image.Image:
    """Return the picture, of which nothing is decoded yet.

    Raises what its decoder raises, and NotShownError for kinds that nothing here decodes.
    """
    if content_type in _NOT_DECODED:
        raise NotShownError(f"thumbnail not made: {_NOT_DECODED[content_type]} files cannot be decoded here")
    if content_type == WBMP:
        return _wbmp(path, max_pixels)
    if content_type == "image/png" and _is_apples(path):
        raise NotShownError(
            "thumbnail not made: this is Apple's own form of PNG (CgBI), which only iOS reads"
        )
    rare = bitmaps.opened(path, max_pixels=max_pixels) if content_type == "image/bmp" else None
    return rare or Image.open(path, formats=FORMATS[content_type])


def mended(path: Path, content_type: str, *, max_pixels: int) -> Image.Image | None:
    """Return a picture of which all pixels are there, without what is damaged beside them.

    That is a PNG without its texts and broken remarks, and a JPEG with the end mark that it lacks; None
    for other kinds, and for a JPEG whose pixels end too early.
    """
    if content_type == "image/jpeg":
        data = path.read_bytes()
        endings = (_JPEG_END, _ENTROPY + _JPEG_END)
        first, second = (Image.open(io.BytesIO(data + end), formats=["JPEG"]) for end in endings)
        if first.convert("L") != second.convert("L"):  # what comes after them belongs to the pixels
            return None
    elif content_type != "image/png":
        return None
    return as_far_as_it_goes(path, content_type, max_pixels=max_pixels)


def as_far_as_it_goes(path: Path, content_type: str, *, max_pixels: int) -> Image.Image:
    """Return a damaged picture with as little as possible that could hinder its decoder."""
    if content_type == "image/png":
        return Image.open(io.BytesIO(_needed_chunks(path.read_bytes())), formats=FORMATS[content_type])
    if content_type == "image/jpeg":
        return Image.open(io.BytesIO(path.read_bytes() + _JPEG_END), formats=FORMATS[content_type])
    return opened(path, content_type, max_pixels=max_pixels)


def decoded_by_ffmpeg(path: Path, content_type: str, *, max_pixels: int) -> Image.Image | None:
    """Return the picture upright, as FFmpeg decodes it; None where it has no decoder or sees no picture."""
    if content_type not in _DEMUXERS:
        return None
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    try:
        with av.open(str(path), format=_DEMUXERS[content_type]) as container:
            main = _main_stream(container)
            if main is None:
                return None
            check_size(main.width, main.height, max_pixels=max_pixels)
            alpha = _alpha_stream(container, main) if _ALPHA.search(head) else None
            frame = _first_frame(container, main)
            if frame is None:
                return None
            check_size(frame.width, frame.height, max_pixels=max_pixels)
            picture = _as_image(frame)
            if alpha is not None:
                container.seek(0, stream=alpha)
                picture = _with_alpha(picture, _first_frame(container, alpha))
            return _turned_by_matrix(picture, frame)
    except (av.FFmpegError, ValueError, LookupError):
        return None


def rare_codec(path: Path, content_type: str) -> str:
    """Return the name of the codec of an HEIF where it is not a usual one; else the empty string."""
    if "HEIF" not in FORMATS.get(content_type, ()):
        return ""
    with path.open("rb") as file:
        found = _ITEM.search(file.read(HEAD_BYTES))
    return _RARE_CODECS[found[1]] if found else ""


def _wbmp(path: Path, max_pixels: int) -> Image.Image:
    with path.open("rb") as file:
        head = file.read(16)
        width, height, header = wbmp_size(head) or (0, 0, 0)
        check_size(width, height, max_pixels=max_pixels)
        file.seek(header)
        size = (width + 7) // 8 * height
        return Image.frombytes("1", (width, height), file.read(size).ljust(size, b"\0"))


def _is_apples(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(16)[12:] == b"CgBI"


def _needed_chunks(data: bytes) -> bytes:
    kept, at = [_PNG_MARK], len(_PNG_MARK)
    while at + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, at)
        name, end = data[at + 4 : at + 8], at + 12 + length
        chunk = data[at:end]
        if name in _PNG_NEEDED and (name[0] & 0x20 == 0 or _is_sound(name, chunk)):
            kept.append(chunk)
        at = end
    return b"".join(kept)


def _is_sound(name: bytes, chunk: bytes) -> bool:
    if struct.pack(">I", zlib.crc32(chunk[4:-4])) != chunk[-4:]:
        return False
    if name != _PNG_PROFILE:
        return True
    packed = chunk[8:-4].partition(b"\0")[2]
    unpacker = zlib.decompressobj()
    try:
        unpacker.decompress(packed[1:], _LARGEST_PROFILE)
    except zlib.error:
        return False
    return packed[:1] == b"\0" and unpacker.eof


def _main_stream(container: Any) -> Any:
    """Return the picture itself; None for one that is put together from tiles, which are streams each."""
    streams = [stream for stream in container.streams.video if stream.codec_context is not None]
    chosen = [stream for stream in streams if stream.disposition & Disposition.default]
    if chosen:
        return chosen[0]
    return streams[0] if len(streams) == 1 else None


def _alpha_stream(container: Any, main: Any) -> Any:
    size = (main.width, main.height)
    others = (stream for stream in container.streams.video if stream.index != main.index)
    return next((one for one in others if one.codec_context and (one.width, one.height) == size), None)


def _first_frame(container: Any, stream: Any) -> Any:
    return next(container.decode(stream), None)


def _as_image(frame: Any) -> Image.Image:
    """Return the pixels; grey of the limited range (16 to 235) is spread, as FFmpeg does for colours."""
    picture: Image.Image = frame.to_image()
    if frame.format.name.startswith("gray") and frame.color_range == ColorRange.MPEG:
        spread = [min(255, max(0, round((level - 16) * 255 / 219))) for level in range(256)]
        return picture.point(spread * len(picture.getbands()))
    return picture


def _with_alpha(picture: Image.Image, frame: Any) -> Image.Image:
    if frame is not None:
        picture.putalpha(_as_image(frame).convert("L").resize(picture.size))
    return picture


def _turned_by_matrix(picture: Image.Image, frame: Any) -> Image.Image:
    """Return the picture as the file's display matrix turns and mirrors it."""
    try:
        matrix = next((data for data in frame.side_data if data.type.name == "DISPLAYMATRIX"), None)
    except ValueError:  # data of a kind that PyAV does not know hides the others
        return picture.rotate(frame.rotation, expand=True)
    if matrix is None:
        return picture
    a, b, _, c, d = np.sign(np.frombuffer(bytes(matrix), np.int32)[:5]).tolist()
    turns = {
        (-1, 0, 0, 1): Image.Transpose.FLIP_LEFT_RIGHT,
        (-1, 0, 0, -1): Image.Transpose.ROTATE_180,
        (1, 0, 0, -1): Image.Transpose.FLIP_TOP_BOTTOM,
        (0, 1, 1, 0): Image.Transpose.TRANSPOSE,
        (0, 1, -1, 0): Image.Transpose.ROTATE_270,
        (0, -1, -1, 0): Image.Transpose.TRANSVERSE,
        (0, -1, 1, 0): Image.Transpose.ROTATE_90,
    }
    turn = turns.get((a, b, c, d))
    return picture.transpose(turn) if turn is not None else picture
