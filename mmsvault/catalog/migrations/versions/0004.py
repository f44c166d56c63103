"""Search by words and numbers, kept counts, places in time, notes and saved searches."""

from collections.abc import Iterable, Iterator

import sqlalchemy as sa
from alembic import op

from mmsvault.catalog import documents
from mmsvault.catalog.places import first_place
from mmsvault.catalog.tables import UtcDateTime
from mmsvault.message import MediaItem, Message, fold, normal_number

revision = "0004"
down_revision = "0003"

MESSAGE_STATES = ("pending", "archived", "partial", "lost")
MEDIA_STATES = ("pending", "stored", "lost")
OUTCOMES = ("message", "duplicate", "other", "quarantined")
BATCH = 1000

messages = sa.table(
    "messages",
    *(
        sa.column(name)
        for name in ("id", "sender", "sender_number", "keyword", "keyword_folded", "subject", "operator_id")
    ),
    *(sa.column(name) for name in ("state", "hold", "place")),
    sa.column("tags", sa.JSON()),
    sa.column("received_at", UtcDateTime()),
)
media = sa.table(
    "media", *(sa.column(name) for name in ("message_id", "position", "content_type", "text", "state"))
)
recipients = sa.table(
    "recipients", *(sa.column(name) for name in ("message_id", "position", "recipient", "recipient_number"))
)


def upgrade() -> None:
    """Search by words and numbers, kept counts, places in time, notes and saved searches."""
    _make_tables()
    _fill()
    _count()
    _make_indexes()
    for name, table, event, changes in _triggers():
        _make_trigger(name, table, event, changes)


def _on_sqlite() -> bool:
    return op.get_context().dialect.name == "sqlite"


def _make_tables() -> None:
    # Columns are added in place: a table made anew would take its children with it on SQLite.
    op.add_column("messages", sa.Column("place", sa.BigInteger(), nullable=False, server_default="0"))
    op.add_column("messages", sa.Column("note", sa.Text(), nullable=False, server_default=""))
    for name in ("senders", "keywords"):
        op.create_table(
            name,
            sa.Column("key", sa.Text(), nullable=False),
            sa.Column("name", sa.Text(), nullable=False),
            sa.Column("messages", sa.BigInteger(), nullable=False),
            sa.Column("first_at", sa.DateTime(timezone=True), nullable=False),
            sa.Column("last_at", sa.DateTime(timezone=True), nullable=False),
            sa.PrimaryKeyConstraint("key", name=op.f(f"pk_{name}")),
        )
    counted = (
        *(f"messages_{state}" for state in MESSAGE_STATES),
        *(f"media_{state}" for state in MEDIA_STATES),
        *(f"receipts_{outcome}" for outcome in OUTCOMES),
        "bytes",
    )
    op.create_table(
        "counters",
        sa.Column("slot", sa.Integer(), nullable=False, autoincrement=False),
        *(sa.Column(name, sa.BigInteger(), nullable=False, server_default="0") for name in counted),
        sa.PrimaryKeyConstraint("slot", name=op.f("pk_counters")),
    )
    op.create_table(
        "searches",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("query", sa.Text(), nullable=False),
        sa.Column("saved_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_searches")),
    )
    if _on_sqlite():
        # Tokens are made by `documents`; FTS5 takes them apart at the blanks and changes nothing.
        op.execute(
            "CREATE VIRTUAL TABLE message_words USING fts5"
            "(words, columnsize = 0, tokenize = \"ascii tokenchars '=*<>~|_'\")"
        )
    else:
        op.execute(
            "CREATE TABLE message_words (place BIGINT CONSTRAINT pk_message_words PRIMARY KEY,"
            " words TSVECTOR NOT NULL, sequence TEXT NOT NULL)"
        )
        # How common a word is decides between reading by time and reading by word.
        op.execute("ALTER TABLE message_words ALTER COLUMN words SET STATISTICS 500")


def _fill() -> None:
    """Give the messages that are there their places and documents."""
    connection = op.get_bind()
    order = sa.tuple_(messages.c.received_at, messages.c.id)
    found = sa.select(messages).order_by(messages.c.received_at, messages.c.id).limit(BATCH)
    rows = connection.execute(found).mappings().all()
    place = -(1 << 63)
    while rows:
        ids = [row["id"] for row in rows]
        to = _by_message(connection, recipients, ids)
        files = _by_message(connection, media, ids)
        for row in rows:
            place = max(first_place(row["received_at"]), place + 1)
            connection.execute(
                sa.update(messages)
                .where(messages.c.id == row["id"])
                .values(
                    place=place,
                    sender_number=normal_number(row["sender"]),
                    keyword_folded=fold(row["keyword"]),
                )
            )
            documents.keep(connection, _message(row, to.get(row["id"], []), files.get(row["id"], [])))
        last = sa.tuple_(sa.literal(rows[-1]["received_at"], UtcDateTime()), sa.literal(rows[-1]["id"]))
        rows = connection.execute(found.where(order > last)).mappings().all()


