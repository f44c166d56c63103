"""Several hosts on one vault: two receivers and three workers, one host cut off and one killed.

`make test-hosts` does it with 5,000 messages and writes the figures into docs/hosts.md.
"""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from minio import Minio
from redis import Redis

from mmsvault.layout import is_evidence
from mmsvault.message import Receipt
from mmsvault.queueing.connection import connect_to_answer
from mmsvault.queueing.durable import DurableQueue
from mmsvault.queueing.jobs import open_queue
from mmsvault.sample.notices import lower_case_xml
from tests import servers
from tests.artificial import artificial_faults
from tests.flow.namespaces import HUB_ADDRESS, NETWORK, Host, Net, net
from tests.integration.archive import notice
from tests.servers import until

ROOT = Path(__file__).parents[2]
TABLE = "MMSVAULT_TEST_HOSTS"
BEGIN, END = "<!-- hosts table begins -->", "<!-- hosts table ends -->"
TOKEN = "tests-token"
RECEIVER_PORT, PROVIDER_PORT = 8080, 8000
IN_HAND = 4
"""Messages that a worker has in hand at once."""
MANY = 1000
"""So many messages take long enough for a host to be away for longer than any lease."""
KEYS = ("tests-access", "tests-secret-key")


def words_of(path: str) -> bytes:
    return f"The words of {path}.\n".encode() * 50


