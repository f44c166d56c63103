"""A made-up crowd that sends messages: as many as a benchmark needs, the same each time.

Words are as uneven as in a language (Zipf), some senders write much more than others, and the
catalog holds more senders the more messages it holds.
"""

import itertools
import random
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from psycopg.types.json import Json
from sqlalchemy import Connection, Engine, insert, text

from mmsvault.catalog import counting, documents, tallies
from mmsvault.catalog.connection import writing
from mmsvault.catalog.entering import media_row, message_row, numbered
from mmsvault.catalog.places import first_place
from mmsvault.catalog.tables import attempts, media, messages, postbacks, receipts, recipients
from mmsvault.message import Attempt, MediaItem, MediaState, Message, RawPostback, normal_number
from tests.benchmarks import ground

START = datetime(2020, 1, 1, tzinfo=UTC)
BATCH = 5000
_SYLLABLES = (
    "ba be bi bo bu da de di do du ka ke ki ko ku la le li lo lu ma me mi mo mu na ne ni no nu".split()
)
WORDS = ["".join(parts) for size in (2, 3, 4) for parts in itertools.product(_SYLLABLES, repeat=size)][
    :20_000
]
_COMMONNESS = list(itertools.accumulate(1 / (rank + 2) for rank in range(len(WORDS))))
KEYWORDS = ["", "all", "storm", "harbor", *(f"campaign{number}" for number in range(60))]
_KINDS = (
    ("image/jpeg", 80),
    ("video/3gpp", 10),
    ("text/plain", 8),
    ("text/vcard", 1.5),
    ("application/pdf", 0.5),
)


def message(number: int) -> Message:
    """Return message `number` of the crowd; a minute lies between two."""
    dice = random.Random(number)
    shuffle = number * 7919 % 1_000_003
    person = int(dice.paretovariate(0.25)) % 10_000_000  # one in six messages is of the first
    area = 408 if person % 5 == 1 else 201 + person * 31 % 790
    sender = f"1{area}{2_000_000 + person * 7919 % 7_999_999}"
    received_at = START + timedelta(seconds=60 * number)
    identity = f"sinch-MMS_MO_{shuffle:08x}{number:x}"
    subject = " ".join(dice.choices(WORDS, cum_weights=_COMMONNESS, k=dice.randint(2, 8)))
    (kind,) = dice.choices([kind for kind, _ in _KINDS], [weight for _, weight in _KINDS])
    words = " ".join(dice.choices(WORDS, cum_weights=_COMMONNESS, k=20)) if kind == "text/plain" else ""
    item = MediaItem.model_construct(
        position=0,
        url=f"https://media.example/{identity}/0",
        state=MediaState.STORED,
        content_type=kind,
        declared_type=kind,
        size=50_000 + shuffle,
        sha256=f"{shuffle:064x}",
        key=f"messages/{identity}/00.jpg",
        thumbnail_key=f"messages/{identity}/thumbs/00.webp",
        preview_key="",
        width=640,
        height=480,
        duration_ms=None,
        text=words,
        reason="",
        attempts=1,
        next_attempt_at=None,
    )
    return Message.model_construct(
        id=identity,
        provider="sinch",
        tracking_id=identity.removeprefix("sinch-"),
        sender=sender,
        to=("28444",) if dice.random() < 0.9 else ("28444", f"1{shuffle:010d}"),
        keyword=dice.choice(KEYWORDS[:4]) if dice.random() < 0.7 else dice.choice(KEYWORDS),
        subject=subject,
        operator_id=dice.choice(("31002", "31003", "31004", "310012")),
        received_at=received_at,
        deadline_at=received_at + timedelta(days=30),
        recorded_at=received_at,
        prefix=f"messages/{received_at:%Y/%m/%d}/{identity}/",
        media=(item,),
        postbacks=(
            RawPostback.model_construct(
                name="postback.xml",
                sha256=f"{shuffle:064x}",
                received_at=received_at,
                source="192.0.2.1",
                headers={"content-type": "text/xml"},
            ),
        ),
        attempts=(
            Attempt.model_construct(
                position=0,
                at=received_at,
                duration_ms=120,
                outcome="stored",
                reason="",
                status=200,
                headers={},
            ),
        ),
        tags=(),
        note="",
        hold=False,
    )


