"""What operators were told, remembered where several programs can see it: nothing is sent twice.

There are three places: Redis, the catalog, and a file in the data directory. A program writes to all that
it can reach and believes the newest of what they say, so it does not matter which of them is away. Who
sends holds the first of them that answers, and the data directory of its machine; others do not send
meanwhile. Where only the file is left, machines do not know of each other.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from redis.exceptions import LockError, RedisError

from mmsvault.errors import UnavailableError

if TYPE_CHECKING:
    from redis import Redis

SECONDS_TO_SEND = 120
"""A program that sends and is killed keeps others from sending for so long."""


@dataclass(frozen=True)
class Sent:
    """What was told last over one channel of one condition; `at` in seconds since 1970."""

    level: int = 0
    at: int = 0
    newest: int = 0


class Ledger(Protocol):
    """One place that remembers, on a `server`. Any method raises UnavailableError or RedisError."""

    server: str

    def read(self) -> dict[str, Sent]:
        """Return what was told, by name."""

    def write(self, name: str, sent: Sent) -> None:
        """Remember what was told."""

    def alone(self) -> AbstractContextManager[bool]:
        """Give whether nobody else sends; nobody does until the end of the block then."""


class RedisLedger:
    """A hash in Redis."""

    KEY, LOCK = "mmsvault:alerts", "mmsvault:alerts:lock"
    server = "queue"

    def __init__(self, connection: Redis) -> None:
        self._connection = connection

    def read(self) -> dict[str, Sent]:
        """Return what was told, by name."""
        found: Mapping[Any, Any] = self._connection.hgetall(self.KEY)
        return {name.decode(): Sent(**json.loads(value)) for name, value in found.items()}

    def write(self, name: str, sent: Sent) -> None:
        """Remember what was told."""
        self._connection.hset(self.KEY, name, json.dumps(asdict(sent)))

    @contextmanager
    def alone(self) -> Iterator[bool]:
        """Hold the lock, for SECONDS_TO_SEND at the most."""
        lock = self._connection.lock(self.LOCK, timeout=SECONDS_TO_SEND)
        if not lock.acquire(blocking=False):
            yield False
            return
        try:
            yield True
        finally:
            with suppress(LockError, RedisError):
                lock.release()


class FileLedger:
    """A file of the data directory, for the programs of one machine."""

    server = "disk"

    def __init__(self, folder: Path) -> None:
        self._path, self._lock = folder / "alerts.json", folder / "alerts.lock"

    def read(self) -> dict[str, Sent]:
        """Return what was told, by name; nothing where the file cannot be read."""
        try:
            found = json.loads(self._path.read_bytes())
            return {name: Sent(**value) for name, value in found.items()}
        except (OSError, ValueError, TypeError, AttributeError):
            return {}

    def write(self, name: str, sent: Sent) -> None:
        """Remember what was told. Raises UnavailableError where the disk takes nothing."""
        told = {**self.read(), name: sent}
        draft = self._path.with_suffix(f".{os.getpid()}.part")
        try:
            draft.write_text(json.dumps({key: asdict(one) for key, one in told.items()}))
            draft.replace(self._path)
        except OSError as error:
            with suppress(OSError):
                draft.unlink(missing_ok=True)
            raise UnavailableError(f"What was told cannot be written down: {error}.") from error

    @contextmanager
    def alone(self) -> Iterator[bool]:
        """Hold a lock that ends with the process."""
        try:
            descriptor = os.open(self._lock, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError:  # a full disk is what is to be told of
            yield True
            return
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
        finally:
            os.close(descriptor)


class Ledgers:
    """All places together, shared ones first."""

    def __init__(self, shared: Sequence[Ledger], own: FileLedger) -> None:
        self._shared = shared
        self._own = own
        self._in_memory: dict[str, Sent] = {}
        self._away: frozenset[str] = frozenset()
        self.is_shared = False
        """Whether the last `alone` is known to other machines."""

    @contextmanager
    def alone(self, *, away: Collection[str] = ()) -> Iterator[bool]:
        """Give whether this program may send now. Servers that are `away` are not asked: they may hang."""
        self._away, self.is_shared = frozenset(away), False
        with ExitStack() as stack:
            may = stack.enter_context(self._own.alone())
            for ledger in self._reached() if may else ():
                with suppress(UnavailableError, RedisError):
                    may = stack.enter_context(ledger.alone())
                    self.is_shared = True
                    break
            yield may

    def read(self) -> dict[str, Sent]:
        """Return the newest of what all say that answer; of the same second, what most programs share."""
        told = dict(self._in_memory)
        for ledger in reversed(self._all()):
            with suppress(UnavailableError, RedisError, ValueError, TypeError):
                for name, sent in ledger.read().items():
                    if sent.at >= told.get(name, Sent(at=-1)).at:
                        told[name] = sent
        return told

    def write(self, name: str, sent: Sent) -> None:
        """Remember what was told, wherever that can be."""
        self._in_memory[name] = sent
        for ledger in self._all():
            with suppress(UnavailableError, RedisError):
                ledger.write(name, sent)

    def _reached(self) -> list[Ledger]:
        return [ledger for ledger in self._shared if ledger.server not in self._away]

    def _all(self) -> list[Ledger]:
        return [*self._reached(), self._own]
