"""Thumbnails that were just asked for, in memory: the newest ones are what every visitor looks at.

They stay for a minute at the most, so nothing outlives its deletion for longer; what is deleted here goes
at once. Who may see one is asked before the shelf is.
"""

from threading import Lock

from cachetools import TTLCache

from mmsvault.bucket import Bucket
from mmsvault.layout import is_thumbnail_key, message_id_in

HELD_BYTES = 32 << 20
HELD_SECONDS = 60

Small = tuple[bytes, str]
"""What an object holds, and its mark (`Bucket.look_up`)."""


class Shelf:
    """The thumbnails that were read last from a bucket."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket
        self._lock = Lock()
        self._held: TTLCache[str, Small] = TTLCache(
            HELD_BYTES, HELD_SECONDS, getsizeof=lambda one: len(one[0])
        )

    def at_hand(self, key: str) -> Small | None:
        """Return the object if it is here; this takes no time."""
        with self._lock:
            return self._held.get(key)

    def read(self, key: str, *, most_bytes: int) -> Small | None:
        """Return the object, unless it is larger. Raises NotFoundError and UnavailableError."""
        found = self.at_hand(key) or self._bucket.whole(key, most_bytes=most_bytes)
        if found and is_thumbnail_key(key):
            with self._lock:
                self._held.setdefault(key, found)
        return found

    def forget(self, message_id: str) -> None:
        """Let go of a message that was deleted."""
        with self._lock:
            for key in [key for key in self._held if message_id_in(key) == message_id]:
                del self._held[key]
