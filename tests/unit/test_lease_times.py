"""When the holder of a lease asks the catalog whether it still counts, by a clock that is given."""

import threading
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest
from sqlalchemy import Engine

from mmsvault import leases
from mmsvault.catalog import writes
from mmsvault.errors import OvertakenError, UnavailableError
from mmsvault.leases import Lease
from tests.servers import until

Patch = pytest.MonkeyPatch
ENGINE = cast("Engine", None)


class Catalog:
    """Stands for the catalog's answers, and for the time that they take."""

    def __init__(self, monkeypatch: Patch) -> None:
        self.now = 1000.0
        self.counts = True
        self.takes_seconds = 0.0
        self.failure: Exception | None = None
        self.asked: list[str] = []
        self.released: list[str] = []
        self.kept_from_running_out: set[Lease] = set()
        monkeypatch.setattr(leases, "time", SimpleNamespace(monotonic=lambda: self.now))
        kept = self.kept_from_running_out
        monkeypatch.setattr(leases, "_renewals", SimpleNamespace(add=kept.add, remove=kept.discard))
        monkeypatch.setattr(writes, "take_lease", self.take_lease)
        monkeypatch.setattr(writes, "release_lease", self.release_lease)

    def take_lease(self, _: Engine, message_id: str, *, token: str, now: datetime, span: timedelta) -> bool:
        assert token
        assert now.tzinfo
        assert span == leases.SPAN
        self.now += self.takes_seconds
        self.asked.append(message_id)
        if self.failure:
            raise self.failure
        return self.counts

    def release_lease(self, _: Engine, message_id: str, *, token: str) -> None:
        assert token
        self.released.append(message_id)


@pytest.fixture
def catalog(monkeypatch: Patch) -> Catalog:
    return Catalog(monkeypatch)


@pytest.fixture
def lease(catalog: Catalog) -> Lease:
    taken = Lease(ENGINE, "sinch-1")
    assert taken.take()
    catalog.asked.clear()
    return taken


def test_a_lease_that_was_taken_just_now_is_not_asked_for_again(catalog: Catalog, lease: Lease) -> None:
    catalog.now += leases.RENEWED_EVERY_SECONDS
    catalog.counts = False
    lease.check()
    assert catalog.asked == []


@pytest.mark.parametrize("left_seconds", [5, 1, 0, -40])
def test_it_is_asked_for_while_there_is_time_to_write_and_whenever_it_may_have_run_out(
    catalog: Catalog, lease: Lease, left_seconds: int
) -> None:
    catalog.now += leases.SPAN.total_seconds() - left_seconds
    lease.check()
    assert catalog.asked == ["sinch-1"]


def test_one_that_another_worker_took_stops_its_holder(catalog: Catalog, lease: Lease) -> None:
    catalog.now += leases.SPAN.total_seconds()
    catalog.counts = False
    for _ in range(2):  # and it stays so
        with pytest.raises(OvertakenError):
            lease.check()
    assert len(catalog.asked) == 2


def test_while_the_catalog_is_away_nobody_is_sure_of_it(catalog: Catalog, lease: Lease) -> None:
    catalog.now += leases.SPAN.total_seconds()
    catalog.failure = UnavailableError("away")
    with pytest.raises(UnavailableError):
        lease.check()


def test_its_time_runs_from_when_it_was_asked_for_and_not_from_the_answer(
    catalog: Catalog, lease: Lease
) -> None:
    catalog.takes_seconds = 15
    assert lease.take()
    lease.check()
    assert len(catalog.asked) == 2


def test_each_answer_that_it_counts_begins_its_time_anew(catalog: Catalog, lease: Lease) -> None:
    for _ in range(4):
        catalog.now += leases.RENEWED_EVERY_SECONDS
        lease.renew()
    catalog.asked.clear()
    lease.check()
    assert catalog.asked == []


def test_a_claim_counts_like_a_lease_that_was_taken(catalog: Catalog, monkeypatch: Patch) -> None:
    now = datetime(2026, 11, 20, 12).astimezone()
    monkeypatch.setattr(leases, "utc_now", lambda: now)
    lease = Lease(ENGINE, "sinch-1")
    claim = lease.claim()
    assert (claim.token, claim.until_at) == (lease.token, now + leases.SPAN)
    lease.check()
    assert catalog.asked == []
    catalog.now += leases.SPAN.total_seconds()
    lease.check()
    assert catalog.asked == ["sinch-1"]


def test_no_two_leases_have_the_same_token(catalog: Catalog) -> None:
    assert catalog
    assert len({Lease(ENGINE, "sinch-1").token for _ in range(50)}) == 50


def test_what_is_over_or_let_go_of_is_renewed_no_more(catalog: Catalog, lease: Lease) -> None:
    lease.stop_renewing()
    lease.renew()
    assert catalog.asked == []


def test_at_the_end_it_is_let_go_of_unless_it_ended_with_the_work(catalog: Catalog) -> None:
    for is_over, released in ((True, []), (False, ["sinch-1"])):
        with leases.hold(ENGINE, "sinch-1") as held:
            assert catalog.kept_from_running_out == {held}
            assert held
            held.is_over = is_over
        assert catalog.released == released
        assert catalog.kept_from_running_out == set()
        held.renew()
    with pytest.raises(RuntimeError), leases.hold(ENGINE, "sinch-1"):
        raise RuntimeError("odd")
    assert len(catalog.released) == 2, "also where the work fails"
    assert len(catalog.asked) == 3, "each was taken once, and renewed no more after its end"


def test_who_does_not_get_it_lets_go_of_nothing(catalog: Catalog) -> None:
    catalog.counts = False
    with leases.hold(ENGINE, "sinch-1") as held:
        assert held is None
    assert catalog.released == []


@pytest.mark.parametrize("failure", [UnavailableError("away"), RuntimeError("odd")])
def test_renewing_goes_on_after_an_error_for_it_and_for_the_others(
    monkeypatch: Patch, failure: Exception
) -> None:
    monkeypatch.setattr(leases, "RENEWED_EVERY_SECONDS", 0.001)
    renewals = leases._Renewals()
    catalog_fails = threading.Event()
    counted = {"one": 0, "two": 0}

    def take_lease(_: Engine, message_id: str, **__: Any) -> bool:
        counted[message_id] += 1
        if catalog_fails.is_set():
            raise failure
        return True

    monkeypatch.setattr(writes, "take_lease", take_lease)
    held = [Lease(ENGINE, name) for name in counted]
    for lease in held:
        renewals.add(lease)
    until(lambda: min(counted.values()) > 1, what="both being renewed")
    catalog_fails.set()
    seen = dict(counted)
    until(lambda: all(counted[name] > seen[name] for name in counted), what="both being tried")
    catalog_fails.clear()
    seen = dict(counted)
    until(lambda: all(counted[name] > seen[name] + 1 for name in counted), what="both being renewed again")
    for lease in held:
        renewals.remove(lease)
