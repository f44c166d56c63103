"""What came in answer for a file: the file, or something in place of it.

Providers answer 200 with nothing, an error text or a web page while a file is not there yet. What was
declared, named or announced says what the file ought to be; its bytes say what came.
"""

import codecs
import json
import mimetypes
import re
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from pathlib import PurePosixPath
from urllib.parse import parse_qsl, unquote, urlsplit

from mmsvault.media import sniffing
from mmsvault.media.charsets import as_text

TEXTS = frozenset(
    (
        *("application/json", "application/xml", "application/smil", "application/xhtml+xml"),
        *("application/problem+json", "application/smil+xml"),
    )
)
"""Types, beside text/*, of which the bytes are text."""
PAGES = frozenset(("text/html", "application/xhtml+xml"))
MOST_JSON_BYTES = 1 << 16
WEB_PAGE = "This is a web page. A provider may send one in place of a file that it does not have."
"""What a person should know of a file that is kept, and may not be what was sent."""
PACKED = "The provider sent this packed in a way that is not read here, so the file is kept as it came."
NOT_SURE = "This may be an error text of the provider's, in place of a file that it does not have."

_TYPES = {extension[1:]: kind for kind, extension in sniffing.EXTENSIONS.items() if extension != ".bin"}
_TYPES |= {"htm": "text/html", "json": "application/json", "xml": "application/xml", "jpeg": "image/jpeg"}
_BUILT_IN = mimetypes.MimeTypes(filenames=())  # what stands in files of the machine is another one each time
_FILE_NAME = re.compile(
    r"(?:^|;)\s*+filename(?:\*0?\*?)?\s*+=\s*+(?:\"([^\"]{1,300})|((?:[^\s;\"]{1,300})))", re.IGNORECASE
)
"""Of a Content-Disposition, also as RFC 2231 writes it; only its extension counts here."""
_MARKUP = re.compile(r"(?:<\?xml[^>]*\?>\s*|<!--.*?-->\s*)*<(?:!DOCTYPE\b|[A-Za-z][\w:.-]*[\s/>])", re.DOTALL)
_PAGE_PARTS = re.compile(
    r"<(?:a|b|body|br|center|div|font|form|h[1-6]|head|hr|html|i|iframe|img|link|meta|p|pre|script|span"
    r"|strong|style|table|title)[\s/>]",
    re.IGNORECASE,
)
_NOT_IN_TEXT = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]")
_PLAIN = re.compile(rb"[\x00-\x7f]+")
_MARKS = (codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_IN_WORDS = {
    "empty": "nothing",
    "page": "a web page",
    "json": "JSON",
    "markup": "XML",
    "text": "a text",
}


@dataclass(frozen=True)
class Verdict:
    """Why an answer is not the file; no reason where it is.

    `may_be_it`: nothing but what it looks like speaks against it. `extension` goes with what it is.
    """

    reason: str = ""
    may_be_it: bool = False
    extension: str = ".txt"

    @property
    def doubt(self) -> str:
        """What to know of it where it is kept as the file although it may be none."""
        return {".html": WEB_PAGE, ".bin": PACKED}.get(self.extension, NOT_SURE)


@dataclass(frozen=True)
class Told:
    """What is known beforehand of a file: its address, and types and headers of answers for it."""

    url: str
    types: tuple[str, ...]
    disposition: str = ""


def judge(told: Told, *, size: int, beginning: bytes, packed: str = "") -> Verdict:
    """Return whether an answer of `size` bytes is the file; `beginning` is up to HEAD_BYTES of it.

    `packed` is why it may be packed still, in a way that is not read here.
    """
    if packed:
        return Verdict(packed, may_be_it=True, extension=".bin")
    named = {kind for name in names(told) if (kind := type_named(name))}
    declared = {kind for text in told.types if (kind := _kind(text))}
    is_media = any(not _is_text(kind) for kind in named | declared)
    look = looks(beginning, size=size, declared=told.types[0] if told.types else "")
    if not look or (look == "text" and not is_media):
        return Verdict()
    if look == "empty":
        return Verdict() if (named or declared) and not is_media else _in_place(look, may_be_it=False)
    if is_media or not _is_wanted(look, named=named, declared=declared):
        return _in_place(look, may_be_it=not (is_media or named))
    return Verdict()


def _is_wanted(look: str, *, named: Collection[str], declared: Collection[str]) -> bool:
    """Return whether a name asks for what came, or a declared type where there is no name.

    A text may read like a page. That somebody calls a page or JSON what it is tells nothing: so does the
    server that sends it in place of a file.
    """
    wanted = {"page": PAGES, "json": {"application/json"}, "markup": {"application/xml", *PAGES}}[look]
    slides = {"application/smil", "application/smil+xml"} if look == "markup" else set()
    if named:
        return any(kind == "text/plain" or kind in wanted or kind in slides for kind in named)
    return any(
        (kind.startswith("text/") and kind not in PAGES | {"text/xml"}) or kind in slides for kind in declared
    )


def _in_place(look: str, *, may_be_it: bool) -> Verdict:
    extension = {"page": ".html", "json": ".json", "markup": ".xml"}.get(look, ".txt")
    reason = f"The provider answered with {_IN_WORDS[look]} in place of the file."
    return Verdict(reason, may_be_it, extension)


def looks(beginning: bytes, *, size: int, declared: str) -> str:
    """Return what an answer is: `empty`, `page`, `json`, `markup` or `text`; nothing for all else."""
    if size == 0:
        return "empty"
    beginning = beginning.rstrip(b"\0")
    if _NOT_IN_TEXT.search(beginning) and not beginning.startswith(_MARKS):
        return ""  # as nearly all media are, and quickly told
    kind = sniffing.true_type(beginning, "" if _is_text(_kind(declared)) else declared)
    if kind not in ("text/html", "text/plain", sniffing.OCTETS):
        return ""
    if kind == "text/html":
        return "page"
    text = as_text(beginning, "") if kind == "text/plain" else _western(beginning)
    return _look_of_text(text.lstrip("\ufeff \t\r\n"), size) if text else ""


def _look_of_text(text: str, size: int) -> str:
    if text[:1] in ("{", "[") and size <= MOST_JSON_BYTES and _is_json(text):
        return "json"
    if _MARKUP.match(text):
        return "page" if _PAGE_PARTS.match(text) else "markup"
    return "text"


def _western(data: bytes) -> str:
    """Return text in a charset of single bytes, which is mostly ASCII; empty for all else."""
    foreign = len(_PLAIN.sub(b"", data))
    return data.decode("latin-1") if foreign <= len(data) * 0.3 and not _NOT_IN_TEXT.search(data) else ""


def looks_like_page(beginning: bytes) -> bool:
    """Return whether a file that is kept is a web page."""
    return looks(beginning, size=len(beginning), declared="") == "page"


def is_known(beginning: bytes, declared: str) -> bool:
    """Return whether the bytes are surely of a known kind as they are, packed or not."""
    kind = sniffing.true_type(beginning, declared)
    if not _is_text(kind):
        return kind in sniffing.EXTENSIONS and kind != sniffing.OCTETS
    try:
        return "\0" not in beginning[:-3].decode()
    except UnicodeDecodeError as error:
        return error.start > len(beginning) - 7  # cut within a character


def is_page_by_name(told: Told) -> bool:
    """Return whether a web page was sent, by its name."""
    return any(type_named(name) in PAGES for name in names(told))


def names(told: Told) -> list[str]:
    """Return the names that a file has by its address and its answer."""
    named: list[str] = []
    with suppress(ValueError):
        parts = urlsplit(told.url)
        named += [unquote(parts.path), *(value for _, value in parse_qsl(parts.query))]
    if given := _FILE_NAME.search(told.disposition):
        named.append(unquote(given[1] or given[2]))
    return [name for name in named if name]


def type_named(name: str) -> str:
    """Return the type that goes with a name's extension; nothing for one that tells none."""
    extension = PurePosixPath(name.strip()).suffix[1:].lower()
    if extension in _TYPES:
        return _TYPES[extension]
    guess = _BUILT_IN.guess_type(f"x.{extension}")[0] or "" if extension.isalnum() else ""
    return guess if guess.startswith(("image/", "audio/", "video/", "text/")) else ""


def _kind(text: str) -> str:
    """Return the type that a Content-Type names, where that tells media or text; else nothing."""
    kind = text.partition(";")[0].strip().lower()
    known = kind in sniffing.EXTENSIONS and kind != sniffing.OCTETS
    return kind if known or _is_text(kind) or kind.startswith(("image/", "audio/", "video/")) else ""


def _is_text(kind: str) -> bool:
    return kind.startswith("text/") or kind in TEXTS


def _is_json(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict | list)
    except (ValueError, RecursionError):
        return False
