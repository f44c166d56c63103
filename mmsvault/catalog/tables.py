"""The tables. Times are UTC; text that the provider did not send is empty; sizes are bytes."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Dialect,
    ForeignKey,
    Identity,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    column,
    false,
    literal_column,
    table,
    text,
)
from sqlalchemy.types import TypeDecorator

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
    }
)


class UtcDateTime(TypeDecorator[datetime]):
    """An aware time in UTC on every database; SQLite itself knows no time zones."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Take any aware time."""
        if value is None:
            return None
        moment = value.astimezone(UTC)
        return moment.replace(tzinfo=None) if dialect.name == "sqlite" else moment

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:  # noqa: ARG002 - SQLAlchemy's signature
        """Give it back aware and in UTC."""
        if value is None:
            return None
        moment: datetime = value
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


messages = Table(
    "messages",
    metadata,
    Column("id", String, primary_key=True),
    Column("provider", String, nullable=False),
    Column("tracking_id", Text, nullable=False),
    Column("sender", Text, nullable=False),
    Column("sender_number", Text, nullable=False),
    Column("keyword", Text, nullable=False),
    Column("keyword_folded", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("operator_id", Text, nullable=False),
    Column("received_at", UtcDateTime, nullable=False),
    Column("deadline_at", UtcDateTime, nullable=False),
    # Its place in time, as `places` makes it: what lists are ordered and paged by.
    Column("place", BigInteger, nullable=False),
    Column("recorded_at", UtcDateTime, nullable=False),
    Column("prefix", Text, nullable=False),
    Column("state", String, nullable=False),
    Column("tags", JSON, nullable=False),
    Column("note", Text, nullable=False),
    Column("hold", Boolean, nullable=False),
    Column("repaired", JSON, nullable=False, server_default="[]"),
    # When the sweep looks at it next; NULL when nothing is left to do.
    Column("due_at", UtcDateTime),
    # Who works on it, and until when that counts; a killed worker's lease runs out by itself.
    Column("lease_token", String),
    Column("lease_until_at", UtcDateTime),
)
Index(None, messages.c.place, unique=True)
Index(None, messages.c.sender_number, messages.c.place)
Index(None, messages.c.keyword_folded, messages.c.place)
Index(None, messages.c.keyword_folded, messages.c.hold, messages.c.recorded_at)
Index(
    None,
    messages.c.due_at,
    messages.c.deadline_at,
    messages.c.place,
    sqlite_where=messages.c.due_at.is_not(None),
    postgresql_where=messages.c.due_at.is_not(None),
)
Index(None, messages.c.recorded_at)

# Written out, not bound: the indexes over what is pending serve no question that may be about others.
is_pending = messages.c.state == literal_column("'pending'")
for _name in ("deadline_at", "recorded_at"):
    Index(
        f"ix_messages_pending_{_name}",
        messages.c[_name],
        sqlite_where=is_pending,
        postgresql_where=is_pending,
    )


def _message_id() -> Column[str]:
    return Column(
        "message_id", String, ForeignKey("messages.id", ondelete="CASCADE"), primary_key=True, nullable=False
    )


recipients = Table(
    "recipients",
    metadata,
    _message_id(),
    Column("position", Integer, primary_key=True),
    Column("recipient", Text, nullable=False),
    Column("recipient_number", Text, nullable=False),
)
Index(None, recipients.c.recipient_number)

media = Table(
    "media",
    metadata,
    _message_id(),
    Column("position", Integer, primary_key=True),
    Column("url", Text, nullable=False),
    Column("state", String, nullable=False),
    Column("content_type", Text, nullable=False),
    Column("declared_type", Text, nullable=False),
    Column("size", BigInteger),
    Column("sha256", String, nullable=False),
    Column("key", Text, nullable=False),
    Column("thumbnail_key", Text, nullable=False),
    Column("preview_key", Text, nullable=False),
    Column("width", Integer),
    Column("height", Integer),
    Column("duration_ms", BigInteger),
    Column("text", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("next_attempt_at", UtcDateTime),
    Column("codecs", JSON, nullable=False),
    Column("frame_count", Integer),
    Column("captured", String, nullable=False),
    Column("has_location", Boolean, nullable=False),
    Column("perceptual_hash", String, nullable=False),
    # When the sweep has a preview made that is still missing; NULL when none is needed.
    Column("preview_due_at", UtcDateTime),
    Column("doubt", Text, nullable=False, server_default=""),
    Column("evidence", JSON, nullable=False, server_default="[]"),
    Column("earlier", JSON, nullable=False, server_default="[]"),
    Column("thumbnail_sha256", String, nullable=False, server_default=""),
    Column("thumbnail_size", BigInteger),
    Column("preview_sha256", String, nullable=False, server_default=""),
    Column("preview_size", BigInteger),
)
Index(None, media.c.preview_due_at)
# Written out as in the question: what the settings refused, among all that waits.
is_refused = text("state = 'pending' AND substr(reason, 1, 9) = 'Refused: '")
Index(
    "ix_media_refused_state_message_id",
    media.c.state,
    media.c.message_id,
    sqlite_where=is_refused,
    postgresql_where=is_refused,
)

postbacks = Table(
    "postbacks",
    metadata,
    _message_id(),
    Column("number", Integer, primary_key=True),
    Column("name", Text, nullable=False),
    Column("sha256", String, nullable=False),
    Column("received_at", UtcDateTime, nullable=False),
    Column("source", Text, nullable=False),
    Column("headers", JSON, nullable=False),
    Column("corrects", Text, nullable=False, server_default=""),
    Column("corrected_by", Text, nullable=False, server_default=""),
    Column("corrected_at", UtcDateTime),
)

attempts = Table(
    "attempts",
    metadata,
    _message_id(),
    Column("number", Integer, primary_key=True),
    Column("position", Integer, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("duration_ms", BigInteger, nullable=False),
    Column("outcome", String, nullable=False),
    Column("reason", Text, nullable=False),
    Column("status", Integer),
    Column("headers", JSON, nullable=False),
)

# One row for each receipt, so that a job that runs twice counts once. `outcome` is one of
# message, duplicate, other, quarantined.
receipts = Table(
    "receipts",
    metadata,
    Column("id", String, primary_key=True),
    Column("outcome", String, nullable=False),
    Column("message_id", String),
    Column("code", String, nullable=False),
    Column("received_at", UtcDateTime, nullable=False),
)
Index(None, receipts.c.message_id)
Index(None, receipts.c.received_at)

# What is in quarantine, by its folder in the bucket. `times` is how often the same body came on that
# day. What was understood since as another notice has its code in `understood_as`, and waits no more.
quarantine = Table(
    "quarantine",
    metadata,
    Column("folder", String, primary_key=True),
    Column("reason", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("received_at", UtcDateTime, nullable=False),
    Column("kept_at", UtcDateTime, nullable=False),
    Column("times", Integer, nullable=False),
    Column("understood_as", String, nullable=False),
)
Index(None, quarantine.c.understood_as, quarantine.c.kept_at)

# Messages that were deleted for good: a repeat of their postback does not bring them back.
tombstones = Table(
    "tombstones",
    metadata,
    Column("id", String, primary_key=True),
    Column("deleted_at", UtcDateTime, nullable=False),
)
Index(None, tombstones.c.deleted_at)

# Exports to the bucket. `choice` says what and how, `plan` its volumes, `volumes` those that are finished;
# who works on one has its `worker`, and counts until `beat_at` is too long ago.
exports = Table(
    "exports",
    metadata,
    Column("id", String, primary_key=True),
    Column("name", String, nullable=False),
    Column("state", String, nullable=False),
    Column("choice", JSON, nullable=False),
    Column("plan", JSON),
    Column("volumes", JSON, nullable=False),
    Column("made_by", Text, nullable=False),
    Column("made_at", UtcDateTime, nullable=False),
    Column("began_at", UtcDateTime),
    Column("ended_at", UtcDateTime),
    Column("messages", BigInteger, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("reason", Text, nullable=False),
    Column("worker", String),
    Column("beat_at", UtcDateTime, nullable=False),
    Column("sealed", Text),
    # Messages were deleted since it began: it looks through its volumes before it ends.
    Column("recheck", Boolean, nullable=False, server_default=false()),
)
Index(None, exports.c.made_at)
Index(None, exports.c.made_by, exports.c.made_at)
# Written out, as above: what is done is not read for it.
is_unfinished = text("state IN ('waiting', 'running', 'ending')")
Index(
    "ix_exports_unfinished_beat_at",
    exports.c.beat_at,
    sqlite_where=is_unfinished,
    postgresql_where=is_unfinished,
)

# Scheduled exports by the end of their period. What has taken its messages takes no more.
scheduled_exports = Table(
    "scheduled_exports",
    metadata,
    Column("id", String, primary_key=True),
    Column("schedule", String, nullable=False),
    Column("ended_at", UtcDateTime, nullable=False),
    Column("has_taken", Boolean, nullable=False),
)
Index("ix_scheduled_exports_schedule_ended_at", scheduled_exports.c.schedule, scheduled_exports.c.ended_at)

# In which export of a schedule a message is. Rows stay when messages go: what comes back is in it still.
scheduled_messages = Table(
    "scheduled_messages",
    metadata,
    Column("schedule", String, primary_key=True),
    Column("message_id", String, primary_key=True),
    Column("export_id", String, nullable=False),
)
Index(
    "ix_scheduled_messages_export_id_message_id",
    scheduled_messages.c.export_id,
    scheduled_messages.c.message_id,
)

# Numbers that only grow: `sweep` is the newest sweep's fencing token, `probe` is written to find
# out whether the catalog takes anything in.
serials = Table(
    "serials",
    metadata,
    Column("name", String, primary_key=True),
    Column("value", BigInteger, nullable=False),
)

EXPORTS_CHANGED = "exports changed"
"""The serial that grows whenever an export is entered, changes its state, or is removed."""

# Short texts under names. `state.generation` is the newest account of people and the like in the bucket
# that this catalog knows, `backup.finished_at` when the last backup was finished (ISO 8601).
key_values = Table(
    "key_values",
    metadata,
    Column("name", String, primary_key=True),
    Column("value", Text, nullable=False),
)

# How many messages each of the business's numbers had in an hour (counted since 1970); hours without
# any have no row. `source_activity` counts them after they are recorded, and forgets old ones. Rows without
# provider and recipient are the hours in which it counted.
source_hours = Table(
    "source_hours",
    metadata,
    Column("provider", String, primary_key=True),
    Column("recipient", Text, primary_key=True),
    Column("hour", BigInteger, primary_key=True, autoincrement=False),
    Column("messages", BigInteger, nullable=False),
)
Index(None, source_hours.c.hour)


def _tallies(name: str) -> Table:
    # One row for each sender or keyword, without the changes that are not folded into it yet.
    tallies = Table(
        name,
        metadata,
        Column("key", Text, primary_key=True),
        Column("name", Text, nullable=False),
        Column("messages", BigInteger, nullable=False),
        Column("first_at", UtcDateTime, nullable=False),
        Column("last_at", UtcDateTime, nullable=False),
    )
    for order in ("messages", "first_at", "last_at"):
        Index(None, tallies.c[order], tallies.c.key)
    # Keys are looked for by their beginnings; SQLite does so by the primary key.
    beginning = Index(f"ix_{name}_beginning", tallies.c.key, postgresql_ops={"key": "text_pattern_ops"})
    beginning.ddl_if(dialect="postgresql")
    return tallies


senders = _tallies("senders")
keywords = _tallies("keywords")

# Names that people gave to senders. `words` are those of the name, with a blank before and after each.
sender_names = Table(
    "sender_names",
    metadata,
    Column("number", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("words", Text, nullable=False),
    Column("named_at", UtcDateTime, nullable=False),
)

COUNTED = (
    *(f"messages_{state}" for state in ("pending", "archived", "partial", "lost")),
    *(f"media_{state}" for state in ("pending", "stored", "lost")),
    *(f"receipts_{outcome}" for outcome in ("message", "duplicate", "other", "quarantined")),
    "bytes",
)

# How many there are of a kind under a key, without the changes that are not folded into it yet (see
# `tallies`). Times in keys are UTC, to the hour or minute.
counts = Table(
    "counts",
    metadata,
    Column("kind", String, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("number", BigInteger, nullable=False),
)
# Written out, as above: what came to nothing is removed when changes are folded.
is_empty = text("number = 0")
Index("ix_counts_empty", counts.c.kind, counts.c.key, sqlite_where=is_empty, postgresql_where=is_empty)

# What is more or less of senders, keywords and `counts` since they were folded. Triggers append it, so
# that no writer waits for another's commit.
count_changes = Table(
    "count_changes",
    metadata,
    Column("id", BigInteger().with_variant(Integer(), "sqlite"), Identity(), primary_key=True),
    Column("kind", String, nullable=False),
    Column("key", Text, nullable=False),
    Column("step", Integer, nullable=False),
)

# How many there are of each, kept by triggers. The sum of all rows counts: writers at the same time
# add to different slots, so that none waits for another's commit.
counters = Table(
    "counters",
    metadata,
    Column("slot", Integer, primary_key=True, autoincrement=False),
    *(Column(name, BigInteger, nullable=False) for name in COUNTED),
)

# Queries that people come back to, by the name they gave them. `scope` is what whoever saved one sees.
searches = Table(
    "searches",
    metadata,
    Column("name", Text, primary_key=True),
    Column("query", Text, nullable=False),
    Column("saved_at", UtcDateTime, nullable=False),
    Column("saved_by", Text, nullable=False),
    Column("scope", Text, nullable=False),
)

# What the last `verify` of each extent found, for the pages and `status` to tell.
verdicts = Table(
    "verdicts",
    metadata,
    Column("extent", String, primary_key=True),
    Column("began_at", UtcDateTime, nullable=False),
    Column("ended_at", UtcDateTime, nullable=False),
    Column("checked", BigInteger, nullable=False),
    Column("problems", BigInteger, nullable=False),
    Column("first", JSON, nullable=False),
)

# Who may look at the archive. `scope` is in the language of `search`, empty for everything.
users = Table(
    "users",
    metadata,
    Column("name", String, primary_key=True),
    Column("password_hash", Text, nullable=False),
    Column("role", String, nullable=False),
    Column("scope", Text, nullable=False),
    # The password was made by the vault and printed: it is good for setting another one only.
    Column("is_one_time", Boolean, nullable=False),
    Column("made_at", UtcDateTime, nullable=False),
    # The secret of the authenticator app, sealed; empty without one. A code of `second_factor_step`
    # (30 seconds since 1970) or before was used or is too old.
    Column("second_factor", Text, nullable=False, default=""),
    Column("second_factor_step", BigInteger, nullable=False, default=0),
    # When anything of this row, or of the recovery codes, was last changed; NULL: never since `made_at`.
    Column("changed_at", UtcDateTime),
)

# What a person without their app logs in with, each once: SHA-256 of random codes.
recovery_codes = Table(
    "recovery_codes",
    metadata,
    Column("name", String, ForeignKey("users.name", ondelete="CASCADE"), primary_key=True),
    Column("digest", String, primary_key=True),
)

# Who is logged in. The token itself is with the browser alone; here is its SHA-256.
sessions = Table(
    "sessions",
    metadata,
    Column("digest", String, primary_key=True),
    Column("name", String, ForeignKey("users.name", ondelete="CASCADE"), nullable=False),
    Column("ends_at", UtcDateTime, nullable=False),
    Column("began_at", UtcDateTime, nullable=False),
    # When the person last did something, to the minute.
    Column("seen_at", UtcDateTime, nullable=False),
    Column("source", Text, nullable=False, default=""),
    Column("browser", Text, nullable=False, default=""),
)
Index(None, sessions.c.name)
Index(None, sessions.c.ends_at)

# Messages that somebody selected, named by an id that is in an address, until `ends_at`.
selections = Table(
    "selections",
    metadata,
    Column("id", String, primary_key=True),
    Column("owner", String, nullable=False),
    Column("messages", JSON, nullable=False),
    Column("made_at", UtcDateTime, nullable=False),
    Column("ends_at", UtcDateTime, nullable=False),
)
Index(None, selections.c.owner, selections.c.made_at)
Index(None, selections.c.ends_at)

# What is good for one use and was used, until it would have ended anyway: SHA-256 of it.
used_once = Table(
    "used_once",
    metadata,
    Column("digest", String, primary_key=True),
    Column("ends_at", UtcDateTime, nullable=False),
)
Index(None, used_once.c.ends_at)

# Tries to log in, counted before they are looked at, by who tries and from where. Those that were
# right are taken back.
failures = Table(
    "failures",
    metadata,
    Column("key", Text, primary_key=True),
    Column("count", Integer, nullable=False),
    Column("last_at", UtcDateTime, nullable=False),
)
Index(None, failures.c.last_at)

# Who did what, in a chain: each entry's hash is over its own words and the hash before it.
# `kept` says that it is in the bucket as well. Two entries of one number are two branches of a fork.
trail = Table(
    "trail",
    metadata,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("at", UtcDateTime, nullable=False),
    Column("who", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("action", String, nullable=False),
    Column("subject", Text, nullable=False),
    Column("details", Text, nullable=False),
    Column("previous", String, nullable=False),
    Column("hash", String, primary_key=True),
    Column("kept", Boolean, nullable=False),
    Column("messages", Text, nullable=False, server_default="[]"),
    Column("numbers", Text, nullable=False, server_default="[]"),
)
Index(None, trail.c.kept, trail.c.number)
Index(None, trail.c.who, trail.c.number)
Index(None, trail.c.action, trail.c.number)
Index(None, trail.c.at, trail.c.number)
Index(None, trail.c.hash)

# What the entries are about, to ask them by: ids of messages, and keyed hashes of numbers.
trail_about = Table(
    "trail_about",
    metadata,
    Column("about", Text, primary_key=True),
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("hash", String, primary_key=True),
)
Index(None, trail_about.c.hash)

# The words of the messages, in one form for each database: an FTS5 table, whose rowid is the place,
# or a table with a tsvector. The migrations make them; `documents` fills them.
message_words = table("message_words", column("rowid"), column("place"), column("words"), column("sequence"))
