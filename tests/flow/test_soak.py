"""Load at a steady rate while a seeded dice kills every kind of process; then everything is counted."""

import os
import random
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from mmsvault.catalog import totals
from mmsvault.errors import UnavailableError
from mmsvault.folder import HALF_WRITTEN
from mmsvault.integrity.verifying import verify
from mmsvault.message import MessageState, utc_now
from mmsvault.queueing.spool import Spool
from mmsvault.sample import media
from mmsvault.sample.notices import Notice, lower_case_xml
from mmsvault.sample.provider import SampleProvider
from mmsvault.vault import Vault
from tests.accounts import OK, Row, Sent, account, wait_until_nothing_moves
from tests.flow.site import EMBEDDED, REAL, SERVERS, Site
from tests.servers import until

WHERE = "MMSVAULT_TEST_SOAK"
BEGIN, END = "<!-- soak begins -->", "<!-- soak ends -->"
SENDERS = 12


@dataclass(frozen=True)
class Soak:
    """How much is sent at the most, for how long at the most, and how often something is killed."""

    messages: int
    seconds: float
    kills_apart_seconds: tuple[float, float]
    workers: int = 2
    seed: int = 2014


SHORT = Soak(messages=200, seconds=12, kills_apart_seconds=(2, 4))
WHOLE = Soak(messages=20_000, seconds=480, kills_apart_seconds=(4, 10))
FIRST = 60
"""Messages to find out with how many a second the machine carries."""
CARRIED = 0.6
"""The share of that which is sent: what is killed has to be caught up with."""


class Load:
    """A provider that sends text messages at a steady rate, each again until it is answered with 200."""

    def __init__(self, site: Site, provider: SampleProvider, client: httpx.Client) -> None:
        self._url = site.postbacks
        self._provider = provider
        self._client = client
        self.sent: list[Sent] = []
        self.posts = 0

    def send_all(self, numbers: range, *, a_second: float) -> None:
        began = time.monotonic()

        def send(number: int) -> None:
            at = began + (number - numbers.start) / a_second
            threading.Event().wait(max(0.0, at - time.monotonic()))
            self.send(number)

        with ThreadPoolExecutor(SENDERS) as senders:
            list(senders.map(send, numbers))

    def send(self, number: int) -> None:
        file = media.text(f"Message {number} of the soak: {'x' * (number % 500)}")
        notice = Notice(
            tracking_id=f"soak-{number}",
            sender=f"1408555{number % 10_000:04d}",
            to="28444",
            timestamp=datetime.now(UTC),
            urls=(self._provider.offer(file),),
        )
        while self.post(lower_case_xml(notice)) != 200:
            threading.Event().wait(0.5)
        self.sent.append(Sent(id=f"sinch-soak-{number}", files=(file,), status=OK))

    def post(self, body: bytes) -> int:
        self.posts += 1
        try:
            return self._client.post(self._url, content=body).status_code
        except httpx.HTTPError:
            return 0


def starters(site: Site, soak: Soak) -> dict[str, Callable[[], object]]:
    """Return how each part is started, by its name."""
    return {
        "receiver": lambda: site.start("receiver", "receiver"),
        "sweep": lambda: site.start("sweep", "worker sweep"),
        **{name: lambda name=name: site.start_server(name) for name in SERVERS if name in site.running},
        **{
            f"worker-{n}": lambda n=n: site.start(f"worker-{n}", "worker archive")
            for n in range(soak.workers)
        },
    }


def kill_at_random(site: Site, soak: Soak, ended: threading.Event, killed: dict[str, int]) -> None:
    """Kill parts, each started again at once, until the end."""
    dice = random.Random(soak.seed)
    parts = starters(site, soak)
    while not ended.wait(dice.uniform(*soak.kills_apart_seconds)):
        name = dice.choice(sorted(parts))
        site.kill(name)
        parts[name]()
        killed[name] = killed.get(name, 0) + 1


