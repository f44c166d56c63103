"""What can be read of a damaged append-only file."""

from itertools import pairwise

import pytest

from mmsvault.embedded.append_only_file import readable


def command(*words: str) -> bytes:
    head = f"*{len(words)}\r\n"
    return (head + "".join(f"${len(word.encode())}\r\n{word}\r\n" for word in words)).encode()


def kept(data: bytes) -> bytes:
    return b"".join(data[begin:end] for begin, end in readable(data))


FIRST = command("SELECT", "0") + command("HSET", "rq:job:1", "data", "räksmörgås")
MULTI, EXEC = command("MULTI"), command("EXEC")
SET, PUSH = command("SET", "a", "1"), command("RPUSH", "rq:queue:archive", "1")


@pytest.mark.parametrize("data", [b"", FIRST, FIRST + MULTI + SET + PUSH + EXEC, b"#TS:1700000000\r\n" + SET])
def test_a_whole_file_is_kept_as_it_is(data: bytes) -> None:
    assert readable(data) == ([(0, len(data))] if data else [])


@pytest.mark.parametrize(
    "tail",
    [
        b"\0" * 5000,
        b"rubbish",
        b"*",
        b"*3\r\n$3\r\nSET\r\n",
        PUSH[:-1],
        b"*99999999999\r\n",
        b"*2\r\n$-1\r\n",
        b"*0\r\n",
    ],
)
def test_what_cannot_be_read_at_the_end_is_left_out(tail: bytes) -> None:
    assert kept(FIRST + SET + tail) == FIRST + SET


def test_a_file_that_is_cut_anywhere_keeps_its_whole_commands() -> None:
    whole = [FIRST[: len(command("SELECT", "0"))], FIRST[len(command("SELECT", "0")) :], SET, PUSH]
    ends = [sum(map(len, whole[:count])) for count in range(len(whole) + 1)]
    data = b"".join(whole)
    for begin, end in pairwise(ends):
        for cut in range(begin, end):
            assert kept(data[:cut]) == data[:begin]


@pytest.mark.parametrize("damage", [b"\0" * 4096, b"\xff\xfe*x\r\n", SET[:7], b"*1\r\n$8\r\nFLUSHALL"])
def test_what_stands_after_damage_is_kept_as_well(damage: bytes) -> None:
    assert kept(FIRST + damage + SET + PUSH) == FIRST + SET + PUSH


@pytest.mark.parametrize(
    "data",
    [
        FIRST + MULTI + SET + PUSH,  # cut before its end
        FIRST + MULTI + SET + b"\0" * 100 + PUSH + EXEC,
        FIRST + b"\0" * 100 + SET + PUSH + EXEC,
        FIRST + MULTI + MULTI + SET + PUSH,
    ],
)
def test_of_a_broken_transaction_the_commands_are_kept_without_it(data: bytes) -> None:
    assert kept(data) == FIRST + SET + PUSH


def test_a_whole_transaction_after_damage_stays_one() -> None:
    transaction = MULTI + SET + PUSH + EXEC
    assert kept(FIRST + b"\0" * 10 + transaction) == FIRST + transaction


def test_after_damage_nothing_that_empties_the_queue_is_run() -> None:
    assert kept(SET + b"\0" + command("FLUSHALL") + PUSH) == SET + PUSH
    assert kept(SET + command("FLUSHALL") + PUSH) == SET + command("FLUSHALL") + PUSH  # an operator's own
