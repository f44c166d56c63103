from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Engine, text

from mmsvault.catalog import counting, language, queries, totals, writes
from mmsvault.catalog.connection import migrate, writing
from mmsvault.catalog.tables import metadata
from mmsvault.errors import ConfigurationError, NotFoundError, OvertakenError, RejectedInputError
from mmsvault.message import Attempt, MediaItem, MediaState, Message, MessageState, Receipt, utc_now

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
LEASE = timedelta(seconds=20)


def receipt(body: bytes = b"<postback/>") -> Receipt:
    return Receipt.of(body, provider="sinch")


def message(
    name: str = "1", *, urls: tuple[str, ...] = ("http://m.example/a",), minutes: int = 0, **changes: object
) -> Message:
    items = tuple(MediaItem(position=place, url=url, next_attempt_at=NOON) for place, url in enumerate(urls))
    given = {
        "id": f"sinch-{name}",
        "provider": "sinch",
        "tracking_id": name,
        "sender": "14085550123",
        "to": ("28444", "14085550199"),
        "keyword": "Störm",
        "subject": "The old harbor",
        "operator_id": "31003",
        "received_at": NOON + timedelta(minutes=minutes),
        "deadline_at": NOON + timedelta(days=30),
        "recorded_at": NOON,
        "prefix": f"messages/2026/11/20/sinch-{name}/",
        "media": items,
        **changes,
    }
    return Message.model_validate(given)


def stored(item: MediaItem, **changes: object) -> MediaItem:
    return item.model_copy(
        update={"state": MediaState.STORED, "next_attempt_at": None, "size": 10, **changes}
    )


def settle(catalog: Engine, message_id: str) -> None:
    assert writes.settle(catalog, queries.load(catalog, message_id), token="a") is None


def found(catalog: Engine, query: str) -> set[str]:
    return {one.tracking_id for one in queries.search(catalog, language.parse(query)).messages}


def outcomes(catalog: Engine) -> dict[str, int]:
    return totals.counts(catalog, at_risk_before=NOON).receipts


def test_a_message_comes_back_as_it_was_recorded(catalog: Engine) -> None:
    recorded = writes.record(catalog, message(), receipt())
    assert recorded.is_new
    assert recorded.postback.name == "postback.xml"
    assert queries.load(catalog, "sinch-1") == recorded.message
    assert recorded.message.model_dump(exclude={"postbacks"}) == message().model_dump(exclude={"postbacks"})


def test_the_same_postback_five_times_is_one_message_and_four_duplicates(catalog: Engine) -> None:
    with ThreadPoolExecutor(5) as side_by_side:
        made = list(side_by_side.map(lambda _: writes.record(catalog, message(), receipt()), range(5)))
    assert sum(one.is_new for one in made) == 1
    assert outcomes(catalog) == {"total": 5, "duplicates": 4, "other": 0, "quarantined": 0}
    assert totals.total(catalog, language.EVERYTHING).messages == 1


def test_the_same_receipt_again_changes_nothing(catalog: Engine) -> None:
    kept = receipt()
    first = writes.record(catalog, message(), kept)
    again = writes.record(catalog, message(), kept)
    assert again.is_new, "its raw postback may not have reached the bucket"
    assert again.message == first.message
    assert outcomes(catalog) == {"total": 1, "duplicates": 0, "other": 0, "quarantined": 0}


def test_a_differing_repeat_is_kept_beside_the_first_and_its_new_files_are_added(catalog: Engine) -> None:
    writes.record(catalog, message(), receipt(b"<one/>"))
    grown = message(urls=("http://m.example/a", "http://m.example/b"))
    recorded = writes.record(catalog, grown, receipt(b'{"two": 2}'))
    assert [entry.name for entry in recorded.message.postbacks] == ["postback.xml", "postback-2.json"]
    assert recorded.postback.name == "postback-2.json"
    assert [(item.position, item.url[-1]) for item in recorded.message.media] == [(0, "a"), (1, "b")]


