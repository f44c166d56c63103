"""The head of an answer, put in order before the HTTP library reads it.

Servers write heads that strict parsers refuse, with a whole file after them: spaces before a colon,
folded lines, bare line feeds, bytes that are no ASCII, names that are none, lengths and encodings
twice. The library is given a plain head that means the same. Where a head leaves open how long the
body is (lengths that differ, encodings that nobody knows), or where it begins (no length, and lines that
are none of a head), the answer is refused: bytes must be whole.
"""

import re
from collections.abc import Iterable, Iterator

from mmsvault.errors import TransientFetchError

MOST_BYTES = 256 << 10
MOST_FIELDS = 80
LONGEST_VALUE = 8000
"""Characters. A longer value is cut; addresses and validators have fewer."""

Field = tuple[str, str]

_END = re.compile(rb"\r?\n\r?\n")
_STATUS = re.compile(rb"HTTP/(\d)(?:\.(\d))?[ \t]+(\d{3})(?!\d)[ \t]*(.*)", re.IGNORECASE | re.DOTALL)
_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_NOT_IN_LINE = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|\r(?!\Z)")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]+")
_LEFT_OUT = frozenset({"set-cookie", "set-cookie2"})
"""No cookie is taken: downloads have nothing to do with one another."""
_FIRST = (
    "content-type",
    "content-encoding",
    "content-range",
    "location",
    "etag",
    "retry-after",
    "connection",
)
"""What is kept whatever else a server writes."""


class HeadReader:
    """Gathers bytes until the head is whole."""

    def __init__(self) -> None:
        self._gathered = bytearray()

    def take(self, data: bytes) -> bytes:
        """Return head and what follows it, once the head is whole; until then nothing.

        `data` is empty at the end of the connection. Raises TransientFetchError for a head that is too
        long or leaves the body's length open.
        """
        self._gathered += data
        while self._gathered:
            self._gathered = bytearray(self._gathered.lstrip(b"\r\n"))
            end = _END.search(self._gathered)
            if end is None:
                break
            head, rest = bytes(self._gathered[: end.start()]), bytes(self._gathered[end.end() :])
            ordered = in_order(head)
            if ordered:
                return ordered + rest
            self._gathered = bytearray(rest)
        if len(self._gathered) > MOST_BYTES:
            raise TransientFetchError("The provider's answer cannot be read: its head has no end.")
        return b""


def in_order(head: bytes) -> bytes:
    """Return a plain head that means the same as `head`, which has no empty line at its end.

    Empty for an interim answer (1xx), after which the real one comes. Raises TransientFetchError.
    """
    first, _, rest = head.partition(b"\n")
    status = _STATUS.fullmatch(first.rstrip(b"\r"))
    if status is None:
        raise TransientFetchError("The provider's answer cannot be read: it is not HTTP.")
    major, minor, code, reason = status.groups()
    if code.startswith(b"1") and code != b"101":
        return b""
    version = "1.0" if major == b"0" or (major, minor) == (b"1", b"0") else "1.1"
    fields = list(_fields(rest))
    lines = [f"HTTP/{version} {code.decode()} {_plain(reason)}"]
    framing = _framing(fields)
    if not framing and (_NOT_IN_LINE.search(first) or not all(map(_is_line, rest.split(b"\n")))):
        # The body's beginning may stand in what is taken for the head, and nothing would tell.
        raise TransientFetchError("The provider's answer cannot be read: its head is broken, with no length.")
    lines += [f"{name}: {value}" for name, value in (*framing, *_others(fields))]
    return "\r\n".join((*lines, "", "")).encode("latin-1")


def _is_line(line: bytes) -> bool:
    """Return whether a line is one of a head, and nothing else."""
    return not _NOT_IN_LINE.search(line) and (b":" in line or line[:1] in (b" ", b"\t", b"\r", b""))


def _fields(head: bytes) -> Iterator[Field]:
    """Give the fields with folded lines joined; lines that are none are passed over."""
    joined: list[bytes] = []
    for line in head.split(b"\n"):
        if line[:1] in (b" ", b"\t"):
            if joined:
                joined[-1] = joined[-1].rstrip() + b" " + line.strip()
        else:
            joined.append(line)
    for line in joined:
        raw_name, colon, value = line.partition(b":")
        name = raw_name.decode("latin-1").strip().lower()
        if colon and _NAME.fullmatch(name) and name not in _LEFT_OUT:
            yield name, _plain(value)


def _plain(value: bytes) -> str:
    return _CONTROL.sub(" ", value.decode("latin-1")).strip()[:LONGEST_VALUE]


def _framing(fields: Iterable[Field]) -> list[Field]:
    """Return the one field, or none, that says how long the body is (RFC 9112, 6.3)."""
    encodings = {one.lower() for one in _listed(fields, "transfer-encoding")} - {"identity"}
    if encodings == {"chunked"}:
        return [("transfer-encoding", "chunked")]
    if encodings:
        raise TransientFetchError("The provider's answer cannot be read: it is packed in an unknown way.")
    lengths = set(_listed(fields, "content-length"))
    sizes = {int(one) for one in lengths if re.fullmatch(r"\d{1,18}", one, re.ASCII)}
    if (len(sizes) != 1 and lengths) or any(not one.isdigit() for one in lengths):
        raise TransientFetchError("The provider's answer cannot be read: it says no one length.")
    return [("content-length", str(size)) for size in sizes]


def _others(fields: Iterable[Field]) -> list[Field]:
    framing = ("transfer-encoding", "content-length")
    others = [field for field in fields if field[0] not in framing]
    return sorted(others, key=lambda field: field[0] not in _FIRST)[:MOST_FIELDS]


def _listed(fields: Iterable[Field], name: str) -> list[str]:
    """Return the values of every field of a name, which may hold several each."""
    values = [value for given, value in fields if given == name]
    return [one.strip() for value in values for one in value.split(",") if one.strip()]
