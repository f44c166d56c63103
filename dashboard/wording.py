"""Plain words for what the archive holds: kinds, carriers, phone numbers, how far off a time is.

They are the same for everybody; `locally` writes times and numbers for who looks. Nothing here is
markup: what a stranger sent stays text.
"""

from datetime import datetime
from functools import lru_cache

import phonenumbers

from dashboard import locally
from mmsvault.message import MediaItem, MediaState, MessageState

CARRIERS = {
    "31002": "AT&T",
    "31003": "Verizon",
    "31004": "T-Mobile",
    "31005": "Sprint",
    "31062": "MetroPCS",
}
"""Names of Sinch's operator ids."""

STATES = {
    MessageState.PENDING: "Waiting for files",
    MessageState.ARCHIVED: "Archived",
    MessageState.PARTIAL: "Archived in part; some files are lost",
    MessageState.LOST: "Lost",
}

_KINDS = {
    "text/vcard": ("contact", "Contact"),
    "text/x-vcard": ("contact", "Contact"),
    "text/calendar": ("calendar", "Appointment"),
    "application/pdf": ("document", "PDF document"),
    "application/smil": ("file", "Order of the parts"),
    "text/html": ("file", "Web page"),
    "application/zip": ("file", "ZIP archive"),
    "audio/midi": ("audio", "Melody"),
}
_MAIN_KINDS = {
    "image": ("image", "Picture"),
    "video": ("video", "Film"),
    "audio": ("audio", "Sound"),
}
_READABLE_TYPES = {
    "image/jpeg": "JPEG",
    "image/png": "PNG",
    "image/gif": "GIF",
    "image/webp": "WebP",
    "video/3gpp": "3GP",
    "video/mp4": "MP4",
    "audio/amr": "AMR",
    "audio/mpeg": "MP3",
    "audio/amr-wb": "AMR-WB",
    "audio/mp4": "M4A",
    "audio/aac": "AAC",
    "audio/wav": "WAV",
    "audio/qcelp": "QCELP",
    "audio/midi": "MIDI",
    "audio/x-caf": "CAF",
    "audio/x-aiff": "AIFF",
    "audio/basic": "AU",
    "audio/ogg": "Ogg",
    "image/bmp": "BMP",
    "image/tiff": "TIFF",
    "image/heic": "HEIC",
    "image/heif": "HEIF",
    "image/avif": "AVIF",
    "image/avci": "HEIF (AVC)",
    "image/hej2k": "HEIF (JPEG 2000)",
    "image/jp2": "JPEG 2000",
    "image/jpx": "JPEG 2000",
    "image/j2c": "JPEG 2000",
    "image/jxl": "JPEG XL",
    "image/x-icon": "Icon",
    "image/vnd.wap.wbmp": "WBMP",
    "image/svg+xml": "SVG",
    "video/3gpp2": "3G2",
    "video/quicktime": "MOV",
    "video/mpeg": "MPEG",
    "video/x-msvideo": "AVI",
    "video/x-ms-wmv": "WMV",
    "video/webm": "WebM",
    "text/vcard": "vCard",
    "text/x-vcard": "vCard",
    "text/calendar": "iCalendar",
    "text/html": "HTML",
    "application/pdf": "PDF",
    "application/smil": "SMIL",
    "application/zip": "ZIP",
}


def kind(item: MediaItem) -> tuple[str, str]:
    """Return what a file is to a person: a name for code and a word."""
    if item.state is MediaState.PENDING:
        return "waiting", "Waiting file"
    if item.state is MediaState.LOST:
        return "lost", "Lost file"
    main = item.content_type.partition("/")[0]
    if item.content_type == "text/plain":
        return "text", "Text"
    return _KINDS.get(item.content_type) or _MAIN_KINDS.get(main) or ("file", "File")


def short_type(content_type: str) -> str:
    """Return the usual short name of a content type."""
    return _READABLE_TYPES.get(content_type, content_type)


@lru_cache(maxsize=4096)
def number(text: str) -> str:
    """Return a phone number with its usual spaces; a short code or an address stays as it is."""
    digits = text.removeprefix("+")
    if not (digits.isascii() and digits.isdigit()):
        return text
    try:
        parsed = phonenumbers.parse(f"+{digits}")
    except phonenumbers.NumberParseException:
        return text
    if not phonenumbers.is_possible_number(parsed):
        return text
    return phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.INTERNATIONAL)


def carrier(operator_id: str) -> str:
    """Return the carrier's name with its operator id."""
    name = CARRIERS.get(operator_id)
    return f"{name} ({operator_id})" if name else operator_id


def in_utc(at: datetime) -> str:
    """Return a time to the second, the same for everybody."""
    return f"{at.day} {at:%B %Y, %H:%M:%S} UTC"


def captured(told: str) -> str:
    """Return when a file was taken as it says itself: by the clock of the phone."""
    try:
        at = datetime.fromisoformat(told)
    except ValueError:
        return ""
    zone = f"UTC{at.isoformat()[-6:]}" if at.tzinfo else "by the phone's clock"
    return f"{locally.wall(at)} {zone}"


def until(at: datetime, now: datetime) -> str:
    """Return how far off a time is: `in 3 days`, `5 hours ago`."""
    seconds = (at - now).total_seconds()
    for unit, length in (("day", 86400), ("hour", 3600), ("minute", 60)):
        count = int(abs(seconds) // length)
        if count:
            amount = plural(count, unit)
            return f"in {amount}" if seconds > 0 else f"{amount} ago"
    return "now"


def length(duration_ms: int) -> str:
    """Return a duration as minutes and seconds."""
    minutes, seconds = divmod(round(duration_ms / 1000), 60)
    return f"{minutes}:{seconds:02d}"


def plural(count: int, noun: str) -> str:
    """Return a count with its noun, as it is kept in the trail."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
