"""The queue as a place that keeps: a receipt put in is on the disk before anyone hears of it."""

from collections.abc import Mapping, Sequence
from typing import Any

from redis.exceptions import RedisError
from rq import Queue

from mmsvault.errors import ConfigurationError, UnavailableError
from mmsvault.queueing.connection import count_replicas, needs_waitaof, unavailable
from mmsvault.queueing.jobs import ARCHIVE_RECEIPT, enqueue_all

FSYNC_WITHIN_MS = 2500
"""How long to wait for the disk; the provider gives up on an answer after 10 s."""

WRITES_AT_ONCE: dict[str, str] = {
    "appendonly": "yes",
    "appendfsync": "always",
    "no-appendfsync-on-rewrite": "no",
}

Kept = Mapping[str, Any]
"""A receipt as JSON."""


class DurableQueue:
    """Keeps receipts in `queue`, and on so many `replicas` of it. Safe to use from several threads."""

    def __init__(self, queue: Queue, *, replicas: int = 0) -> None:
        self._queue = queue
        self._replicas = replicas
        self._needs_waitaof: bool | None = None

    def check(self) -> None:
        """Raise UnavailableError while no receipt can be kept, ConfigurationError if none ever can."""
        try:
            self._needs_waitaof = needs_waitaof(self._queue.connection)
            there = count_replicas(self._queue.connection) if self._replicas else 0
        except RedisError as error:
            self._needs_waitaof = None
            raise unavailable(error) from error
        if there < self._replicas:
            raise UnavailableError(f"The queue has {there} of its {self._replicas} replicas.")

    def keep(self, receipts: Sequence[Kept]) -> None:
        """Return once all the receipts are on the disk, after one wait for it.

        Raises UnavailableError where they may not be; some of them may be in the queue then.
        """
        if self._needs_waitaof is None:
            try:
                self.check()
            except ConfigurationError as error:  # another server than the one at the start
                raise UnavailableError(str(error)) from error
        try:
            answers = self._put(receipts)
            replicated = answers.pop() if self._replicas else 0
        except RedisError as error:
            self._needs_waitaof = None  # whatever comes back may be another server
            raise unavailable(error) from error
        if replicated < self._replicas:
            raise UnavailableError("The queue's replicas are too slow: a receipt was not copied in time.")
        if self._needs_waitaof and answers[-1][0] < 1:
            raise UnavailableError("The queue's disk is too slow: a receipt was not written in time.")
        if not self._needs_waitaof and not WRITES_AT_ONCE.items() <= answers[-1].items():
            self._needs_waitaof = None
            raise UnavailableError("The queue answers before it has written: its configuration was changed.")

    def _put(self, receipts: Sequence[Kept]) -> Any:
        """Put them into the queue; the last answer tells whether they are on the disk.

        A transaction is written to the log as one, so it costs one wait for the disk. Nothing answers
        before that, under the configuration that the transaction itself reads. Waiting for the disk or
        for replicas by a command of its own comes after everything, and so in no transaction: a job that
        is half there when the server dies was not answered for.
        """
        alone = not self._needs_waitaof and not self._replicas
        with self._queue.connection.pipeline(transaction=alone) as pipeline:
            enqueue_all(self._queue, ARCHIVE_RECEIPT, receipts, pipeline=pipeline)
            if self._needs_waitaof:
                pipeline.execute_command("WAITAOF", 1, 0, FSYNC_WITHIN_MS)  # type: ignore[no-untyped-call]  # redis-py leaves it open
            else:
                pipeline.config_get("*append*")
            if self._replicas:
                pipeline.execute_command("WAIT", self._replicas, FSYNC_WITHIN_MS)  # type: ignore[no-untyped-call]
            return pipeline.execute()