def test_a_file_that_a_repeat_adds_while_the_message_is_in_hand_is_not_lost(catalog: Engine) -> None:
    in_hand = writes.record(catalog, message(), receipt(b"<one/>")).message
    assert writes.take_lease(catalog, in_hand.id, token="a", now=utc_now(), span=LEASE)
    writes.record(catalog, message(urls=("http://m.example/b",)), receipt(b"<two/>"))
    writes.save_attempts(
        catalog, in_hand.id, items=[stored(in_hand.media[0])], tried=[], token="a", now=utc_now()
    )
    settle(catalog, in_hand.id)
    now_stands = queries.load(catalog, in_hand.id)
    assert [item.state for item in now_stands.media] == ["stored", "pending"]
    assert now_stands.state is MessageState.PENDING
    assert [identity for identity, _ in queries.due(catalog, now=utc_now(), limit=9)] == [in_hand.id]


def test_one_worker_holds_a_message_until_its_lease_runs_out(catalog: Engine) -> None:
    writes.record(catalog, message(), receipt())
    take = {"span": LEASE, "message_id": "sinch-1"}
    assert writes.take_lease(catalog, token="a", now=NOON, **take)
    assert not writes.take_lease(catalog, token="b", now=NOON + LEASE / 2, **take)
    assert writes.take_lease(catalog, token="a", now=NOON + LEASE / 2, **take), "renewed"
    assert not writes.take_lease(catalog, token="b", now=NOON + LEASE, **take)
    assert writes.take_lease(catalog, token="b", now=NOON + LEASE * 2, **take)
    assert writes.save_attempts(catalog, "sinch-1", items=[], tried=[], token="a", now=utc_now()) is None, (
        "a lost it"
    )


def test_attempts_are_kept_and_the_message_is_due_until_it_is_settled(catalog: Engine) -> None:
    one = writes.record(catalog, message(), receipt()).message
    assert writes.take_lease(catalog, one.id, token="a", now=NOON - timedelta(days=1), span=LEASE)
    attempt = Attempt(
        position=0, at=NOON, duration_ms=12, outcome="stored", status=200, headers={"etag": "x"}
    )
    saved = writes.save_attempts(
        catalog, one.id, items=[stored(one.media[0])], tried=[attempt], token="a", now=utc_now()
    )
    assert saved is not None
    assert saved.attempts == (attempt,)
    again = writes.save_attempts(
        catalog, one.id, items=[stored(one.media[0])], tried=[attempt], token="a", now=utc_now()
    )
    assert again == saved, "the answer was lost, and the worker says it once more"
    assert queries.due(catalog, now=NOON, limit=9), "cut off here, another worker must finish it"
    settle(catalog, one.id)
    assert not queries.due(catalog, now=NOON, limit=9)
    assert queries.load(catalog, one.id).state is MessageState.ARCHIVED


def test_due_messages_come_nearest_deadline_first_without_those_in_hand(catalog: Engine) -> None:
    for name, days in (("far", 20), ("near", 1), ("held", 2)):
        writes.record(catalog, message(name, deadline_at=NOON + timedelta(days=days)), receipt())
    assert writes.take_lease(catalog, "sinch-held", token="a", now=NOON, span=LEASE)
    assert [identity for identity, _ in queries.due(catalog, now=NOON, limit=9)] == [
        "sinch-near",
        "sinch-far",
    ]
    later = NOON + timedelta(minutes=5)
    writes.postpone(catalog, ["sinch-near"], until=later, fence=writes.next_fence(catalog))
    assert [identity for identity, _ in queries.due(catalog, now=NOON, limit=9)] == ["sinch-far"]


