"""How long downloads may take, and what becomes of slow ones; the clock is the test's own."""

import threading
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from urllib3.response import HTTPResponse

from mmsvault.errors import TransientFetchError
from mmsvault.fetching import address, downloads, limits
from mmsvault.fetching.download import _range
from mmsvault.fetching.downloads import LONG_SECONDS, MOST_SLOW_PER_HOST, PUT_OFF, Downloads
from mmsvault.fetching.head import HeadReader, in_order
from mmsvault.fetching.limits import Limit, within
from mmsvault.queueing import hands
from mmsvault.queueing.hands import MOST_ASIDE, Hands, aside

KIB = 1 << 10


class Clock:
    now = 1000.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, _seconds: float) -> None:
        threading.Event().wait()  # the thread that looks after downloads looks only when the test does


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    for module in (limits, downloads):
        monkeypatch.setattr(module, "time", made)
    return made


def come(limit: Limit, clock: Clock, *, seconds: int, bytes_a_second: int) -> None:
    for _ in range(seconds):
        clock.now += 1
        limit.count(bytes_a_second)


@pytest.mark.parametrize("bytes_a_second", [5 * KIB, 100 * KIB])
def test_a_download_that_keeps_its_pace_goes_on(clock: Clock, bytes_a_second: int) -> None:
    come(Limit(10_000), clock, seconds=1000, bytes_a_second=bytes_a_second)


@pytest.mark.parametrize(
    ("bytes_a_second", "minute"), [(200, 1), (400, 2), (KIB, 2), (2 * KIB, 3), (4 * KIB, 3)]
)
def test_the_least_pace_rises_from_minute_to_minute(clock: Clock, bytes_a_second: int, minute: int) -> None:
    limit = Limit(10_000)
    come(limit, clock, seconds=60 * (minute - 1) + 30, bytes_a_second=bytes_a_second)
    with pytest.raises(TransientFetchError, match="too slow"):
        come(limit, clock, seconds=40, bytes_a_second=bytes_a_second)


def test_what_is_urgent_need_not_become_faster(clock: Clock) -> None:
    come(Limit(10_000, pace_rises=False), clock, seconds=1000, bytes_a_second=400)
    with pytest.raises(TransientFetchError, match="too slow"):
        come(Limit(10_000, pace_rises=False), clock, seconds=1000, bytes_a_second=200)


def test_the_time_of_the_whole_is_over_whatever_comes(clock: Clock) -> None:
    with within(100):
        assert limits.left(30) == 30
        clock.now += 90
        assert limits.left(30) == 10
        clock.now += 10
        with pytest.raises(TimeoutError):
            limits.left(30)
    assert limits.left(30) == 30


def test_a_request_is_sent_for_no_longer_than_is_left(clock: Clock) -> None:
    class Connection:
        waits: list[float | None] = []  # noqa: RUF012 - of this one test

        def settimeout(self, seconds: float | None) -> None:
            self.waits.append(seconds)

        def sendall(self, _data: bytes) -> None:
            pass

    connection: Any = Connection()
    bounded = limits.BoundedSocket(connection)
    bounded.settimeout(30)
    with within(100):
        bounded.sendall(b"GET")
        clock.now += 90
        bounded.sendall(b"GET")
    bounded.sendall(b"GET")
    assert connection.waits == [30, 10, 30]


class Running:
    """Downloads that run together."""

    def __init__(self, clock: Clock) -> None:
        self.downloads = Downloads()
        self._clock = clock
        self._blocks: list[object] = []

    def begin(self, host: str = "m.example", *, room: bool = True) -> Limit:
        limit = Limit(1800)
        block = self.downloads.running(host, limit, lambda: room)
        block.__enter__()
        self._blocks.append(block)
        return limit

    def look_after(self, seconds: float) -> None:
        self._clock.now += seconds
        self.downloads.look()


@pytest.fixture
def running(clock: Clock) -> Running:
    return Running(clock)


