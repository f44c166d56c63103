"""Frames between the worker and a decoder's child: bounded in length, and in how long they are waited for."""

import json
import struct
import time
from collections import deque
from typing import Any

import pytest

from mmsvault.media import child_frames
from mmsvault.media.child_frames import MOST_JSON_BYTES, MOST_RAW_BYTES, FrameError


class Connection:
    """A socket whose other side sends these pieces; it notes how it is read."""

    def __init__(self, *pieces: bytes) -> None:
        self.left = deque(pieces)
        self.asked: list[int] = []
        self.waits: list[float | None] = []

    def settimeout(self, seconds: float | None) -> None:
        self.waits.append(seconds)

    def recv(self, count: int) -> bytes:
        self.asked.append(count)
        if not self.left:
            return b""
        piece = self.left.popleft()
        if len(piece) > count:
            self.left.appendleft(piece[count:])
        return piece[:count]

    def sendall(self, data: bytes) -> None:
        self.left.append(data)


def receive(connection: Any, *, until: float | None = None) -> tuple[bytes, bytes]:
    return child_frames.receive(connection, until=until)


def frame(told: bytes, raw: bytes) -> bytes:
    return struct.pack("!II", len(told), len(raw)) + told + raw


def test_what_is_sent_is_received_whole_and_nothing_of_the_next_frame() -> None:
    connection: Any = Connection()
    child_frames.send(connection, {"one": "ü"}, b"\0raw")
    child_frames.send(connection, {"two": 2})
    told, raw = receive(connection)
    assert (json.loads(told), raw) == ({"one": "ü"}, b"\0raw")
    told, raw = receive(connection)
    assert (json.loads(told), raw) == ({"two": 2}, b"")


def test_a_frame_may_come_in_any_pieces() -> None:
    whole = frame(b"{}", b"raw")
    assert receive(Connection(*(whole[place : place + 1] for place in range(len(whole))))) == (b"{}", b"raw")


@pytest.mark.parametrize(
    ("json_length", "raw_length"),
    [
        (MOST_JSON_BYTES + 1, 0),
        (0, MOST_RAW_BYTES + 1),
        (0xFFFFFFFF, 0),
        (0, 0xFFFFFFFF),
        (0xFFFFFFFF, 0xFFFFFFFF),
    ],
)
def test_a_frame_that_says_to_be_too_long_is_not_read(json_length: int, raw_length: int) -> None:
    connection = Connection(struct.pack("!II", json_length, raw_length), b"x" * 100)
    with pytest.raises(FrameError, match="a frame of"):
        receive(connection)
    assert connection.asked == [8]


def test_the_longest_frame_is_received() -> None:
    told, raw = b"x" * MOST_JSON_BYTES, b"y" * MOST_RAW_BYTES
    assert receive(Connection(frame(told, raw))) == (told, raw)


@pytest.mark.parametrize("length", [0, 4, 8, 9, 12])
def test_a_frame_that_ends_too_early_is_none(length: int) -> None:
    with pytest.raises(FrameError, match="too early"):
        receive(Connection(frame(b"{}", b"raw")[:length]))


def test_a_connection_that_breaks_is_no_frame() -> None:
    class Broken(Connection):
        def recv(self, count: int) -> bytes:
            raise ConnectionResetError(count)

    with pytest.raises(FrameError, match="the connection broke"):
        receive(Broken())


def test_all_pieces_together_are_waited_for_until_the_given_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]

    class Slow(Connection):
        def recv(self, count: int) -> bytes:
            now[0] += 1
            return super().recv(count)

    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    whole = frame(b"{}", b"raw")
    pieces = [whole[place : place + 1] for place in range(len(whole))]
    connection = Slow(*pieces)
    with pytest.raises(TimeoutError):
        receive(connection, until=105)
    assert connection.waits == [5, 4, 3, 2, 1]
    assert receive(Slow(*pieces), until=now[0] + 100) == (b"{}", b"raw")
