"""An export to the bucket, made by a worker of the queue `exports`; the schedule; what was left undone.

Every volume is an object of its own, there whole or not at all. A worker that takes over what a
killed one left goes on after the last finished volume. What fails or is cancelled is removed again.
"""

import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from functools import partial
from zoneinfo import ZoneInfo

import structlog
from redis import Redis
from redis.exceptions import RedisError

from mmsvault.bucket import Bucket
from mmsvault.catalog import schedules, upkeep
from mmsvault.core.activity import mark
from mmsvault.errors import DamagedError, NotFoundError, RefusedError, RejectedInputError, UnavailableError
from mmsvault.exporting import planning, register, schedule, sealing
from mmsvault.exporting.holding import CLOCKS_DIFFER, holding
from mmsvault.exporting.outputs import to_bucket
from mmsvault.exporting.packing import MessageGoneError, Order, Written, pack, set_manifest
from mmsvault.exporting.periods import Period, periods_due
from mmsvault.exporting.planning import Choice
from mmsvault.exporting.register import ABANDONED_AFTER, Export, State
from mmsvault.exporting.signing import own_signer
from mmsvault.message import utc_now
from mmsvault.queueing.connection import connect_to_answer, unavailable
from mmsvault.queueing.jobs import EXPORTS_QUEUE, Tasks, enqueue, open_queue
from mmsvault.settings.forms import Schedule
from mmsvault.vault import Vault

log = structlog.get_logger(__name__)

EXPORT = "mmsvault.exporting.working.export"
ZIP = "application/zip"
BEAT_SECONDS = 1.0
QUEUED_AGAIN_AFTER = timedelta(seconds=30)
NO_LIMIT = -1


class NotWantedError(Exception):
    """The export was cancelled, or another worker has it."""


def tasks(vault: Vault) -> Tasks:
    """Return the jobs of the exports queue, by the names they are queued under."""
    return {EXPORT: partial(export, vault)}


def request(
    vault: Vault,
    choice: Choice,
    *,
    name: str,
    made_by: str,
    made_at: datetime,
    identity: str = "",
    password: str = "",
) -> Export | None:
    """Enter an export and queue it; None where there is one of that `identity`."""
    identity = identity or uuid.uuid4().hex
    entered = register.enter(
        vault.catalog,
        choice.model_copy(update={"region": vault.settings.default_region, "encrypted": bool(password)}),
        name=name,
        made_by=made_by,
        made_at=made_at,
        identity=identity,
        sealed=sealing.seal(vault.settings, password, identity=identity) if password else "",
    )
    if entered:
        queue_up(vault, entered.id)
    return entered


def queue_up(vault: Vault, identity: str) -> None:
    """Put an export into the queue; one that is away is made up for by the sweep."""
    try:
        with connect_to_answer(vault.settings.effective_redis_url) as connection:
            enqueue(open_queue(connection, EXPORTS_QUEUE), EXPORT, identity, timeout_seconds=NO_LIMIT)
    except RedisError as error:
        log.warning("export not queued yet", export=identity, reason=str(unavailable(error)))


def export(vault: Vault, identity: str) -> None:
    """Make an export, or go on with it; do nothing where another worker is at it."""
    worker = uuid.uuid4().hex
    found = register.take(vault.catalog, identity, worker=worker)
    if found is None:
        return
    with structlog.contextvars.bound_contextvars(export=identity):
        try:
            _Making(vault, found, worker).run()
        except NotWantedError:
            clear_away(vault, identity, worker=worker)
        except (DamagedError, RejectedInputError) as error:
            log.warning("export failed", reason=str(error))
            remove_objects(vault.bucket, found)
            register.end(vault.catalog, identity, worker=worker, state=State.FAILED, reason=str(error))
        except UnavailableError:
            register.give_back(vault.catalog, identity, worker=worker)
            raise
        except Exception:  # it would end so every time
            remove_objects(vault.bucket, found)
            reason = "An error that nobody foresaw; the worker's log has it."
            register.end(vault.catalog, identity, worker=worker, state=State.FAILED, reason=reason)
            raise