@pytest.mark.timeout(1500)
@pytest.mark.parametrize(
    ("servers", "soak"),
    [
        pytest.param(EMBEDDED, SHORT, id="short"),
        pytest.param(REAL, SHORT, id="short-real"),
        pytest.param(EMBEDDED, WHOLE, id="whole", marks=pytest.mark.soak),
    ],
)
def test_under_load_and_kills_every_message_is_archived_once(
    tmp_path: Path, provider: SampleProvider, servers: str, soak: Soak
) -> None:
    with Site(tmp_path) as site, httpx.Client(timeout=10, trust_env=False) as client:
        site.start_servers(servers)
        site.receiver_part()
        for name, start in starters(site, soak).items():
            if name.startswith("worker") or name == "sweep":
                start()
        load, ended, killed = Load(site, provider, client), threading.Event(), dict[str, int]()
        with site.vault() as vault:
            until(lambda: catalog_is_made(vault), what="a worker running")
            carried = measured(load, vault, site)
            a_second = min(CARRIED * carried, soak.messages / soak.seconds)
            more = range(FIRST, min(FIRST + round(a_second * soak.seconds), soak.messages))
            killer = threading.Thread(target=kill_at_random, args=(site, soak, ended, killed))
            began = time.monotonic()
            killer.start()
            try:
                load.send_all(more, a_second=a_second)
            finally:
                ended.set()
                killer.join()
            sent_in = time.monotonic() - began
            wait_until_nothing_moves(lambda: archived(vault) >= more.stop, vault=vault, spools=[spool(site)])
            done_in = time.monotonic() - began
            (row,) = account(vault, {"the soak": load.sent})
            counted = totals.counts(vault.catalog, at_risk_before=utc_now())
            problems = [*row.problems, *wrong(vault)]
        seconds, again = (sent_in, done_in), counted.receipts["duplicates"]
        write(soak, killed, row, seconds=seconds, duplicates=again, problems=len(problems))
        assert problems == [], "\n".join(problems)
        assert row.is_right()
        assert (row.sent, row.archived, row.compared) == (more.stop,) * 3
        assert counted.messages == {"pending": 0, "archived": more.stop, "partial": 0, "lost": 0}
        assert counted.media == {"pending": 0, "stored": more.stop, "lost": 0}
        assert counted.receipts["total"] - counted.receipts["duplicates"] == more.stop
        assert counted.receipts["total"] <= load.posts
        assert killed


def spool(site: Site) -> Spool:
    return Spool(site.settings.spool_dir)


def catalog_is_made(vault: Vault) -> bool:
    try:
        return archived(vault) == 0
    except UnavailableError:
        return False


def measured(load: Load, vault: Vault, site: Site) -> float:
    """Return how many messages a second are archived while nothing is killed."""
    began = time.monotonic()
    load.send_all(range(FIRST), a_second=1000)
    most_of_them = FIRST * 9 // 10  # whatever is missing is told when all are counted
    wait_until_nothing_moves(lambda: archived(vault) >= most_of_them, vault=vault, spools=[spool(site)])
    return most_of_them / (time.monotonic() - began)


def archived(vault: Vault) -> int:
    return totals.counts(vault.catalog, at_risk_before=utc_now()).messages[MessageState.ARCHIVED]


def wrong(vault: Vault) -> list[str]:
    """Return what `verify` finds, but for half-written objects of a killed server: the sweep's, in time."""
    return [
        f"{problem.key}: {problem.problem}"
        for _, checked in verify(vault)
        for problem in checked.problems
        if HALF_WRITTEN not in problem.key
    ]


def write(
    soak: Soak,
    killed: dict[str, int],
    row: Row,
    *,
    seconds: tuple[float, float],
    duplicates: int,
    problems: int,
) -> None:
    """Write what the run measured into the document that the environment names."""
    where = os.environ.get(WHERE)
    if not where:
        return
    before, _, rest = Path(where).read_text().partition(BEGIN)
    kills = ", ".join(f"{name} {count}" for name, count in sorted(killed.items()))
    sent_in, done_in = seconds
    found = f"{problems} problems" if problems else "nothing"
    text = (
        f"Made by `make soak` on {datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores, seed {soak.seed}: "
        f"{row.sent:,} messages sent and answered with 200, all but {FIRST} of them in {sent_in:.0f} s "
        f"({(row.sent - FIRST) / sent_in:.1f} a second, {CARRIED:.0%} of what the machine carried); "
        f"{row.archived:,} archived after {done_in:.0f} s, {row.compared:,} files compared byte for byte; "
        f"{sum(killed.values())} kills ({kills}); lost {row.lost}, doubled {row.doubled}, looking at each "
        f"message and `verify` found {found}, {duplicates} postbacks came twice.\n"
    )
    Path(where).write_text(f"{before}{BEGIN}\n{text}{END}{rest.partition(END)[2]}")
