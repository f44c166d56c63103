"""What came in and what waits, on each database; what verify found, remembered."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, event

from mmsvault.catalog import entering, upkeep, verdicts, writes
from mmsvault.catalog.connection import migrate, open_catalog, writing
from mmsvault.catalog.tallies import KEYWORDS, SENDERS
from mmsvault.catalog.verdicts import Extent, Verdict
from mmsvault.catalog.views import View, scope_of
from mmsvault.message import MessageState, Receipt
from tests.integration.searchable import message

NOW = datetime(2026, 11, 24, 12, 30, tzinfo=UTC)
STORM = scope_of("keyword:storm", region="US")


def came_in(catalog: Engine, name: str, *files: str, hours: float, **given: object) -> None:
    at = NOW - timedelta(hours=hours)
    receipt = Receipt.of(name.encode(), provider="sinch").model_copy(update={"received_at": at})
    assert writes.record(catalog, message(name, *files, recorded_at=at, **given), receipt)


def test_each_hour_has_what_came_in_and_what_became_of_it(catalog: Engine) -> None:
    came_in(catalog, "old", "image/jpeg", hours=24.5)
    came_in(catalog, "first", "image/jpeg", hours=23.4)
    came_in(catalog, "here", "image/jpeg", hours=1, keyword="storm")
    came_in(catalog, "waits", "pending", hours=1.2)
    came_in(catalog, "gone", "lost", hours=0)
    writes.count_receipt(
        catalog, Receipt.of(b"?", provider="sinch").model_copy(update={"received_at": NOW}), "quarantined"
    )
    found = View(catalog).by_hour(hours=24, now=NOW)
    assert [hour.at.hour for hour in found] == [*range(13, 24), *range(13)]
    assert found[0].messages == {MessageState.ARCHIVED: 1}
    assert found[-2].messages == {MessageState.ARCHIVED: 1, MessageState.PENDING: 1}
    assert (found[-1].messages, found[-1].others) == ({MessageState.LOST: 1}, {"quarantined": 1})
    assert sum(sum(hour.messages.values()) for hour in found) == 4
    inside = View(catalog, STORM).by_hour(hours=24, now=NOW)
    assert sum(sum(hour.messages.values()) + sum(hour.others.values()) for hour in inside) == 1


def test_what_waits_comes_with_the_nearest_deadline_first(catalog: Engine) -> None:
    for name, days, keyword in (("late", 20, "storm"), ("soon", 0.5, ""), ("next", 3, "")):
        came_in(catalog, name, "pending", hours=1, deadline_at=NOW + timedelta(days=days), keyword=keyword)
    came_in(catalog, "here", "image/jpeg", hours=1, deadline_at=NOW)
    everything, part = View(catalog), View(catalog, STORM)
    assert [one.tracking_id for one in everything.waiting(limit=9)] == ["soon", "next", "late"]
    assert [one.tracking_id for one in part.waiting(limit=9)] == ["late"]
    assert everything.at_risk(before=NOW + timedelta(days=1)) == 1
    assert part.at_risk(before=NOW + timedelta(days=1)) == 0
    assert part.at_risk(before=NOW + timedelta(days=30)) == 1


def test_a_few_messages_are_taken_from_all_over(catalog: Engine) -> None:
    assert upkeep.some(catalog, 5) == []
    with writing(catalog) as connection:
        for number in range(30):
            entering.insert_whole(connection, message(str(number), minutes=number))
    found = upkeep.some(catalog, 200)
    assert len(found) == len(set(found)) > 10


def verdict(extent: Extent, *, problems: int, hours: int) -> Verdict:
    first = (("messages/x", "the original is missing"),) * min(problems, 1)
    return Verdict(extent, NOW, NOW + timedelta(hours=hours), 10, problems, first)


@pytest.mark.parametrize(
    ("kept", "fails"),
    [
        ([], False),
        ([(Extent.EVERYTHING, 0, 1)], False),
        ([(Extent.EVERYTHING, 2, 1)], True),
        ([(Extent.EVERYTHING, 2, 1), (Extent.PART, 0, 2)], True),
        ([(Extent.EVERYTHING, 2, 1), (Extent.EVERYTHING, 0, 2)], False),
        ([(Extent.EVERYTHING, 0, 1), (Extent.PART, 1, 2)], True),
        ([(Extent.PART, 1, 1), (Extent.EVERYTHING, 0, 2)], False),
    ],
)
def test_what_failed_counts_until_everything_was_found_right(
    catalog: Engine, kept: list[tuple[Extent, int, int]], *, fails: bool
) -> None:
    for extent, problems, hours in kept:
        verdicts.keep(catalog, verdict(extent, problems=problems, hours=hours))
    failing = verdicts.failing(verdicts.latest(catalog))
    assert (failing is not None) == fails
    assert failing is None or failing.first == (("messages/x", "the original is missing"),)


def test_days_and_pictures_are_read_from_the_index_over_column_and_place(tmp_path: Path) -> None:
    engine = open_catalog(f"sqlite:///{tmp_path / 'catalog.sqlite'}")
    migrate(engine)
    with writing(engine) as connection:
        for number in range(50):
            entering.insert_whole(connection, message(str(number), "image/jpeg", minutes=number))
    asked: list[tuple[str, object]] = []
    event.listen(engine, "before_cursor_execute", lambda _c, _cur, sql, given, *_: asked.append((sql, given)))
    view = View(engine)
    for tallied, keys in ((SENDERS, ["14085550123"]), (KEYWORDS, [""])):
        assert sum(view.by_day(tallied, keys, days=30, today=NOW.date())[keys[0]]) == 50
        view.latest_pictures(tallied, keys, each=4)
        view.tallies(tallied, order="messages", limit=5)
    statements = [one for one in asked if one[0].startswith("SELECT")]
    assert len(statements) >= 6
    with engine.connect() as connection:
        for sql, given in statements:
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}", given).all()
            assert not [line for line in plan if line[3].startswith("SCAN messages")], sql
    engine.dispose()
