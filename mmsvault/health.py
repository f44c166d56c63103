"""How the vault's servers and programs are, as far as one host can tell: for the dashboard and people.

Nothing here waits for long: what does not answer within seconds is away.
"""

import http.client
import json
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta

from redis.exceptions import RedisError
from sqlalchemy import select

from mmsvault.bucket import PROBE_KEY
from mmsvault.catalog.connection import reading
from mmsvault.errors import ConfigurationError, NotFoundError, UnavailableError
from mmsvault.message import utc_now
from mmsvault.queueing import figures
from mmsvault.queueing.connection import connect_to_answer, needs_waitaof, probe_queue, unavailable
from mmsvault.queueing.figures import SWEPT, Line
from mmsvault.queueing.spool import Spool
from mmsvault.settings.forms import from_here
from mmsvault.vault import Vault

SWEPT_WITHIN = timedelta(minutes=3)
SECONDS_FOR_AN_ANSWER = 2
LONGEST_REPLY = 2000


@dataclass(frozen=True)
class Answer:
    """Whether a server answers as it must, and in words what it said."""

    name: str
    ok: bool
    said: str


@dataclass(frozen=True)
class Health:
    """How everything is. `queues` is empty while Redis is away; sizes in bytes."""

    servers: tuple[Answer, ...]
    queues: dict[str, Line]
    swept_at: datetime | None
    spooled: int
    disk_bytes: int
    free_bytes: int

    @property
    def sweeps(self) -> bool:
        """Whether a sweep has been at it lately."""
        return self.swept_at is not None and utc_now() - self.swept_at < SWEPT_WITHIN


def look(vault: Vault) -> Health:
    """Ask everything at the same time."""
    asked: tuple[Callable[[Vault], Answer], ...] = (_receiver, _queue, _bucket, _catalog)
    with ThreadPoolExecutor(len(asked)) as side_by_side:
        servers = tuple(side_by_side.map(lambda ask: ask(vault), asked))
    disk = shutil.disk_usage(vault.settings.data_dir)
    queues, swept_at = _programs(vault)
    return Health(
        servers=servers,
        queues=queues,
        swept_at=swept_at,
        spooled=len(Spool(vault.settings.spool_dir)),
        disk_bytes=disk.total,
        free_bytes=disk.free,
    )


@dataclass(frozen=True)
class Reply:
    """What a program answered over HTTP."""

    status: int
    body: bytes


def ask(host: str, port: int, path: str, *, token: str = "") -> Reply | None:
    """Return what a program of this machine that listens there answers; None where nothing does.

    `token` is sent as a Bearer token.
    """
    connection = http.client.HTTPConnection(from_here(host), port, timeout=SECONDS_FOR_AN_ANSWER)
    try:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        return Reply(answer.status, answer.read(LONGEST_REPLY))
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def _programs(vault: Vault) -> tuple[dict[str, Line], datetime | None]:
    try:
        with connect_to_answer(vault.settings.effective_redis_url) as connection:
            return figures.lines(connection, now=utc_now()), _moment(connection.get(SWEPT))
    except RedisError:
        return {}, None


def _moment(told: object) -> datetime | None:
    try:
        return datetime.fromisoformat(told.decode()) if isinstance(told, bytes) else None
    except ValueError:
        return None


def _receiver(vault: Vault) -> Answer:
    host, port = vault.settings.receiver_host, vault.settings.receiver_port
    reply = ask(host, port, "/readyz", token=vault.settings.effective_metrics_token)
    try:
        told = json.loads(reply.body if reply else b"")
        is_ready, keeps = told.get("ready") is True, told.get("keeps", "")
    except (ValueError, AttributeError):
        return Answer("Receiver", ok=False, said=f"does not answer at {from_here(host)}:{port}")
    said = {"queue": "keeps postbacks in the queue", "spool": "keeps postbacks in its spool folder"}
    otherwise = (
        "keeps postbacks; set the same MMSVAULT_METRICS_TOKEN here and there to see where"
        if is_ready
        else str(told.get("reason", "keeps nothing"))
    )
    return Answer("Receiver", is_ready and keeps != "spool", said.get(keeps) or otherwise)


def _queue(vault: Vault) -> Answer:
    try:
        with connect_to_answer(vault.settings.effective_redis_url) as connection:
            needs_waitaof(connection)
            probe_queue(connection)
    except RedisError as error:
        return Answer("Queue", ok=False, said=f"{unavailable(error)} Postbacks go to the spool meanwhile.")
    except ConfigurationError as error:
        return Answer("Queue", ok=False, said=error.problem)
    return Answer("Queue", ok=True, said="Redis answers, and writes before it does")


def _bucket(vault: Vault) -> Answer:
    try:
        vault.bucket.look_up(PROBE_KEY)
    except NotFoundError:
        pass
    except UnavailableError as error:
        said = f"{error.fault or 'It does not answer.'} Files wait meanwhile, and so do pictures here."
        return Answer("Bucket", ok=False, said=said)
    return Answer("Bucket", ok=True, said="answers")


def _catalog(vault: Vault) -> Answer:
    try:
        with reading(vault.catalog) as connection:
            connection.scalar(select(1))
    except UnavailableError as error:
        return Answer("Catalog", ok=False, said=str(error.fault or error))
    return Answer("Catalog", ok=True, said=f"answers ({vault.catalog.dialect.name})")
