"""What a statement reads of each table, by the database's own plan and by running it, all taken back."""

import re
import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import psycopg
from sqlalchemy import Connection, Engine, text

from tests.statements import Statement

SHARE = 4
"""What reads one row in so many of a table reads too much of it."""
STEPS_A_ROW = 4
"""Of SQLite's machine: what looks at every row of a table takes some more."""
STEPS_AT_ONCE = 1000
_SCANNED = re.compile(r"SCAN (\w+)(.*)")
_USED = re.compile(r"(?:INDEX|USING) (ix_\w+|sqlite_autoindex_\w+|pk_\w+)")
_ALIAS = re.compile(r'(?:FROM|JOIN|,)\s+"?(\w+)"? AS "?(\w+)"?')


@dataclass(frozen=True)
class Plan:
    """What was planned: the plan itself, the indexes in it, and what reads a table (nearly) whole."""

    told: str
    indexes: frozenset[str]
    whole: tuple[str, ...]


def rows_of(engine: Engine, tables: tuple[str, ...]) -> dict[str, int]:
    """Return how many rows each table has."""
    with engine.connect() as connection:
        return {
            name: int(connection.scalar(text(f"SELECT count(*) FROM {name}")) or 0)  # noqa: S608 - our names
            for name in tables
        }


def plan_of(engine: Engine, statement: Statement, rows: Mapping[str, int]) -> Plan:
    """Return the plan of a statement among tables with these numbers of rows."""
    with engine.connect() as connection:
        connection.begin()
        try:
            if engine.dialect.name == "postgresql":
                return _in_postgresql(connection, statement, rows)
            return _in_sqlite(connection, statement, rows)
        finally:
            connection.rollback()


def _in_postgresql(connection: Connection, statement: Statement, rows: Mapping[str, int]) -> Plan:
    sent: Any = connection.connection.driver_connection
    cursor = sent.cursor()
    try:
        cursor.execute("SAVEPOINT here")
        found = cursor.execute(f"EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) {statement.sql}").fetchone()[0]
    except psycopg.Error:  # values of another catalog that cannot be entered into this one
        cursor.execute("ROLLBACK TO here")
        found = cursor.execute(f"EXPLAIN (FORMAT JSON) {statement.sql}").fetchone()[0]
    nodes = list(_nodes(found[0]["Plan"]))
    told = "\n".join(f"{one['Node Type']} {one.get('Relation Name', '')} {_conditions(one)}" for one in nodes)
    indexes = frozenset(one["Index Name"] for one in nodes if "Index Name" in one)
    return Plan(told, indexes, tuple(why for one in nodes if (why := _too_much(one, rows))))


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for one in plan.get("Plans", ()):
        yield from _nodes(one)


def _conditions(node: dict[str, Any]) -> str:
    names = ("Index Name", "Index Cond", "Filter", "Actual Rows", "Rows Removed by Filter")
    return ", ".join(f"{name}: {node[name]}" for name in names if name in node)


def _too_much(node: dict[str, Any], rows: Mapping[str, int]) -> str:
    name = node.get("Relation Name", "")
    if name not in rows or node["Node Type"] in ("ModifyTable", "Bitmap Index Scan"):
        return ""
    if "Actual Rows" not in node and node["Node Type"] == "Seq Scan":
        return f"{name} row by row"
    looked_at = node.get("Actual Rows", 0) + node.get("Rows Removed by Filter", 0)
    looked_at = (looked_at + node.get("Rows Removed by Index Recheck", 0)) * node.get("Actual Loops", 1)
    return f"{looked_at:,.0f} rows of {name}" if looked_at > rows[name] / SHARE else ""


def _in_sqlite(connection: Connection, statement: Statement, rows: Mapping[str, int]) -> Plan:
    sent: Any = connection.connection.driver_connection
    lines = [
        row[3] for row in sent.execute(f"EXPLAIN QUERY PLAN {statement.sql}", statement.values).fetchall()
    ]
    steps = _steps(sent, statement)
    aliases = {alias: name for name, alias in _ALIAS.findall(statement.sql)}
    whole = []
    for line in lines:
        if not (found := _SCANNED.match(line)):
            continue
        name = aliases.get(found[1], found[1])
        if name in rows and (steps is None or steps > rows[name]):
            whole.append(f"{name}: {line}")
    most = max(rows.values())
    if steps is not None and steps > STEPS_A_ROW * most:
        whole.append(f"{steps:,} steps")
    return Plan("\n".join(lines), frozenset(_USED.findall("\n".join(lines))), tuple(whole))


def _steps(connection: sqlite3.Connection, statement: Statement) -> int | None:
    """Return how many steps of SQLite's machine it takes to run a statement; None where it cannot be."""
    counted = 0

    def one_more() -> int:
        nonlocal counted
        counted += STEPS_AT_ONCE
        return 0

    connection.set_progress_handler(one_more, STEPS_AT_ONCE)
    try:
        connection.execute(statement.sql, statement.values).fetchall()
    except sqlite3.IntegrityError:  # values of another catalog that cannot be entered into this one
        return None
    finally:
        connection.set_progress_handler(None, 0)
    return counted
