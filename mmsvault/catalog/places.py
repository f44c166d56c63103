"""A message's place in time: one whole number, unique, that orders as the time of receipt does.

The number is the time in microseconds with room for several messages of the same one. It is what
lists are ordered and paged by, and the row id of the full-text index on SQLite, so that the newest
messages with a word come out first without sorting. Exact up to 256 messages of one microsecond;
more spill over into the next ones.
"""

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
ROOM = 256
"""Places in one microsecond."""
FURTHEST_MICROSECOND = 2**55 - 2**32
"""About the year 3111 (and 828 on the other side): beyond, a clock is wrong, and 64 bits are full."""


def first_place(moment: datetime) -> int:
    """Return the lowest place of this time: what was received earlier lies below it."""
    microsecond = (moment - EPOCH) // timedelta(microseconds=1)
    return max(-FURTHEST_MICROSECOND, min(microsecond, FURTHEST_MICROSECOND)) * ROOM


def possible_places(moment: datetime, message_id: str) -> Iterator[int]:
    """Give places for a message until a free one is found.

    They follow from the message alone, so a catalog made again has (nearly) the same order.
    """
    first, span, number = first_place(moment), ROOM, 0
    while True:
        digest = hashlib.blake2b(f"{message_id} {number}".encode(), digest_size=8).digest()
        yield first + int.from_bytes(digest, "big") % span
        number += 1
        if number > 1:
            span *= 2
