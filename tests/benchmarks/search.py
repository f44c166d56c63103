"""`make bench-search`: what a search costs in catalogs of 10,000 to 1,000,000 messages.

Loads a made-up crowd into SQLite and PostgreSQL, asks the same questions at each size, and writes
the tables of docs/search.md. The questions are taken from messages of the crowd at random, so what
is common is asked for more often, as people do.
"""

import argparse
import contextlib
import os
import platform
import random
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path

import psycopg
from sqlalchemy import Engine, text

from mmsvault.catalog import counting, queries, totals, writes
from mmsvault.catalog.connection import migrate, open_catalog, reading
from mmsvault.catalog.language import EVERYTHING, Query, parse
from mmsvault.catalog.places import first_place
from mmsvault.message import Receipt, utc_now
from tests import servers
from tests.benchmarks import crowd
from tests.benchmarks.ground import ends_what_it_started

DATABASES = ("SQLite", "PostgreSQL")
SIZES = (10_000, 100_000, 1_000_000)
QUESTIONS = 40
ROUNDS = 3
DEEP = 1000
DEEP_PAGE = 10
WRITES = 300
BUFFERS = "2GB"
"""Of PostgreSQL: a tenth of this machine's memory; its own 128 MB are meant for one that has no more."""
DOCUMENT = Path("docs/search.md")
BEGIN, END = "<!-- figures: written by make bench-search -->", "<!-- end of figures -->"

Ask = Callable[[Engine, int], None]


def questions() -> Mapping[str, list[Ask]]:
    """Return what is asked, by name."""
    dice = random.Random(7)
    asked = [crowd.message(dice.randrange(SIZES[0])) for _ in range(QUESTIONS)]
    two_words = [parse(" ".join(dice.sample(one.subject.split(), 2))) for one in asked]
    return {
        "first page of the gallery": [_page(EVERYTHING)] * QUESTIONS,
        f"page {DEEP:,} (of {DEEP_PAGE})": [_deep] * QUESTIONS,
        "a sender's page": [_page(parse(f"from:{one.sender}")) for one in asked],
        "a keyword's page": [_page(parse(f"keyword:{one.keyword or 'none'}")) for one in asked],
        "number by its beginning": [
            _page(parse(f"from:{one.sender[: 4 + at % 5]}*")) for at, one in enumerate(asked)
        ],
        "number by its end": [
            _page(parse(f"from:*{one.sender[-4 - at % 4 :]}")) for at, one in enumerate(asked)
        ],
        "a bare number": [_page(parse(_written(one.sender, at))) for at, one in enumerate(asked)],
        "a bare number's last four digits": [_page(parse(one.sender[-4:])) for one in asked],
        "a bare number that nobody has": [_page(parse(f"99{at:08d}")) for at in range(QUESTIONS)],
        "last four digits and a keyword's word": [
            _page(parse(f"{one.sender[-4:]} {one.keyword or 'storm'}")) for one in asked
        ],
        "number by a part": [
            _page(parse(f"number:*{one.sender[4 : 8 + at % 3]}*")) for at, one in enumerate(asked)
        ],
        "two words": [_page(query) for query in two_words],
        "two beginnings of words": [
            _page(parse(" ".join(word[:3] for word in dice.sample(one.subject.split(), 2)))) for one in asked
        ],
        "a phrase": [_page(parse(f'"{" ".join(one.subject.split()[:2])}"')) for one in asked],
        "kind, sender and a word": [
            _page(parse(f"type:image from:{one.sender} {one.subject.split()[0]}")) for one in asked
        ],
        "how many: a sender's": [_total(parse(f"from:{one.sender}")) for one in asked],
        "how many: two words": [_total(query) for query in two_words],
        "senders by messages": [lambda engine, _size: _listed(engine)] * QUESTIONS,
    }


def _written(number: str, at: int) -> str:
    """Return a number with its country code, without it, and as people write it, in turn."""
    own = number.removeprefix("1")
    ways = (number, own, f"({own[:3]}) {own[3:6]}-{own[6:]}", f"+1 {own[:3]} {own[3:6]} {own[6:]}")
    return ways[at % len(ways)]


def _page(query: Query) -> Ask:
    def ask(engine: Engine, _size: int) -> None:
        queries.search(engine, query)

    return ask


def _total(query: Query) -> Ask:
    def ask(engine: Engine, _size: int) -> None:
        totals.total(engine, query)

    return ask


def _deep(engine: Engine, size: int) -> None:
    turned = first_place(crowd.START + timedelta(minutes=size - (DEEP - 1) * DEEP_PAGE))
    page = queries.search(engine, EVERYTHING, limit=DEEP_PAGE, after=queries.write_cursor(turned))
    if len(page.messages) != DEEP_PAGE:
        raise AssertionError(len(page.messages))


def _listed(engine: Engine) -> None:
    counting.list_senders(engine, order="messages", limit=50)