def test_a_download_that_takes_long_stands_aside_and_goes_on(clock: Clock, running: Running) -> None:
    told: list[bool] = []

    def stand_aside() -> bool:
        told.append(True)
        return True

    limit = Limit(1800)
    with running.downloads.running("m.example", limit, stand_aside):
        running.look_after(LONG_SECONDS)
        assert not told
        running.look_after(1)
        running.look_after(1)
    assert told == [True]
    assert not limit.broken_off
    clock.now += 1


def test_of_slow_downloads_only_so_many_go_on_for_each_host(running: Running) -> None:
    slow = [running.begin() for _ in range(MOST_SLOW_PER_HOST + 2)]
    fast = [running.begin() for _ in range(5)]
    others = [running.begin("other.example") for _ in range(MOST_SLOW_PER_HOST)]
    for limit in fast:
        limit.count(1 << 20)
    assert not running.downloads.is_crowded("m.example")
    running.look_after(LONG_SECONDS + 1)
    assert [limit.broken_off for limit in slow] == [""] * MOST_SLOW_PER_HOST + [PUT_OFF] * 2
    assert not any(limit.broken_off for limit in (*fast, *others))
    assert running.downloads.is_crowded("m.example")
    assert not running.downloads.is_crowded("third.example")
    with pytest.raises(TransientFetchError, match="other downloads"):
        slow[-1].count(1)


def test_a_slow_download_that_finds_no_room_aside_is_put_off_and_a_fast_one_is_not(running: Running) -> None:
    slow, fast = (running.begin(room=False) for _ in range(2))
    fast.count(1 << 20)
    running.look_after(LONG_SECONDS + 1)
    assert (slow.broken_off, fast.broken_off) == (PUT_OFF, "")


def test_a_job_that_stands_aside_frees_its_hand_once() -> None:
    worker = Hands(1)
    assert worker.take(seconds=0)
    assert not worker.take(seconds=0)
    with worker.holding():
        assert aside()()
        assert aside()()
        assert worker.take(seconds=0)
        assert not worker.take(seconds=0)
    assert not worker.take(seconds=0), "its hand was free already"


def test_a_job_that_ended_stands_aside_no_more() -> None:
    worker = Hands(0)
    with worker.holding():
        stand_aside = aside()
    assert not stand_aside()
    assert sum(worker.take(seconds=0) for _ in range(2)) == 1, "its hand was free already"


def test_what_runs_outside_of_a_worker_is_in_nobodys_way() -> None:
    assert aside()()


def test_only_so_many_jobs_stand_aside() -> None:
    worker = Hands(0)
    blocks = [worker.holding() for _ in range(MOST_ASIDE + 1)]
    stands = []
    for block in blocks:
        block.__enter__()
        stands.append(aside()())
    assert stands == [True] * MOST_ASIDE + [False]
    for block in reversed(blocks):
        block.__exit__(None, None, None)
    assert hands._HAND.get() is None
    assert sum(worker.take(seconds=0) for _ in range(MOST_ASIDE + 2)) == MOST_ASIDE + 1


def test_a_head_is_gathered_in_any_pieces() -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length : 3\r\nX-A: 1\r\n 2\r\n\r\n"
    reader, given = HeadReader(), b""
    for place in range(len(head)):
        assert not given
        given = reader.take(head[place : place + 1])
    assert given == b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\nx-a: 1 2\r\n\r\n"


def test_what_comes_after_a_head_stays_as_it_is() -> None:
    body = bytes(range(256)) + b"\r\n\r\n"
    assert HeadReader().take(b"HTTP/1.0 200\n\n" + body) == b"HTTP/1.0 200 \r\n\r\n" + body


@given(st.binary(max_size=400))
def test_whatever_a_head_says_it_is_put_in_order_or_refused(data: bytes) -> None:
    for head in (data, b"HTTP/1.1 200 OK\r\n" + data):
        try:
            ordered = in_order(head)
        except TransientFetchError:
            continue
        lines = ordered.decode("latin-1").split("\r\n")
        assert not ordered or lines[0].startswith("HTTP/1.")
        assert all(line.partition(": ")[1] for line in lines[1:-2])
        assert "\n" not in "".join(lines)


