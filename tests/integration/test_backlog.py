"""With a backlog: what is asked reads no more, nobody waits for a count, and the counts stay exact."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, delete, event, func, select, text, update

from mmsvault.attempts import REASONS_NOT_ALLOWED
from mmsvault.catalog import counting, entering, quarantine, tallies, totals, upkeep, writes
from mmsvault.catalog.connection import open_catalog, reading, writing
from mmsvault.catalog.language import EVERYTHING
from mmsvault.catalog.quarantine import Quarantined
from mmsvault.catalog.tables import count_changes, counts, keywords, media, messages, receipts, senders
from mmsvault.catalog.tallies import KEYWORDS, SENDERS, Kind
from mmsvault.catalog.views import View
from mmsvault.message import MediaState, Receipt, utc_now
from tests.benchmarks import backlog
from tests.integration.test_catalog import LEASE, NOON, message, receipt, stored

STEPS_AT_ONCE = 100
MOST_ROWS = 200
Question = Callable[[Engine], object]
AT_RISK = utc_now() + totals.AT_RISK

QUESTIONS: dict[str, Question] = {
    "status": lambda catalog: totals.counts(catalog, at_risk_before=AT_RISK),
    "files that are refused": lambda catalog: totals.waiting_for(catalog, REASONS_NOT_ALLOWED),
    "the nearest deadline": totals.nearest_deadline_at,
    "quarantine": quarantine.waiting,
    "files at risk": lambda catalog: View(catalog).at_risk(before=AT_RISK),
    "the first page": lambda catalog: View(catalog).search(EVERYTHING, limit=20),
    "how many there are": lambda catalog: View(catalog).kept_total(EVERYTHING),
    "the nearest deadlines": lambda catalog: View(catalog).waiting(limit=20),
    "the last hours": lambda catalog: View(catalog).by_hour(hours=24, now=utc_now()),
    "keywords": lambda catalog: counting.list_keywords(catalog, order="messages", limit=20),
    "senders": lambda catalog: counting.list_senders(catalog, order="last_at", limit=20),
    "the receipts of a day": lambda catalog: upkeep.tally(catalog, utc_now().date()),
}


def analyzed(catalog: Engine) -> None:
    with catalog.begin() as connection:
        connection.exec_driver_sql("ANALYZE")


def work(catalog: Engine, ask: Question) -> int:
    """Return what a question costs: steps of SQLite's machine, or rows that PostgreSQL reads."""
    return steps(catalog, ask) if catalog.dialect.name == "sqlite" else rows_read(catalog, ask)


def steps(catalog: Engine, ask: Question) -> int:
    counted = 0

    def one_more() -> int:
        nonlocal counted
        counted += 1
        return 0

    def follow(connection: Any, *_: object) -> None:
        connection.set_progress_handler(one_more, STEPS_AT_ONCE)

    event.listen(catalog, "checkout", follow)
    try:
        ask(catalog)
    finally:
        event.remove(catalog, "checkout", follow)
    return counted * STEPS_AT_ONCE


def rows_read(catalog: Engine, ask: Question) -> int:
    asked: list[tuple[str, Any]] = []

    def note(_connection: object, _cursor: object, sql: str, given: Any, *_: object) -> None:
        if sql.startswith(("SELECT", "INSERT", "UPDATE", "DELETE")):
            asked.append((sql, given))

    event.listen(catalog, "before_cursor_execute", note)
    try:
        ask(catalog)
    finally:
        event.remove(catalog, "before_cursor_execute", note)
    assert asked
    with catalog.connect() as connection:
        return sum(
            _rows_of(
                connection.exec_driver_sql(f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}", given).scalar()[0]["Plan"]
            )
            for sql, given in asked
        )