def test_a_sweep_that_was_overtaken_postpones_nothing(catalog: Engine) -> None:
    writes.record(catalog, message(), receipt())
    older = writes.next_fence(catalog)
    newer = writes.next_fence(catalog)
    assert newer > older
    with pytest.raises(OvertakenError):
        writes.postpone(catalog, ["sinch-1"], until=NOON + timedelta(minutes=5), fence=older)
    assert queries.due(catalog, now=NOON, limit=9)
    writes.postpone(catalog, ["sinch-1"], until=NOON + timedelta(minutes=5), fence=newer)
    assert not queries.due(catalog, now=NOON, limit=9)


def test_a_lease_of_a_clock_that_was_set_back_does_not_count(catalog: Engine) -> None:
    writes.record(catalog, message(), receipt())
    take = {"span": LEASE, "message_id": "sinch-1"}
    assert writes.take_lease(catalog, token="a", now=NOON + timedelta(hours=1), **take)
    assert queries.due(catalog, now=NOON, limit=9)
    assert writes.take_lease(catalog, token="b", now=NOON, **take)


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("", "1 2 3"),
        ("from:14085550123", "1 3"),
        ('from:"+1 (408) 555-0123"', "1 3"),
        ("from:1408*", "1 3"),
        ("from:*0100", "2"),
        ("from:*555*", "1 2 3"),
        ("from:140%", ""),
        ("to:28444", "1 2 3"),
        ("number:14085550199", "1 2 3"),
        ("number:16505550100", "2"),
        ("keyword:storm", "1 3"),
        ("keyword:STÖRM", "1 3"),
        ("keyword:none", "2"),
        ("harbor", "1 3"),
        ("HARBOR -umbrella", "1"),
        ('"old harbor"', "1 3"),
        ('"harbor old"', ""),
        ("100%", "2"),
        ("umbrella", "3"),
        ("type:image", "1"),
        ("type:contact", "2"),
        ("type:text", "3"),
        ("type:video", ""),
        ("carrier:verizon", "1 3"),
        ("carrier:31004", "2"),
        ("after:2026-11-20T12:01Z", "2 3"),
        ("before:2026-11-20T12:01Z", "1"),
        ("after:2026-11-21", ""),
        ("state:archived", "1"),
        ("state:pending", "2 3"),
        ("-state:pending", "1"),
        ("has:media", "1 2 3"),
        ("has:subject", "1 2 3"),
        ("keyword:none OR umbrella", "2 3"),
        ("keyword:none umbrella", ""),
        ("'; DROP TABLE messages; --", ""),
    ],
)
def test_a_query_finds_the_right_messages(catalog: Engine, query: str, names: str) -> None:
    one = writes.record(catalog, message(), receipt()).message
    writes.record(
        catalog,
        message("2", sender="+16505550100", keyword="", subject="100% sure", operator_id="31004", minutes=1),
        receipt(),
    )
    three = writes.record(catalog, message("3", minutes=2), receipt()).message
    for each, changes in (
        (one, {"state": MediaState.STORED, "next_attempt_at": None, "content_type": "image/jpeg"}),
        (three, {"content_type": "text/plain", "text": "Bring an Umbrella"}),
    ):
        writes.take_lease(catalog, each.id, token="a", now=NOON, span=LEASE)
        item = each.media[0].model_copy(update=changes)
        writes.save_attempts(catalog, each.id, items=[item], tried=[], token="a", now=utc_now())
        settle(catalog, each.id)
    two = queries.load(catalog, "sinch-2")
    writes.take_lease(catalog, two.id, token="a", now=NOON, span=LEASE)
    card = two.media[0].model_copy(update={"content_type": "text/vcard"})
    writes.save_attempts(catalog, two.id, items=[card], tried=[], token="a", now=utc_now())
    assert found(catalog, query) == set(names.split())


