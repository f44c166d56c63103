"""Leases: taken with a message or by itself, renewed while they are held, and not a moment longer."""

from datetime import datetime, timedelta

import pytest
from sqlalchemy import Engine, select, update

from mmsvault import leases
from mmsvault.catalog import upkeep, writes
from mmsvault.catalog.connection import reading, writing
from mmsvault.catalog.tables import messages
from mmsvault.leases import Lease
from mmsvault.message import utc_now
from tests.integration.test_catalog import message, receipt
from tests.servers import until


@pytest.fixture(autouse=True)
def _renewed_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases, "RENEWED_EVERY_SECONDS", 0.05)
    monkeypatch.setattr(leases, "_renewals", leases._Renewals())


def end_of(catalog: Engine, name: str) -> datetime | None:
    with reading(catalog) as connection:
        found: datetime | None = connection.scalar(
            select(messages.c.lease_until_at).where(messages.c.id == f"sinch-{name}")
        )
        return found


def test_every_lease_that_is_held_is_renewed_and_none_that_is_over(catalog: Engine) -> None:
    for name in ("1", "2"):
        writes.record(catalog, message(name), receipt())
    with leases.hold(catalog, "sinch-1") as one:
        assert one
        with leases.hold(catalog, "sinch-2"):
            began = [end_of(catalog, name) for name in ("1", "2")]
            until(
                lambda: all(
                    end != first
                    for end, first in zip([end_of(catalog, name) for name in ("1", "2")], began, strict=True)
                ),
                what="both being renewed",
            )
        assert end_of(catalog, "2") is None
        one.stop_renewing()
        last = end_of(catalog, "1")
        with leases.hold(catalog, "sinch-2"):
            began = [end_of(catalog, "2")]
            until(lambda: end_of(catalog, "2") != began[0], what="the other being renewed")
        assert end_of(catalog, "1") == last
    assert end_of(catalog, "1") is None


def test_a_new_message_is_in_the_hand_of_who_records_it_and_a_known_one_is_not(catalog: Engine) -> None:
    lease = Lease(catalog, "sinch-1")
    first = writes.record(catalog, message(), receipt(), claim=lease.claim())
    assert first
    assert first.is_first
    with leases.hold(catalog, "sinch-1") as other:
        assert other is None
    with leases.kept(lease):
        assert writes.save_attempts(catalog, "sinch-1", items=[], tried=[], token=lease.token, now=utc_now())
    again = writes.record(catalog, message(), receipt(b"<other/>"), claim=Lease(catalog, "sinch-1").claim())
    assert again
    assert not again.is_first
    with leases.hold(catalog, "sinch-1") as other:
        assert other


def test_a_lease_of_a_clock_that_was_far_ahead_counts_no_more(catalog: Engine) -> None:
    writes.record(catalog, message(), receipt())
    ahead = utc_now() + timedelta(days=1)
    assert writes.take_lease(catalog, "sinch-1", token="a", now=ahead, span=leases.SPAN)
    with leases.hold(catalog, "sinch-1") as mine:
        assert mine


def test_a_job_that_meets_a_lease_has_the_message_looked_at_once_that_has_run_out(catalog: Engine) -> None:
    lease = Lease(catalog, "sinch-1")
    writes.record(catalog, message(), receipt(), claim=lease.claim())
    later = utc_now() + timedelta(minutes=5)
    with writing(catalog) as connection:
        connection.execute(update(messages).values(due_at=later))
    upkeep.look_after_lease(catalog, "sinch-1", now=utc_now())
    with reading(catalog) as connection:
        assert connection.scalar(select(messages.c.due_at)) == end_of(catalog, "1")
    lease.release()
    with writing(catalog) as connection:
        connection.execute(update(messages).values(due_at=later))
    upkeep.look_after_lease(catalog, "sinch-1", now=utc_now())
    with reading(catalog) as connection:
        assert connection.scalar(select(messages.c.due_at)) == later
