"""The kept counts are exact, whoever writes and however many at once."""

import random
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import Engine, delete, select, text, update

from mmsvault.catalog import counting, entering, language, queries, searches, tallies, totals, upkeep, writes
from mmsvault.catalog.connection import writing
from mmsvault.catalog.tables import counts, keywords, messages, senders
from mmsvault.catalog.totals import Total
from mmsvault.errors import NotFoundError, RejectedInputError
from mmsvault.message import MediaState, utc_now
from tests.integration.test_catalog import LEASE, NOON, message, receipt, stored


def test_counts_are_exact_under_writers_and_deleters_at_once(catalog: Engine) -> None:
    dice = random.Random(1)
    crowd = [
        message(
            str(number),
            minutes=dice.randrange(50),
            sender=f"1408555{dice.randrange(5):04d}",
            keyword=dice.choice(["all", "ALL", "storm"]),
        )
        for number in range(120)
    ]

    def live(one: int) -> None:
        writes.record(catalog, crowd[one], receipt())
        writes.take_lease(catalog, crowd[one].id, token="a", now=NOON, span=LEASE)
        saved = [stored(crowd[one].media[0], size=one)]
        written = writes.save_attempts(
            catalog, crowd[one].id, items=saved, tried=[], token="a", now=utc_now()
        )
        assert written
        assert writes.settle(catalog, written, token="a") is None
        if one % 3 == 0:
            with writing(catalog) as connection:
                connection.execute(delete(messages).where(messages.c.id == crowd[one].id))

    with ThreadPoolExecutor(8) as side_by_side:
        list(side_by_side.map(live, range(len(crowd))))
    assert counting.check(catalog) == []
    left = [one for number, one in enumerate(crowd) if number % 3]
    counts = totals.counts(catalog, at_risk_before=NOON)
    assert counts.messages["archived"] == len(left) == 80
    assert counts.bytes == sum(number for number in range(120) if number % 3)
    by_messages = counting.list_senders(catalog, order="messages")
    assert sum(one.messages for one in by_messages) == 80
    for one in by_messages:
        times = [each.received_at for each in left if each.sender == one.key]
        assert (one.messages, one.first_at, one.last_at) == (len(times), min(times), max(times))


def test_the_last_message_of_a_sender_takes_the_sender_along(catalog: Engine) -> None:
    writes.record(catalog, message(), receipt())
    with writing(catalog) as connection:
        connection.execute(delete(messages))
    assert counting.list_senders(catalog) == []
    assert counting.list_keywords(catalog) == []
    assert counting.check(catalog) == []


def test_a_message_that_changes_its_sender_is_counted_with_the_new_one(catalog: Engine) -> None:
    writes.record(catalog, message(), receipt())
    with writing(catalog) as connection:
        connection.execute(update(messages).values(sender="16505550100", sender_number="16505550100"))
    assert [(one.key, one.messages) for one in counting.list_senders(catalog)] == [("16505550100", 1)]
    assert counting.check(catalog) == []


def test_a_wrong_count_is_found_and_mended(catalog: Engine) -> None:
    writes.record(catalog, message("1"), receipt())
    writes.record(catalog, message("2"), receipt())
    tallies.fold(catalog)
    with writing(catalog) as connection:
        connection.execute(update(senders).values(messages=7))
        connection.execute(delete(keywords))
        connection.execute(update(counts).values(number=counts.c.number + 1))
        connection.execute(text("UPDATE counters SET bytes = bytes + 1, messages_pending = 0"))
        connection.execute(text("DELETE FROM message_words"))
    problems = "\n".join(counting.check(catalog))
    for told in (
        "senders '14085550123'",
        "keywords 'storm'",
        "bytes: 1",
        "messages_pending",
        "counts of receipt",
        "sinch-1: its words",
    ):
        assert told in problems
    counting.recount(catalog)
    assert counting.check(catalog) == []


@pytest.mark.parametrize(
    ("order", "keys"),
    [("messages", "b c a"), ("first_at", "c b a"), ("last_at", "b c a"), ("key", "a b c")],
)
def test_senders_come_in_each_order_page_by_page(catalog: Engine, order: counting.Order, keys: str) -> None:
    for number, name in enumerate("abccbb"):
        writes.record(catalog, message(str(number), sender=name, minutes=number), receipt())
    listed: list[counting.Tally] = []
    while page := counting.list_senders(catalog, order=order, limit=1, after=listed[-1] if listed else None):
        listed += page
    assert [one.key for one in listed] == keys.split()


def test_senders_with_the_same_count_are_each_listed_once(catalog: Engine) -> None:
    for name in "abc":
        writes.record(catalog, message(name, sender=name), receipt())
    first = counting.list_senders(catalog, order="last_at", limit=2)
    rest = counting.list_senders(catalog, order="last_at", limit=2, after=first[-1])
    assert [one.key for one in (*first, *rest)] == ["c", "b", "a"]


def test_the_name_is_as_last_written(catalog: Engine) -> None:
    writes.record(catalog, message("1", keyword="Storm", minutes=2), receipt())
    writes.record(catalog, message("2", keyword="STORM", minutes=1), receipt())
    assert [(one.key, one.name) for one in counting.list_keywords(catalog)] == [("storm", "Storm")]


