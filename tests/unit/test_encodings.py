import gzip
import io

import pytest

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
