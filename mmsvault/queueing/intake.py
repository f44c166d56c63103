"""Keeping receipts: in the queue and on the disk, before anyone is told that they are kept."""

from redis.exceptions import RedisError
from rq import Queue

from mmsvault.errors import UnavailableError
from mmsvault.message import Receipt
from mmsvault.queueing.connection import needs_waitaof
from mmsvault.queueing.jobs import ARCHIVE_RECEIPT, enqueue

FSYNC_WITHIN_MS = 2500
"""How long to wait for the disk; the provider gives up on an answer after 10 s."""


class Intake:
    """Keeps receipts in `queue`."""

    def __init__(self, queue: Queue) -> None:
        self._queue = queue
        self._needs_waitaof: bool | None = None

    def check(self) -> None:
        """Raise UnavailableError while no receipt can be kept, ConfigurationError if none ever can."""
        try:
            self._needs_waitaof = needs_waitaof(self._queue.connection)
        except RedisError as error:
            raise UnavailableError(f"The queue cannot be reached: {error}") from error

    def keep(self, receipt: Receipt) -> None:
        """Return once the receipt is on the disk. Raises UnavailableError where it may not be."""
        if self._needs_waitaof is None:
            self.check()
        try:
            with self._queue.connection.pipeline(transaction=False) as pipeline:
                enqueue(self._queue, ARCHIVE_RECEIPT, receipt.model_dump(mode="json"), pipeline=pipeline)
                if self._needs_waitaof:
                    pipeline.execute_command("WAITAOF", 1, 0, FSYNC_WITHIN_MS)  # type: ignore[no-untyped-call]  # redis-py leaves it open
                answers = pipeline.execute()
        except RedisError as error:
            self._needs_waitaof = None  # whatever comes back may be another server
            raise UnavailableError(f"The queue did not take the receipt: {error}") from error
        if self._needs_waitaof and answers[-1][0] < 1:
            raise UnavailableError("The queue's disk is too slow: the receipt was not written in time.")