class _Making:
    """One worker's work on one export."""

    def __init__(self, vault: Vault, found: Export, worker: str) -> None:
        self._vault = vault
        self._export = found
        self._worker = worker
        self._finished: list[Written] = []
        self._messages = self._bytes = 0
        self._wanted = True

    def run(self) -> None:
        catalog, found = self._vault.catalog, self._export
        if found.plan is None:
            schedule.take(self._vault, found.choice)
        plan = found.plan or planning.plan(catalog, found.choice)
        if not register.begin(catalog, found.id, worker=self._worker, plan=plan):
            raise NotWantedError
        order = Order(
            name=found.name,
            choice=found.choice,
            plan=plan,
            made_at=found.made_at.replace(microsecond=0),
            made_by=found.made_by,
            signer=own_signer(self._vault.settings.data_dir) if found.choice.signed else None,
            password=self._password(),
        )
        self._finished = list(found.volumes)
        self._remove_half_written()
        self._messages = sum(volume.messages for volume in self._finished)
        self._bytes = sum(volume.payload_bytes for volume in self._finished)
        with self._beating():
            for number in range(len(self._finished) + 1, max(1, len(plan.volumes)) + 1):
                self._finished = [*self._finished, self._pack(order, number)]
                self._beat()
                self._progress(0, 0)
            while not self._end(order):
                self._beat()
        log.info("export", messages=self._messages, volumes=len(self._finished))

    def _pack(self, order: Order, number: int) -> Written:
        """Write a volume, as often as a message of it is deleted meanwhile."""
        key = self._export.prefix + order.volume_name(number)
        while True:
            before = self._messages, self._bytes
            try:
                with to_bucket(self._vault.bucket, key, content_type=ZIP) as output:
                    return pack(self._vault, order, number, output, progress=self._progress)
            except MessageGoneError as error:
                log.info("message deleted while it was exported", message=str(error))
                self._messages, self._bytes = before

    def _end(self, order: Order) -> bool:
        """End the export without the messages that were deleted since it began.

        Return whether it has ended; else more were deleted meanwhile. Raises NotWantedError.
        """
        catalog, identity, worker = self._vault.catalog, self._export.id, self._worker
        if not register.begin_recheck(catalog, identity, worker=worker):
            raise NotWantedError
        self._leave_out_deleted(order)
        key = self._export.prefix + order.set_name
        manifest = set_manifest(order, self._finished)
        self._vault.bucket.put(key, manifest, content_type="application/json")
        if self._export.choice.period:
            schedule.keep(self._vault, self._export.choice.period)
        self._beat()
        self._progress(0, 0)
        return register.end_checked(catalog, identity, worker=worker)

    def _leave_out_deleted(self, order: Order) -> None:
        """Make those finished volumes again that hold messages which are deleted by now."""
        gone = upkeep.deleted_since(self._vault.catalog, self._export.made_at - CLOCKS_DIFFER)
        bucket = self._vault.bucket
        for one in list(holding(bucket, gone, prefix=self._export.prefix)):
            number = next(n for n, volume in enumerate(self._finished) if one.key.endswith(f"/{volume.name}"))
            self._forget(one.key)
            was = self._finished[number]
            self._messages -= was.messages
            self._bytes -= was.payload_bytes
            self._finished[number] = self._pack(order, number + 1)
            self._beat()

    def _forget(self, key: str) -> None:
        """Remove an object with every version of it."""
        with suppress(RefusedError):
            self._vault.bucket.erase(key)

    def _password(self) -> str:
        """Return the password that was asked for: what is to be encrypted is never written without."""
        if not self._export.choice.encrypted:
            return ""
        sealed = register.sealed_password(self._vault.catalog, self._export.id)
        return sealing.unseal(self._vault.settings, sealed, identity=self._export.id)

    def _remove_half_written(self) -> None:
        """Remove what a killed worker left beside the finished volumes."""
        finished = {self._export.prefix + volume.name for volume in self._finished}
        for listed in list(self._vault.bucket.list(self._export.prefix)):
            if listed.key not in finished:
                self._vault.bucket.remove(listed.key)

    def _progress(self, messages: int, size: int) -> None:
        mark()
        self._messages += messages
        self._bytes += size
        if not self._wanted:
            raise NotWantedError

    @contextmanager
    def _beating(self) -> Iterator[None]:
        """Say every second how far it is, also while one large file or the last list is written."""
        done = threading.Event()

        def beat() -> None:
            while not done.wait(BEAT_SECONDS):
                try:
                    self._beat()
                except UnavailableError as error:
                    log.warning("export not noted", reason=str(error))

        thread = threading.Thread(target=beat, name="export-beat", daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()

    def _beat(self) -> None:
        self._wanted = register.beat(
            self._vault.catalog,
            self._export.id,
            worker=self._worker,
            messages=self._messages,
            bytes_=self._bytes,
            volumes=self._finished,
        )


def cancel(vault: Vault, identity: str) -> None:
    """End an export that is not finished; what there is of it goes away at the worker's next beat."""
    if register.cancel(vault.catalog, identity):
        queue_up(vault, identity)  # for one that no worker has in hand


def clear_away(vault: Vault, identity: str, *, worker: str) -> None:
    """Remove what there is of an export that is ending, if it is still `worker`'s."""
    try:
        found = register.find(vault.catalog, identity)
    except NotFoundError:
        return
    if found.state is State.ENDING and register.take(vault.catalog, identity, worker=worker):
        remove_objects(vault.bucket, found)
        schedules.release(vault.catalog, identity)
        register.end(vault.catalog, identity, worker=worker, state=State.CANCELLED)
        log.info("export cancelled")


def delete(vault: Vault, identity: str) -> None:
    """Remove a finished export with its files."""
    found = register.find(vault.catalog, identity)
    if found.state not in register.UNFINISHED:
        if found.state is not State.DONE:
            schedules.release(vault.catalog, identity)
        remove_objects(vault.bucket, found)
        register.forget(vault.catalog, identity)


def remove_objects(bucket: Bucket, found: Export) -> None:
    """Remove everything in an export's folder."""
    with suppress(RefusedError):  # versions that the bucket locks stay, out of sight
        bucket.erase(found.prefix)
    for listed in list(bucket.list(found.prefix)):
        bucket.remove(listed.key)


def sweep(vault: Vault, connection: Redis) -> int:
    """Ask for the scheduled exports that are due, and queue again those that nobody works on."""
    ask_for_due(vault, now=utc_now())
    left = register.stranded(vault.catalog, before=utc_now() - max(QUEUED_AGAIN_AFTER, ABANDONED_AFTER))
    queue = open_queue(connection, EXPORTS_QUEUE)
    if left and not queue.count:  # a long queue has them all already
        for identity in left:
            queue_up(vault, identity)
    return len(left)


def ask_for_due(vault: Vault, *, now: datetime) -> list[Export]:
    """Ask for the exports of all days or months that ended and have none yet, and again for failed ones."""
    wanted = vault.settings.export_schedule
    if wanted is Schedule.NEVER:
        return []
    last_at = schedules.last_ended_at(vault.catalog, wanted) or schedule.restore(vault, wanted)
    due = periods_due(wanted, ZoneInfo(vault.settings.timezone), last_at=last_at, now=now)
    asked = [_ask_for(vault, period) for period in due]
    if due:
        for failed in register.scheduled(vault.catalog):
            if failed.choice.period and register.try_again(vault.catalog, failed.id):
                queue_up(vault, failed.id)
    return [export for export in asked if export]


def _ask_for(vault: Vault, period: Period) -> Export | None:
    """Ask for a scheduled export; None where there is one, which keeps its messages."""
    choice = Choice(
        query=vault.settings.export_query, volume_bytes=planning.VOLUME_BYTES, signed=True, period=period
    )
    entered = request(
        vault, choice, name=period.id, made_by=register.SCHEDULE, made_at=utc_now(), identity=period.id
    )
    is_another = entered is None and register.find(vault.catalog, period.id).choice.period != period
    schedule.enter(vault, period, has_taken=is_another)
    return entered
