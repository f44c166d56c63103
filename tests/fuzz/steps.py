"""How much work a function does, counted in calls: the same on a slow machine and a busy one."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any


class TooManyStepsError(BaseException):
    """Nothing that is being tested may catch it."""


@contextmanager
def at_most(calls: int) -> Iterator[None]:
    """Raise TooManyStepsError in what calls more functions than that, Python's and C's."""
    left = calls
    before = sys.getprofile()

    def count(_frame: FrameType, event: str, _argument: Any) -> None:
        nonlocal left
        if event in ("call", "c_call"):
            left -= 1
            if left < 0:
                raise TooManyStepsError(f"more than {calls:,} calls")

    sys.setprofile(count)
    try:
        yield
    finally:
        sys.setprofile(before)