def test_pages_go_on_where_the_last_one_ended_though_more_arrive(catalog: Engine) -> None:
    for number in range(7):
        writes.record(catalog, message(str(number), minutes=number // 2), receipt())
    first = queries.search(catalog, language.EVERYTHING, limit=3)
    writes.record(catalog, message("new", minutes=60), receipt())
    second = queries.search(catalog, language.EVERYTHING, limit=3, after=first.next)
    third = queries.search(catalog, language.EVERYTHING, limit=3, after=second.next)
    seen = [one.tracking_id for page in (first, second, third) for one in page.messages]
    assert sorted(seen) == ["0", "1", "2", "3", "4", "5", "6"]
    assert [int(name) // 2 for name in seen] == [3, 2, 2, 1, 1, 0, 0], "newest first"
    assert third.next is None


def test_a_made_up_place_in_the_results_is_refused(catalog: Engine) -> None:
    with pytest.raises(RejectedInputError, match="is no `next`"):
        queries.search(catalog, language.EVERYTHING, after="§")


def test_an_unknown_message_is_not_found(catalog: Engine) -> None:
    with pytest.raises(NotFoundError, match="sinch-nowhere"):
        queries.load(catalog, "sinch-nowhere")


def test_senders_and_keywords_are_counted_with_their_first_and_last(catalog: Engine) -> None:
    writes.record(catalog, message("1"), receipt())
    writes.record(catalog, message("2", minutes=5, keyword="STORM"), receipt())
    writes.record(catalog, message("3", minutes=9, sender="16505550100", keyword=""), receipt())
    senders = [(one.key, one.messages, one.last_at - one.first_at) for one in counting.list_senders(catalog)]
    assert senders == [("16505550100", 1, timedelta()), ("14085550123", 2, timedelta(minutes=5))]
    assert [(one.key, one.messages) for one in counting.list_keywords(catalog)] == [("", 1), ("storm", 2)]


def test_counts_tell_what_is_archived_waiting_and_at_risk(catalog: Engine) -> None:
    one = writes.record(catalog, message("1"), receipt()).message
    writes.record(catalog, message("2", urls=("http://m.example/x", "http://m.example/y")), receipt())
    writes.count_receipt(catalog, receipt(), "other", code="N101")
    writes.count_receipt(catalog, receipt(), "quarantined")
    writes.take_lease(catalog, one.id, token="a", now=NOON, span=LEASE)
    writes.save_attempts(catalog, one.id, items=[stored(one.media[0])], tried=[], token="a", now=utc_now())
    settle(catalog, one.id)
    counts = totals.counts(catalog, at_risk_before=NOON + timedelta(days=31))
    assert counts.messages == {"pending": 1, "archived": 1, "partial": 0, "lost": 0}
    assert counts.media == {"pending": 2, "stored": 1, "lost": 0}
    assert counts.receipts == {"total": 4, "duplicates": 0, "other": 1, "quarantined": 1}
    assert (counts.at_risk, counts.bytes, counts.oldest_pending_at) == (2, 10, NOON)
    assert totals.counts(catalog, at_risk_before=NOON).at_risk == 0


def test_the_migrations_make_just_the_tables_that_the_code_uses(catalog: Engine) -> None:
    on_sqlite = catalog.dialect.name == "sqlite"  # which finds beginnings by the primary key
    with catalog.connect() as connection:
        opts = {
            "compare_type": True,
            "include_name": lambda name, *_: not str(name).startswith("message_words"),
            "include_object": lambda _, name, *__: not (on_sqlite and str(name).endswith("_beginning")),
        }
        context = MigrationContext.configure(connection, opts=opts)
        assert compare_metadata(context, metadata) == []


def test_a_catalog_of_a_newer_version_is_refused(catalog: Engine) -> None:
    with writing(catalog) as connection:
        own = connection.scalar(text("SELECT version_num FROM alembic_version"))
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(ConfigurationError, match="newer MMS Vault"):
        migrate(catalog)
    with writing(catalog) as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = :own"), {"own": own})


def test_many_writers_at_once_all_get_their_turn(catalog: Engine) -> None:
    with ThreadPoolExecutor(8) as side_by_side:
        list(side_by_side.map(lambda n: writes.record(catalog, message(str(n)), receipt()), range(80)))
    assert totals.total(catalog, language.EVERYTHING).messages == 80
