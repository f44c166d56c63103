"""The life of a message under any interleaving of receipts, attempts, crashes and sweeps.

The functions of the product run on a real catalog, a real bucket server and a real provider; only
the queue is a list here, so that any order of its jobs can be tried, and a crash is an exception
that nothing catches, after which nothing of the job runs any more.
"""

import hashlib
import itertools
import json
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

import psycopg
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy.engine import make_url

from mmsvault import archiving, attempts, disposition, settling
from mmsvault.bucket import Bucket
from mmsvault.catalog import queries, writes
from mmsvault.catalog.connection import migrate, reading
from mmsvault.catalog.tables import messages as message_rows
from mmsvault.catalog.tables import receipts as receipt_rows
from mmsvault.errors import NotFoundError, RefusedError
from mmsvault.message import MediaState, Message, Receipt
from mmsvault.sample import faults, media
from mmsvault.sample.media import SampleFile
from mmsvault.sample.notices import Notice, today_json
from mmsvault.sample.provider import SampleProvider
from mmsvault.settings import Settings
from mmsvault.vault import Vault
from tests.flow.site import EMBEDDED, REAL, Site

STARTS_AT = datetime(2026, 11, 24, tzinfo=UTC)
CRASHES = {
    "before record": ("mmsvault.archiving.record", "before"),
    "after the row": ("mmsvault.catalog.writes.record", "after"),
    "before the raw postback": ("mmsvault.bucket.Bucket.put", "before"),
    "after record": ("mmsvault.archiving.record", "after"),
    "before a download": ("mmsvault.archiving.archive_file", "before"),
    "after a download": ("mmsvault.archiving.store", "before"),
    "after the original": ("mmsvault.archiving.store", "after"),
    "after the attempts": ("mmsvault.catalog.writes.save_attempts", "after"),
    "after message.json": ("mmsvault.catalog.writes.settle", "before"),
    "after settling": ("mmsvault.catalog.writes.settle", "after"),
}
FAULTS: dict[str, faults.Answer] = {
    "500": faults.refused(500),
    "404": faults.refused(404),
    "half": faults.broken_off(),
    "other bytes": faults.half_of_another(SampleFile("x", "text/plain", b"other" * 100)),
}
_numbers = itertools.count()


class CrashError(BaseException):
    """Stands for SIGKILL."""


@contextmanager
def crashing(point: str) -> Iterator[None]:
    """Let the job crash at the point, and what would clean up after it not run."""
    name, when = CRASHES[point]
    module, _, function = name.rpartition(".")
    owner, _, last = module.rpartition(".")
    real = getattr(Bucket if last == "Bucket" else __import__(module, fromlist=[function]), function)
    assert owner

    def crash(*args: Any, **kwargs: Any) -> Any:
        if when == "after":
            real(*args, **kwargs)
        raise CrashError

    with patch(name, crash), patch("mmsvault.catalog.writes.release_lease"):
        yield