def _by_message(
    connection: sa.Connection, table: sa.TableClause, ids: list[str]
) -> dict[str, list[sa.RowMapping]]:
    gathered: dict[str, list[sa.RowMapping]] = {}
    found = sa.select(table).where(table.c.message_id.in_(ids)).order_by(table.c.message_id, table.c.position)
    for row in connection.execute(found).mappings():
        gathered.setdefault(row["message_id"], []).append(row)
    return gathered


def _message(row: sa.RowMapping, to: list[sa.RowMapping], files: list[sa.RowMapping]) -> Message:
    """Return as much of a message as its document is made of."""
    given = {name: row[name] for name in ("id", "sender", "keyword", "subject", "operator_id", "hold")}
    return Message.model_construct(
        **given,
        to=tuple(one["recipient"] for one in to),
        tags=tuple(row["tags"]),
        media=tuple(
            MediaItem.model_construct(state=one["state"], content_type=one["content_type"], text=one["text"])
            for one in files
        ),
    )


def _count() -> None:
    for kept, key, name in (
        ("senders", "sender_number", "sender"),
        ("keywords", "keyword_folded", "keyword"),
    ):
        op.execute(
            f"INSERT INTO {kept} (key, name, messages, first_at, last_at)"
            f" SELECT {key}, max({name}), count(*), min(received_at), max(received_at)"
            f" FROM messages GROUP BY {key}"
        )
    sums = [
        *(
            (f"messages_{state}", f"SELECT count(*) FROM messages WHERE state = '{state}'")
            for state in MESSAGE_STATES
        ),
        *(
            (f"media_{state}", f"SELECT count(*) FROM media WHERE state = '{state}'")
            for state in MEDIA_STATES
        ),
        *((f"receipts_{one}", f"SELECT count(*) FROM receipts WHERE outcome = '{one}'") for one in OUTCOMES),
        ("bytes", "SELECT coalesce(sum(size), 0) FROM media"),
    ]
    columns = ", ".join(name for name, _ in sums)
    values = ", ".join(f"({query})" for _, query in sums)
    op.execute(f"INSERT INTO counters (slot, {columns}) VALUES (0, {values})")


def _make_indexes() -> None:
    op.drop_index("ix_messages_received_at_id", "messages")
    op.drop_index("ix_messages_sender_number_received_at_id", "messages")
    op.drop_index("ix_messages_keyword_folded_received_at_id", "messages")
    op.create_index("ix_messages_place", "messages", ["place"], unique=True)
    op.create_index("ix_messages_sender_number_place", "messages", ["sender_number", "place"])
    op.create_index("ix_messages_keyword_folded_place", "messages", ["keyword_folded", "place"])
    for name in ("senders", "keywords"):
        for order in ("messages", "first_at", "last_at"):
            op.create_index(f"ix_{name}_{order}_key", name, [order, "key"])
    if not _on_sqlite():
        op.execute(
            "CREATE INDEX ix_message_words_words ON message_words USING gin (words) WITH (fastupdate = off)"
        )


Trigger = tuple[str, str, str, list[str]]


def _triggers() -> Iterator[Trigger]:
    yield "message_added", "messages", "INSERT", [*_tallied_in(), _counted(_states("NEW", "messages", 1))]
    words = "rowid" if _on_sqlite() else "place"
    yield (
        "message_removed",
        "messages",
        "DELETE",
        [
            *_tallied_out(),
            _counted(_states("OLD", "messages", -1)),
            f"DELETE FROM message_words WHERE {words} = OLD.place",
        ],
    )
    yield (
        "message_settled",
        "messages",
        "UPDATE OF state",
        [_counted(_both(_states("NEW", "messages", 1), _states("OLD", "messages", -1)))],
    )
    yield (
        "message_changed",
        "messages",
        "UPDATE OF sender_number, keyword_folded, received_at, place",
        [*_tallied_out(), *_tallied_in()],
    )
    yield "media_added", "media", "INSERT", [_counted(_files("NEW", 1))]
    yield "media_removed", "media", "DELETE", [_counted(_files("OLD", -1))]
    yield (
        "media_changed",
        "media",
        "UPDATE OF state, size",
        [_counted(_both(_files("NEW", 1), _files("OLD", -1)))],
    )
    yield "receipt_added", "receipts", "INSERT", [_counted(_outcomes("NEW", 1))]
    yield "receipt_removed", "receipts", "DELETE", [_counted(_outcomes("OLD", -1))]
    yield (
        "receipt_changed",
        "receipts",
        "UPDATE OF outcome",
        [_counted(_both(_outcomes("NEW", 1), _outcomes("OLD", -1)))],
    )


