"""Each fault of a real Redis, PostgreSQL and MinIO: what `doctor` says of it is what every part says."""

import shutil
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

import minio.time
import psycopg
import pytest
from minio import Minio, MinioAdmin
from minio.credentials import StaticProvider
from redis import Redis
from sqlalchemy import text
from sqlalchemy.engine import make_url

from mmsvault import health
from mmsvault.catalog.connection import Limits, PassingError, migrate, open_catalog, reading, writing
from mmsvault.core.fault_rules import Kind
from mmsvault.diagnosis import Finding, State, examine
from mmsvault.errors import UnavailableError
from mmsvault.queueing.connection import connect_to_answer
from mmsvault.queueing.durable import DurableQueue
from mmsvault.queueing.jobs import open_queue
from mmsvault.s3 import talking
from mmsvault.settings import Settings
from mmsvault.vault import Vault
from tests import servers
from tests.integration.test_redis import certificates, redis_with
from tests.servers import free_port, running, until

pytestmark = pytest.mark.timeout(60)  # each is said within seconds; this machine may be busy

Given = Mapping[str, Any]


@contextmanager
def looked_at(folder: Path, given: Given) -> Iterator[tuple[Vault, list[Finding]]]:
    vault = Vault(Settings.load(data_dir=folder / "vault", **given), is_patient=False)
    try:
        yield vault, list(examine(vault))
    finally:
        vault.close()


def expect(findings: list[Finding], check: str, setting: str) -> Finding:
    """Return the one finding of a check, which is wrong, names the setting, and says what to do."""
    (found,) = [one for one in findings if one.check == check]
    assert found.state is State.WRONG
    assert found.setting == f"MMSVAULT_{setting}"
    assert found.advice
    return found


@contextmanager
def silent() -> Iterator[int]:
    """Give a port that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening.getsockname()[1]


@contextmanager
def black_hole() -> Iterator[int]:
    """Give a port at which no connection comes about: those that nobody takes fill its queue."""
    with socket.socket() as listening, ExitStack() as stack:
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listening.getsockname())
        yield listening.getsockname()[1]


# Redis


@dataclass(frozen=True)
class Queues:
    """A Redis with the password `right`, one with TLS, and the authority of that one's certificate."""

    port: int
    tls_port: int
    authority: str

    def url(self, login: str = ":right", *, database: int = 0) -> str:
        return f"redis://{login}@127.0.0.1:{self.port}/{database}"

    @contextmanager
    def with_setting(self, name: str, value: str, before: str) -> Iterator[Given]:
        with Redis.from_url(self.url()) as admin:
            admin.config_set(name, value)
            try:
                yield {"redis_url": self.url()}
            finally:
                until(lambda: admin.config_set(name, before), what="the setting being put back")

    @contextmanager
    def with_user(self, *rules: str) -> Iterator[Given]:
        with Redis.from_url(self.url()) as admin:
            admin.execute_command("ACL", "SETUSER", "few", "reset", "on", ">few", *rules)
        yield {"redis_url": self.url("few:few")}

    @contextmanager
    def as_replica(self) -> Iterator[Given]:
        with Redis.from_url(self.url()) as admin:
            admin.execute_command("REPLICAOF", "127.0.0.1", str(free_port()))
            try:
                yield {"redis_url": self.url()}
            finally:
                admin.execute_command("REPLICAOF", "NO", "ONE")


@pytest.fixture(scope="module")
def queues(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Queues]:
    where = tmp_path_factory.mktemp("queues")
    authority, certificate, key = certificates(where)
    plain, tls = where / "plain", where / "tls"
    plain.mkdir()
    tls.mkdir()
    made = Queues(free_port(), free_port(), authority)
    with (
        redis_with(plain, made.port, {"requirepass": "right", "enable-debug-command": "yes"}),
        redis_with(
            tls,
            made.tls_port,
            {
                "port": "0",
                "tls-port": str(made.tls_port),
                "tls-cert-file": certificate,
                "tls-key-file": key,
                "tls-ca-cert-file": authority,
                "tls-auth-clients": "no",
            },
        ),
    ):
        yield made