class Life(RuleBasedStateMachine):
    """Three messages of a provider, each announced by postbacks that may name more files later."""

    site: Site
    provider: SampleProvider
    shared: Vault

    @initialize()
    def begin(self) -> None:
        self.stack = ExitStack()
        given = {**self.site.given, "database_url": self.stack.enter_context(empty_catalog(self.site))}
        self.vault = Vault(Settings.load(**given))
        for name in ("bucket", "fetcher", "sandbox"):
            self.vault.__dict__[name] = getattr(self.shared, name)
        migrate(self.vault.catalog)
        self.now = STARTS_AT
        for module in (archiving, archiving.leases, disposition, settling):
            self.stack.enter_context(patch.object(module, "utc_now", lambda: self.now))
        run = next(_numbers)
        self.names = [f"{run}-{letter}" for letter in "abc"]
        self.files = {
            (name, position): media.text(f"file {position} of {name}")
            for name in self.names
            for position in range(2)
        }
        self.urls = {key: self.provider.offer(file) for key, file in self.files.items()}
        self.jobs: list[tuple[Callable[..., None], Any]] = []
        self.received: dict[str, Receipt] = {}
        self.announced: dict[str, int] = {}
        self.deleted: set[str] = set()
        self.stored: dict[tuple[str, int], str] = {}

    def teardown(self) -> None:
        if hasattr(self, "stored"):
            try:
                self.everything_ends_well()
            finally:
                self.vault.catalog.dispose()
                self.stack.close()

    @rule(which=st.integers(0, 2), files=st.integers(1, 2), times=st.integers(1, 2))
    def a_postback_comes_in(self, which: int, files: int, times: int) -> None:
        name = self.names[which]
        urls = tuple(self.urls[name, position] for position in range(files))
        body = today_json(Notice(tracking_id=name, sender="1", to="2", timestamp=STARTS_AT, urls=urls))
        receipt = Receipt(provider="sinch", body=b"", received_at=self.now).model_copy(update={"body": body})
        self.received[receipt.id] = receipt
        self.announced[name] = max(files, self.announced.get(name, 0))
        self.jobs.extend([(archiving.archive_receipt, receipt.model_dump(mode="json"))] * times)

    @precondition(lambda self: self.jobs)
    @rule(place=st.integers(0, 20), crash=st.sampled_from([None, None, *CRASHES]))
    def a_worker_takes_a_job(self, place: int, crash: str | None) -> None:
        job = self.jobs.pop(place % len(self.jobs))
        function, argument = job
        if crash is None:
            function(self.vault, argument)
            return
        try:
            with crashing(crash):
                function(self.vault, argument)
        except CrashError:
            self.jobs.append(job)  # as the queue does with the job of a killed worker

    @rule(which=st.integers(0, 2))
    def a_message_is_deleted(self, which: int) -> None:
        with suppress(RefusedError):  # there is none yet, or a worker has it in hand
            disposition.delete(self.vault, f"sinch-{self.names[which]}")
            self.deleted.add(self.names[which])

    @rule()
    def a_sweep(self) -> None:
        self.sweep()

    @rule()
    def a_sweep_is_killed_in_the_middle(self) -> None:
        self.jobs.extend((archiving.archive_message, name) for name, _ in self.due())

    @rule(
        which=st.integers(0, 2),
        position=st.integers(0, 1),
        fault=st.sampled_from(sorted(FAULTS)),
        times=st.integers(1, 4),
    )
    def the_provider_fails_for_a_while(self, which: int, position: int, fault: str, times: int) -> None:
        self.provider.offered(self.urls[self.names[which], position]).answers.extend([FAULTS[fault]] * times)

    @rule(minutes=st.sampled_from([1, 60, 24 * 60, 6 * 24 * 60]))
    def time_passes(self, minutes: int) -> None:
        self.now += timedelta(minutes=minutes)

    @rule()
    def the_clock_is_set_back(self) -> None:
        self.now = max(self.now - timedelta(hours=1), STARTS_AT)

    @invariant()
    def the_catalog_is_in_order(self) -> None:
        for message in self.messages():
            assert len({item.url for item in message.media}) == len(message.media)
            assert len({entry.sha256 for entry in message.postbacks}) == len(message.postbacks)
            for item in message.media:
                pending = item.state is MediaState.PENDING
                assert pending == (item.next_attempt_at is not None), "what is pending has its next attempt"
                assert item.attempts == sum(one.position == item.position for one in message.attempts)
                assert item.next_attempt_at is None or item.next_attempt_at < message.give_up_at
                if item.state is MediaState.STORED:
                    self.is_stored_for_good(message, item.position)
            if any(item.state is MediaState.PENDING for item in message.media):
                assert self.due_at(message.id) is not None, "what is pending is due some time"

    def is_stored_for_good(self, message: Message, position: int) -> None:
        item = message.media[position]
        file = next(file for key, file in self.files.items() if self.urls[key] == item.url)
        assert self.vault.bucket.read(item.key) == file.data
        assert item.sha256 == hashlib.sha256(file.data).hexdigest()
        assert self.stored.setdefault((message.id, position), item.key) == item.key

    def everything_ends_well(self) -> None:
        """Whatever came before: once the provider serves again, work and sweeps end all of it."""
        for url in self.urls.values():
            self.provider.offered(url).answers.clear()
        for _ in range(12):
            while self.jobs:
                function, argument = self.jobs.pop()
                function(self.vault, argument)
            self.now += timedelta(hours=7)  # the longest pause, and every lease has run out
            self.sweep()
        assert not self.due()
        found = {message.tracking_id: message for message in self.messages()}
        assert set(found) == set(self.announced) - self.deleted
        for name in self.deleted:
            assert not list(self.vault.bucket.list(f"messages/2026/11/24/sinch-{name}/"))
        for name, message in found.items():
            assert len(message.media) == self.announced[name]
            assert MediaState.PENDING not in {item.state for item in message.media}
            for item in message.media:  # lost only where nobody asked again before the deadline
                last = max(one.at for one in message.attempts if one.position == item.position)
                assert item.state is MediaState.STORED or _may_be_lost(message, item.position, last)
            record = json.loads(self.vault.bucket.read(f"{message.prefix}message.json"))
            assert record["state"] == message.state
            assert Message.model_validate(record) == message
            for entry in message.postbacks:
                body = self.vault.bucket.read(message.prefix + entry.name)
                assert hashlib.sha256(body).hexdigest() == entry.sha256
        with reading(self.vault.catalog) as connection:
            counted = {row.id for row in connection.execute(receipt_rows.select())}
        assert counted == set(self.received), "each receipt is counted once"

    def sweep(self) -> None:
        fence = writes.next_fence(self.vault.catalog)
        due = [name for name, _ in self.due()]
        self.jobs.extend((archiving.archive_message, name) for name in due)
        writes.postpone(self.vault.catalog, due, until=self.now + timedelta(minutes=5), fence=fence)

    def due(self) -> list[tuple[str, datetime]]:
        return queries.due(self.vault.catalog, now=self.now, limit=100)

    def due_at(self, message_id: str) -> datetime | None:
        with reading(self.vault.catalog) as connection:
            found: datetime | None = connection.scalar(
                message_rows.select()
                .with_only_columns(message_rows.c.due_at)
                .where(message_rows.c.id == message_id)
            )
            return found

    def messages(self) -> Iterator[Message]:
        for name in self.names:
            try:
                yield queries.load(self.vault.catalog, f"sinch-{name}")
            except NotFoundError:
                continue


