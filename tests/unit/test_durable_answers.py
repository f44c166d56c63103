"""What the queue has to answer before a receipt counts as kept."""

from collections.abc import Sequence
from typing import Any, cast

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError
from rq import Queue

from mmsvault.errors import ConfigurationError, UnavailableError
from mmsvault.queueing import durable
from mmsvault.queueing.durable import WRITES_AT_ONCE, DurableQueue, Kept

Patch = pytest.MonkeyPatch
ON_DISK, NOT_YET = [1, 0], [0, 0]


class Server:
    """Stands for a Redis: what it answers, and what it was asked."""

    def __init__(self, monkeypatch: Patch) -> None:
        self.needs_waitaof = False
        self.replicas = 0
        self.answers: list[Any] = []
        self.failure: Exception | None = None
        self.looks = 0
        monkeypatch.setattr(durable, "needs_waitaof", self._needs_waitaof)
        monkeypatch.setattr(durable, "count_replicas", lambda _: self.replicas)
        monkeypatch.setattr(DurableQueue, "_put", self._put)

    def queue(self, replicas: int = 0) -> DurableQueue:
        class Connected:
            connection = None

        return DurableQueue(cast("Queue", Connected()), replicas=replicas)

    def _needs_waitaof(self, _: object) -> bool:
        self.looks += 1
        if isinstance(self.failure, ConfigurationError):
            raise self.failure
        return self.needs_waitaof

    def _put(self, _: Sequence[Kept]) -> list[Any]:
        if isinstance(self.failure, RedisError):
            raise self.failure
        return list(self.answers)


@pytest.fixture
def server(monkeypatch: Patch) -> Server:
    return Server(monkeypatch)


@pytest.mark.parametrize(
    ("needs_waitaof", "replicas", "answers"),
    [
        (False, 0, [WRITES_AT_ONCE]),
        (False, 1, [WRITES_AT_ONCE, 1]),
        (True, 0, [ON_DISK]),
        (True, 2, [ON_DISK, 2]),
        (True, 1, [ON_DISK, 2]),
    ],
)
def test_what_is_on_the_disk_and_on_as_many_replicas_is_kept(
    server: Server, needs_waitaof: bool, replicas: int, answers: list[Any]
) -> None:
    server.needs_waitaof, server.replicas, server.answers = needs_waitaof, replicas, answers
    server.queue(replicas).keep([{}])


@pytest.mark.parametrize(
    ("needs_waitaof", "replicas", "answers", "said"),
    [
        (False, 0, [{**WRITES_AT_ONCE, "appendfsync": "everysec"}], "configuration was changed"),
        (False, 0, [{**WRITES_AT_ONCE, "appendonly": "no"}], "configuration was changed"),
        (False, 0, [{}], "configuration was changed"),
        (False, 1, [WRITES_AT_ONCE, 0], "replicas are too slow"),
        (True, 0, [NOT_YET], "disk is too slow"),
        (True, 1, [NOT_YET, 1], "disk is too slow"),
        (True, 1, [ON_DISK, 0], "replicas are too slow"),
        (True, 2, [ON_DISK, 1], "replicas are too slow"),
    ],
)
def test_what_may_be_lost_is_not_kept(
    server: Server, needs_waitaof: bool, replicas: int, answers: list[Any], said: str
) -> None:
    server.needs_waitaof, server.replicas, server.answers = needs_waitaof, replicas, answers
    with pytest.raises(UnavailableError, match=said):
        server.queue(replicas).keep([{}])


def test_a_queue_with_fewer_replicas_than_asked_for_keeps_nothing(server: Server) -> None:
    server.replicas = 1
    server.queue(1).check()
    with pytest.raises(UnavailableError, match="1 of its 2 replicas"):
        server.queue(2).check()


def test_a_server_is_looked_at_once_and_again_after_it_was_away(server: Server) -> None:
    queue, server.answers = server.queue(), [WRITES_AT_ONCE]
    for _ in range(3):
        queue.keep([{}])
    assert server.looks == 1
    server.failure = RedisConnectionError("away")
    with pytest.raises(UnavailableError):
        queue.keep([{}])
    server.failure = None
    queue.keep([{}])
    assert server.looks == 2


def test_a_server_that_forgets_is_one_that_is_away_to_who_has_a_receipt(server: Server) -> None:
    server.failure = ConfigurationError("REDIS_URL", "it forgets on a crash")
    with pytest.raises(UnavailableError, match="forgets"):
        server.queue().keep([{}])
