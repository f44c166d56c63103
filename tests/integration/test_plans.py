"""No statement reads a whole table that grows: the real plan of each, where the planner has a choice.

The statements are those of `questions`, which asks all that the catalog can be asked. Each is planned and run
on a catalog of 100,000 messages, and taken back. Those that other tests send are looked at as well where
MMSVAULT_TEST_STATEMENTS names a folder for both runs.
"""

import importlib
import inspect
import os
import pkgutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import Connection, Engine, make_url

import mmsvault.catalog
from mmsvault.catalog.connection import migrate, open_catalog
from mmsvault.catalog.tables import metadata
from tests import large_catalog, questions, statements
from tests.plans import Plan, plan_of, rows_of
from tests.statements import Statement

pytestmark = [pytest.mark.plans, pytest.mark.timeout(900)]

GROWING = (
    *("messages", "message_words", "recipients", "media", "postbacks", "attempts", "receipts"),
    *("quarantine", "tombstones", "exports", "scheduled_exports", "scheduled_messages", "source_hours"),
    *("senders", "keywords", "counts", "trail", "trail_about"),
    *("sessions", "used_once", "failures", "selections"),
)
BOUNDED = {
    "count_changes": "what came since the last sweep, which adds it up",
    "counters": "a few rows",
    "serials": "a few rows",
    "key_values": "a few rows",
    "verdicts": "one row for each extent",
    "users": "the people who may log in",
    "recovery_codes": "some for each of those people",
    "searches": "those that people saved by hand",
    "sender_names": "those that people gave by hand",
}
"""Tables that may be read whole, and why they stay small."""
MAY_READ_A_TABLE: Mapping[str, str] = {
    "mmsvault.catalog.keyword_words.find_in": "looks among the 10,000 keywords that came last, and no more",
    "mmsvault.catalog.views.View.similar": "compares pictures of the newest messages, so many and no more",
    "mmsvault.catalog.views.View.tags": "reads the tags of the newest messages, so many and no more",
    "mmsvault.catalog.leaving.aged_keywords": "once an hour, a look into an index for each keyword",
    "mmsvault.catalog.source_activity.active_hours": "needs all four weeks of hours, and no more are kept",
    "mmsvault.catalog.sessions.counted": "who is logged in now, where an admin lists the people",
    "mmsvault.catalog.tries.forget": "a day's tries to log in, when somebody gets a new password",
    "mmsvault.catalog.schedules.take": "once a day or month: what an export may take is all that is there",
    "mmsvault.exporting.planning": "an export of everything reads everything",
    "mmsvault.exporting.holding": "when messages are deleted: which exports have them",
    "mmsvault.state.rows": "when people or exports changed: all of them are written to the bucket",
    "mmsvault.quarantine.restore": "now and then: the folders in the bucket against those in the catalog",
    "mmsvault.integrity": "verify and rebuild look at all that is there",
    "mmsvault.catalog.counting.check": "verify counts everything again",
    "mmsvault.catalog.counting.recount": "verify --repair and rebuild count everything again",
    "mmsvault.catalog.counting.recount_in": "the same",
    "mmsvault.catalog.copying.copy_table": "migrate copies whole tables",
    "mmsvault.catalog.migrations": "once, at an upgrade",
    "mmsvault.catalog.upkeep.count": "the total of a progress bar, before a command goes through everything",
    "mmsvault.catalog.upkeep.stored_bytes": "the same",
    "mmsvault.catalog.upkeep.waiting_folders": "rebuild asks for all that waits",
    "mmsvault.catalog.trail.with_place": "the whole audit log is gone through to check its chain",
    "mmsvault.backup": "a backup has everything in it",
    "mmsvault.migrating": "migrate goes through everything",
    "mmsvault.importing": "import goes through everything that it is given",
}
"""Functions and modules whose statements may read a whole table, and why."""
NOT_ASKED: Mapping[str, str] = {
    **dict.fromkeys(
        ("connection.reading", "connection.writing", "connection.sqlite_path", "connection.is_broken"),
        "ask nothing of a table",
    ),
    **dict.fromkeys(
        ("connection.collation_versions", "connection.set_aside", "scrubbing.rewrite"),
        "ask nothing of a table",
    ),
    **dict.fromkeys(
        ("scrubbing.scrub", "tallies.hold_still", "counting.beginning", "entering.insert_all"),
        "ask nothing by themselves",
    ),
    **dict.fromkeys(("connection.migrate", "connection.upgrade"), "at an upgrade only"),
    **dict.fromkeys(
        (
            *("number_mentions.audit_entries_naming", "number_mentions.forget_counts"),
            *("number_mentions.messages_naming", "number_mentions.scopes_naming"),
            "number_mentions.senders_named_by",
        ),
        "an erasure looks for its number in everything",
    ),
    **dict.fromkeys(
        ("copying.strangers", "copying.copy_table", "counting.check", "counting.recount"),
        "go through everything, as MAY_READ_A_TABLE says",
    ),
    **dict.fromkeys(
        ("counting.recount_in", "upkeep.count", "upkeep.stored_bytes", "trail.entries"),
        "go through everything, as MAY_READ_A_TABLE says",
    ),
    **dict.fromkeys(
        ("trail.with_place", "trail.index_again", "quarantine.known"),
        "go through everything, as MAY_READ_A_TABLE says",
    ),
    **dict.fromkeys(
        ("names.replace", "people.make_first_admin", "writes.force"),
        "ask of bounded tables only",
    ),
    **dict.fromkeys(
        ("second_factors.set_up", "second_factors.renew_recovery_codes", "second_factors.remove"),
        "ask of bounded tables only",
    ),
    **dict.fromkeys(
        ("second_factors.unreadable", "second_factors.seal_anew"),
        "ask of bounded tables only",
    ),
}
"""Public functions of the catalog that `questions` leaves out."""


