"""What a worker or the sweep says of itself while it runs: that it is alive, and what it has counted."""

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import structlog
from redis import Redis
from redis.exceptions import RedisError

from mmsvault.message import utc_now
from mmsvault.queueing import figures
from mmsvault.queueing.connection import connect_to_answer
from mmsvault.queueing.heartbeat import Heartbeat
from mmsvault.settings import Settings
from mmsvault.steps import COUNTED

log = structlog.get_logger(__name__)

TOLD_EVERY_SECONDS = 5.0


@contextmanager
def telling(settings: Settings, queue_name: str) -> Iterator[None]:
    """Tell Redis every few seconds until the end of the block, from a thread of its own."""
    ended = threading.Event()
    thread = threading.Thread(
        target=_keep_telling, args=(settings, queue_name, ended), name="telling", daemon=True
    )
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(TOLD_EVERY_SECONDS)


def _keep_telling(settings: Settings, queue_name: str, ended: threading.Event) -> None:
    heartbeat = Heartbeat(settings.data_dir, job=queue_name)
    heartbeat.begin()
    hung = ""
    worker = f"{socket.gethostname()}-{os.getpid()}"
    was_told, pause = True, 0.0
    with connect_to_answer(settings.effective_redis_url) as connection:
        while True:
            is_last = ended.wait(pause)
            hung, was_hung = heartbeat.beat(), hung
            if hung and not was_hung:
                log.error("a worker hangs", at=hung, process=os.getpid())
            is_told = _tell(connection, queue_name, worker)
            if was_told and not is_told:
                log.warning("what was counted is kept back: the queue is away")
            was_told, pause = is_told, TOLD_EVERY_SECONDS
            if is_last:
                heartbeat.end()
                with suppress(RedisError):
                    figures.leave(connection, queue_name=queue_name, worker=worker)
                return


def _tell(connection: "Redis", queue_name: str, worker: str) -> bool:
    try:
        figures.tell(connection, COUNTED, queue_name=queue_name, worker=worker, now=utc_now())
    except RedisError:
        return False
    return True