class Provider:
    """Serves words under any address `/MILLISECONDS/NAME`, and remembers when it did."""

    def __init__(self) -> None:
        self.served: list[tuple[str, float, float]] = []
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                began = time.monotonic()
                time.sleep(int(self.path.split("/")[1]) / 1000)
                body = words_of(self.path)
                with contextlib.suppress(OSError):
                    self.send_response(200)
                    self.send_header("content-type", "text/plain")
                    self.send_header("content-length", str(len(body)))
                    self.end_headers()
                    self.wfile.write(body)
                provider.served.append((self.path, began, time.monotonic()))

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer((HUB_ADDRESS, PROVIDER_PORT), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def twice_at_once(self) -> int:
        """Return how many files were asked for while they were being served already."""
        by_path: dict[str, list[tuple[float, float]]] = {}
        for path, began, ended in self.served:
            by_path.setdefault(path, []).append((began, ended))
        return sum(
            later[0] < earlier[1]
            for spans in by_path.values()
            for earlier, later in zip(sorted(spans), sorted(spans)[1:], strict=False)
        )


@dataclass
class Figures:
    """What became of the messages."""

    sent: int
    sent_again: int
    archived: int
    lost: int
    twice: int
    fetched_twice: int
    compared: int
    problems: list[str]
    seconds: float


class Vault:
    """The servers in the hub, and the programs on hosts."""

    def __init__(self, folder: Path, network: Net) -> None:
        self.folder = folder
        self.net = network
        self.env = {
            **{name: value for name, value in os.environ.items() if not name.startswith("MMSVAULT_")},
            "MMSVAULT_REDIS_URL": f"redis://{HUB_ADDRESS}:6379/0",
            "MMSVAULT_DATABASE_URL": f"postgresql://tests@{HUB_ADDRESS}:5432/postgres",
            "MMSVAULT_S3_ENDPOINT": f"http://{HUB_ADDRESS}:9000",
            "MMSVAULT_S3_ACCESS_KEY": KEYS[0],
            "MMSVAULT_S3_SECRET_KEY": KEYS[1],
            "MMSVAULT_S3_OBJECT_LOCK": "true",  # its versions tell how often an original was written
            "MMSVAULT_POSTBACK_TOKEN": TOKEN,
            "MMSVAULT_FETCH_PRIVATE_NETWORKS": NETWORK,
            **artificial_faults(folder),
        }

    def start_servers(self) -> None:
        hub = self.net.hub
        redis = shutil.which("redis-server")
        servers.require("redis", found=redis)
        options = ("--appendonly", "yes", "--appendfsync", "always", "--save", "", "--protected-mode", "no")
        self._server("redis", [str(redis), "--bind", HUB_ADDRESS, "--dir", str(self.folder), *options], 6379)
        command, env, _ = servers.prepare_minio(self.folder, 9000)
        command[command.index("--address") + 1] = f"{HUB_ADDRESS}:9000"
        self._server("minio", command, 9000, env=env)
        _, command, user = servers.prepare_postgresql(self.folder)
        with (self.folder / "postgresql" / "pg_hba.conf").open("a") as access:
            access.write(f"host all all {NETWORK} trust\n")
        command[command.index("-p") + 1] = "5432"
        command[command.index("listen_addresses=127.0.0.1")] = f"listen_addresses={HUB_ADDRESS}"
        self._server("postgresql", command, 5432, user=user)
        url = self.env["MMSVAULT_DATABASE_URL"]
        hub.call(until, lambda: servers.takes_connections(url), what="PostgreSQL taking connections")

    def _server(
        self,
        name: str,
        command: list[str],
        port: int,
        *,
        env: dict[str, str] | None = None,
        user: str | None = None,
    ) -> None:
        hub = self.net.hub
        hub.start(name, command, env={**os.environ, **(env or {})}, log=self.folder, user=user)
        hub.call(until, lambda: _listens(HUB_ADDRESS, port), what=f"{name} listening")

    def start(self, host: Host, program: str, number: int = 1) -> None:
        """Start one of the vault's programs on a host, which has a folder of its own."""
        own = {
            "MMSVAULT_DATA_DIR": str(self.folder / host.name),
            "MMSVAULT_RECEIVER_HOST": host.address,
            "MMSVAULT_RECEIVER_PORT": str(RECEIVER_PORT),
            "PYTHONPATH": os.pathsep.join(filter(None, (self.env.get("PYTHONPATH"), str(ROOT)))),
        }
        words = program.split()
        name = f"{program.replace(' ', '-')}-{number}"
        host.start(name, [sys.executable, "-m", *words], env={**self.env, **own}, log=self.folder)
        if program == "receiver":
            self.net.hub.call(
                until, lambda: _listens(host.address, RECEIVER_PORT), what="a receiver listening"
            )

    def answer(self, *arguments: str) -> Any:
        """Return what a command says in the hub."""
        own = {"MMSVAULT_DATA_DIR": str(self.folder / "hub"), "PYTHONPATH": str(ROOT)}
        done = self.net.hub.call(
            subprocess.run,
            [sys.executable, "-m", "mmsvault.cli", *arguments, "--json"],
            env={**self.env, **own},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.stdout, done.stderr
        return json.loads(done.stdout)

    def rows(self, query: str) -> list[Any]:
        def ask() -> list[Any]:
            with psycopg.connect(self.env["MMSVAULT_DATABASE_URL"]) as connection:
                return connection.execute(query).fetchall()  # type: ignore[arg-type]

        return self.net.hub.call(ask)

    def leases(self) -> set[str]:
        """Return the tokens of the leases on messages, whether they count still or have run out."""
        return {token for (token,) in self.rows("SELECT lease_token FROM messages WHERE lease_token <> ''")}

    def settled(self, messages: int, *, seconds: float) -> None:
        """Wait until the queue is empty, and the catalog has so many messages, of which none waits.

        A receipt in a spool, or on its way from the queue to the catalog, is in neither.
        """

        def nothing_waits() -> bool:
            with Redis(HUB_ADDRESS) as redis:
                queue = open_queue(redis)
                if queue.count or queue.started_job_registry.count:
                    return False
            with (
                contextlib.suppress(psycopg.Error),
                psycopg.connect(self.env["MMSVAULT_DATABASE_URL"]) as one,
            ):
                found = one.execute(
                    "SELECT count(*), count(*) FILTER (WHERE state = 'pending' OR due_at IS NOT NULL)"
                    " FROM messages"
                ).fetchone()
                return found is not None and found[0] >= messages and found[1] == 0
            return False

        self.net.hub.call(until, nothing_waits, seconds=seconds, what="nothing being left to do")


@pytest.fixture
def vault(tmp_path: Path) -> Iterator[Vault]:
    with net() as network:
        made = Vault(tmp_path, network)
        made.start_servers()
        yield made


@pytest.fixture
def provider(vault: Vault) -> Iterator[Provider]:
    running = vault.net.hub.call(Provider)
    yield running
    running.close()


@pytest.mark.timeout(3000)
@pytest.mark.parametrize("count", [200, pytest.param(5000, marks=pytest.mark.hosts)])
def test_nothing_is_lost_or_done_twice_when_one_host_is_cut_off_and_one_killed(
    vault: Vault, provider: Provider, count: int
) -> None:
    first, second, third = (vault.net.add(name) for name in ("a", "b", "c"))
    for host in (first, second):
        vault.start(host, "receiver")
    for host in (first, second, third):
        vault.start(host, "worker archive")
        vault.start(host, "worker sweep")
    began = time.monotonic()
    sending = Sending(count, [first.address, second.address])
    vault.net.hub.call(sending.start)
    until(lambda: sending.answered > count // 4, seconds=600, what="a quarter being sent")
    vault.net.cut_off(first)
    if count < MANY:
        until(lambda: sending.answered > count * 3 // 8, seconds=600, what="messages by the other receiver")
    else:
        in_hand = vault.leases()
        until(lambda: not in_hand & vault.leases(), seconds=120, what="others having what it had in hand")
    vault.net.plug_in(first)
    until(lambda: sending.answered > count // 2, seconds=600, what="a half being sent")
    second.kill()
    until(lambda: sending.answered == count, seconds=1200, what="everything being answered for")
    with contextlib.suppress(pytest.fail.Exception):  # which message still waits is told below
        vault.settled(count, seconds=1800 if count >= MANY else 120)
    seconds = time.monotonic() - began

    counts = vault.answer("status")
    fetched = Counter(path for path, _, _ in provider.served)
    compared, problems = looked_at(vault, count)
    figures = Figures(
        sent=count,
        sent_again=sending.sent - count,
        archived=counts["messages"]["archived"],
        lost=count - compared,
        twice=provider.twice_at_once(),
        fetched_twice=sum(times > 1 for times in fetched.values()),
        compared=compared,
        problems=problems,
        seconds=seconds,
    )
    write_faults(figures)
    assert problems == [], "\n".join(problems)
    assert vault.answer("verify")["problems"] == []
    assert (figures.archived, figures.compared, figures.lost) == (count, count, 0)
    assert figures.twice == 0
    assert counts["receipts"]["total"] - counts["receipts"]["duplicates"] == count
    stored = vault.rows(
        "SELECT count(*) FROM attempts WHERE outcome = 'stored' GROUP BY message_id, position"
    )
    assert stored == [(1,)] * count
    # Only what was in hand on a host that went may have been begun twice, one after the other.
    assert figures.fetched_twice <= 2 * IN_HAND
    assert written_twice(vault) <= figures.fetched_twice


@pytest.mark.timeout(600)
@pytest.mark.hosts
def test_two_workers_do_nearly_twice_as_much_as_one_where_the_provider_is_slow(
    vault: Vault, provider: Provider
) -> None:
    rates = []
    for number in (1, 2):
        host = vault.net.add(f"w{number}")
        names = [f"rate{number}-{name}" for name in range(150)]
        hand_over(vault, names)
        for worker in range(number):
            vault.start(host, "worker archive", worker + 1)
        vault.settled(number * len(names), seconds=300)
        host.kill()
        ends = sorted(ended for path, _, ended in provider.served if path.endswith(tuple(names)))
        assert len(ends) == len(names)
        kept = ends[10:-10]  # without the start of the workers, and the last ones
        rates.append((len(kept) - 1) / (kept[-1] - kept[0]))
    write_rates(*rates)
    assert rates[1] / rates[0] > 1.6


class Sending:
    """Sends notices from the hub, each until one of the receivers answers with 200."""

    def __init__(self, count: int, addresses: list[str]) -> None:
        self.answered = 0
        self.sent = 0
        self._count = count
        self._addresses = addresses
        self._lock = threading.Lock()

    def start(self) -> None:
        threading.Thread(target=self._send_all, daemon=True).start()

    def _send_all(self) -> None:
        with ThreadPoolExecutor(8) as side_by_side:
            list(side_by_side.map(self._send, range(self._count)))

    def _send(self, number: int) -> None:
        body = body_of(f"m{number}", latency_ms=20)
        turn = number
        while True:
            address = self._addresses[turn % len(self._addresses)]
            turn += 1
            with self._lock:
                self.sent += 1
            with contextlib.suppress(httpx.HTTPError):
                url = f"http://{address}:{RECEIVER_PORT}/postbacks/sinch/{TOKEN}"
                if httpx.post(url, content=body, timeout=5, trust_env=False).status_code == 200:
                    break
        with self._lock:
            self.answered += 1


def body_of(name: str, *, latency_ms: int) -> bytes:
    return lower_case_xml(notice(name, f"http://{HUB_ADDRESS}:{PROVIDER_PORT}/{latency_ms}/{name}"))


def hand_over(vault: Vault, names: list[str]) -> None:
    """Put receipts into the queue, as a receiver does."""

    def keep() -> None:
        with connect_to_answer(vault.env["MMSVAULT_REDIS_URL"]) as redis:
            made = [Receipt.of(body_of(name, latency_ms=200), provider="sinch") for name in names]
            DurableQueue(open_queue(redis)).keep([one.model_dump(mode="json") for one in made])

    vault.net.hub.call(keep)


def looked_at(vault: Vault, count: int) -> tuple[int, list[str]]:
    """Return how many messages are archived byte for byte, and what is wrong, with the id of each message."""
    asked = "SELECT m.id, m.state, f.url, f.key FROM messages m LEFT JOIN media f ON f.message_id = m.id"
    rows = vault.rows(asked)
    there = Counter(one for one, *_ in rows)
    sent = {f"sinch-m{number}" for number in range(count)}
    problems = [f"{one}: answered with 200, and not in the catalog" for one in sorted(sent - set(there))]
    problems += [f"{one}: nobody sent it, so it is doubled" for one in sorted(set(there) - sent)]
    problems += [f"{one}: has {number} files" for one, number in sorted(there.items()) if number > 1]
    right = set()

    def compare() -> None:
        client = bucket()
        for one, state, url, key in rows:
            if state != "archived" or not key:
                problems.append(f"{one}: answered with 200, and {state}")
            elif client.get_object("mms-vault", key).data == words_of(httpx.URL(url).path):
                right.add(one)
            else:
                problems.append(f"{one}: has other bytes than the provider served")

    vault.net.hub.call(compare)
    return len(right & sent), problems


def bucket() -> Minio:
    return Minio(f"{HUB_ADDRESS}:9000", access_key=KEYS[0], secret_key=KEYS[1], secure=False)


def written_twice(vault: Vault) -> int:
    """Return how many originals have more than one version in the bucket."""

    def count() -> int:
        client = bucket()
        found = client.list_objects("mms-vault", "messages/", recursive=True, include_version=True)
        versions = Counter(str(one.object_name) for one in found)
        return sum(times > 1 for key, times in versions.items() if is_evidence(key) and "postback" not in key)

    return vault.net.hub.call(count)


def _listens(address: str, port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection((address, port), timeout=1):
        return True
    return False


def write_faults(figures: Figures) -> None:
    _write(
        f"| {figures.sent:,} messages, one host cut off and one killed | 2 receivers, 3 workers on 3 hosts"
        f" | {figures.archived:,} archived, {figures.compared:,} compared byte for byte,"
        f" {figures.lost} lost, {len(figures.problems)} problems, {figures.twice} fetched twice at once,"
        f" {figures.fetched_twice} fetched again after a host went, {figures.sent_again:,} sent again by the"
        f" provider, {figures.seconds:.0f} s |",
        is_kept=figures.sent >= MANY,
    )


def write_rates(one: float, two: float) -> None:
    _write(
        f"| 1 to 2 workers, the provider takes 200 ms for a file | 1 host | {one:.2f} and {two:.2f}"
        f" messages/s: x{two / one:.2f} |",
        is_kept=True,
    )


def _write(row: str, *, is_kept: bool) -> None:
    """Put a row into the table of the file that the environment names, in place of its older one."""
    where = os.environ.get(TABLE)
    if not where or not is_kept:
        return
    path = Path(where)
    before, _, rest = path.read_text().partition(BEGIN)
    table, _, after = rest.partition(END)
    kept = [line for line in table.splitlines() if line.startswith("| ") and _what(line) != _what(row)]
    rows = [line for line in kept if _what(line) != "| what"]
    head = "| what | where | came of it | run |\n|---|---|---|---|"
    whole = "\n".join([head, *rows, f"{row} {datetime.now(UTC):%Y-%m-%d} |"])
    text = f"Made by `make test-hosts` on {os.cpu_count()} cores.\n\n{whole}"
    path.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}")


def _what(line: str) -> str:
    return line.split(" | ", maxsplit=1)[0]