def _may_be_lost(message: Message, position: int, last: datetime) -> bool:
    tired = [
        one for one in message.attempts if one.position == position and one.status in attempts.TIRED_AFTER
    ]
    return last > message.give_up_at - 2 * attempts.LAST_PAUSE or len(tired) >= attempts.TIRED_AFTER_ATTEMPTS


@contextmanager
def empty_catalog(site: Site) -> Iterator[str]:
    """Give the URL of a catalog that nothing is in yet."""
    if not site.is_real:
        with tempfile.TemporaryDirectory() as folder:
            yield f"sqlite:///{folder}/catalog.sqlite"
        return
    name = f"life{next(_numbers)}"
    with psycopg.connect(site.settings.database_url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")  # type: ignore[call-overload]  # no LiteralString
    yield make_url(site.settings.database_url).set(database=name).render_as_string(hide_password=False)


def run(tmp_path: Path, provider: SampleProvider, servers: str, **more: Any) -> None:
    with Site(tmp_path) as site:
        site.start_servers(servers)
        with site.vault() as shared:
            shared.bucket.make()
            machine = type("LifeHere", (Life,), {"site": site, "provider": provider, "shared": shared})
            slow = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
            run_state_machine_as_test(machine, settings=settings(slow, **more))


@pytest.mark.parametrize("servers", [EMBEDDED, REAL])
def test_any_interleaving_keeps_every_message(tmp_path: Path, provider: SampleProvider, servers: str) -> None:
    phases = (Phase.explicit, Phase.reuse, Phase.generate)  # making a failure small takes minutes
    run(tmp_path, provider, servers, max_examples=12, stateful_step_count=25, phases=phases)


@pytest.mark.faults
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("servers", [EMBEDDED, REAL])
def test_many_interleavings_keep_every_message(
    tmp_path: Path, provider: SampleProvider, servers: str
) -> None:
    run(tmp_path, provider, servers, max_examples=60, stateful_step_count=50)
