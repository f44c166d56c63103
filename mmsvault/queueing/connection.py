"""The connection to Redis, and what that Redis can promise."""

from redis import Redis
from redis.backoff import ExponentialBackoff, NoBackoff
from redis.exceptions import BusyLoadingError, ResponseError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.retry import Retry

from mmsvault.errors import ConfigurationError

WAITAOF_SINCE = (7, 2)
"""The first Redis version with WAITAOF; Valkey answers with the Redis version it forked from."""


def connect_to_answer(url: str) -> "Redis":
    """Return a client that fails within seconds and at once: a provider waits for the answer."""
    return Redis.from_url(url, socket_timeout=3, socket_connect_timeout=1, retry=Retry(NoBackoff(), 0))


def connect_to_work(url: str) -> "Redis":
    """Return a client that rides out a Redis that is away for a minute or two."""
    return Redis.from_url(
        url,
        socket_connect_timeout=2,
        retry=Retry(ExponentialBackoff(cap=2, base=0.1), 60),
        retry_on_error=[RedisConnectionError, RedisTimeoutError],
    )


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
    if int(server.get("maxmemory", 0)) and str(server.get("maxmemory_policy")).startswith("allkeys"):
        raise _unsafe("this Redis throws keys away when it is full; set `maxmemory-policy noeviction`")
    fsync = _fsync_policy(connection)
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


def _fsync_policy(connection: "Redis") -> str | None:
    try:
        return str(connection.config_get("appendfsync").get("appendfsync"))
    except ResponseError:  # a hosted Redis may hide its configuration
        return None


def _unsafe(problem: str) -> ConfigurationError:
    return ConfigurationError("MMSVAULT_REDIS_URL", problem)
