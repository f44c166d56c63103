"""A catalog as large as a busy one, made in seconds: something of everything, all of it counted.

Most messages are archived; one in a hundred waits. One sender and one keyword have a fifth of them,
one keyword has one in a hundred, all others have a few.
"""

from collections.abc import Iterator
from datetime import timedelta

from sqlalchemy import Engine, text

from mmsvault.catalog import counting
from mmsvault.catalog.connection import writing
from mmsvault.catalog.source_activity import hour_of
from mmsvault.message import utc_now
from tests.benchmarks import ground

MESSAGES = 100_000
OTHERS = 20_000
"""Rows of each table that does not grow with the messages."""
SECONDS_BETWEEN = 400
COMMON_SENDER, RARE_SENDER = "14085550100", "14082000042"
COMMON_KEYWORD, TEAM_KEYWORD, RARE_KEYWORD = "storm", "harbor", "k77"

_MOMENT = {
    "sqlite": "strftime('%Y-%m-%d %H:%M:%f', {}, 'unixepoch') || '000'",
    "postgresql": "to_timestamp({})",
}
_NUMBERS = {
    "sqlite": """WITH RECURSIVE n(g) AS (SELECT 0 UNION ALL SELECT g + 1 FROM n WHERE g + 1 < {count})""",
    "postgresql": "WITH n AS (SELECT g FROM generate_series(0, {count} - 1) g)",
}
_FACTS = """, f AS (SELECT g, CAST({begins} AS {double}) + g * {between} AS t, 'sinch-MMS_MO_' || g AS id,
  CASE WHEN g % 97 = 0 THEN 'pending' WHEN g % 211 = 0 THEN 'lost' WHEN g % 223 = 0 THEN 'partial'
    ELSE 'archived' END AS state,
  CASE WHEN g % 6 = 0 THEN '14085550100' ELSE '1408' || (2000000 + g * 7 % 9973) END AS sender,
  CASE WHEN g % 5 = 0 THEN 'storm' WHEN g % 5 = 1 THEN '' WHEN g % 100 = 3 THEN 'harbor'
    ELSE 'k' || (g * 31 % 9967) END AS keyword,
  'w' || (g % 7) AS often, 'w' || (g * 17 % 9973) AS seldom FROM n)"""
