"""Keeping receipts as they come in, many at once: in the queue, or in the spool while it is away.

Requests that wait at the same time share one write and one wait for the disk, done by one thread;
a lone request waits for nothing but its own. What each of them hears is what became of its batch.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Literal, Self

import structlog

from mmsvault.errors import ConfigurationError, UnavailableError
from mmsvault.message import Receipt
from mmsvault.queueing.durable import DurableQueue, Kept
from mmsvault.queueing.spool import Spool

log = structlog.get_logger(__name__)

MOST_AT_ONCE = 200
MOST_WAITING_BYTES = 128 << 20
"""More than this is turned away rather than held in memory."""
LOOKED_AFTER_SECONDS = 1.0

Place = Literal["queue", "spool"]
Waiting = tuple[Receipt, "asyncio.Future[None]"]


class Intake:
    """Keeps receipts, from one event loop. Use as an asynchronous context manager."""

    def __init__(self, queue: DurableQueue, spool: Spool) -> None:
        self._queue = queue
        self._spool = spool
        self._queue_keeps = True
        self._waiting: deque[Waiting] = deque()
        self._waiting_bytes = 0
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="intake")
        self._writer: asyncio.Task[None] | None = None
        self._keeper: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        await asyncio.to_thread(self.look_after)
        self._keeper = asyncio.create_task(self._keep_looking())
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._keeper:
            self._keeper.cancel()
            with suppress(asyncio.CancelledError):
                await self._keeper
        if self._writer:
            await self._writer
        self._thread.shutdown()

    async def keep(self, receipt: Receipt) -> None:
        """Return once the receipt is on the disk. Raises UnavailableError where it may not be."""
        if self._waiting_bytes > MOST_WAITING_BYTES:
            raise UnavailableError("More postbacks come in than the disk takes.")
        kept: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((receipt, kept))
        self._waiting_bytes += len(receipt.body)
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._write())
        await kept

    def place(self) -> Place:
        """Return where the next receipt would be kept. Raises UnavailableError for nowhere."""
        if self._queue_keeps:
            return "queue"
        self._spool.check()
        return "spool"

    @property
    def spooled(self) -> int:
        """How many receipts wait in the spool."""
        return len(self._spool)

    def look_after(self) -> None:
        """Find out whether the queue keeps again, and bring it what is in the spool."""
        try:
            self._queue.check()
            drained = self._spool.drain(self._queue.keep)
            self._turn(queue_keeps=True)
        except (UnavailableError, ConfigurationError) as error:
            self._turn(queue_keeps=False, reason=str(error))
        except OSError as error:
            log.warning("the spool cannot be drained", reason=str(error))
        else:
            if drained:
                log.info("spool drained into the queue", receipts=drained)

    async def _keep_looking(self) -> None:
        while True:
            await asyncio.sleep(LOOKED_AFTER_SECONDS)
            try:
                await asyncio.to_thread(self.look_after)
            except Exception:
                log.exception("looking after the queue and the spool failed")

    async def _write(self) -> None:
        """Write batch after batch until nothing waits."""
        while self._waiting:
            batch = [self._waiting.popleft() for _ in range(min(MOST_AT_ONCE, len(self._waiting)))]
            failure: Exception | None = None
            try:
                await asyncio.get_running_loop().run_in_executor(
                    self._thread, self._keep_all, [receipt for receipt, _ in batch]
                )
            except Exception as error:  # noqa: BLE001 - whatever it is, each of them must hear of it
                failure = error
            for receipt, kept in batch:
                self._waiting_bytes -= len(receipt.body)
                if kept.done():  # the request was given up
                    continue
                if failure is None:
                    kept.set_result(None)
                else:
                    kept.set_exception(failure)

    def _keep_all(self, receipts: Sequence[Receipt]) -> None:
        kept: list[Kept] = [receipt.model_dump(mode="json") for receipt in receipts]
        if self._queue_keeps:
            try:
                self._queue.keep(kept)
            except UnavailableError as error:
                self._turn(queue_keeps=False, reason=str(error))
            else:
                return
        self._spool.keep(kept)

    def _turn(self, *, queue_keeps: bool, reason: str = "") -> None:
        if queue_keeps is not self._queue_keeps:
            if queue_keeps:
                log.info("receipts go to the queue again")
            else:
                log.warning("receipts go to the spool", reason=reason)
        self._queue_keeps = queue_keeps
