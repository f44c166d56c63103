"""A member of a ZIP file has the form for large files from the byte on from which it needs it."""

import io
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from mmsvault.exporting import bags
from mmsvault.exporting.bags import Member
from mmsvault.exporting.outputs import Forward

AT = datetime(2026, 11, 20, tzinfo=UTC)
GIBIBYTE = 1 << 30
VERSION_OF_LARGE = 45
"""The version that reads ZIP64, as a local header tells it (APPNOTE, 4.4.3.2)."""


class Sparse(io.RawIOBase):
    """Takes what is written and keeps the first bytes only."""

    def __init__(self) -> None:
        self.head = b""

    def write(self, data: object) -> int:
        given = bytes(data)  # type: ignore[call-overload]
        self.head = (self.head + given)[:64]
        return len(given)


def form_of(*, size: int, after: int) -> int:
    """Return the version that the header of a member tells that begins so many bytes into the file."""
    kept = Sparse()
    output = Forward(kept)  # type: ignore[arg-type]  # it is only written to
    output.size = after

    def chunks() -> Iterator[bytes]:
        yield bytes(2 * bags.PIECE_BYTES)  # what is written goes out in pieces, the header with the first
        raise EOFError

    member = Member("data/film", AT, size, zlib.crc32(b""), "", chunks)
    with pytest.raises(EOFError):
        bags.write(output, [member])
    return int.from_bytes(kept.head[4:6], "little")


@pytest.mark.parametrize(
    ("size", "after", "is_large"),
    [
        (5, 0, False),
        (2 * GIBIBYTE, 0, False),
        (2 * GIBIBYTE, 2 * GIBIBYTE, True),
        (5, 4 * GIBIBYTE - 6, True),
        (4 * GIBIBYTE, 0, True),
        (5, 5 * GIBIBYTE, True),
    ],
)
def test_a_member_beyond_four_gibibytes_has_sizes_of_64_bits(
    *, size: int, after: int, is_large: bool
) -> None:
    assert (form_of(size=size, after=after) == VERSION_OF_LARGE) is is_large