def times(engines: Mapping[int, Engine]) -> dict[str, dict[int, float]]:
    """Return the 95th percentile of each question in milliseconds, by size: of its best of some rounds.

    The sizes take turns, and the best of the rounds counts, so that what else the machine is busy
    with falls on all of them or on none.
    """
    found: dict[str, dict[int, float]] = {}
    for name, asks in questions().items():
        took: dict[int, list[float]] = {size: [] for size in engines}
        for ask in asks:
            best = dict.fromkeys(engines, float("inf"))
            for turn in range(ROUNDS + 1):
                for size, engine in engines.items():
                    began = time.perf_counter()
                    ask(engine, size)
                    if turn:  # the first turn warms up
                        best[size] = min(best[size], time.perf_counter() - began)
            for size in engines:
                took[size].append(best[size] * 1000)
        found[name] = {size: statistics.quantiles(took[size], n=20)[-1] for size in engines}
        _say(f"  {name}: " + ", ".join(f"{value:.1f}" for value in found[name].values()))
    return found


def write_rates(engines: Mapping[int, Engine]) -> dict[int, float]:
    """Return how many messages a second one writer records, by size: the best of some rounds."""
    best = dict.fromkeys(engines, 0.0)
    for turn in range(ROUNDS):
        for size, engine in engines.items():
            start = size + turn * WRITES
            new = [crowd.message(number) for number in range(start, start + WRITES)]
            began = time.perf_counter()
            for one in new:
                writes.record(engine, one, Receipt.of(one.id.encode(), provider="sinch"))
            best[size] = max(best[size], WRITES / (time.perf_counter() - began))
    return best


@contextlib.contextmanager
def catalogs(folder: Path, name: str, sizes: Sequence[int]) -> Iterator[dict[int, Engine]]:
    """Give a catalog of each size."""
    with contextlib.ExitStack() as stack:
        if name == "PostgreSQL":
            url = stack.enter_context(servers.postgresql_server(folder, {"shared_buffers": BUFFERS}))
            with psycopg.connect(url, autocommit=True) as connection:
                for size in sizes:
                    connection.execute(f"CREATE DATABASE of_{size}")
            urls = {size: url.replace("/postgres", f"/of_{size}") for size in sizes}
        else:
            urls = {size: f"sqlite:///{folder / f'{size}.sqlite'}" for size in sizes}
        engines = {size: open_catalog(urls[size]) for size in sizes}
        for size, engine in engines.items():
            stack.callback(engine.dispose)
            began = time.perf_counter()
            migrate(engine)
            crowd.load(engine, range(size))
            _say(f"{name}: {size:,} messages, loaded in {time.perf_counter() - began:.0f} s")
        yield engines


def main() -> None:
    """Measure, and write what came of it."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--most", type=int, default=SIZES[-1], help="the largest catalog")
    options.add_argument("--only", choices=DATABASES, help="one database, on trial")
    given = options.parse_args()
    sizes = [size for size in SIZES if size <= given.most]
    lines = []
    for name in DATABASES:
        if given.only in (None, name):
            with tempfile.TemporaryDirectory(prefix="mms-vault-bench-") as folder:
                Path(folder).chmod(0o711)
                with catalogs(Path(folder), name, sizes) as engines:
                    lines += _measured(name, engines)
    _write(lines, is_whole=sizes == list(SIZES) and not given.only)


def _measured(name: str, engines: Mapping[int, Engine]) -> list[str]:
    found, rates = times(engines), write_rates(engines)
    _say("  recorded a second: " + ", ".join(f"{rate:.0f}" for rate in rates.values()))
    smallest, largest = min(engines), max(engines)
    lines = [
        f"**{name} {_version(name, engines[smallest])}** (milliseconds, 95th percentile)",
        "",
        f"| question |{''.join(f' {size:,} |' for size in engines)} ratio |",
        "|---|" + "--:|" * (len(engines) + 1),
    ]
    for what, took in found.items():
        cells = "".join(f" {value:.1f} |" for value in took.values())
        lines.append(f"| {what} |{cells} {took[largest] / took[smallest]:.2f} |")
    cells = "".join(f" {rate:.0f} |" for rate in rates.values())
    return [*lines, f"| *messages recorded a second* |{cells} {rates[largest] / rates[smallest]:.2f} |", ""]


def _version(name: str, engine: Engine) -> str:
    if name == "SQLite":
        return sqlite3.sqlite_version
    with reading(engine) as connection:
        return str(connection.scalar(text("SHOW server_version"))).split()[0]


def _write(lines: list[str], *, is_whole: bool) -> None:
    cores = os.cpu_count()
    about = (
        f"Measured by `make bench-search` on {utc_now():%Y-%m-%d}: {cores} cores,"
        f" Python {platform.python_version()}, load"
        f" {os.getloadavg()[1]:.1f}. The ratio is the largest catalog over the smallest."
    )
    body = "\n".join([BEGIN, "", about, "", *lines, END])
    if not is_whole:
        _say(body)  # a trial run is no figure for the document
        return
    before, _, rest = DOCUMENT.read_text().partition(BEGIN)
    DOCUMENT.write_text(before + body + rest.partition(END)[2])


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    ends_what_it_started()
    main()
