"""The connection to Redis, and what that Redis can promise."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar
from urllib.parse import parse_qsl, unquote, urlsplit

import structlog
from redis import Redis
from redis.backoff import ExponentialBackoff, NoBackoff
from redis.exceptions import AuthenticationError, BusyLoadingError, RedisError, ResponseError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.retry import Retry
from redis.sentinel import Sentinel

from mmsvault.core.fault_rules import Server
from mmsvault.core.server_faults import fault_of
from mmsvault.errors import ConfigurationError, UnavailableError

log = structlog.get_logger(__name__)

T = TypeVar("T")

SAID_AFTER_FAILURES = 5
"""Some three seconds of pauses: a Redis that restarts is back by then."""
SENTINEL = "+sentinel"
"""How the scheme of a URL ends that names Sentinels, and not the Redis itself."""
WAITAOF_SINCE = (7, 2)
"""The first Redis version with WAITAOF; Valkey answers with the Redis version it forked from."""


class _SaidRetry(Retry):
    """Tries again and says why: at once where somebody has to set it right, else after some seconds."""

    def call_with_retry(
        self,
        do: Callable[[], T],
        fail: Callable[..., Any],
        is_retryable: Callable[[Exception], bool] | None = None,
        with_failure_count: bool = False,
    ) -> T:
        failures = 0

        def say(error: Exception, *count: int) -> Any:
            nonlocal failures
            failures += 1
            if failures == (1 if isinstance(error, AuthenticationError) else SAID_AFTER_FAILURES):
                log.warning("waiting for the queue", reason=str(fault_of(error, Server.QUEUE)))
            return fail(error, *count)

        return super().call_with_retry(do, say, is_retryable, with_failure_count)


def connect_to_answer(url: str) -> "Redis":
    """Return a client that fails within seconds and at once: a provider waits for the answer."""
    return _open(url, socket_timeout=3, socket_connect_timeout=1, retry=Retry(NoBackoff(), 0))


def connect_to_work(url: str) -> "Redis":
    """Return a client that rides out a Redis that is away for a minute or two."""
    return _open(
        url,
        socket_connect_timeout=2,
        retry=_SaidRetry(ExponentialBackoff(cap=2, base=0.1), 60),
        retry_on_error=[RedisConnectionError, RedisTimeoutError],
    )


def unavailable(error: RedisError) -> UnavailableError:
    """Return what is wrong with the queue, for those who wait for it and for people."""
    fault = fault_of(error, Server.QUEUE)
    return UnavailableError(str(fault), fault=fault)


def _open(url: str, **options: Any) -> "Redis":
    """Return a client of one Redis, or of the master that the Sentinels of the URL name.

    Raises ConfigurationError where the URL is none.
    """
    try:
        if urlsplit(url).scheme.endswith(SENTINEL):
            return _open_by_sentinels(url, options)
        return Redis.from_url(url, **options)
    except ValueError as error:
        raise _unsafe(f"is no Redis URL: {error}") from error


def _open_by_sentinels(url: str, options: Mapping[str, Any]) -> "Redis":
    """Open `redis+sentinel://user:password@host:port,host:port/service/0?sentinel_password=...`."""
    parts = urlsplit(url)
    login, _, listed = parts.netloc.rpartition("@")
    hosts = [host.rpartition(":") for host in listed.split(",")]
    service, _, database = parts.path.strip("/").partition("/")
    if not service or not all(host and port for host, _, port in hosts):
        raise ValueError("write redis+sentinel://host:26379,host:26379/service")
    user, _, password = (unquote(part) or None for part in login.partition(":"))
    query = dict(parse_qsl(parts.query))
    tls = (
        {"ssl": True, "ssl_ca_certs": query.get("ssl_ca_certs")} if parts.scheme.startswith("rediss") else {}
    )
    sentinels = Sentinel(  # type: ignore[no-untyped-call]  # redis-py leaves it open
        [(host.strip("[]"), int(port)) for host, _, port in hosts],
        sentinel_kwargs={
            "socket_timeout": 1,
            "socket_connect_timeout": 1,
            "username": query.get("sentinel_username"),
            "password": query.get("sentinel_password"),
            **tls,
        },
    )
    master: Redis = sentinels.master_for(  # type: ignore[no-untyped-call]
        service, username=user, password=password, db=int(database or 0), **tls, **options
    )
    return master


VALKEY_READS_ALL = 9
PROBE_KEY, PROBE_SECONDS = "mmsvault:probe", 60


def probe_queue(connection: "Redis") -> None:
    """Write something and take it away. Raises RedisError where Redis takes no writes: it may be full."""
    connection.set(PROBE_KEY, b"0", ex=PROBE_SECONDS)
    connection.delete(PROBE_KEY)


def count_replicas(connection: "Redis") -> int:
    """Return how many replicas take in what this Redis writes; a replica itself has none."""
    replication = connection.info("replication")
    return int(replication.get("connected_slaves", 0)) if replication.get("role") == "master" else 0


def needs_waitaof(connection: "Redis") -> bool:
    """Return whether only WAITAOF tells that a write is on the disk (else its answer does).

    Raises ConfigurationError where this Redis cannot promise that a write is on the disk at all, and
    BusyLoadingError while it cannot tell.
    """
    server = connection.info("server", "persistence", "memory")
    if int(server.get("loading", 0)):  # what it says of itself is not so yet
        raise BusyLoadingError("it is loading what it kept")
    if not int(server["aof_enabled"]):
        raise _unsafe("this Redis forgets on a crash; set `appendonly yes` in its configuration")
    if int(server.get("maxmemory", 0)) and server.get("maxmemory_policy") != "noeviction":
        raise _unsafe("this Redis throws keys away when it is full; set `maxmemory-policy noeviction`")
    if _forgets_transactions(connection, server):
        raise _unsafe(
            "this Redis would forget what is queued when it starts again: it reads its log back with the"
            " rights of the user `default`, who may not write; set `user default off ~* &* +@all` in its ACLs"
        )
    fsync, waits_for_rewrite = _fsync_policy(connection)
    if fsync == "always" and waits_for_rewrite:
        raise _unsafe(
            "this Redis answers before it has written while it rewrites its log; set "
            "`no-appendfsync-on-rewrite no`"
        )
    if fsync == "always":
        return False
    if fsync is not None:  # WAITAOF does not help: see docs/decisions/0070
        raise _unsafe(
            f"this Redis answers before it has written (`appendfsync {fsync}`); set `appendfsync always`"
        )
    version = str(server["redis_version"])
    if tuple(int(part) for part in version.split(".")[:2]) >= WAITAOF_SINCE:
        return True
    raise _unsafe(f"Redis {version} does not tell when it writes; use one that shows its configuration")


def _forgets_transactions(connection: "Redis", server: Mapping[str, Any]) -> bool:
    """Return whether transactions in the log are refused when Redis reads it back; False if it cannot tell.

    Redis 7.0 checks the rights of `default` then, also where nobody may log in as that user: it starts,
    without them. Seen with Redis 7.0.15; Valkey 9.1 reads everything.
    """
    if int(str(server.get("valkey_version", "0")).partition(".")[0]) >= VALKEY_READS_ALL:
        return False
    try:
        told = connection.execute_command("ACL", "DRYRUN", "default", "HSET", "rq:job:0", "a", "b")  # type: ignore[no-untyped-call]  # redis-py leaves it open
    except ResponseError:  # before Redis 7, or our user may not ask
        return False
    return told not in (b"OK", "OK")


def _fsync_policy(connection: "Redis") -> tuple[str | None, bool]:
    """Return `appendfsync`, and whether nothing is forced while the log is rewritten."""
    try:
        told = connection.config_get("*append*")
    except ResponseError:  # a hosted Redis may hide its configuration
        return None, False
    return str(told.get("appendfsync")), told.get("no-appendfsync-on-rewrite") == "yes"


def _unsafe(problem: str) -> ConfigurationError:
    return ConfigurationError("MMSVAULT_REDIS_URL", problem)