def test_more_messages_of_one_moment_than_have_room_keep_their_places(catalog: Engine) -> None:
    with writing(catalog) as connection:
        for number in range(700):
            assert entering.insert_whole(connection, message(str(number), urls=()))
            assert number % 100 or not entering.insert_whole(connection, message(str(number), urls=()))
    seen: list[str] = []
    after = None
    while True:
        page = queries.search(catalog, language.EVERYTHING, limit=90, after=after)
        seen += [one.id for one in page.messages]
        if not (after := page.next):
            break
    assert len(set(seen)) == len(seen) == 700
    assert list(queries.ids(catalog, language.EVERYTHING)) == seen


def test_totals_are_exact_to_a_limit_and_say_so_beyond(
    catalog: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(totals, "COUNTED_TO", 5)
    for number in range(8):
        writes.record(catalog, message(str(number), keyword="all"), receipt())

    def total(query: str) -> Total:
        return totals.total(catalog, language.parse(query))

    def kept(query: str) -> Total | None:
        return totals.kept_total(catalog, language.parse(query))

    assert (total("harbor"), kept("harbor")) == (Total(5, is_exact=False), None)
    assert total("") == kept("") == Total(8)
    assert total("keyword:all") == kept("keyword:all") == Total(8)
    assert total("from:4085550123") == kept("from:4085550123") == Total(8)
    assert total("nothing") == Total(0)


def test_tags_and_notes_are_found_and_kept_as_first_written(catalog: Engine) -> None:
    one = writes.record(catalog, message(), receipt()).message
    writes.annotate(catalog, one.id, tag=["Reviewed", "to do"], note="ask Zoë", now=NOON)
    again = writes.annotate(catalog, one.id, tag=["REVIEWED"], untag=["To Do"], now=NOON)
    assert (again.tags, again.note) == (("Reviewed",), "ask Zoë")
    assert queries.load(catalog, one.id) == again
    assert totals.total(catalog, language.parse("tag:reviewed")).messages == 1
    assert totals.total(catalog, language.parse('tag:"to do"')).messages == 0
    assert totals.total(catalog, language.parse("-tag:reviewed")).messages == 0
    with pytest.raises(NotFoundError):
        writes.annotate(catalog, "sinch-nowhere", tag=["x"], now=NOON)


def test_a_tag_and_a_note_that_are_too_long_are_kept_by_nobody(catalog: Engine) -> None:
    one = writes.record(catalog, message(), receipt()).message
    for wrong in ({"tag": ["x" * 5000]}, {"tag": ["fine", ""]}, {"tag": [" \0"]}, {"note": "x" * 10_001}):
        with pytest.raises(RejectedInputError, match="characters"):
            writes.annotate(catalog, one.id, **wrong, now=NOON)  # type: ignore[arg-type]
    assert queries.load(catalog, one.id) == one
    kept = writes.annotate(catalog, one.id, tag=["x" * 100, " a\n b\0"], note="y" * 10_000, now=NOON)
    assert (kept.tags, len(kept.note)) == (("a b", "x" * 100), 10_000)


def test_a_hold_and_a_retry_are_found_at_once(catalog: Engine) -> None:
    lost = message("1")
    lost = lost.model_copy(
        update={
            "media": (lost.media[0].model_copy(update={"state": MediaState.LOST, "next_attempt_at": None}),)
        }
    )
    writes.record(catalog, lost, receipt())
    assert totals.total(catalog, language.parse("state:lost -has:hold")).messages == 1
    upkeep.hold(catalog, lost.id, held=True, now=NOON)
    upkeep.retry(catalog, lost.id, now=NOON)
    assert totals.total(catalog, language.parse("state:pending has:hold")).messages == 1
    upkeep.hold(catalog, lost.id, held=False, now=NOON)
    assert totals.total(catalog, language.parse("has:hold OR state:lost")).messages == 0
    assert counting.check(catalog) == []


def test_searches_are_kept_under_their_names(catalog: Engine) -> None:
    searches.save(catalog, "storm", "keyword:storm")
    searches.save(catalog, "storm", "keyword:storm type:image")
    searches.save(catalog, "all", "")
    assert [(one.name, one.query) for one in searches.list_all(catalog)] == [
        ("all", ""),
        ("storm", "keyword:storm type:image"),
    ]
    searches.remove(catalog, "storm")
    with pytest.raises(NotFoundError):
        searches.find(catalog, "storm")
    with pytest.raises(NotFoundError):
        searches.remove(catalog, "storm")


def test_readers_and_writers_at_once_never_find_the_catalog_locked(catalog: Engine) -> None:
    done = threading.Event()

    def read(_: int) -> int:
        asked = 0
        while not done.is_set():
            asked_for = language.parse("harbor -umbrella")
            page = queries.search(catalog, asked_for, limit=5)
            totals.counts(catalog, at_risk_before=NOON)
            assert totals.total(catalog, asked_for).messages >= len(page.messages)
            asked += 1
        return asked

    def write(writer: int) -> None:
        for number in range(15):
            writes.record(catalog, message(f"{writer}-{number}", minutes=number), receipt())

    with ThreadPoolExecutor(8) as readers:
        asked = readers.map(read, range(8))
        try:
            with ThreadPoolExecutor(8) as writers:
                list(writers.map(write, range(8)))
        finally:
            done.set()
        assert all(asked)
    with catalog.connect() as connection:
        assert len(connection.execute(select(messages.c.id)).all()) == 120
    assert counting.check(catalog) == []
