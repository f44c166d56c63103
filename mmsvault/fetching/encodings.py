"""What a Content-Encoding says of a body, and at most one layer of it unpacked in bounded steps."""

import zlib
from collections.abc import Iterator
from typing import BinaryIO, Protocol

from mmsvault.errors import TransientFetchError

STEP_BYTES = 1 << 16
_GZIP, _DEFLATE = ("gzip", "x-gzip"), ("deflate",)
_GZIP_MARK = b"\x1f\x8b"
KNOWN = (*_GZIP, *_DEFLATE)


class Unpacker(Protocol):
    """zlib's decompression object."""

    @property
    def unconsumed_tail(self) -> bytes:
        """What of the last data is not unpacked yet."""

    @property
    def unused_data(self) -> bytes:
        """What follows the end."""

    @property
    def eof(self) -> bool:
        """Whether the end was reached."""

    def decompress(self, data: bytes, max_length: int, /) -> bytes:
        """Return at most so many bytes of what `data` unpacks to."""


def layers(header: str) -> list[str]:
    """Return the encodings that a Content-Encoding names, without those that change nothing."""
    named = [one.partition(";")[0].strip().lower() for one in header.split(",")]
    return [one for one in named if one not in ("", "identity", "none", "binary")]


def is_packed(beginning: bytes, encoding: str) -> bool:
    """Return whether bytes may be packed as a single encoding says."""
    if encoding in _GZIP:
        return beginning.startswith(_GZIP_MARK)
    return encoding in _DEFLATE


def unpacked(source: BinaryIO, encoding: str) -> Iterator[bytes]:
    """Give what a packed file holds, piece by piece. Raises TransientFetchError where it is broken."""
    try:
        yield from _pieces(source, encoding)
    except zlib.error as error:
        raise TransientFetchError("The provider's answer is packed, and broken.", status=200) from error


def _unpacker(beginning: bytes, encoding: str) -> Unpacker:
    if encoding in _GZIP:
        return zlib.decompressobj(16 + zlib.MAX_WBITS)
    # Servers send what the standard means (RFC 9110, 8.4.1.2: with zlib's header), and what it is called.
    has_header = len(beginning) > 1 and beginning[0] & 0x0F == 8 and int.from_bytes(beginning[:2]) % 31 == 0  # noqa: PLR2004 - RFC 1950
    return zlib.decompressobj(zlib.MAX_WBITS if has_header else -zlib.MAX_WBITS)


def _pieces(source: BinaryIO, encoding: str) -> Iterator[bytes]:
    packed = source.read(STEP_BYTES)
    unpacker = _unpacker(packed, encoding)
    while packed:
        yield unpacker.decompress(packed, STEP_BYTES)
        if not unpacker.eof:
            packed = unpacker.unconsumed_tail or source.read(STEP_BYTES)
            continue
        packed = unpacker.unused_data
        if len(packed) < len(_GZIP_MARK):  # it ends where a step does
            packed += source.read(STEP_BYTES)
        if encoding not in _GZIP or not packed.startswith(_GZIP_MARK):
            return
        unpacker = _unpacker(packed, encoding)  # gzip files may be joined
    raise TransientFetchError("The provider's answer is packed, and broken off.", status=200)