@dataclass
class Asked:
    """What was asked of a large catalog: each distinct statement with its plan, and who asked."""

    engine: Engine
    rows: Mapping[str, int]
    plans: list[tuple[Statement, Plan]]
    senders: set[str]


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def asked(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asked]:
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path_factory.mktemp('large') / 'catalog.sqlite'}"
    else:
        server = request.getfixturevalue("postgresql")
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute("CREATE DATABASE large")
        url = make_url(server).set(database="large").render_as_string(hide_password=False)
    engine = open_catalog(url)
    migrate(engine)
    large_catalog.fill(engine)
    sent: dict[str, Statement] = {}
    senders: set[str] = set()

    def note(statement: Statement, form: str) -> None:
        sent.setdefault(form, statement)
        senders.update(statement.senders)

    end = statements.listen(note)
    try:
        questions.ask_everything(engine)
    finally:
        end()
    rows = rows_of(engine, GROWING)
    yield Asked(engine, rows, [(one, plan_of(engine, one, rows)) for one in sent.values()], senders)
    engine.dispose()


def offenders(plans: list[tuple[Statement, Plan]]) -> list[str]:
    return [
        f"{', '.join(plan.whole)}\n  sent by {', '.join(one.senders[:3])}\n  {one.form[:300]}\n{plan.told}"
        for one, plan in plans
        if plan.whole and not statements.is_from(one, tuple(MAY_READ_A_TABLE))
    ]


def test_no_statement_reads_a_whole_table_that_grows(asked: Asked) -> None:
    assert len(asked.plans) > 250
    assert min(asked.rows.values()) > 5_000
    assert not offenders(asked.plans), "\n\n".join(offenders(asked.plans))


@pytest.mark.skipif(
    not any(Path(os.environ.get(statements.FOLDER, "none")).glob("*.jsonl")),
    reason="no statements of other tests are noted",
)
def test_no_statement_of_the_last_run_of_all_tests_reads_a_whole_table(asked: Asked) -> None:
    folder = os.environ[statements.FOLDER]
    sent = [one for one in statements.recorded(Path(folder)) if one.dialect == asked.engine.dialect.name]
    plans = [(one, plan_of(asked.engine, one, asked.rows)) for one in sent]
    assert not offenders(plans), "\n\n".join(offenders(plans))


def test_every_table_either_grows_or_has_a_reason_to_stay_small() -> None:
    assert {*GROWING, *BOUNDED} == {*metadata.tables, "message_words"}


def test_every_function_of_the_catalog_is_among_what_is_asked(asked: Asked) -> None:
    public = {f"mmsvault.catalog.{name}" for name in public_functions() if name not in NOT_ASKED}
    assert public <= asked.senders, sorted(public - asked.senders)


def public_functions() -> Iterator[str]:
    """Give the functions of the catalog that take an engine or a connection, with their modules."""
    for found in pkgutil.iter_modules(mmsvault.catalog.__path__):
        if found.name == "migrations":
            continue
        module = importlib.import_module(f"mmsvault.catalog.{found.name}")
        for name, function in inspect.getmembers(module, inspect.isfunction):
            given = list(inspect.signature(function).parameters.values())[:1]
            takes = given and given[0].annotation in (Engine, Connection)
            if takes and not name.startswith("_") and function.__module__ == module.__name__:
                yield f"{found.name}.{name}"


def test_every_index_serves_a_statement(asked: Asked) -> None:
    used = {name for _, plan in asked.plans for name in plan.indexes}
    made = {
        str(index.name)
        for table in metadata.tables.values()
        for index in table.indexes
        if asked.engine.dialect.name == "postgresql" or not str(index.name).endswith("_beginning")
    }
    assert made - used - set(SERVE_ANOTHER.get(asked.engine.dialect.name, ())) == set()


SERVE_ANOTHER: Mapping[str, tuple[str, ...]] = {"sqlite": ("ix_counts_empty", "ix_receipts_received_at")}
"""Indexes that only the other database needs."""