_LARGE = (
    """INSERT INTO messages (id, provider, tracking_id, sender, sender_number, keyword, keyword_folded,
      subject, operator_id, received_at, deadline_at, place, recorded_at, prefix, state, tags, note, hold,
      due_at) {facts} SELECT id, 'sinch', 'MMS_MO_' || g, sender, sender, keyword, keyword,
      often || ' ' || seldom, '31002', {at}, {deadline}, CAST(t * 1000000 AS BIGINT) * 256 + g % 256, {at},
      'messages/2026/11/29/' || id || '/', state, '[]', '', g % 50 = 0,
      CASE WHEN state = 'pending' THEN {due} END FROM f""",
    """INSERT INTO media (message_id, position, url, state, content_type, declared_type, size, sha256, key,
      thumbnail_key, preview_key, text, reason, attempts, next_attempt_at, codecs, captured, has_location,
      perceptual_hash, preview_due_at) {facts} SELECT id, 0, 'https://media.example/' || g,
      CASE state WHEN 'pending' THEN 'pending' WHEN 'lost' THEN 'lost' ELSE 'stored' END, 'image/jpeg', '',
      CASE WHEN state = 'pending' THEN NULL ELSE 50000 END, '', '', 'thumbs/' || g, '', '',
      CASE WHEN state <> 'pending' THEN '' WHEN g % 3 = 0 THEN 'Refused: not allowed' ELSE 'It answered 500.'
      END, 1, CASE WHEN state = 'pending' THEN {due} END, '[]', '', false,
      '00ff00ff00ff' || (1000 + g % 9000), CASE WHEN g % 301 = 0 THEN {due} END FROM f""",
    """INSERT INTO recipients (message_id, position, recipient, recipient_number)
      {facts} SELECT id, 0, '28444', '28444' FROM f""",
    """INSERT INTO recipients (message_id, position, recipient, recipient_number)
      {facts} SELECT id, 1, '1650' || (3000000 + g), '1650' || (3000000 + g) FROM f WHERE g % 10 = 5""",
    """INSERT INTO postbacks (message_id, number, name, sha256, received_at, source, headers)
      {facts} SELECT id, 1, 'postback.xml', '', {at}, '', '{{}}' FROM f""",
    """INSERT INTO attempts (message_id, number, position, at, duration_ms, outcome, reason, status, headers)
      {facts} SELECT id, 1, 0, {at}, 120, 'stored', '', 200, '{{}}' FROM f""",
    """INSERT INTO receipts (id, outcome, message_id, code, received_at)
      {facts} SELECT 'receipt-' || g, 'message', id, '', {at} FROM f""",
    """INSERT INTO receipts (id, outcome, message_id, code, received_at)
      {facts} SELECT 'other-' || g, CASE WHEN g % 20 = 0 THEN 'duplicate' ELSE 'other' END,
      CASE WHEN g % 20 = 0 THEN id END, '', {at} FROM f WHERE g % 10 = 0""",
    """INSERT INTO tombstones (id, deleted_at) {facts} SELECT 'gone-' || g, {at} FROM f WHERE g < {others}""",
    """INSERT INTO exports (id, name, state, choice, volumes, made_by, made_at, messages, bytes, reason,
      beat_at) {facts} SELECT 'export-' || g, 'x', 'done', '{{"query": "w3"}}', '[]',
      CASE WHEN g % 100 = 0 THEN 'schedule' ELSE 'ada' END, {at}, 1, 1, '', {at} FROM f WHERE g < {others}""",
    """INSERT INTO scheduled_exports (id, schedule, ended_at, has_taken)
      {facts} SELECT 'export-' || g, 'daily' || (g % 20), {at}, true FROM f WHERE g < {others}""",
    """INSERT INTO scheduled_messages (schedule, message_id, export_id)
      {facts} SELECT 'daily' || (g % 20), id, 'export-' || (g / 10) FROM f WHERE g < {others}""",
    """INSERT INTO quarantine (folder, reason, source, received_at, kept_at, times, understood_as)
      {facts} SELECT 'quarantine/' || g, 'x', '', {at}, {at}, 1, CASE WHEN g % 400 = 0 THEN '' ELSE 'N1' END
      FROM f WHERE g < {others}""",
    """INSERT INTO source_hours (provider, recipient, hour, messages)
      {facts} SELECT 'sinch', '28' || (g % 40), {hour} - g / 40, 1 FROM f
      WHERE g < {others}""",
    """INSERT INTO trail (number, at, who, source, action, subject, details, previous, hash, kept)
      {facts} SELECT g + 1, {at}, 'user' || (g % 50), '', CASE WHEN g % 40 = 0 THEN 'deleted' ELSE 'looked at'
      END, id, '', 'h' || (g - 1), 'h' || g, g < {others} - 3 FROM f WHERE g < {others}""",
    """INSERT INTO trail_about (about, number, hash)
      {facts} SELECT id, g + 1, 'h' || g FROM f WHERE g < {others}""",
    """INSERT INTO users (name, password_hash, role, scope, is_one_time, made_at, second_factor,
      second_factor_step) {facts} SELECT 'user' || g, '', 'viewer', '', false, {at}, '', 0 FROM f
      WHERE g < 50""",
    """INSERT INTO sessions (digest, name, ends_at, began_at, seen_at, source, browser)
      {facts} SELECT 'd' || g, 'user' || (g % 50), {due}, {at}, {at}, '', '' FROM f WHERE g < {others}""",
    """INSERT INTO used_once (digest, ends_at) {facts} SELECT 'd' || g, {due} FROM f WHERE g < {others}""",
    """INSERT INTO failures (key, count, last_at) {facts} SELECT 'k' || g, 1, {due} FROM f
      WHERE g < {others}""",
    """INSERT INTO selections (id, owner, messages, made_at, ends_at)
      {facts} SELECT 's' || g, 'user' || (g % 400), '[]', {at}, {due} FROM f WHERE g < {others}""",
)
_TOKENS = (
    "'='",
    "'=k' || keyword",
    "'=c31002'",
    "'=s' || state",
    "'=mimage'",
    "'=hmedia'",
    "'=hsubject'",
    "often",
    "often || '*'",
    "seldom",
    "seldom || '*'",
    "'w*'",
    "'=f' || sender",
    "'>f' || substr(sender, 8)",
    "'<f1408'",
    "'~f' || substr(sender, 5, 3)",
    "'=t28444'",
    "'~t844'",
)
_SEQUENCE = "' | ' || often || ' ' || seldom || ' | ~f140 ~f' || substr(sender, 5, 3) || ' | ~t284 ~t844 '"
_WORDS = {
    "sqlite": f"""INSERT INTO message_words (rowid, words) {{facts}} SELECT
      CAST(t * 1000000 AS BIGINT) * 256 + g % 256, {_SEQUENCE} || {" || ' ' || ".join(_TOKENS)} FROM f""",  # noqa: S608 - no input
    "postgresql": f"""INSERT INTO message_words (place, words, sequence) {{facts}} SELECT
      CAST(t * 1000000 AS BIGINT) * 256 + g % 256, array_to_tsvector(ARRAY(SELECT DISTINCT one FROM
      unnest(ARRAY[{", ".join(_TOKENS)}, '~f140', '~f408', '~t284']) one)), {_SEQUENCE} FROM f""",  # noqa: S608 - no input
}


