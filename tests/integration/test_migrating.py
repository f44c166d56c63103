"""An older catalog with messages in it becomes one of the newest form."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import DateTime, Engine, bindparam, text

import mmsvault.catalog
from mmsvault import auditing
from mmsvault.attempts import REASONS_NOT_ALLOWED
from mmsvault.catalog import counting, language, quarantine, queries, tallies, totals, trail, upkeep
from mmsvault.catalog.connection import migrate, open_catalog, writing
from mmsvault.catalog.views import View
from mmsvault.message import MessageState
from mmsvault.settings import Settings


@pytest.fixture(params=["sqlite", "postgresql"])
def older(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    """A catalog of the first form."""
    if request.param == "sqlite":
        engine = open_catalog(f"sqlite:///{tmp_path / 'catalog.sqlite'}")
    else:
        url = request.getfixturevalue("postgresql")
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("CREATE DATABASE older")
        engine = open_catalog(url.replace("/postgres", "/older"))
    bring_to(engine, "0001")
    yield engine
    engine.dispose()
    if request.param == "postgresql":
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("DROP DATABASE older WITH (FORCE)")


def bring_to(engine: Engine, form: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(mmsvault.catalog.__path__[0]) / "migrations"))
    with writing(engine) as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, form)


def test_its_messages_are_found_counted_and_in_order(older: Engine) -> None:
    with writing(older) as connection:
        for number in range(3):
            connection.execute(
                text(
                    "INSERT INTO messages (id, provider, tracking_id, sender, sender_number, keyword,"
                    " keyword_folded, subject, operator_id, received_at, deadline_at, recorded_at, prefix,"
                    " state, tags, hold) VALUES (:id, 'sinch', :name, '+14085550123', '14085550123', 'Störm',"
                    " 'storm', :subject, '31003', :at, :at, :at, 'messages/', 'archived', :tags, :hold)"
                ),
                {
                    "id": f"sinch-{number}",
                    "name": str(number),
                    "subject": f"harbor {number}",
                    "at": f"2026-11-20 12:00:0{number // 2}.000000",
                    "tags": json.dumps(["old"]),
                    "hold": number == 1,
                },
            )
            connection.execute(
                text(
                    "INSERT INTO media (message_id, position, url, state, content_type, declared_type, size,"
                    " sha256, key, thumbnail_key, preview_key, text, reason, attempts) VALUES (:id, 0, '',"
                    " 'stored', 'text/plain', '', 7, '', '', '', '', 'Umbrella 港口', '', 1)"
                ),
                {"id": f"sinch-{number}"},
            )
            connection.execute(
                text("INSERT INTO recipients VALUES (:id, 0, '28444', '28444')"), {"id": f"sinch-{number}"}
            )
    migrate(older)
    for query in ("harbor umbrella", "from:4085550123 港", "keyword:storm to:28444", "tag:old type:text"):
        page = queries.search(older, language.parse(query))
        assert [one.id for one in page.messages] == ["sinch-2", "sinch-1", "sinch-0"], query
    assert [one.id for one in queries.search(older, language.parse("has:hold")).messages] == ["sinch-1"]
    assert counting.check(older) == []
    assert totals.counts(older, at_risk_before=page.messages[0].received_at).bytes == 21


def test_what_waits_and_what_came_in_are_counted_from_the_rows_that_are_there(older: Engine) -> None:
    bring_to(older, "0016")
    is_postgresql = older.dialect.name == "postgresql"
    at = "2026-11-20 12:30:00.000000"
    statements = (
        """INSERT INTO messages (id, provider, tracking_id, sender, sender_number, keyword, keyword_folded,
        subject, operator_id, received_at, deadline_at, place, recorded_at, prefix, state, tags, note, hold)
        VALUES ('sinch-1', 'sinch', '1', '14085550123', '14085550123', 'storm', 'storm', '', '31003',
        :at, :at, 1, :at, 'messages/', 'pending', '[]', '', false)""",
        """INSERT INTO media (message_id, position, url, state, content_type, declared_type, sha256, key,
        thumbnail_key, preview_key, text, reason, attempts, codecs, captured, has_location, perceptual_hash)
        VALUES ('sinch-1', 0, '', 'pending', '', '', '', '', '', '', '', :reason, 1, '[]', '', false, '')""",
        """INSERT INTO receipts (id, outcome, message_id, code, received_at)
        VALUES ('a', 'message', 'sinch-1', '', :at), ('b', 'other', NULL, 'N101', :at)""",
        """INSERT INTO quarantine (folder, reason, source, received_at, kept_at, times, understood_as)
        VALUES ('quarantine/a/', '', '', :at, :at, 1, ''), ('quarantine/b/', '', '', :at, :at, 1, 'N101')""",
    )
    with writing(older) as connection:
        for statement in statements:
            bound = text(statement)
            given = {"at": f"{at}+00" if is_postgresql else at, "reason": REASONS_NOT_ALLOWED[0]}
            connection.execute(bound, {name: given[name] for name in bound.compile().params})
        if is_postgresql:
            words = "INSERT INTO message_words (place, words, sequence) VALUES (1, '', '')"
        else:
            words = "INSERT INTO message_words (rowid, words) VALUES (1, '')"
        connection.execute(text(words))
    migrate(older)
    noon = datetime(2026, 11, 20, 13, tzinfo=UTC)
    assert totals.counts(older, at_risk_before=noon).at_risk == 1
    assert totals.waiting_for(older, REASONS_NOT_ALLOWED) == 1
    assert quarantine.waiting(older).count == 1
    day = noon.date()
    assert upkeep.tally(older, day) == {(day, "message", ""): 1, (day, "other", "N101"): 1}
    (hour, _) = View(older).by_hour(hours=2, now=noon)
    assert (hour.messages, hour.others) == ({MessageState.PENDING: 1}, {"other": 1})
    assert counting.check(older) == []
    assert tallies.fold(older) == 0


def test_entries_of_the_audit_log_are_found_by_message_as_if_they_were_written_now(older: Engine) -> None:
    bring_to(older, "0023")
    told = [
        ("looked at", "sinch-a"),
        ("downloaded", "messages/2026/11/20/sinch-a/00.jpg"),
        ("tagged", "sinch-b sinch-a and 3 others"),
        ("searched", "sinch-a"),
        ("downloaded", "exports/12/a-01.zip"),
    ]
    row = text(
        "INSERT INTO trail (number, at, who, source, action, subject, details, previous, hash, kept)"
        " VALUES (:number, :at, 'x', 'x', :action, :subject, 'x', 'x', :hash, true)"
    ).bindparams(bindparam("at", type_=DateTime(timezone=True)))
    with writing(older) as connection:
        for number, (action, subject) in enumerate(told, start=1):
            given = {"number": number, "action": action, "subject": subject, "hash": str(number)}
            connection.execute(row, {**given, "at": datetime.now(UTC)})
    migrate(older)
    found = trail.asked_for(older, auditing.asked(Settings.load(), message="sinch-a"))
    assert [entry.subject for entry in reversed(found)] == [subject for _, subject in told[:3]]
    assert trail.not_found_by(older, list(trail.entries(older))) == []
