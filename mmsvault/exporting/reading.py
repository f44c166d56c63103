"""Objects of messages read side by side and ahead, so that the way to the bucket and back costs little.

Small objects are read whole by a few threads, as many as fit into a fixed piece of memory; a large
one is read in pieces when its turn comes.
"""

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

from mmsvault.bucket import Bucket
from mmsvault.message import Message

READERS = 4
AHEAD_BYTES = 16 << 20
SMALL_BYTES = 4 << 20
UNKNOWN_BYTES = 64 << 10
"""What an object of unknown size counts for: postbacks and thumbnails."""


@dataclass(frozen=True)
class Wanted:
    """An object of a message. `sha256` and `size` are given where they are known."""

    key: str
    sha256: str = ""
    size: int | None = None


@dataclass(frozen=True)
class Found:
    """A wanted object, on its way."""

    wanted: Wanted
    chunks: Iterator[bytes]


def read_ahead(
    bucket: Bucket, messages: Iterable[Message], objects: Callable[[Message], Iterable[Wanted]]
) -> Generator[tuple[Message, list[Found]], None, None]:
    """Give each message with its objects, in order; an error comes when its object is read."""
    waiting: deque[tuple[Message, list[Found], int]] = deque()
    held = 0
    pool = ThreadPoolExecutor(READERS, thread_name_prefix="export")
    try:
        for message in messages:
            wanted = list(objects(message))
            size = sum(_counted(one) for one in wanted)
            while waiting and held + size > AHEAD_BYTES:
                first, found, first_size = waiting.popleft()
                yield first, found
                held -= first_size
            # What is too much even alone is read when its turn comes.
            begin = partial(_later, bucket) if size > AHEAD_BYTES else partial(_at_once, pool, bucket)
            waiting.append((message, [begin(one) for one in wanted], size))
            held += size
        while waiting:
            first, found, _ = waiting.popleft()
            yield first, found
    finally:
        pool.shutdown(cancel_futures=True)


def _later(bucket: Bucket, wanted: Wanted) -> Found:
    return Found(wanted, bucket.chunks(wanted.key))


def _at_once(pool: ThreadPoolExecutor, bucket: Bucket, wanted: Wanted) -> Found:
    if (wanted.size or 0) > SMALL_BYTES:
        return _later(bucket, wanted)
    return Found(wanted, _whole(pool.submit(bucket.read, wanted.key)))


def _whole(reading: "Future[bytes]") -> Iterator[bytes]:
    yield reading.result()


def _counted(wanted: Wanted) -> int:
    size = UNKNOWN_BYTES if wanted.size is None else wanted.size
    return 0 if size > SMALL_BYTES else size
