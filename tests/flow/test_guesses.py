"""Floods of passwords against a real dashboard: few are looked at, and others go on logging in."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from time import monotonic

import pytest

from dashboard.throttle import OF_ADDRESS, OF_NAME, OF_NAME_AT_ADDRESS
from mmsvault.catalog import people, trail
from mmsvault.catalog.people import Role
from mmsvault.catalog.tries import FIRST_WAIT
from tests.flow.attack_table import record
from tests.flow.flood import CLOSED, flood_alone, login_request, send
from tests.flow.test_logins import PASSWORD, PROXY, dashboard_of
from tests.house import House
from tests.servers import until

SEVERAL, MANY, AT_ONCE = 300, 10_000, 800
IN_TIME_SECONDS = 2


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with dashboard_of(tmp_path, PROXY) as made, made.vault() as vault:
        for name in ("victim", "other", "mate"):
            people.add(vault.catalog, name, role=Role.VIEWER, password=PASSWORD)
        yield made


def guesses_of_a_name(port: int, count: int) -> list[bytes]:
    return [login_request(port, "victim", f"guess {n}", address="198.51.100.1") for n in range(count)]


def guesses_from_everywhere(port: int, count: int) -> list[bytes]:
    def address(number: int) -> str:
        return f"198.18.{number // 250}.{number % 250}"

    return [login_request(port, "victim", f"guess {n}", address=address(n)) for n in range(count)]


def guesses_at_many_names(port: int, count: int) -> list[bytes]:
    return [login_request(port, f"name{n}", "the same guess", address="198.51.100.1") for n in range(count)]


@dataclass(frozen=True)
class Outcome:
    """What became of a flood, and of others who logged in while it lasted: status and seconds."""

    answers: Counter[int]
    others: list[tuple[int, float]]
    seconds: float


def attacked(port: int, guesses: Sequence[bytes], other: bytes, *, at_once: int) -> Outcome:
    """Make all guesses; meanwhile somebody logs in, again and again, as long as it lasts."""
    others, began = [], monotonic()
    with ProcessPoolExecutor(1, get_context("spawn")) as attackers:
        flooding = attackers.submit(flood_alone, port, guesses, at_once)
        until(lambda: flooding.running() or flooding.done(), what="the attack's beginning")
        others.append(asyncio.run(send(port, other)))
        while not flooding.done():
            others.append(asyncio.run(send(port, other)))
        return Outcome(flooding.result(), others, monotonic() - began)


def looked_at(house: House) -> int:
    """Return how many passwords were looked at and wrong, by the trail."""
    with house.vault() as vault:
        return sum(entry.action == "login refused" for entry in trail.entries(vault.catalog))


def allowed(limit: int, made: Outcome) -> int:
    """Return how many may be looked at: the limit, and one more for each wait that ended meanwhile."""
    return limit + int(made.seconds / FIRST_WAIT.total_seconds())


def answered(made: Outcome) -> str:
    words = {401: "wrong", 429: "told to wait", 503: "told to come back", CLOSED: "closed"}
    return ", ".join(f"{count:,} {words.get(one, one)}" for one, count in sorted(made.answers.items()))


FLOODS = {
    "one name, one address": (guesses_of_a_name, OF_NAME_AT_ADDRESS.free),
    "one name, an address each": (guesses_from_everywhere, OF_NAME.free),
    "a name each, one address": (guesses_at_many_names, OF_ADDRESS.free),
}
Guesses = Callable[[int, int], list[bytes]]


@pytest.mark.parametrize(("guesses", "limit"), FLOODS.values(), ids=FLOODS)
def test_of_many_guesses_at_once_few_are_looked_at_and_others_log_in(
    house: House, guesses: Guesses, limit: int
) -> None:
    port = house.dashboard_port
    other = login_request(port, "other", PASSWORD, address="192.0.2.7")
    made = attacked(port, guesses(port, SEVERAL), other, at_once=SEVERAL)
    assert made.answers.total() == SEVERAL
    assert made.answers[401] == looked_at(house) <= allowed(limit, made)
    assert {status for status, _ in made.others} == {303}


@pytest.mark.attacks
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", FLOODS)
def test_ten_thousand_guesses(house: House, name: str) -> None:
    port, (guesses, limit) = house.dashboard_port, FLOODS[name]
    other = login_request(port, "other", PASSWORD, address="192.0.2.7")
    alone = sorted(asyncio.run(send(port, other))[1] for _ in range(5))[2]
    made = attacked(port, guesses(port, MANY), other, at_once=AT_ONCE)
    slowest = max(seconds for _, seconds in made.others)
    record(
        f"{MANY:,} passwords over {AT_ONCE} connections at a time: {name}",
        outcome=f"{looked_at(house)} looked at (at most {limit}); {answered(made)}; {made.seconds:.0f} s",
        others=f"{len(made.others):,} logins from another address, the slowest {slowest:.2f} s"
        f" (without the attack {alone:.2f} s)",
    )
    assert made.answers[401] <= looked_at(house) <= allowed(limit, made)
    assert {status for status, _ in made.others} == {303}
    assert slowest < IN_TIME_SECONDS