def load(engine: Engine, numbers: range) -> None:
    """Enter these messages of the crowd in bulk."""
    if engine.dialect.name == "sqlite":
        for crowd in _batches(numbers):
            with writing(engine) as connection:
                for name, rows in _rows(crowd, in_postgresql=False).items():
                    _insert(connection, name, rows)
        with writing(engine) as connection:
            counting.recount_in(connection)  # sooner done than all of the changes are folded
        return
    with writing(engine) as connection:
        connection.execute(text("SET LOCAL statement_timeout = 0"))
        connection.execute(text("SET LOCAL session_replication_role = replica"))  # no triggers: counted below
        connection.execute(text("SET LOCAL maintenance_work_mem = '1GB'"))
        connection.execute(text("DROP INDEX ix_message_words_words"))
        for crowd in _batches(numbers):
            for name, rows in _rows(crowd, in_postgresql=True).items():
                _copy(connection, name, rows)
        connection.execute(
            text(
                "CREATE INDEX ix_message_words_words ON message_words USING gin (words)"
                " WITH (fastupdate = off)"
            )
        )
        counting.recount_in(connection)
    ground.analyze(engine)


def enter(engine: Engine, crowd: Sequence[Message]) -> None:
    """Enter these messages into a catalog on SQLite in bulk."""
    for start in range(0, len(crowd), BATCH):
        with writing(engine) as connection:
            for name, rows in _rows(crowd[start : start + BATCH], in_postgresql=False).items():
                if rows:
                    _insert(connection, name, rows)
        tallies.fold(engine)


def _batches(numbers: range) -> Iterator[list[Message]]:
    for start in range(numbers.start, numbers.stop, BATCH):
        yield [message(number) for number in range(start, min(start + BATCH, numbers.stop))]


_TABLES = {table.name: table for table in (messages, recipients, media, postbacks, attempts, receipts)}


def _rows(crowd: Sequence[Message], *, in_postgresql: bool) -> dict[str, list[dict[str, Any]]]:
    rows: dict[str, list[dict[str, Any]]] = {name: [] for name in (*_TABLES, "message_words")}
    for one in crowd:
        place = first_place(one.received_at)
        rows["messages"].append(
            {**message_row(one), "place": place, "lease_token": None, "lease_until_at": None}
        )
        rows["media"] += [media_row(one.id, item) for item in one.media]
        rows["recipients"] += [
            {"message_id": one.id, "position": at, "recipient": to, "recipient_number": normal_number(to)}
            for at, to in enumerate(one.to)
        ]
        rows["postbacks"] += numbered(one.id, one.postbacks)
        rows["attempts"] += numbered(one.id, one.attempts)
        rows["receipts"].append(
            {
                "id": one.id,
                "outcome": "message",
                "message_id": one.id,
                "code": "",
                "received_at": one.received_at,
            }
        )
        tokens = documents.document(one)
        words: dict[str, Any] = {"place": place}
        if in_postgresql:
            row = documents.postgresql_row(tokens)
            words |= {"words": " ".join(f"'{token}'" for token in row["tokens"]), "sequence": row["sequence"]}
        else:
            words["words"] = documents.sqlite_words(tokens)
        rows["message_words"].append(words)
    return rows


def _insert(connection: Connection, name: str, rows: list[dict[str, Any]]) -> None:
    if name in _TABLES:
        connection.execute(insert(_TABLES[name]), rows)
    else:
        connection.execute(text("INSERT INTO message_words (rowid, words) VALUES (:place, :words)"), rows)


def _copy(connection: Connection, name: str, rows: list[dict[str, Any]]) -> None:
    columns = list(rows[0])
    with connection.connection.driver_connection.cursor().copy(
        f"COPY {name} ({', '.join(columns)}) FROM STDIN"
    ) as stream:
        for row in rows:
            stream.write_row(
                [Json(value) if isinstance(value, dict | list) else value for value in row.values()]
            )