def _rows_of(plan: dict[str, Any]) -> int:
    own = (
        plan["Actual Rows"]
        + plan.get("Rows Removed by Filter", 0)
        + plan.get("Rows Removed by Join Filter", 0)
    )
    return int(own * plan["Actual Loops"]) + sum(_rows_of(one) for one in plan.get("Plans", ()))


@pytest.fixture
def much_comes(catalog: Engine) -> Iterator[Engine]:
    """A catalog that is emptied afterwards at once, as deleting row by row takes minutes on PostgreSQL."""
    yield catalog
    if catalog.dialect.name == "postgresql":
        with catalog.begin() as connection:
            connection.execute(text("TRUNCATE messages, receipts, counts, count_changes, counters CASCADE"))
            connection.execute(text("TRUNCATE senders, keywords"))


def test_what_is_asked_reads_no_more_with_much_waiting_than_with_little(much_comes: Engine) -> None:
    catalog = much_comes
    backlog.load(catalog, range(1_000), state="archived")
    backlog.load(catalog, range(backlog.FIRST_PENDING, backlog.FIRST_PENDING + 100), state="pending")
    analyzed(catalog)
    little = {name: work(catalog, ask) for name, ask in QUESTIONS.items()}
    backlog.load(catalog, range(1_000, 12_000), state="archived")
    first = backlog.FIRST_PENDING + 100
    backlog.load(catalog, range(first, first + 8_000), state="pending")
    analyzed(catalog)
    much = {name: work(catalog, ask) for name, ask in QUESTIONS.items()}
    room = MOST_ROWS * (20 if catalog.dialect.name == "sqlite" else 1)  # more senders and hours are there
    assert {name: (little[name], much[name]) for name in much if much[name] > 2 * little[name] + room} == {}


@contextmanager
def open_transaction(catalog: Engine) -> Iterator[Connection]:
    """Give a transaction that is taken back; whoever waits for it in PostgreSQL gives up after a while."""
    with catalog.connect() as connection, connection.begin() as transaction:
        connection.execute(text("SET LOCAL lock_timeout = '3s'"))
        yield connection
        transaction.rollback()


def test_two_messages_of_one_sender_and_keyword_do_not_wait_for_each_other(postgresql: str) -> None:
    catalog = open_catalog(postgresql)
    with open_transaction(catalog) as one, open_transaction(catalog) as other:
        for connection, name in ((one, "of-one"), (other, "of-another")):
            assert entering.insert_whole(connection, message(name, keyword="campaign"))
            connection.execute(
                update(media).where(media.c.message_id == f"sinch-{name}").values(state="lost")
            )
            connection.execute(delete(messages).where(messages.c.id == f"sinch-{name}"))
            row = {"id": name, "outcome": "message", "message_id": None, "code": "", "received_at": NOON}
            assert entering.insert_new(connection, receipts, row)
    catalog.dispose()


def test_counts_are_exact_before_while_and_after_they_are_folded(catalog: Engine) -> None:
    def seen() -> tuple[Any, ...]:
        counted = totals.counts(catalog, at_risk_before=NOON + timedelta(days=31))
        found = counting.list_keywords(catalog), counting.list_senders(catalog, order="messages")
        hours = View(catalog).by_hour(hours=2, now=NOON)
        return (
            counted,
            *found,
            hours,
            upkeep.tally(catalog, NOON.date()),
            upkeep.tally(catalog, utc_now().date()),
        )

    for number in range(12):
        given = {"keyword": ("a", "b", "")[number % 3], "sender": f"1408555000{number % 4}"}
        writes.record(catalog, message(str(number), minutes=number, **given), receipt(f"{number}".encode()))
    before = seen()
    assert [(one.key, one.messages) for one in before[1]] == [("", 4), ("b", 4), ("a", 4)]
    assert tallies.fold(catalog) > 0
    assert tallies.fold(catalog) == 0
    assert seen() == before
    with reading(catalog) as connection:
        assert connection.scalar(select(func.count()).select_from(count_changes)) == 0
        assert connection.scalar(select(keywords.c.messages).where(keywords.c.key == "a")) == 4
    with writing(catalog) as connection:  # the newest of "" and the only ones of two senders
        connection.execute(delete(messages).where(messages.c.id.in_(["sinch-11", "sinch-3", "sinch-7"])))
    left = counting.list_keywords(catalog, order="key")
    assert [(one.key, one.messages) for one in left] == [("", 3), ("a", 3), ("b", 3)]
    assert counting.check(catalog) == []
    unfolded = seen()
    tallies.fold(catalog)
    assert seen() == unfolded
    assert counting.check(catalog) == []
    with reading(catalog) as connection:
        known = connection.scalars(select(senders.c.key).order_by(senders.c.key))
        assert list(known) == ["14085550000", "14085550001", "14085550002"]


