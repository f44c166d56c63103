"""The connection to Redis, and what that Redis can promise."""

from redis import Redis
from redis.backoff import ExponentialBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.retry import Retry

from mmsvault.errors import ConfigurationError

WAITAOF_SINCE = (7, 2)
"""The first Redis version with WAITAOF; Valkey answers with the Redis version it forked from."""


def connect_to_answer(url: str) -> "Redis":
    """Return a client that fails within seconds: a provider waits for the answer."""
    return Redis.from_url(
        url, socket_timeout=3, socket_connect_timeout=2, retry=Retry(ExponentialBackoff(0.2), 1)
    )


def connect_to_work(url: str) -> "Redis":
    """Return a client that rides out a Redis that is away for a minute or two."""
    return Redis.from_url(
        url,
        socket_connect_timeout=2,
        retry=Retry(ExponentialBackoff(cap=2, base=0.1), 60),
        retry_on_error=[RedisConnectionError, RedisTimeoutError],
    )


def needs_waitaof(connection: "Redis") -> bool:
    """Return whether a write is on the disk only after WAITAOF (else it is at once).

    Raises ConfigurationError where this Redis cannot promise that a write is on the disk at all.
    """
    server = connection.info("server")
    version = tuple(int(part) for part in str(server["redis_version"]).split(".")[:2])
    said = connection.config_get("appendonly", "appendfsync")
    if said.get("appendonly") != "yes":
        raise ConfigurationError(
            "MMSVAULT_REDIS_URL", "this Redis forgets on a crash; set `appendonly yes` in its configuration"
        )
    if said.get("appendfsync") == "always":
        return False
    if version < WAITAOF_SINCE:
        raise ConfigurationError(
            "MMSVAULT_REDIS_URL",
            f"Redis {server['redis_version']} has no WAITAOF; set `appendfsync always` in its configuration, "
            "or use Redis 7.2, Valkey 7.2 or newer",
        )
    return True