@contextmanager
def at(url: str, **more: Any) -> Iterator[Given]:
    yield {"redis_url": url, **more}


@contextmanager
def at_port(made: Any, given: Callable[[int], Given]) -> Iterator[Given]:
    with made as port:
        yield given(port)


QUEUE_FAULTS: dict[str, tuple[Kind, str, Callable[[Queues], Any]]] = {
    "full": (Kind.FULL, "REDIS_URL", lambda q: q.with_setting("maxmemory", "1", "0")),
    "no password": (Kind.NO_PASSWORD, "REDIS_PASSWORD", lambda q: at(f"redis://127.0.0.1:{q.port}/0")),
    "wrong password": (Kind.WRONG_PASSWORD, "REDIS_PASSWORD", lambda q: at(q.url(":wrong"))),
    "wrong user": (Kind.WRONG_PASSWORD, "REDIS_PASSWORD", lambda q: at(q.url("joe:right"))),
    "command not allowed": (
        Kind.NO_PERMISSION,
        "REDIS_URL",
        lambda q: q.with_user("~mmsvault:*", "+@connection", "+info", "+time", "+config|get"),
    ),
    "key not allowed": (Kind.NO_PERMISSION, "REDIS_URL", lambda q: q.with_user("~other:*", "+@all")),
    "no such database": (Kind.UNKNOWN_DATABASE, "REDIS_URL", lambda q: at(q.url(database=99))),
    "replica": (Kind.READ_ONLY, "REDIS_URL", lambda q: q.as_replica()),
    "clients": (Kind.TOO_MANY_CONNECTIONS, "REDIS_URL", lambda q: q.with_setting("maxclients", "1", "99")),
    "unknown authority": (Kind.UNKNOWN_AUTHORITY, "REDIS_CA", lambda q: at(f"rediss://127.0.0.1:{q.tls_port}/0")),
    "wrong host name": (
        Kind.WRONG_HOST_NAME,
        "REDIS_URL",
        lambda q: at(f"rediss://localhost:{q.tls_port}/0", redis_ca=q.authority),
    ),
    "plain to TLS": (Kind.NEEDS_TLS, "REDIS_URL", lambda q: at(f"redis://127.0.0.1:{q.tls_port}/0")),
    "TLS to plain": (Kind.SPEAKS_NO_TLS, "REDIS_URL", lambda q: at(f"rediss://:right@127.0.0.1:{q.port}/0")),
    "refused": (Kind.REFUSED, "REDIS_URL", lambda _: at(f"redis://127.0.0.1:{free_port()}/0")),
    "unknown host": (Kind.UNKNOWN_HOST, "REDIS_URL", lambda _: at("redis://nowhere.invalid:6379/0")),
    "black hole": (
        Kind.NO_ROUTE,
        "REDIS_URL",
        lambda _: at_port(black_hole(), lambda port: {"redis_url": f"redis://127.0.0.1:{port}/0"}),
    ),
    "silent": (
        Kind.SLOW,
        "REDIS_URL",
        lambda _: at_port(silent(), lambda port: {"redis_url": f"redis://127.0.0.1:{port}/0"}),
    ),
    "no Sentinel": (
        Kind.NO_MASTER,
        "REDIS_URL",
        lambda _: at(f"redis+sentinel://127.0.0.1:{free_port()}/vault/0"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("fault", QUEUE_FAULTS)
def test_a_fault_of_redis_is_said_alike_by_doctor_receiver_and_dashboard(
    tmp_path: Path, queues: Queues, fault: str
) -> None:
    kind, setting, made = QUEUE_FAULTS[fault]
    with made(queues) as given, looked_at(tmp_path, given) as (vault, findings):
        found = expect(findings, "queue", setting)
        (dashboard,) = [one for one in health.look(vault).servers if one.name == "Queue"]
        with connect_to_answer(vault.settings.effective_redis_url) as connection:
            queue = DurableQueue(open_queue(connection))
            with pytest.raises(UnavailableError) as receiver:  # what is full still answers
                queue.keep([{"id": "one"}])
    assert receiver.value.fault
    assert receiver.value.fault.kind is kind
    if kind is not Kind.NO_PERMISSION:  # each wants another command first
        assert str(receiver.value) == f"{found.said} {receiver.value.fault.advice}"
        assert found.said in dashboard.said
    assert not dashboard.ok


@pytest.mark.parametrize(("share", "state"), [(2, State.OK), (1.05, State.ADVICE)])
def test_a_redis_that_is_nearly_full_is_said_before_it_is(
    tmp_path: Path, queues: Queues, share: float, state: State
) -> None:
    with Redis.from_url(queues.url()) as admin:
        room = round(int(admin.info("memory")["used_memory"]) * share) + (1 << 20) * (share > 1.5)
    with (
        queues.with_setting("maxmemory", str(room), "0") as given,
        looked_at(tmp_path, given) as (_, findings),
    ):
        (found,) = [one for one in findings if one.check == "queue"]
    assert found.state is state
    assert ("Raise `maxmemory`" in found.advice) == (state is State.ADVICE)


def test_an_eviction_policy_is_said_before_there_is_a_maxmemory(tmp_path: Path, queues: Queues) -> None:
    with (
        queues.with_setting("maxmemory-policy", "allkeys-lru", "noeviction") as given,
        looked_at(tmp_path, given) as (_, findings),
    ):
        (found,) = [one for one in findings if one.check == "queue: eviction"]
    assert found.state is State.ADVICE
    assert "noeviction" in found.advice


# PostgreSQL


@dataclass(frozen=True)
class Catalogs:
    """A PostgreSQL with TLS, its administrator's URL, and the authority of its certificate.

    The user `vault` has the password `right`, the database `vault` is its own; `tlsonly` is by TLS only.
    """

    admin: str
    authority: str

    def url(self, login: str = "vault:right", database: str = "vault", query: str = "") -> str:
        port = make_url(self.admin).port
        return f"postgresql://{login}@127.0.0.1:{port}/{database}{query}"

    @contextmanager
    def full(self) -> Iterator[Given]:
        """Take all connections that there are."""
        with ExitStack() as stack:
            with suppress(psycopg.OperationalError):
                while True:
                    stack.enter_context(psycopg.connect(self.url()))
            yield {"database_url": self.url()}


RULES = """
host all tests 127.0.0.1/32 trust
host all stranger 127.0.0.1/32 trust
hostssl tlsonly all 127.0.0.1/32 trust
host vault,postgres,none vault 127.0.0.1/32 scram-sha-256
"""


@pytest.fixture(scope="module")
def catalogs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Catalogs]:
    where = tmp_path_factory.mktemp("catalogs")
    authority, certificate, key = certificates(where)
    few = {"max_connections": "8", "superuser_reserved_connections": "2"}
    url, command, user = servers.prepare_postgresql(where, {"ssl": "on", **few})
    data = where / "postgresql"
    (data / "pg_hba.conf").write_text(RULES)
    for source, name in ((certificate, "server.crt"), (key, "server.key")):
        shutil.copy(source, data / name)
        (data / name).chmod(0o600)
        if user:
            shutil.chown(data / name, user)
    with running(command, log=where / "log", port=int(make_url(url).port or 0), user=user):
        until(lambda: servers.takes_connections(url), what="PostgreSQL taking connections")
        with psycopg.connect(url, autocommit=True) as admin:
            admin.execute("CREATE ROLE vault LOGIN PASSWORD 'right'")
            for name in ("vault", "tlsonly"):
                admin.execute(f"CREATE DATABASE {name} OWNER vault")
            admin.execute("CREATE DATABASE strangers")
        with psycopg.connect(url.replace("/postgres", "/vault"), autocommit=True) as admin:
            admin.execute("CREATE EXTENSION pg_trgm")
        yield Catalogs(url, authority)


@contextmanager
def catalog_at(url: str) -> Iterator[Given]:
    yield {"database_url": url}


CATALOG_FAULTS: dict[str, tuple[Kind, str, Callable[[Catalogs], Any]]] = {
    "no password": (Kind.NO_PASSWORD, "DATABASE_PASSWORD", lambda c: catalog_at(c.url("vault"))),
    "wrong password": (Kind.WRONG_PASSWORD, "DATABASE_PASSWORD", lambda c: catalog_at(c.url("vault:wrong"))),
    "wrong user": (Kind.WRONG_USER, "DATABASE_URL", lambda c: catalog_at(c.url("stranger"))),
    "no such database": (Kind.UNKNOWN_DATABASE, "DATABASE_URL", lambda c: catalog_at(c.url(database="none"))),
    "not let in": (Kind.NOT_LET_IN, "DATABASE_URL", lambda c: catalog_at(c.url(database="strangers"))),
    "not its owner": (Kind.NO_PERMISSION, "DATABASE_URL", lambda c: catalog_at(c.url(database="postgres"))),
    "too many connections": (Kind.TOO_MANY_CONNECTIONS, "DATABASE_CONNECTIONS", lambda c: c.full()),
    "replica": (
        Kind.READ_ONLY,
        "DATABASE_URL",
        lambda c: catalog_at(c.url(query="?options=-c%20default_transaction_read_only=on")),
    ),
    "plain to TLS": (
        Kind.NEEDS_TLS,
        "DATABASE_URL",
        lambda c: catalog_at(c.url(database="tlsonly", query="?sslmode=disable")),
    ),
    "unknown authority": (
        Kind.UNKNOWN_AUTHORITY,
        "DATABASE_URL",
        lambda c: catalog_at(c.url(query="?sslmode=verify-full&sslrootcert=system")),
    ),
    "wrong host name": (
        Kind.WRONG_HOST_NAME,
        "DATABASE_URL",
        lambda c: catalog_at(
            c.url(query=f"?sslmode=verify-full&sslrootcert={c.authority}").replace("127.0.0.1", "localhost")
        ),
    ),
    "refused": (
        Kind.REFUSED,
        "DATABASE_URL",
        lambda _: catalog_at(f"postgresql://vault@127.0.0.1:{free_port()}/vault"),
    ),
    "unknown host": (Kind.UNKNOWN_HOST, "DATABASE_URL", lambda _: catalog_at("postgresql://vault@nowhere.invalid/vault")),
    "black hole": (
        Kind.NO_ROUTE,
        "DATABASE_URL",
        lambda _: at_port(black_hole(), lambda port: {"database_url": f"postgresql://vault@127.0.0.1:{port}/vault"}),
    ),
    "silent": (
        Kind.NO_ROUTE,  # its client does not tell the two apart
        "DATABASE_URL",
        lambda _: at_port(silent(), lambda port: {"database_url": f"postgresql://vault@127.0.0.1:{port}/vault"}),
    ),
}  # fmt: skip


@pytest.mark.parametrize("fault", CATALOG_FAULTS)
def test_a_fault_of_postgresql_is_said_alike_by_doctor_and_workers(
    tmp_path: Path, catalogs: Catalogs, fault: str
) -> None:
    kind, setting, made = CATALOG_FAULTS[fault]
    with made(catalogs) as given, looked_at(tmp_path, given) as (vault, findings):
        found = expect(findings, "catalog", setting)
        with pytest.raises(UnavailableError) as worker:
            vault.prepare()
    assert worker.value.fault
    assert worker.value.fault.kind is kind
    assert str(worker.value) == f"{found.said} {found.advice}"
    assert "archive" not in {one.check for one in findings}, "it would wait for the same server"


def test_a_postgresql_without_tls_is_said_to_have_none(tmp_path: Path, postgresql: str) -> None:
    with looked_at(tmp_path, {"database_url": f"{postgresql}?sslmode=require"}) as (_, findings):
        assert "does not speak TLS" in expect(findings, "catalog", "DATABASE_URL").said


def test_a_changed_sort_order_is_named_with_what_to_run(tmp_path: Path, catalogs: Catalogs) -> None:
    with psycopg.connect(catalogs.admin, autocommit=True) as admin:
        admin.execute("UPDATE pg_database SET datcollversion = '2.28' WHERE datname = 'vault'")
        admin.execute(
            "CREATE DATABASE icu OWNER vault TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'en-US'"
        )
        admin.execute("UPDATE pg_database SET datcollversion = '1.0' WHERE datname = 'icu'")
    with psycopg.connect(catalogs.admin.replace("/postgres", "/icu"), autocommit=True) as admin:
        admin.execute("CREATE EXTENSION pg_trgm")
    url = make_url(catalogs.admin).set(database="icu").render_as_string()
    with looked_at(tmp_path, {"database_url": url}) as (_, findings):
        found = expect(findings, "catalog: collation", "DATABASE_URL")
    assert 'REINDEX DATABASE "icu"' in found.advice
    assert 'ALTER DATABASE "icu" REFRESH COLLATION VERSION' in found.advice


def test_a_statement_that_takes_too_long_and_one_that_waits_too_long_are_told_apart(
    catalogs: Catalogs,
) -> None:
    engine = open_catalog(catalogs.url(), limits=Limits(lock_seconds=0.05, statement_seconds=0.5))
    migrate(engine)
    with (
        pytest.raises(UnavailableError, match="MMSVAULT_DATABASE_STATEMENT_SECONDS") as slow,
        reading(engine) as connection,
    ):
        connection.execute(text("SELECT pg_sleep(60)"))
    with psycopg.connect(catalogs.url()) as other:
        other.execute("LOCK TABLE messages")
        with (
            pytest.raises(PassingError, match="MMSVAULT_DATABASE_LOCK_SECONDS") as locked,
            writing(engine) as connection,
        ):
            connection.execute(text("LOCK TABLE messages"))
    engine.dispose()
    assert slow.value.fault
    assert slow.value.fault.kind is Kind.TOO_SLOW
    assert locked.value.fault
    assert locked.value.fault.kind is Kind.LOCKED


# The bucket


@dataclass(frozen=True)
class Buckets:
    """A MinIO with the bucket `vault`, one that speaks TLS, and the authority of its certificate."""

    port: int
    tls_port: int
    authority: str
    given: Given

    @contextmanager
    def at(self, address: str = "", **more: Any) -> Iterator[Given]:
        endpoint = {"s3_endpoint": address or f"http://127.0.0.1:{self.port}"}
        yield {**self.given, "s3_bucket": "vault", **endpoint, **more}

    @contextmanager
    def an_hour_ahead(self) -> Iterator[Given]:
        """Sign requests with the time of a clock that is an hour ahead."""
        ahead = datetime.now(UTC) + timedelta(hours=1)
        with (
            patch.object(minio.time, "utcnow", lambda: ahead),
            patch.object(talking, "utc_now", lambda: ahead),
            self.at() as given,
        ):
            yield given


@pytest.fixture(scope="module")
def buckets(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Buckets]:
    where = tmp_path_factory.mktemp("buckets")
    authority, certificate, key = certificates(where)
    plain, tls = where / "plain", where / "tls"
    plain.mkdir()
    tls.mkdir()
    shutil.copy(certificate, where / "public.crt")
    shutil.copy(key, where / "private.key")
    port, tls_port = free_port(), free_port()
    command, own, bucket = servers.prepare_minio(plain, port)
    tls_command, _, _ = servers.prepare_minio(tls, tls_port)
    given = {name.removeprefix("MMSVAULT_").lower(): value for name, value in bucket.items()}
    secure = [tls_command[0], "--certs-dir", str(where), *tls_command[1:]]
    with (
        running(command, log=where / "plain.log", port=port, env={**own, "MINIO_REGION": "us-east-1"}),
        running(secure, log=where / "tls.log", port=tls_port, env=own),
    ):
        until(lambda: servers.takes_objects(port), what="MinIO being ready")
        client = Minio(
            f"127.0.0.1:{port}",
            access_key=given["s3_access_key"],
            secret_key=given["s3_secret_key"],
            secure=False,
        )
        client.make_bucket("vault")
        keys = StaticProvider(given["s3_access_key"], given["s3_secret_key"])
        MinioAdmin(endpoint=f"127.0.0.1:{port}", credentials=keys, secure=False).user_add(
            access_key="stranger", secret_key="stranger-secret"
        )
        yield Buckets(port, tls_port, authority, given)


BUCKET_FAULTS: dict[str, tuple[Kind, str, Callable[[Buckets], Any]]] = {
    "wrong secret": (Kind.WRONG_PASSWORD, "S3_SECRET_KEY", lambda b: b.at(s3_secret_key="wrong-secret")),
    "unknown key": (Kind.UNKNOWN_KEY, "S3_ACCESS_KEY", lambda b: b.at(s3_access_key="nobody")),
    "no rights": (
        Kind.NO_PERMISSION,
        "S3_ACCESS_KEY",
        lambda b: b.at(s3_access_key="stranger", s3_secret_key="stranger-secret"),
    ),
    "wrong region": (Kind.WRONG_REGION, "S3_REGION", lambda b: b.at(s3_region="eu-west-1")),
    "unknown bucket": (Kind.UNKNOWN_BUCKET, "S3_BUCKET", lambda b: b.at(s3_bucket="elsewhere")),
    "wrong clock": (Kind.WRONG_CLOCK, "S3_ENDPOINT", lambda b: b.an_hour_ahead()),
    "unknown authority": (Kind.UNKNOWN_AUTHORITY, "S3_CA", lambda b: b.at(f"https://127.0.0.1:{b.tls_port}")),
    "wrong host name": (
        Kind.WRONG_HOST_NAME,
        "S3_ENDPOINT",
        lambda b: b.at(f"https://localhost:{b.tls_port}", s3_ca=b.authority),
    ),
    "plain to TLS": (Kind.NEEDS_TLS, "S3_ENDPOINT", lambda b: b.at(f"http://127.0.0.1:{b.tls_port}")),
    "TLS to plain": (Kind.SPEAKS_NO_TLS, "S3_ENDPOINT", lambda b: b.at(f"https://127.0.0.1:{b.port}")),
    "refused": (Kind.REFUSED, "S3_ENDPOINT", lambda b: b.at(f"http://127.0.0.1:{free_port()}")),
    "unknown host": (Kind.UNKNOWN_HOST, "S3_ENDPOINT", lambda b: b.at("http://nowhere.invalid:9000")),
    "black hole": (
        Kind.NO_ROUTE,
        "S3_ENDPOINT",
        lambda b: at_port(black_hole(), lambda port: {**b.given, "s3_endpoint": f"http://127.0.0.1:{port}"}),
    ),
    "silent": (
        Kind.SLOW,
        "S3_ENDPOINT",
        lambda b: at_port(silent(), lambda port: {**b.given, "s3_endpoint": f"http://127.0.0.1:{port}"}),
    ),
}  # fmt: skip


@pytest.mark.parametrize("fault", BUCKET_FAULTS)
def test_a_fault_of_the_bucket_is_said_alike_by_doctor_workers_and_dashboard(
    tmp_path: Path, buckets: Buckets, fault: str
) -> None:
    kind, setting, made = BUCKET_FAULTS[fault]
    with made(buckets) as given, looked_at(tmp_path, given) as (vault, findings):
        found = expect(findings, "bucket", setting)
        said = []
        # The first asks by HEAD, whose answer has no body to tell why.
        asks: list[Callable[[], object]] = [
            lambda: vault.bucket.look_up("some/key"),
            lambda: vault.bucket.check(1),
        ]
        for ask in asks if kind is not Kind.UNKNOWN_BUCKET else asks[1:]:
            with pytest.raises(UnavailableError) as worker:
                ask()
            assert worker.value.fault
            said.append(worker.value.fault)
        (dashboard,) = [one for one in health.look(vault).servers if one.name == "Bucket"]
    assert {one.kind for one in said} == {kind}
    assert {str(one) for one in said} == {f"{found.said} {found.advice}"}
    if kind is not Kind.UNKNOWN_BUCKET:
        assert found.said in dashboard.said
