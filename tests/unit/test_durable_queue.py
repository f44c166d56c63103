"""Whether a receipt counts as kept, by what the queue's server answers."""

from typing import Any

import pytest
from redis import Redis
from rq import Queue

from mmsvault.errors import UnavailableError
from mmsvault.queueing.durable import WRITES_AT_ONCE, DurableQueue


def keep(monkeypatch: pytest.MonkeyPatch, answers: list[Any], *, waits: bool, replicas: int = 0) -> None:
    queue = DurableQueue(Queue(connection=Redis()), replicas=replicas)
    monkeypatch.setattr(queue, "_needs_waitaof", waits)
    monkeypatch.setattr(queue, "_put", lambda _receipts: answers)
    queue.keep([{"id": "1"}])


@pytest.mark.parametrize("on_the_disk", [0, -1])
def test_a_receipt_that_waitaof_does_not_find_on_the_disk_is_not_kept(
    monkeypatch: pytest.MonkeyPatch, on_the_disk: int
) -> None:
    with pytest.raises(UnavailableError, match="disk is too slow"):
        keep(monkeypatch, [1, [on_the_disk, 0]], waits=True)
    keep(monkeypatch, [1, [1, 0]], waits=True)


@pytest.mark.parametrize("name", WRITES_AT_ONCE)
def test_a_receipt_is_not_kept_by_a_server_whose_configuration_was_changed(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    keep(monkeypatch, [1, WRITES_AT_ONCE], waits=False)
    with pytest.raises(UnavailableError, match="configuration was changed"):
        keep(monkeypatch, [1, WRITES_AT_ONCE | {name: "other"}], waits=False)


def test_a_receipt_that_too_few_replicas_have_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UnavailableError, match="replicas are too slow"):
        keep(monkeypatch, [1, [1, 0], 1], waits=True, replicas=2)
    keep(monkeypatch, [1, [1, 0], 2], waits=True, replicas=2)


def test_the_settings_that_a_server_must_have_are_those_of_one_that_writes_at_once() -> None:
    at_once = {"appendonly": "yes", "appendfsync": "always", "no-appendfsync-on-rewrite": "no"}
    assert at_once == WRITES_AT_ONCE