def test_the_fields_that_count_are_kept_whatever_else_comes() -> None:
    fields = b"".join(b"X-%d: 1\r\n" % number for number in range(1000))
    ordered = in_order(b"HTTP/1.1 200 OK\r\n" + fields + b'Content-Type: image/png\r\nETag: "x"')
    assert b"content-type: image/png" in ordered
    assert b'etag: "x"' in ordered
    assert ordered.count(b"\r\n") < 100


@pytest.mark.parametrize("location", ["http://[", "//[::1%2{", "http://a]/", "https://[::ffff:1.2.3.4.5]/"])
def test_a_redirect_to_no_address_is_an_error_with_a_reason(location: str) -> None:
    with pytest.raises(TransientFetchError, match="not the address of a file"):
        address.read("http://m.example/a.jpg").leads_to(location)


def test_a_range_of_more_digits_than_a_size_has_is_none() -> None:
    answer = HTTPResponse(headers={"content-range": f"bytes 0-{'9' * 5000}/{'9' * 5000}"})
    assert _range(answer) == (None, None)
    assert _range(HTTPResponse(headers={"content-range": "bytes 5-10/11"})) == (5, 11)


def test_a_head_without_an_end_is_given_up() -> None:
    with pytest.raises(TransientFetchError, match="its head has no end"):
        HeadReader().take(b"HTTP/1.1 200 OK\r\n" + b"X: 1\r\n" * 50_000)


@pytest.mark.parametrize(
    "fields",
    [
        b"Content-Length: 5\r\nContent-Length: 6",
        b"Content-Length: 5, 6",
        b"Content-Length: 5\r\nContent-Length: x",
        b"Content-Length: 5, -5",
        b"Content-Length: 0x5",
        b"Content-Length: \xb2",
    ],
)
def test_a_head_that_says_no_one_length_is_refused(fields: bytes) -> None:
    with pytest.raises(TransientFetchError, match="no one length"):
        in_order(b"HTTP/1.1 200 OK\r\n" + fields)


@pytest.mark.parametrize("encoding", [b"br, chunked", b"gzip", b"chunked, x"])
def test_a_head_with_an_unknown_transfer_encoding_is_refused(encoding: bytes) -> None:
    with pytest.raises(TransientFetchError, match="an unknown way"):
        in_order(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: " + encoding)


def test_a_body_in_chunks_has_no_other_length_and_no_cookie_is_handed_on() -> None:
    fields = b"Content-Length: 5\r\nTransfer-Encoding: Chunked\r\nSet-Cookie: a=b\r\nSet-Cookie2: a=b"
    assert (
        in_order(b"HTTP/1.1 200 OK\r\n" + fields) == b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
    )


def test_the_limit_of_a_download_is_none_of_another_thread() -> None:
    found: list[float | None] = []
    with within(10):
        other = threading.Thread(target=lambda: found.append(limits.left(1000)))
        other.start()
        other.join()
        assert limits.left(1000) != 1000
    assert found == [1000]


def test_a_host_is_crowded_from_the_last_slow_download_that_may_go_on_until_one_ends(
    clock: Clock, running: Running
) -> None:
    for _ in range(MOST_SLOW_PER_HOST - 1):
        running.begin()
    with running.downloads.running("m.example", Limit(1800), lambda: True):
        running.look_after(LONG_SECONDS + 1)
        assert running.downloads.is_crowded("m.example")
    assert not running.downloads.is_crowded("m.example")
    assert clock.now > 1000


def test_a_look_that_fails_is_not_the_last_one(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    looked = []

    class Enough(BaseException):
        """Ends what would go on for ever."""

    mine = threading.get_ident()

    def sleep(_seconds: float) -> None:
        if threading.get_ident() != mine:  # those of earlier tests look after theirs no more
            threading.Event().wait()
        if len(looked) == 2:
            raise Enough

    def look() -> None:
        looked.append(clock.now)
        raise ValueError

    made = Downloads()
    monkeypatch.setattr(clock, "sleep", sleep)
    monkeypatch.setattr(made, "look", look)
    with pytest.raises(Enough):
        made._look_after()
