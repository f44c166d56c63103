"""Which messages have their bytes read: all of them, or a part of them on each run.

Whether every object is there and of its size is checked in any case; reading it takes longer.
"""

import hashlib
import random
import re
from collections.abc import Callable

from mmsvault.errors import RejectedInputError

Sample = Callable[[str], bool]
"""Says for a message's id whether its bytes are to be read."""

_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}


def everything(_message_id: str) -> bool:
    """Read all bytes."""
    return True


def parse(text: str, *, stored_bytes: Callable[[], int]) -> Sample:
    """Return the sample that `text` means: `5%`, `2/7` or a size like `10G`; empty is everything.

    A percentage or a size is another random part each time; `n/t` is always the same part, so that
    t runs read everything once. Raises RejectedInputError.
    """
    if not text:
        return everything
    if found := re.fullmatch(r"(\d+(?:\.\d+)?)%", text):
        return _randomly(float(found[1]) / 100)
    if (found := re.fullmatch(r"(\d+)/(\d+)", text)) and 1 <= int(found[1]) <= int(found[2]):
        return _part(int(found[1]), int(found[2]))
    if found := re.fullmatch(r"(\d+)([KMGT]?)(?:i?B)?", text, re.IGNORECASE):
        return _randomly(int(found[1]) * _UNITS[found[2].upper()] / max(stored_bytes(), 1))
    raise RejectedInputError(f"--sample takes a percentage (5%), a part (2/7) or a size (10G), not {text!r}.")


def _randomly(share: float) -> Sample:
    return lambda _message_id: random.random() < share  # noqa: S311 - no secret


def _part(number: int, parts: int) -> Sample:
    def chosen(message_id: str) -> bool:
        digest = hashlib.sha256(message_id.encode()).digest()
        return int.from_bytes(digest[:8]) % parts == number - 1

    return chosen
