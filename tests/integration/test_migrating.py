"""An older catalog with messages in it becomes one of the newest form."""

import json
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Engine, text

import mmsvault.catalog
from mmsvault.catalog import counting, language, queries, totals
from mmsvault.catalog.connection import migrate, open_catalog, writing


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
    config = Config()
    config.set_main_option("script_location", str(Path(mmsvault.catalog.__path__[0]) / "migrations"))
    with writing(engine) as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
    yield engine
    engine.dispose()


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