def _tallied_in() -> Iterator[str]:
    for kept, key, name in (
        ("senders", "sender_number", "sender"),
        ("keywords", "keyword_folded", "keyword"),
    ):
        yield (
            f"INSERT INTO {kept} (key, name, messages, first_at, last_at)"
            f" VALUES (NEW.{key}, NEW.{name}, 1, NEW.received_at, NEW.received_at)"
            " ON CONFLICT (key) DO UPDATE SET"
            f" messages = {kept}.messages + 1,"
            f" name = CASE WHEN excluded.last_at >= {kept}.last_at THEN excluded.name ELSE {kept}.name END,"
            f" first_at = CASE WHEN excluded.first_at < {kept}.first_at"
            f" THEN excluded.first_at ELSE {kept}.first_at END,"
            f" last_at = CASE WHEN excluded.last_at > {kept}.last_at"
            f" THEN excluded.last_at ELSE {kept}.last_at END"
        )


def _tallied_out() -> Iterator[str]:
    for kept, key in (("senders", "sender_number"), ("keywords", "keyword_folded")):
        if not _on_sqlite():
            # Held first: the next statement then sees what those who held it before have written.
            yield f"PERFORM 1 FROM {kept} WHERE key = OLD.{key} FOR UPDATE"
        ends = ", ".join(
            f"{column} = coalesce((SELECT received_at FROM messages WHERE {key} = OLD.{key}"
            f" ORDER BY place {direction} LIMIT 1), {column})"
            for column, direction in (("first_at", "ASC"), ("last_at", "DESC"))
        )
        yield f"UPDATE {kept} SET messages = messages - 1, {ends} WHERE key = OLD.{key}"
        yield f"DELETE FROM {kept} WHERE key = OLD.{key} AND messages <= 0"


def _states(row: str, table: str, step: int, names: Iterable[str] = MESSAGE_STATES) -> dict[str, str]:
    return {f"{table}_{name}": f"CASE WHEN {row}.state = '{name}' THEN {step} ELSE 0 END" for name in names}


def _files(row: str, step: int) -> dict[str, str]:
    return {**_states(row, "media", step, MEDIA_STATES), "bytes": f"{step} * coalesce({row}.size, 0)"}


def _outcomes(row: str, step: int) -> dict[str, str]:
    return {
        f"receipts_{one}": f"CASE WHEN {row}.outcome = '{one}' THEN {step} ELSE 0 END" for one in OUTCOMES
    }


def _both(one: dict[str, str], other: dict[str, str]) -> dict[str, str]:
    return {name: f"{value} + {other[name]}" for name, value in one.items()}


def _counted(changes: dict[str, str]) -> str:
    # One row for all counters, so that no two of them are ever locked in another order.
    slot = "0" if _on_sqlite() else "mod(pg_backend_pid(), 16)"
    sums = ", ".join(f"{name} = counters.{name} + excluded.{name}" for name in changes)
    return (
        f"INSERT INTO counters (slot, {', '.join(changes)}) VALUES ({slot}, {', '.join(changes.values())})"
        f" ON CONFLICT (slot) DO UPDATE SET {sums}"
    )


def _make_trigger(name: str, table: str, event: str, changes: list[str]) -> None:
    body = " ".join(f"{change};" for change in changes)
    if _on_sqlite():
        op.execute(f"CREATE TRIGGER {name} AFTER {event} ON {table} FOR EACH ROW BEGIN {body} END")
        return
    op.execute(
        f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS"
        f" $trigger$ BEGIN {body} RETURN NULL; END $trigger$"
    )
    op.execute(f"CREATE TRIGGER {name} AFTER {event} ON {table} FOR EACH ROW EXECUTE FUNCTION {name}()")