def fill(engine: Engine) -> None:
    """Enter it all into an empty catalog."""
    dialect = engine.dialect.name
    with writing(engine, forced=False) as connection:
        made = []
        if dialect == "sqlite":
            made = connection.execute(
                text("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")
            ).all()
            for name, _ in made:
                connection.exec_driver_sql(f"DROP TRIGGER {name}")
        else:
            connection.exec_driver_sql("SET LOCAL session_replication_role = replica")  # no triggers
            connection.exec_driver_sql("SET LOCAL maintenance_work_mem = '512MB'")
            connection.exec_driver_sql("DROP INDEX ix_message_words_words")
        for statement in _statements(dialect):
            connection.exec_driver_sql(statement if dialect == "sqlite" else statement.replace("%", "%%"))
        if dialect == "postgresql":
            connection.exec_driver_sql(
                "CREATE INDEX ix_message_words_words ON message_words USING gin (words)"
                " WITH (fastupdate = off)"
            )
        for _, statement in made:
            connection.exec_driver_sql(statement)
        counting.recount_in(connection)
    if dialect == "postgresql":
        ground.analyze(engine)


def _statements(dialect: str) -> Iterator[str]:
    now = utc_now()
    moment = _MOMENT[dialect].format
    facts = (_NUMBERS[dialect] + _FACTS).format(
        count=MESSAGES,
        begins=(now - timedelta(seconds=MESSAGES * SECONDS_BETWEEN + 3600)).timestamp(),
        between=SECONDS_BETWEEN,
        double="REAL" if dialect == "sqlite" else "double precision",
    )
    for statement in (*_LARGE, _WORDS[dialect]):
        yield statement.format(
            facts=facts,
            at=moment("t"),
            deadline=moment("t + 2592000"),
            due=moment((now + timedelta(hours=6)).timestamp()),
            others=OTHERS,
            hour=hour_of(now),  # and the hours before: older ones than four weeks are forgotten
        )
