"""Opening the catalog: SQLite for one machine, PostgreSQL for several, both by one URL."""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from functools import partial, wraps
from pathlib import Path
from random import uniform
from time import sleep
from typing import Any, ParamSpec, TypeVar
from urllib.parse import parse_qsl
from weakref import WeakKeyDictionary

from sqlalchemy import URL, Connection, Engine, ExceptionContext, create_engine, event, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import (
    ArgumentError,
    DataError,
    DBAPIError,
    DisconnectionError,
    NoSuchModuleError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from mmsvault.catalog import forms, sqlite_file
from mmsvault.catalog.forms import MIGRATIONS
from mmsvault.core.fault_rules import Server
from mmsvault.core.server_faults import fault_of
from mmsvault.errors import ConfigurationError, RejectedInputError, UnavailableError, plain_reason

P = ParamSpec("P")
T = TypeVar("T")

WRITES = "mmsvault_writes"
FORCED = "mmsvault_forced"
MIGRATION_LOCK = 0x6D6D7376  # any number that is ours, for PostgreSQL's advisory lock
PATIENCE: Mapping[str, str] = {
    "connect_timeout": "5",
    "keepalives_idle": "30",
    "tcp_user_timeout": "30000",  # milliseconds
}
"""How PostgreSQL is found to be away; the URL may say otherwise."""

SQLITE_OPTIONS = frozenset(("timeout", "cached_statements", "uri", "mode", "cache", "vfs", "immutable"))
"""What may stand after the `?` of an SQLite URL."""

QUICK = "2"
"""Seconds for a connection of those who tell a person how things are."""
WITHOUT_LIMITS = "SET LOCAL lock_timeout = 0; SET LOCAL statement_timeout = 0"


@dataclass(frozen=True)
class Limits:
    """How long a statement may wait for others in PostgreSQL, and take at all; seconds, 0 for no end."""

    lock_seconds: float = 20
    statement_seconds: float = 120

    @property
    def sql(self) -> str:
        """What sets them in a transaction: behind a pooler, the next one is on another connection."""
        lock, statement = (round(1000 * seconds) for seconds in (self.lock_seconds, self.statement_seconds))
        return f"SET LOCAL lock_timeout = {lock}; SET LOCAL statement_timeout = {statement}"


PASSING = ("40001", "40P01", "57P01", "57P02", "57P03", "25006", "55P03")
"""SQLSTATEs of a transaction that may go through when it is tried again: it met another one, or its
server ended it, is just starting, or is a replica since a moment ago; or it waited too long for another."""
CUT_OFF = ("server closed the connection", "terminating connection", "the database system is")
"""What is said while a connection is made to a server that ends, where there is no such state."""
OF_THE_SERVER = ("42501", "26000", "42P05")
"""SQLSTATEs of what somebody has to set right at the server, although a driver calls them mistakes in SQL."""
MOVED = "25006"
WITH_DATABASE_COLLATIONS = 150000
NO_TEXT = "This text has a character that no catalog can keep (NUL, or half of one). Leave it out."
PAUSES_SECONDS = (0.05, 0.1, 0.2, 0.4, 0.8)
"""Before a transaction is tried again; with what is left then, whoever asked waits or gives up."""
SECONDS_FOR_A_CONNECTION = 10
CONNECTION_KEPT_SECONDS = 1800


class PassingError(UnavailableError):
    """A transaction was broken off that may go through when it is tried again."""


def open_catalog(
    url: str | URL, *, connections: int = 10, limits: Limits | None = None, is_patient: bool = True
) -> Engine:
    """Return an engine for `url` with at most so many connections; nothing is connected yet.

    Without patience, a PostgreSQL that cannot be reached is away after 2 seconds.
    Raises ConfigurationError where the URL is none that the catalog can use.
    """
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise ConfigurationError("MMSVAULT_DATABASE_URL", f"is no database URL: {error}") from error
    if parsed.drivername in ("postgresql", "postgres"):
        parsed = parsed.set(drivername="postgresql+psycopg")
    if parsed.get_backend_name() not in ("sqlite", "postgresql"):
        raise ConfigurationError("MMSVAULT_DATABASE_URL", "use sqlite:///path or postgresql://user@host/name")
    if parsed.get_backend_name() == "sqlite":
        _refuse_unknown_options(str(url))
    if parsed.get_backend_name() == "postgresql":
        hurry = {} if is_patient else {"connect_timeout": QUICK}
        parsed = parsed.set(query={**PATIENCE, **parsed.query, **hurry})
    try:
        engine = create_engine(
            parsed, **(_for_postgresql(connections) if parsed.get_backend_name() != "sqlite" else {})
        )
    except (NoSuchModuleError, ImportError) as error:
        raise ConfigurationError("MMSVAULT_DATABASE_URL", f"its driver is missing: {error}") from error
    if parsed.get_backend_name() == "sqlite":
        event.listen(engine, "connect", _prepare_sqlite)
        if parsed.database:
            _follow_file(engine, Path(parsed.database))
        event.listen(engine, "begin", _begin_sqlite)
    else:
        event.listen(engine, "connect", _prepare_postgresql)
        event.listen(engine, "begin", partial(_begin_postgresql, (limits or Limits()).sql))
        event.listen(engine, "handle_error", _let_go_of_moved)
    return engine


def _refuse_unknown_options(url: str) -> None:
    """Refuse an SQLite URL whose file would be another than it seems to name, as `?` ends a name."""
    given = {name for name, _ in parse_qsl(url.partition("?")[2], keep_blank_values=True)}
    if unknown := given - SQLITE_OPTIONS:
        raise ConfigurationError(
            "MMSVAULT_DATABASE_URL",
            f"SQLite has no option {min(unknown)!r}; in the name of a file, write %3F for a question mark "
            "and %25 for a percent sign",
        )


def _for_postgresql(connections: int) -> dict[str, Any]:
    kept = min(connections, 5)
    return {
        # Behind a pooler, a statement that was prepared on one connection is not there on the next. Each
        # is planned for its own values anyway: one plan suits neither the rare word nor the common one.
        "connect_args": {"prepare_threshold": None},
        "pool_pre_ping": True,
        "pool_size": kept,
        "max_overflow": connections - kept,
        "pool_timeout": SECONDS_FOR_A_CONNECTION,
        "pool_recycle": CONNECTION_KEPT_SECONDS,
    }


def _prepare_sqlite(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # transactions are begun below, not guessed by the driver
    for pragma in (
        "busy_timeout=30000",  # first, so that the others wait as well
        "journal_mode=WAL",
        "synchronous=FULL",  # a receipt is let go once its row is committed
        "foreign_keys=ON",
        "secure_delete=ON",  # what is deleted is overwritten with zeros, as Debian's SQLite does by itself
        "cache_size=-32000",  # KiB: the upper parts of the indexes of a million messages
        "mmap_size=1073741824",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _follow_file(engine: Engine, path: Path) -> None:
    """Let go of connections to a file that was replaced: `rebuild` makes a new one while others run."""

    def which() -> tuple[int, int] | None:
        with suppress(FileNotFoundError):
            found = path.stat()
            return found.st_dev, found.st_ino
        return None

    def remember(_connection: Any, record: Any) -> None:
        record.info["file"] = which()

    def compare(_connection: Any, record: Any, _proxy: Any) -> None:
        if record.info.get("file") != which():
            raise DisconnectionError("the catalog is another file now")

    event.listen(engine, "connect", remember)
    event.listen(engine, "checkout", compare)


def _prepare_postgresql(connection: Any, _record: object) -> None:
    connection.autocommit = True  # transactions are begun below, together with their limits


def _begin_postgresql(limits: str, connection: Connection) -> None:
    driver: Any = connection.connection.driver_connection
    # In one round trip; where an isolation level was asked for, the driver begins by itself.
    connection.exec_driver_sql(f"BEGIN; {limits}" if driver.autocommit else limits)


def _let_go_of_moved(context: ExceptionContext) -> None:
    # A server that became a replica still answers; its connections are no good to anybody here.
    if getattr(context.original_exception, "sqlstate", None) == MOVED:
        context.is_disconnect = True


def _begin_sqlite(connection: Connection) -> None:
    # A transaction that starts as a reader and then writes can meet "database is locked" at once,
    # without the busy timeout; one that says so first waits its turn.
    options = connection.get_execution_options()
    if options.get(WRITES) and connection.info.get(FORCED) is not options[FORCED]:
        connection.exec_driver_sql(f"PRAGMA synchronous={'FULL' if options[FORCED] else 'NORMAL'}")
        connection.info[FORCED] = options[FORCED]
    connection.exec_driver_sql("BEGIN IMMEDIATE" if options.get(WRITES) else "BEGIN")


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """Give a connection whose queries all see one state. Raises UnavailableError."""
    with _translated(engine), engine.connect() as connection, connection.begin():
        yield connection


@contextmanager
def writing(engine: Engine, *, forced: bool = True) -> Iterator[Connection]:
    """Give a connection whose changes happen together or not at all. Raises UnavailableError.

    They are on the disk when this ends. What is not `forced` is so once something later is, and may be
    lost with the power before: for steps of a job that is let go only after a forced one.
    """
    with (
        _translated(engine),
        _turn(engine),
        engine.connect().execution_options(**{WRITES: True, FORCED: forced}) as connection,
        connection.begin(),
    ):
        yield connection


def _turn(engine: Engine) -> AbstractContextManager[object]:
    """Return what threads that write to SQLite wait for; its own way of waiting is to sleep and look."""
    if engine.dialect.name != "sqlite":
        return nullcontext()
    with _turns_made:
        return _turns.setdefault(engine, threading.Lock())


_turns: WeakKeyDictionary[Engine, threading.Lock] = WeakKeyDictionary()
_turns_made = threading.Lock()


def retried(transaction: Callable[P, T]) -> Callable[P, T]:
    """Return a function that tries its one transaction again where PostgreSQL says that it may go through.

    Each such function is safe to run twice: an answer that was lost may have been a yes.
    """

    @wraps(transaction)
    def again(*args: P.args, **kwargs: P.kwargs) -> T:
        for pause in PAUSES_SECONDS:
            try:
                return transaction(*args, **kwargs)
            except PassingError:
                sleep(pause * uniform(0.5, 1.5))  # noqa: S311 - so that two do not meet again
        return transaction(*args, **kwargs)

    return again


@contextmanager
def _translated(engine: Engine) -> Iterator[None]:
    try:
        yield
    except PoolTimeoutError as error:
        raise UnavailableError(
            "All connections of this program to the catalog are in use. It is tried again; if it lasts, raise"
            " MMSVAULT_DATABASE_CONNECTIONS."
        ) from error
    except UnicodeEncodeError as error:
        raise RejectedInputError(NO_TEXT) from error
    except DBAPIError as error:
        if isinstance(error, DataError) and "NUL" in str(error.orig):
            raise RejectedInputError(NO_TEXT) from error
        state = getattr(error.orig, "sqlstate", None)
        if state == "42P01" or str(error.orig).startswith("no such table"):
            raise UnavailableError(
                "The catalog has no tables yet; a worker, the dashboard or `mmsvault rebuild` makes them."
            ) from error
        is_cut_off = any(words in str(error.orig) for words in CUT_OFF)
        if state in PASSING or error.connection_invalidated or is_cut_off:
            raise _as_fault(PassingError, error) from error
        if (
            error.connection_invalidated
            or type(error).__name__ in ("OperationalError", "InterfaceError")
            or state in OF_THE_SERVER
        ):
            raise _as_fault(UnavailableError, error) from error
        if getattr(error.orig, "sqlite_errorname", "") in ("SQLITE_CORRUPT", "SQLITE_NOTADB"):
            if path := sqlite_path(engine):
                sqlite_file.doubt(path)
            raise UnavailableError(
                "The catalog's file is broken. End `mmsvault up` and start it again: it makes the catalog "
                "anew from the bucket. Where nothing runs, `mmsvault rebuild` makes it anew."
            ) from error
        raise


def sqlite_path(engine: Engine) -> Path | None:
    """Return the file of an SQLite catalog, None for another database."""
    is_file = engine.dialect.name == "sqlite" and engine.url.database not in (None, "", ":memory:")
    return Path(str(engine.url.database)) if is_file else None


def _as_fault(kind: type[UnavailableError], error: DBAPIError) -> UnavailableError:
    if "sqlite" in type(error.orig).__module__:
        said = plain_reason(error.orig or error, otherwise="its file cannot be read")
        return kind(f"The catalog cannot be used: {said}")
    fault = fault_of(error, Server.CATALOG)
    return kind(str(fault), fault=fault)


def collation_versions(engine: Engine) -> tuple[str, str] | None:
    """Return the version of the sort order that a PostgreSQL database was made with and the one now.

    None where they are the same or cannot be told (PostgreSQL 14 does not).
    """
    if engine.dialect.name != "postgresql":
        return None
    with reading(engine) as connection:
        if int(connection.scalar(text("SHOW server_version_num")) or 0) < WITH_DATABASE_COLLATIONS:
            return None
        made, now = connection.execute(
            text(
                "SELECT datcollversion, pg_database_collation_actual_version(oid) FROM pg_database"
                " WHERE datname = current_database()"
            )
        ).one()
    return (made, now) if made and now and made != now else None


def is_broken(engine: Engine) -> bool:
    """Return whether the catalog is an SQLite file whose own structure is damaged."""
    path = sqlite_path(engine)
    return bool(path and sqlite_file.is_there(path) and sqlite_file.damage(path, closely=True))


def set_aside(engine: Engine, *, mark: str) -> Path:
    """Rename the file of an SQLite catalog, for a new one to be made; return its new name."""
    engine.dispose()
    return sqlite_file.set_aside(Path(str(engine.url.database)), mark=mark)


def migrate(engine: Engine) -> None:
    """Bring the catalog to the newest form, one process at a time; quick when it is there already.

    Raises ConfigurationError for a catalog that a newer version has written.
    """
    newest = forms.newest()
    if engine.dialect.name == "sqlite" and engine.url.database:
        forms.lay_out(Path(engine.url.database))
    with reading(engine) as connection:
        if _form(connection) == newest:
            return
    with writing(engine) as connection:
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql(WITHOUT_LIMITS)
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": MIGRATION_LOCK})
        current = _form(connection)
        if current != newest:  # another process may just have done it
            upgrade(connection, current)


def _form(connection: Connection) -> str | None:
    """Return which form the catalog has, None for an empty one."""
    if not connection.dialect.has_table(connection, "alembic_version"):
        return None
    form: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
    return form


def upgrade(connection: Connection, current: str | None) -> None:
    """Bring a catalog of the form `current`, None for an empty one, to the newest form."""
    # Loaded where there is something to do: it takes 10 MB, and every worker comes by here.
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415
    from alembic.script import ScriptDirectory  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))  # it fills in what % names
    if current and current not in {
        one.revision for one in ScriptDirectory.from_config(config).walk_revisions()
    }:
        raise ConfigurationError(
            "MMSVAULT_DATABASE_URL",
            f"this catalog is of a newer MMS Vault (its form is {current}); update this program",
        )
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
