"""Hosts of files that are away: who asks them, and when, on a real Redis."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from mmsvault.errors import (
    FetchError,
    PermanentFetchError,
    RefusedFetchError,
    TransientFetchError,
)
from mmsvault.fetching import backpressure
from mmsvault.fetching.backpressure import (
    FAILURES,
    FIRST_PAUSE_SECONDS,
    KEYS,
    KNOWN_FOR_SECONDS,
    LONGEST_PAUSE_SECONDS,
    PROBES,
    SUCCESS_COUNTS_SECONDS,
    Hosts,
    host_of,
)
from mmsvault.fetching.downloads import PUT_OFF
from mmsvault.queueing.connection import connect_to_answer
from tests.servers import free_port, redis_server

HOST = "m.example:80"
NO_ANSWER = TransientFetchError("The provider could not be reached.")


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(scope="module")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with redis_server(tmp_path_factory.mktemp("queue")) as url:
        yield url


@pytest.fixture
def redis(redis_url: str) -> Iterator["Redis"]:
    with connect_to_answer(redis_url) as connection:
        connection.flushall()
        yield connection


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def hosts(redis: "Redis", clock: Clock) -> Hosts:
    return Hosts(redis, clock=clock)


def fail(hosts: Hosts, times: int = FAILURES, error: FetchError = NO_ANSWER) -> None:
    for _ in range(times):
        hosts.note_failure(HOST, error)


def end_pause(redis: "Redis", clock: Clock) -> None:
    redis.delete(f"{KEYS}{HOST}:paused")
    clock.now += KNOWN_FOR_SECONDS


def test_a_host_that_has_not_answered_for_some_attempts_is_away_for_every_worker(
    hosts: Hosts, redis: "Redis", clock: Clock
) -> None:
    fail(hosts, FAILURES - 1)
    assert hosts.may_ask(HOST)
    assert hosts.allowance(HOST) is None
    clock.now += KNOWN_FOR_SECONDS
    fail(hosts, 1)
    for one in (hosts, Hosts(redis, clock=clock)):
        assert not one.may_ask(HOST)
        assert one.allowance(HOST) == 0
        assert one.may_ask("other.example:80")


def test_after_a_pause_a_few_ask_it_and_the_pauses_grow_to_a_limit(
    hosts: Hosts, redis: "Redis", clock: Clock
) -> None:
    fail(hosts)
    assert redis.pttl(f"{KEYS}{HOST}:paused") <= 1000 * FIRST_PAUSE_SECONDS
    end_pause(redis, clock)
    workers = [Hosts(redis, clock=clock) for _ in range(3 * PROBES)]
    assert sum(one.may_ask(HOST) for one in workers) == PROBES
    fail(hosts, 9)
    left = redis.pttl(f"{KEYS}{HOST}:paused")
    assert 1000 * FIRST_PAUSE_SECONDS < left <= 1000 * LONGEST_PAUSE_SECONDS


def test_one_answer_and_everybody_goes_on(hosts: Hosts, redis: "Redis", clock: Clock) -> None:
    fail(hosts)
    end_pause(redis, clock)
    other = Hosts(redis, clock=clock)
    assert other.may_ask(HOST)
    other.note_answer(HOST)
    clock.now += KNOWN_FOR_SECONDS
    assert hosts.may_ask(HOST)
    assert hosts.allowance(HOST) is None
    assert redis.keys(f"{KEYS}*") == []


@pytest.mark.parametrize(
    "error",
    [
        TransientFetchError("The provider says that it has no such file (404).", status=404),
        TransientFetchError("The provider answered 403.", status=403),
        TransientFetchError("The download broke off.", status=200),
        TransientFetchError(PUT_OFF),
        RefusedFetchError("Refused: it is inside."),
        PermanentFetchError("This is not the address of a file."),
    ],
)
def test_what_is_wrong_with_one_file_or_with_the_settings_says_nothing_of_the_host(
    hosts: Hosts, clock: Clock, error: FetchError
) -> None:
    fail(hosts, 3 * FAILURES, error)
    clock.now += KNOWN_FOR_SECONDS
    assert hosts.may_ask(HOST)


def test_failures_between_answers_do_not_count(hosts: Hosts, clock: Clock) -> None:
    broken = TransientFetchError("The provider answered 500.", status=500)
    for _ in range(3):
        hosts.note_answer(HOST)
        fail(hosts, FAILURES, broken)
    clock.now += KNOWN_FOR_SECONDS
    assert hosts.may_ask(HOST)
    clock.now += SUCCESS_COUNTS_SECONDS
    fail(hosts, FAILURES, broken)
    assert not hosts.may_ask(HOST)


def test_a_pause_that_the_host_asks_for_is_kept(hosts: Hosts, redis: "Redis") -> None:
    busy = TransientFetchError("The provider answered 429.", status=429, retry_after=timedelta(seconds=60))
    fail(hosts, FAILURES, busy)
    assert 50_000 < redis.pttl(f"{KEYS}{HOST}:paused") <= 60_000


def test_a_host_asks_for_no_longer_pause_than_five_minutes(hosts: Hosts, redis: "Redis") -> None:
    busy = TransientFetchError("The provider answered 503.", status=503, retry_after=timedelta(days=1))
    fail(hosts, 5, busy)
    assert 290_000 < redis.pttl(f"{KEYS}{HOST}:paused") <= 300_000


def test_failures_are_forgotten_within_an_hour(hosts: Hosts, redis: "Redis") -> None:
    fail(hosts, 1)
    assert 0 < redis.ttl(f"{KEYS}{HOST}:failures") <= 3600


def test_five_failures_are_enough_and_four_workers_ask_though_many_see_room_at_once(
    hosts: Hosts, redis: "Redis", clock: Clock
) -> None:
    fail(hosts, 4)
    assert Hosts(redis, clock=clock).allowance(HOST) is None
    fail(hosts, 1)
    assert Hosts(redis, clock=clock).allowance(HOST) == 0
    end_pause(redis, clock)
    workers = [Hosts(redis, clock=clock) for _ in range(12)]
    assert [one.allowance(HOST) for one in workers] == [4] * 12
    assert sum(one.may_ask(HOST) for one in workers) == 4


def test_each_probe_leaves_room_for_one_fewer(hosts: Hosts, redis: "Redis", clock: Clock) -> None:
    fail(hosts)
    end_pause(redis, clock)
    assert hosts.may_ask(HOST)
    assert Hosts(redis, clock=clock).allowance(HOST) == 3


def test_what_a_worker_has_just_met_counts_for_it_at_once(hosts: Hosts) -> None:
    assert hosts.may_ask(HOST)
    fail(hosts)
    assert not hosts.may_ask(HOST)


def test_where_the_queue_goes_away_before_a_probe_the_attempt_is_made(
    hosts: Hosts, redis: "Redis", clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> None:
        raise RedisConnectionError

    fail(hosts)
    end_pause(redis, clock)
    monkeypatch.setattr(redis, "pipeline", refuse)
    assert hosts.may_ask(HOST)


def test_no_more_than_so_many_hosts_are_remembered(hosts: Hosts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backpressure, "MOST_REMEMBERED", 10)
    for number in range(35):
        assert hosts.may_ask(f"{number}.example:80")
        hosts.note_answer(f"{number}.example:80")
    assert max(len(hosts._known), len(hosts._answered_at)) <= 10


def test_probes_that_never_came_back_are_given_up(hosts: Hosts, redis: "Redis", clock: Clock) -> None:
    fail(hosts)
    end_pause(redis, clock)
    while hosts.may_ask(HOST):
        clock.now += KNOWN_FOR_SECONDS
    assert redis.ttl(f"{KEYS}{HOST}:probes") > 0
    redis.delete(f"{KEYS}{HOST}:probes")  # as its time to live does
    clock.now += KNOWN_FOR_SECONDS
    assert hosts.may_ask(HOST)


def test_where_the_queue_is_away_every_attempt_is_made() -> None:
    hosts = Hosts(connect_to_answer(f"redis://127.0.0.1:{free_port()}/0"))
    fail(hosts)
    assert hosts.may_ask(HOST)
    hosts.note_answer(HOST)


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("http://m.example/a", "m.example:80"),
        ("https://M.example:8443/a?b", "m.example:8443"),
        ("nothing", ""),
    ],
)
def test_a_host_is_told_by_name_and_port(url: str, host: str) -> None:
    assert host_of(url) == host