def test_counts_are_exact_while_others_write_and_delete_and_two_fold(catalog: Engine) -> None:
    done = threading.Event()

    def fold() -> None:
        while not done.is_set():
            tallies.fold(catalog)

    def write(writer: int) -> None:
        for number in range(15):
            one = message(f"{writer}-{number}", keyword="campaign", minutes=number)
            writes.record(catalog, one, receipt(f"{writer} {number}".encode()))
            if number % 2:
                with writing(catalog) as connection:
                    connection.execute(delete(messages).where(messages.c.id == one.id))

    folding = [threading.Thread(target=fold) for _ in range(2)]
    writing_ = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for one in (*folding, *writing_):
        one.start()
    for one in writing_:
        one.join()
    done.set()
    for one in folding:
        one.join()
    assert [(one.key, one.messages) for one in counting.list_keywords(catalog)] == [("campaign", 32)]
    assert counting.check(catalog) == []
    tallies.fold(catalog)
    assert counting.check(catalog) == []


def test_files_at_risk_are_counted_to_the_second(catalog: Engine) -> None:
    for seconds in (-3600, -1, 0, 20, 59, 60, 7200):
        deadline_at = NOON + timedelta(seconds=seconds)
        writes.record(catalog, message(str(seconds), deadline_at=deadline_at), receipt(f"{seconds}".encode()))

    def at_risk(seconds: int) -> int:
        return totals.counts(catalog, at_risk_before=NOON + timedelta(seconds=seconds)).at_risk

    expected = {-3600: 0, -1: 1, 0: 2, 1: 3, 20: 3, 30: 4, 60: 5, 61: 6, 9000: 7}
    assert {seconds: at_risk(seconds) for seconds in expected} == expected
    tallies.fold(catalog)
    assert {seconds: at_risk(seconds) for seconds in expected} == expected


def test_files_that_wait_are_counted_wherever_they_go(catalog: Engine) -> None:
    later = NOON + timedelta(days=40)

    def waiting() -> tuple[int, int, int]:
        refused = totals.waiting_for(catalog, REASONS_NOT_ALLOWED)
        near = totals.counts(catalog, at_risk_before=NOON + timedelta(days=31))
        return near.at_risk, refused, totals.counts(catalog, at_risk_before=later).at_risk

    urls = ("http://m.example/a", "http://m.example/b")
    for name in ("kept", "gone", "done"):
        writes.record(catalog, message(name, urls=urls), receipt(name.encode()))
    assert waiting() == (6, 0, 6)
    with writing(catalog) as connection:
        connection.execute(update(media).where(media.c.position == 0).values(reason=REASONS_NOT_ALLOWED[0]))
    assert waiting() == (6, 3, 6)
    with writing(catalog) as connection:
        connection.execute(delete(messages).where(messages.c.id == "sinch-gone"))
    assert waiting() == (4, 2, 4)
    assert writes.take_lease(catalog, "sinch-done", token="a", now=NOON, span=LEASE)
    items = [stored(item) for item in message("done", urls=urls).media]
    writes.save_attempts(catalog, "sinch-done", items=items, tried=[], token="a", now=utc_now())
    assert waiting() == (2, 1, 2)
    with writing(catalog) as connection:
        moved = update(messages).where(messages.c.id == "sinch-kept")
        connection.execute(moved.values(deadline_at=NOON + timedelta(days=35)))
    assert waiting() == (0, 1, 2)
    upkeep.retry(catalog, "sinch-done", now=NOON, stored=True)
    with writing(catalog) as connection:
        connection.execute(delete(media).where(media.c.message_id == "sinch-kept", media.c.position == 0))
    assert waiting() == (0, 0, 1)
    assert counting.check(catalog) == []
    tallies.fold(catalog)
    assert waiting() == (0, 0, 1)
    assert counting.check(catalog) == []


