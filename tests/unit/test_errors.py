import struct

import pytest

from mmsvault.errors import LONGEST_REASON, plain_reason


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("image file is truncated", "image file is truncated"),
        ("[Errno 2] No such file or directory: '/var/tmp/download-x8/original'", "No such file or directory"),
        ("cannot identify image file <_io.BytesIO object at 0x7f2d>", "cannot identify image file"),
        ("UnidentifiedImageError: cannot identify image file '/srv/x'", "cannot identify image file"),
        ("av.error.InvalidDataError: Invalid data found", "Invalid data found"),
        ("/opt/vault/lib/python3.11/x.py", "nothing known"),
        ("", "nothing known"),
        ("KeyError", "nothing known"),
        ("two\nlines", "two"),
        ("the ratio is 3/4 and the type image/png", "the ratio is 3/4 and the type image/png"),
        ("x" * 500, "x" * LONGEST_REASON),
    ],
)
def test_a_reason_for_people_has_no_path_and_no_class(said: str, shown: str) -> None:
    assert plain_reason(ValueError(said), otherwise="nothing known") == shown


@pytest.mark.parametrize(
    "error",
    [
        AttributeError("'NoneType' object has no attribute 'thread_count'"),
        TypeError("'<' not supported between instances of 'int' and 'str'"),
        KeyError("exif"),
        IndexError("list index out of range"),
        struct.error("unpack requires a buffer of 12 bytes"),
        UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"),
    ],
)
def test_what_python_says_of_code_is_no_reason_for_people(error: Exception) -> None:
    assert plain_reason(error, otherwise="its decoder failed") == "its decoder failed"
