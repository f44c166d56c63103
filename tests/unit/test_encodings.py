import gzip
import io

import pytest

from mmsvault.errors import TransientFetchError
from mmsvault.fetching import encodings
from mmsvault.fetching.encodings import STEP_BYTES

EMPTY = gzip.compress(b"")


@pytest.mark.parametrize("left", [0, 1, 2], ids=lambda left: f"{left} bytes before a step's end")
def test_joined_gzip_files_are_whole_wherever_one_of_them_ends(left: int) -> None:
    name = b"x" * (STEP_BYTES - left - len(EMPTY) - 1)
    first = EMPTY[:3] + b"\x08" + EMPTY[4:10] + name + b"\0" + EMPTY[10:]  # with a file's name, RFC 1952
    assert len(first) == STEP_BYTES - left
    source = io.BytesIO(first + gzip.compress(b"the second"))
    assert b"".join(encodings.unpacked(source, "gzip")) == b"the second"


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_a_packed_file_with_a_wrong_byte_is_broken(encoding: str) -> None:
    packed = bytearray(
        gzip.compress(bytes(range(256)) * 9) if encoding == "gzip" else b"\x78\x9c" + bytes(99)
    )
    packed[-6:-2] = b"\xff" * 4
    with pytest.raises(TransientFetchError, match="packed, and broken"):
        list(encodings.unpacked(io.BytesIO(bytes(packed)), encoding))


def test_what_is_unpacked_comes_in_pieces_of_a_bounded_size() -> None:
    sizes = [len(piece) for piece in encodings.unpacked(io.BytesIO(gzip.compress(bytes(1 << 20))), "gzip")]
    assert (sum(sizes), max(sizes)) == (1 << 20, STEP_BYTES)