def test_postbacks_in_quarantine_are_counted_as_they_come_and_go(catalog: Engine) -> None:
    def enter(folder: str, understood_as: str = "") -> None:
        quarantine.enter(catalog, Quarantined(folder, "?", "", NOON, NOON, understood_as=understood_as))

    for name in ("a", "b", "c", "a"):
        enter(name)
    assert quarantine.waiting(catalog).count == 3
    enter("b", understood_as="N101")
    quarantine.leave(catalog, ["c", "nothing"])
    assert quarantine.waiting(catalog).count == 1
    assert counting.check(catalog) == []


def test_tallies_of_receipts_read_no_receipt(catalog: Engine) -> None:
    for number in range(3):
        writes.record(catalog, message(str(number)), of_noon(f"{number}"))
    writes.record(catalog, message("2"), of_noon("2, again"))
    writes.count_receipt(catalog, of_noon("other"), "other", code="N101|x")
    expected = {("message", ""): 3, ("duplicate", ""): 1, ("other", "N101|x"): 1}

    def tally(day: date) -> dict[tuple[str, str], int]:
        return {(outcome, code): number for (_, outcome, code), number in upkeep.tally(catalog, day).items()}

    assert tally(NOON.date()) == expected
    tallies.fold(catalog)
    asked: list[str] = []
    event.listen(catalog, "before_cursor_execute", lambda _c, _cur, sql, *_: asked.append(sql))
    assert tally(NOON.date()) == expected
    assert tally(NOON.date() - timedelta(days=1)) == {}
    assert len([sql for sql in asked if counts.name in sql]) == 2
    assert not [sql for sql in asked if receipts.name in sql]
    upkeep.forget_receipts(catalog, [of_noon("other").id])
    assert counting.check(catalog) == []


def of_noon(body: str) -> Receipt:
    given = {"received_at": NOON, "id": f"receipt {body}"}
    return receipt(body.encode()).model_copy(update=given)


def test_a_total_of_one_sender_or_keyword_has_the_changes_in_it(catalog: Engine) -> None:
    writes.record(catalog, message("1", keyword="a"), receipt(b"1"))
    tallies.fold(catalog)
    writes.record(catalog, message("2", keyword="a"), receipt(b"2"))
    with reading(catalog) as connection:
        assert connection.scalar(tallies.messages_of(KEYWORDS, "a")) == 2
        assert connection.scalar(tallies.messages_of(KEYWORDS, "none")) == 0
        assert tallies.known(connection, SENDERS, ["14085550123", "1"]) == ["14085550123"]


def test_sums_that_come_to_nothing_are_not_kept(catalog: Engine) -> None:
    writes.record(catalog, message(), receipt())
    tallies.fold(catalog)
    with writing(catalog) as connection:
        connection.execute(delete(messages))
        connection.execute(delete(receipts))
    tallies.fold(catalog)
    with reading(catalog) as connection:
        for table in (counts, senders, keywords, count_changes):
            assert connection.execute(select(table)).all() == [], table.name
        assert tallies.total(connection, Kind.DEADLINE) == 0
    assert MediaState.PENDING.value == "pending"  # as it is written out in statements
