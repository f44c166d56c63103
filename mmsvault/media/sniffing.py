"""The true type of a file, from its bytes; neither its name nor the provider's header decides.

Read in the worker too, where nothing may hang on a stranger's bytes: the patterns never look back.
"""

import mimetypes
import re
import struct
from pathlib import Path

import puremagic

from mmsvault.media.charsets import as_text

HEAD_BYTES = 1 << 16
OCTETS = "application/octet-stream"
WBMP = "image/vnd.wap.wbmp"
ICON = "image/x-icon"

EXTENSIONS = {
    "image/jpeg": ".jpg",
    "image/png": ".png",
    "image/gif": ".gif",
    "image/webp": ".webp",
    "image/bmp": ".bmp",
    "image/tiff": ".tif",
    "image/heic": ".heic",
    "image/heif": ".heif",
    "image/avif": ".avif",
    "image/avci": ".avci",
    "image/hej2k": ".hej2",
    "image/jp2": ".jp2",
    "image/jpx": ".jpx",
    "image/j2c": ".j2k",
    "image/jxl": ".jxl",
    "image/vnd.adobe.photoshop": ".psd",
    "image/x-canon-cr3": ".cr3",
    ICON: ".ico",
    WBMP: ".wbmp",
    "image/svg+xml": ".svg",
    "video/3gpp": ".3gp",
    "video/3gpp2": ".3g2",
    "video/mp4": ".mp4",
    "video/quicktime": ".mov",
    "video/mpeg": ".mpg",
    "video/mp2t": ".ts",
    "video/x-msvideo": ".avi",
    "video/x-ms-wmv": ".wmv",
    "video/webm": ".webm",
    "video/x-matroska": ".mkv",
    "video/ogg": ".ogv",
    "video/x-flv": ".flv",
    "audio/3gpp": ".3ga",
    "audio/3gpp2": ".3g2",
    "audio/amr": ".amr",
    "audio/amr-wb": ".awb",
    "audio/aac": ".aac",
    "audio/mpeg": ".mp3",
    "audio/mp4": ".m4a",
    "audio/wav": ".wav",
    "audio/ogg": ".ogg",
    "audio/flac": ".flac",
    "audio/webm": ".weba",
    "audio/x-ms-wma": ".wma",
    "audio/x-matroska": ".mka",
    "audio/qcelp": ".qcp",
    "audio/midi": ".mid",
    "audio/x-caf": ".caf",
    "audio/x-aiff": ".aif",
    "audio/basic": ".au",
    "text/plain": ".txt",
    "text/vcard": ".vcf",
    "text/calendar": ".ics",
    "text/html": ".html",
    "application/pdf": ".pdf",
    "application/smil": ".smil",
    "application/zip": ".zip",
    "application/vnd.apple.pkpass": ".pkpass",
    OCTETS: ".bin",
}

