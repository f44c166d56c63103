"""Scheduled exports: each message is in exactly one, whenever it came, was complete, or nobody looked."""

import csv
import io
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import pytest
from sqlalchemy import update

from mmsvault import disposition
from mmsvault.catalog import schedules, upkeep
from mmsvault.catalog.connection import writing
from mmsvault.catalog.tables import exports
from mmsvault.exporting import planning, register, schedule, working
from mmsvault.exporting.register import Export, State
from mmsvault.exporting.verifying import verify
from mmsvault.message import MediaState, Message, MessageState, utc_now
from mmsvault.settings.forms import Schedule
from mmsvault.vault import Vault
from tests.integration.archive import Archive
from tests.integration.exports import described, kept

MIDNIGHT = datetime(2026, 11, 21, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.fixture
def vault(archive: Archive) -> Iterator[Vault]:
    """A vault with a daily schedule."""
    settings = archive.vault.settings.model_copy(update={"export_schedule": Schedule.DAILY})
    scheduled = Vault(settings)
    yield scheduled
    scheduled.close()


def swept(vault: Vault, now: datetime) -> list[str]:
    return [export.id for export in working.ask_for_due(vault, now=now)]


def made(vault: Vault, identity: str) -> Export:
    working.export(vault, identity)
    return register.find(vault.catalog, identity)


def held(vault: Vault, export: Export) -> list[str]:
    """Return the tracking ids of the messages in the export's volumes."""
    found: list[str] = []
    for volume in export.volumes:
        with zipfile.ZipFile(io.BytesIO(vault.bucket.read(export.prefix + volume.name))) as archive:
            records = (name for name in archive.namelist() if name.endswith("/message.json"))
            found += [name.split("/")[-2].removeprefix("sinch-") for name in records]
    return sorted(found)


def waiting(name: str, **more: object) -> Message:
    """Return a message whose one file is not here yet."""
    message = described(name, b"x", **more)
    (item,) = message.media
    away = item.model_copy(
        update={"state": MediaState.PENDING, "key": "", "thumbnail_key": "", "size": None, "sha256": ""}
    )
    return message.model_copy(update={"media": (away,), "state": MessageState.PENDING})


def entered(vault: Vault, message: Message) -> None:
    upkeep.enter(vault.catalog, [message], now=utc_now())


def test_a_message_still_pending_at_midnight_is_in_the_next_export_with_its_file(vault: Vault) -> None:
    kept(vault, "complete", b"x")
    entered(vault, waiting("late"))
    (first,) = swept(vault, MIDNIGHT)
    assert held(vault, made(vault, first)) == ["complete"]
    kept(vault, "late", b"x")
    (second,) = swept(vault, MIDNIGHT + DAY)
    assert held(vault, made(vault, second)) == ["late"]


def test_a_message_that_arrives_with_an_earlier_time_is_in_the_next_export(vault: Vault) -> None:
    kept(vault, "punctual", b"x")
    assert held(vault, made(vault, *swept(vault, MIDNIGHT))) == ["punctual"]
    old = MIDNIGHT - timedelta(days=20)
    kept(vault, "older", b"x", received_at=old, recorded_at=MIDNIGHT + timedelta(hours=1))
    assert held(vault, made(vault, *swept(vault, MIDNIGHT + DAY))) == ["older"]


def test_days_without_a_sweep_have_their_exports_afterwards(vault: Vault) -> None:
    swept(vault, MIDNIGHT)
    for day in range(3):
        kept(vault, f"day{day}", b"x", recorded_at=MIDNIGHT + day * DAY + timedelta(hours=5))
    asked = swept(vault, MIDNIGHT + 3 * DAY)
    assert asked == ["daily-2026-11-21", "daily-2026-11-22", "daily-2026-11-23"]
    for day, identity in reversed(list(enumerate(asked))):  # whichever a worker takes first
        assert held(vault, made(vault, identity)) == [f"day{day}"]


def test_files_that_are_lost_are_named_in_the_export(vault: Vault, tmp_path: Path) -> None:
    message = waiting("lost")
    gone = message.media[0].model_copy(update={"state": MediaState.LOST, "reason": "404 until its deadline"})
    vault.bucket.put(
        f"{message.prefix}postback.xml", b"<postback><origin>MMS_MO</origin></postback>", content_type=""
    )
    entered(vault, message.model_copy(update={"media": (gone,), "state": MessageState.LOST}))
    done = made(vault, *swept(vault, MIDNIGHT))
    path = tmp_path / "out.zip"
    path.write_bytes(vault.bucket.read(done.prefix + done.volumes[0].name))
    with zipfile.ZipFile(path) as archive:
        (row,) = csv.DictReader(io.StringIO(archive.read("data/messages.csv").decode("utf-8-sig")))
    assert (row["file_state"], row["reason"]) == ("lost", "404 until its deadline")
    assert verify(path).info["files-missing"].startswith("1 ")


def test_what_a_cancelled_export_was_to_hold_is_in_the_next_one(vault: Vault) -> None:
    kept(vault, "one", b"x")
    (first,) = swept(vault, MIDNIGHT)
    schedule.take(vault, register.find(vault.catalog, first).choice)
    working.cancel(vault, first)
    assert made(vault, first).state is State.CANCELLED
    assert held(vault, made(vault, *swept(vault, MIDNIGHT + DAY))) == ["one"]


def test_an_export_that_failed_is_made_when_the_next_one_is_due(archive: Archive, vault: Vault) -> None:
    message = kept(vault, "one", b"right")
    archive.overwrite(message.media[0].key, b"wrong")
    (first,) = swept(vault, MIDNIGHT)
    assert made(vault, first).state is State.FAILED
    archive.overwrite(message.media[0].key, b"right")
    (second,) = swept(vault, MIDNIGHT + DAY)
    assert held(vault, made(vault, first)) == ["one"]
    assert held(vault, made(vault, second)) == []


def test_a_deleted_export_is_not_made_again_and_its_messages_are_in_no_other(vault: Vault) -> None:
    kept(vault, "one", b"x")
    (first,) = swept(vault, MIDNIGHT)
    made(vault, first)
    working.delete(vault, first)
    assert swept(vault, MIDNIGHT) == []
    assert held(vault, made(vault, *swept(vault, MIDNIGHT + DAY))) == []


def test_a_catalog_made_anew_knows_what_was_exported(archive: Archive, vault: Vault) -> None:
    one = kept(vault, "one", b"x")
    (first,) = swept(vault, MIDNIGHT)
    made(vault, first)
    assert archive.problems() == {}, "the list that is kept of it is no stranger to verify"
    archive.forget_catalog()
    two = kept(vault, "two", b"x")
    entered(vault, one)
    entered(vault, two)
    assert swept(vault, MIDNIGHT) == []
    assert held(vault, made(vault, *swept(vault, MIDNIGHT + DAY))) == ["two"]


def test_exports_of_earlier_versions_count(vault: Vault) -> None:
    kept(vault, "one", b"x")
    choice = planning.Choice(query="after:2026-11-20 before:2026-11-21")
    old = {"name": "daily-2026-11-20", "identity": "daily-2026-11-20", "made_by": "schedule"}
    assert working.request(vault, choice, made_at=MIDNIGHT, **old)
    assert held(vault, made(vault, "daily-2026-11-20")) == ["one"]
    kept(vault, "two", b"x")
    assert swept(vault, MIDNIGHT) == []
    assert held(vault, made(vault, *swept(vault, MIDNIGHT + DAY))) == ["two"]


def test_a_day_ends_at_midnight_of_the_zone_that_is_set(archive: Archive) -> None:
    zone = {"export_schedule": Schedule.DAILY, "timezone": "America/New_York"}
    vault = Vault(archive.vault.settings.model_copy(update=zone))
    kept(vault, "evening", b"x", recorded_at=MIDNIGHT + timedelta(hours=4, minutes=59))
    kept(vault, "next day", b"x", recorded_at=MIDNIGHT + timedelta(hours=5))
    asked = swept(vault, MIDNIGHT + timedelta(hours=5))
    assert asked == ["daily-2026-11-20"]
    assert held(vault, made(vault, *asked)) == ["evening"]
    vault.close()


class Life:
    """Weeks of an archive at random: arrivals, files that come late, deletions, sweeps that are missed."""

    def __init__(self, vault: Vault, seed: int) -> None:
        self.vault = vault
        self.dice = Random(seed)
        self.now = MIDNIGHT
        self.count = 0
        self.late: list[str] = []
        self.deleted: set[str] = set()
        self.waiting_exports: list[str] = []
        self.found: list[str] = []

    def arrive(self) -> None:
        name = f"m{self.count:04d}"
        self.count += 1
        times = {
            "recorded_at": self.now - timedelta(minutes=self.dice.randrange(2000)),
            "received_at": self.now - timedelta(minutes=self.dice.randrange(60_000)),
        }
        if self.dice.random() < 0.4:
            self.late.append(name)
            entered(self.vault, waiting(name, **times))
        else:
            entered(self.vault, described(name, b"x", **times))

    def complete(self) -> None:
        if self.late:
            name = self.late.pop(self.dice.randrange(len(self.late)))
            entered(self.vault, described(name, b"x"))

    def delete(self) -> None:
        name = f"m{self.dice.randrange(self.count or 1):04d}"
        if name not in self.late and upkeep.folders(self.vault.catalog, [f"sinch-{name}"]):
            disposition.delete(self.vault, f"sinch-{name}")
            self.deleted.add(name)

    def sweep(self) -> None:
        self.waiting_exports += swept(self.vault, self.now)

    def make(self) -> None:
        if self.waiting_exports:
            self.make_one(self.waiting_exports.pop(self.dice.randrange(len(self.waiting_exports))))

    def make_one(self, identity: str) -> None:
        if self.dice.random() < 0.15:
            working.cancel(self.vault, identity)
            made(self.vault, identity)
            return
        choice = register.find(self.vault.catalog, identity).choice
        schedule.take(self.vault, choice)
        for volume in planning.plan(self.vault.catalog, choice).volumes:
            found = planning.messages_of(self.vault.catalog, choice, volume)
            self.found += [message.tracking_id for message in found]
        with writing(self.vault.catalog) as connection:
            done = update(exports).where(exports.c.id == identity).values(state=State.DONE.value)
            connection.execute(done)

    def end(self) -> None:
        """Let everything become complete and every export be made, after two more days."""
        while self.late:
            self.complete()
        for _ in range(2):
            self.now += 2 * DAY
            self.sweep()
        while self.waiting_exports:
            schedule.take(self.vault, register.find(self.vault.catalog, self.waiting_exports[0]).choice)
            self.dice.random = lambda: 1.0  # type: ignore[method-assign]  # none is cancelled any more
            self.make_one(self.waiting_exports.pop(0))


@pytest.mark.parametrize("seed", range(6))
def test_whatever_happens_each_message_is_in_exactly_one_export(vault: Vault, seed: int) -> None:
    life = Life(vault, seed)
    events = [life.arrive, life.arrive, life.arrive, life.complete, life.delete, life.sweep, life.make]
    for _ in range(150):
        life.now += timedelta(minutes=life.dice.randrange(400))
        life.dice.choice(events)()
    life.end()
    assert len(life.found) == len(set(life.found)), "none is in two"
    missing = {f"m{number:04d}" for number in range(life.count)} - life.deleted - set(life.found)
    assert missing == set()
    assert len(life.found) > 20


def test_taking_twice_and_late_changes_nothing(vault: Vault) -> None:
    kept(vault, "one", b"x")
    (first,) = swept(vault, MIDNIGHT)
    choice = register.find(vault.catalog, first).choice
    schedule.take(vault, choice)
    kept(vault, "two", b"x")
    schedule.take(vault, choice)
    assert [one for ids in schedules.message_ids(vault.catalog, first) for one in ids] == ["sinch-one"]