# What files of these kinds begin with, where a table by prefix is surer than a guess by score.
_PREFIXES = (
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"II*\0", "image/tiff"),
    (b"MM\0*", "image/tiff"),
    (b"\xff\x4f\xff\x51", "image/j2c"),
    (b"\xff\x0a", "image/jxl"),
    (b"\0\0\0\x0cJXL \r\n\x87\n", "image/jxl"),
    (b"8BPS\0\x01", "image/vnd.adobe.photoshop"),
    (b"%PDF-", "application/pdf"),
    (b"#!AMR-WB\n", "audio/amr-wb"),
    (b"#!AMR\n", "audio/amr"),
    (b"MThd", "audio/midi"),
    (b"OggS", "audio/ogg"),
    (b"fLaC", "audio/flac"),
    (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "video/x-ms-wmv"),
    (b"\0\0\x01\xba", "video/mpeg"),
    (b"\0\0\x01\xb3", "video/mpeg"),
    (b"FLV\x01", "video/x-flv"),
    (b"caff\0\x01", "audio/x-caf"),
    (b".snd\0", "audio/basic"),
)
_RIFFS = {
    b"WEBP": "image/webp",
    b"AVI ": "video/x-msvideo",
    b"WAVE": "audio/wav",
    b"QLCM": "audio/qcelp",
    b"RMID": "audio/midi",
}
_BRANDS = (
    (b"3g2", "video/3gpp2"),
    (b"3g", "video/3gpp"),
    (b"qt", "video/quicktime"),
    (b"M4A", "audio/mp4"),
    (b"M4B", "audio/mp4"),
    (b"jpx ", "image/jpx"),
    (b"crx ", "image/x-canon-cr3"),
)
# Codecs of pictures in HEIF, by the brands that promise them; the first that is found decides.
_PICTURE_BRANDS = (
    (frozenset((b"avif", b"avis")), "image/avif"),
    (frozenset((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs")), "image/heic"),
    (frozenset((b"avci", b"avcs")), "image/avci"),
    (frozenset((b"j2ki", b"j2is")), "image/hej2k"),
    (
        frozenset(
            (
                *(b"mif1", b"mif2", b"mif3", b"msf1", b"miaf", b"1pic", b"MiHB", b"MiHA", b"MiHE", b"MiAn"),
                *(b"jpeg", b"jpgs", b"vvic", b"vvis", b"evbi", b"evmi", b"evbs", b"evms", b"unif", b"tmap"),
            )
        ),
        "image/heif",
    ),
)
_FILM_BRANDS = (b"iso", b"mp4", b"avc1", b"M4V", b"dash", b"MSNV", b"f4v", b"mmp4", b"XAVC", b"NDS")
_BMP_HEADERS = frozenset(size.to_bytes(4, "little") for size in (12, 16, 40, 52, 56, 64, 108, 124))
_JPEG_2000 = b"\0\0\0\x0cjP  \r\n\x87\n"
_OLD_MOVIE = (b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot")
# What may stand before the first tag: atomic groups, so that a row of comments is read once.
_BEFORE = r"(?>\s+|<\?.*?\?>|<!--.*?-->|<!DOCTYPE(?! html)[^>]*>)*+"
_TEXTS = tuple(
    (re.compile(pattern, re.IGNORECASE | re.DOTALL), kind)
    for pattern, kind in (
        (r"BEGIN:VCARD\b", "text/vcard"),
        (r"BEGIN:VCALENDAR\b", "text/calendar"),
        (_BEFORE + r"<svg\b", "image/svg+xml"),
        (_BEFORE + r"<(?:[\w.-]{1,40}:)?smil\b", "application/smil"),
        (_BEFORE + r"<(?:!DOCTYPE html|html|head|body|script)\b", "text/html"),
    )
)


def true_type(data: bytes, declared: str) -> str:
    """Return the content type of a file that begins with `data` (up to HEAD_BYTES of it)."""
    if not data:
        told = declared.partition(";")[0].strip().lower()
        return told if told in EXTENSIONS and told.startswith("text/") else OCTETS
    known = _by_first_bytes(data) or _sound_or_film(data) or _by_structure(data, declared)
    if known:
        return known
    text = as_text(data, declared)
    if text is not None:
        start = text.lstrip("\ufeff \t\r\n")
        return next((kind for pattern, kind in _TEXTS if pattern.match(start)), "text/plain")
    try:
        guess: str = puremagic.from_string(data, mime=True)
    except (puremagic.PureError, ValueError):
        return OCTETS
    # What puremagic takes for text or a script is not: it did not read as text above.
    return guess if "/" in guess and not guess.startswith("text/") else OCTETS


def true_type_of(path: Path, declared: str) -> str:
    """Return the content type of the file at `path`, from its beginning and what follows long tags."""
    with path.open("rb") as file:
        beginning = behind = file.read(HEAD_BYTES)
        at = 0
        for _ in range(_MOST_TAGS):
            sound = behind.lstrip(b"\0") if at else behind
            length = _behind_tag(sound)
            if not length:
                break
            at += len(behind) - len(sound) + length
            file.seek(at)
            behind = file.read(HEAD_BYTES)
    return _by_tag(behind) if at else true_type(beginning, declared)


def extension(content_type: str) -> str:
    """Return the file extension, with its dot, that goes with a type."""
    guess = EXTENSIONS.get(content_type) or mimetypes.guess_extension(content_type) or ".bin"
    return guess if re.fullmatch(r"\.[a-z0-9]{1,8}", guess) else ".bin"


def wbmp_size(data: bytes) -> tuple[int, int, int] | None:
    """Return width, height and length of the header of a WBMP; None where `data` is none.

    The format has no magic number (WAP-237, 4.5.1): type 0, one byte of fixed header, two numbers.
    """
    if data[:2] != b"\0\0":
        return None
    numbers, at = [], 2
    for _ in range(2):
        number = 0
        for _ in range(4):
            byte = data[at] if at < len(data) else 0
            number, at = number << 7 | byte & 0x7F, at + 1
            if not byte & 0x80:
                break
        numbers.append(number)
    width, height = numbers
    return (width, height, at) if width and height else None


def _by_first_bytes(data: bytes) -> str:
    for prefix, kind in _PREFIXES:
        if data.startswith(prefix):
            return kind
    if data[:4] == b"RIFF":
        return _RIFFS.get(data[8:12], "")
    if data[4:8] == b"ftyp" or data.startswith(_JPEG_2000):
        return _by_brands(data)
    if data[:4] == b"\x1a\x45\xdf\xa3":
        return "video/webm" if b"webm" in data[:64] else "video/x-matroska"
    if data[:4] == b"PK\x03\x04":
        return "application/vnd.apple.pkpass" if b"pass.json" in data else "application/zip"
    return ""


def _by_brands(data: bytes) -> str:
    """Tell what is kept in boxes (ISO/IEC 14496-12) by the brands that its first box names.

    Pictures (HEIF) are told by all their brands, for the major one may be of any kind; films by the major
    one, unless a box of pictures follows at once, for phones also claim brands of pictures for them.
    """
    if data.startswith(_JPEG_2000):
        return "image/jpx" if data[20:24] == b"jpx " else "image/jp2"
    end = int.from_bytes(data[:4], "big")
    major = data[8:12]
    # The version of `mif3`, the short form, is the brand of its codec.
    brands = {major, *(data[at : at + 4] for at in range(12 if major == b"mif3" else 16, min(end, 512), 4))}
    has_pictures_first = data[end + 4 : end + 8] == b"meta" and b"pict" in data[end + 8 : end + 40]
    known = next((kind for brand, kind in _BRANDS if major.startswith(brand)), "")
    if not has_pictures_first and (known or major.startswith(_FILM_BRANDS)):
        return known or "video/mp4"
    picture = next((kind for promised, kind in _PICTURE_BRANDS if promised & brands), "")
    return picture or known or "video/mp4"


def _picture_by_header(data: bytes) -> str:
    """Tell a BMP by the size of its second header, an icon or a pointer by where its first picture lies."""
    if data[:2] == b"BM" and len(data) > 26 and data[14:18] in _BMP_HEADERS:  # noqa: PLR2004 - the shortest
        return "image/bmp"
    if data[:4] in (b"\0\0\x01\0", b"\0\0\x02\0") and len(data) > 62:  # noqa: PLR2004 - the shortest
        count, size, start = struct.unpack_from("<H8xII", data, 4)
        if 0 < count <= 64 and data[9] == 0 and start >= 6 + 16 * count and 40 <= size <= 1 << 24:  # noqa: PLR2004
            return ICON
    return ""


def _sound_or_film(data: bytes) -> str:
    if data[:4] == b"FORM" and data[8:12] in (b"AIFF", b"AIFC"):
        return "audio/x-aiff"
    if data[4:8] in _OLD_MOVIE and data[:1] < b"\x08":  # before there was an ftyp; the length is no text
        return "video/quicktime"
    follows = _behind_tag(data)
    return _by_tag(data[follows:]) if follows else ""


def _behind_tag(data: bytes) -> int:
    """Return where a tag ends that `data` begins with, which may be behind `data`; 0 where there is none.

    ID3v2.4, 3.1, and APEv2, which is seldom put in front.
    """
    if len(data) < _APE_HEAD:
        return 0
    if data[:8] == b"APETAGEX":
        return _APE_HEAD + int.from_bytes(data[12:16], "little")
    if data[:3] != b"ID3" or data[3] not in (2, 3, 4) or max(data[6:10]) > 0x7F:  # noqa: PLR2004 - versions, and 7 bits a byte
        return 0
    length = sum(byte << shift for byte, shift in zip(data[6:10], (21, 14, 7, 0), strict=True))
    has_foot = data[3] == 4 and data[5] & 0x10  # noqa: PLR2004 - version 2.4
    return _ID3_HEAD + length + (_ID3_HEAD if has_foot else 0)


_ID3_HEAD, _APE_HEAD = 10, 32


def _by_tag(behind: bytes) -> str:
    """Return the type of what follows a tag; MP3 where nothing else is to be seen."""
    for _ in range(_MOST_TAGS):
        behind = behind.lstrip(b"\0")  # what stands in for a longer tag
        another = _behind_tag(behind)
        if not 0 < another < len(behind):
            break
        behind = behind[another:]
    return "audio/flac" if behind.startswith(b"fLaC") else _by_sync(behind) or "audio/mpeg"


_MOST_TAGS = 8


def _by_sync(data: bytes) -> str:
    """Tell bare sound by the sync word of its first frame."""
    if len(data) > 4 and data[0] == 0xFF and data[1] & 0xE0 == 0xE0:  # noqa: PLR2004 - a frame's sync
        if data[1] & 0xF6 == 0xF0:  # noqa: PLR2004 - ADTS: layer 0
            return "audio/aac"
        if data[1] & 0x06 in (0x02, 0x04) and data[2] & 0xF0 != 0xF0 and data[2] & 0x0C != 0x0C:  # noqa: PLR2004
            return "audio/mpeg"
    return ""


def _by_structure(data: bytes, declared: str) -> str:
    """Tell the kinds whose first bytes alone are too short to tell them."""
    picture = _picture_by_header(data)
    if picture:
        return picture
    if data[:1] == b"\x47" and data[188:189] == b"\x47" and data[376:377] == b"\x47":
        return "video/mp2t"
    sound = _by_sync(data)
    if sound:
        return sound
    measured = wbmp_size(data)
    if measured and len(data) <= HEAD_BYTES:
        width, height, header = measured
        exact = len(data) == header + (width + 7) // 8 * height
        if exact or "wbmp" in declared.lower():
            return WBMP
    return ""
