"""Faults of servers that are there and do not do as they should: full, other passwords, a pooler, clocks."""

import contextlib
import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import psycopg
import pytest
from minio import Minio
from minio.commonconfig import ENABLED
from minio.versioningconfig import VersioningConfig
from redis import Redis
from redis.exceptions import RedisError
from sqlalchemy.engine import make_url

from mmsvault.catalog.connection import migrate
from mmsvault.queueing.spool import Spool
from mmsvault.sample.provider import SampleProvider
from tests import servers
from tests.flow.fault_table import FaultTable, expect
from tests.flow.site import REAL, Server, Site
from tests.flow.test_faults import a_worker_waits, met_under_load
from tests.flow.traffic import Traffic, settled
from tests.integration.test_redis import certificates, knows_replica
from tests.pooler import prepare_pgbouncer
from tests.servers import free_port, require, until

full = pytest.mark.faults
DURABLE = ("--save", "", "--appendonly", "yes", "--appendfsync", "always", "--repl-diskless-sync-delay", "0")
DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with Site(tmp_path) as made:
        made.start_servers(REAL)
        yield made


def log_of(site: Site, name: str) -> str:
    return (site.folder / f"{name}.log").read_text()


def says(site: Site, words: str) -> Callable[[], bool]:
    """Return whether a worker says these words from now on."""
    names = [name for name in site.running if name.startswith("worker")]
    before = {name: log_of(site, name).count(words) for name in names}
    return lambda: any(log_of(site, name).count(words) > before[name] for name in names)


def prepare(site: Site) -> None:
    """Make the tables, so that the accounts can be asked for from the start."""
    with site.vault() as vault:
        migrate(vault.catalog)


@pytest.mark.everyday_fault
@pytest.mark.timeout(400)
def test_a_pooler_that_is_killed_costs_no_message_and_all_works_by_it(
    site: Site, provider: SampleProvider, table: FaultTable
) -> None:
    url, command, user = prepare_pgbouncer(site.folder, site.env["MMSVAULT_DATABASE_URL"])
    site.add_server("pooler", Server(command, partial(servers.takes_connections, url), user=user))
    site.env["MMSVAULT_DATABASE_URL"] = url
    prepare(site)

    def killed() -> None:
        noticed = a_worker_waits(site)
        with site.away("pooler"):
            until(noticed, what="the pooler being missed")

    met = Traffic(site, provider, "kill -9 of PgBouncer (transaction mode) under load, until that is noticed")
    met_under_load(site, met, table, killed)
    assert site.json("search", "from:1408*", "--limit", "5")["total"] == len(met.sent)
    exported = site.json("export", "--query", "keyword:none", "--output", str(site.folder / "all.zip"))
    assert exported["messages"] == len(met.sent)
    assert site.json("verify")["problems"] == []
    assert not [line for line in log_of(site, "pooler").splitlines() if "prepared statement" in line]


@full
@pytest.mark.timeout(400)
def test_a_redis_without_room_spools_and_drains_when_it_has_some(
    site: Site, provider: SampleProvider, table: FaultTable
) -> None:
    prepare(site)

    def without_room() -> None:
        with Redis.from_url(site.env["MMSVAULT_REDIS_URL"]) as admin:
            admin.config_set("maxmemory", "1")
            until(lambda: len(Spool(site.settings.spool_dir)) > 5, what="receipts going to the spool")
            admin.config_set("maxmemory", "0")
        until(lambda: site.keeps() == "queue", what="the queue keeping again")

    met = Traffic(site, provider, "redis full (maxmemory, noeviction) under load, then with room")
    met_under_load(site, met, table, without_room)


@full
@pytest.mark.timeout(400)
def test_a_password_that_is_changed_at_redis_and_back_costs_no_message(
    site: Site, provider: SampleProvider, table: FaultTable
) -> None:
    prepare(site)
    url = site.env["MMSVAULT_REDIS_URL"]

    def changed() -> None:
        said = says(site, "Redis refuses the password")
        with Redis.from_url(url) as admin:
            right = str(make_url(url).password)
            admin.config_set("requirepass", "another")
            admin.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
            until(said, what="a worker saying so")
            until(lambda: site.keeps() == "spool", what="receipts going to the spool")
            admin.config_set("requirepass", right)

    met = Traffic(site, provider, "redis: its password changed while running, and back")
    met_under_load(site, met, table, changed)


@full
@pytest.mark.timeout(400)
def test_a_password_that_is_changed_at_postgresql_and_back_costs_no_message(
    site: Site, provider: SampleProvider, table: FaultTable
) -> None:
    url = make_url(site.env["MMSVAULT_DATABASE_URL"])
    trusting = url.set(username="keeper").render_as_string(hide_password=False)
    with psycopg.connect(site.env["MMSVAULT_DATABASE_URL"], autocommit=True) as admin:
        admin.execute("CREATE ROLE keeper SUPERUSER LOGIN")
        admin.execute("ALTER ROLE tests PASSWORD 'right'")
        rules = "host all keeper 127.0.0.1/32 trust\nhost all all 127.0.0.1/32 scram-sha-256\n"
        (site.folder / "postgresql" / "pg_hba.conf").write_text(rules)
        admin.execute("SELECT pg_reload_conf()")
    site.env["MMSVAULT_DATABASE_URL"] = url.set(password="right").render_as_string(hide_password=False)
    prepare(site)

    def changed() -> None:
        said = says(site, "PostgreSQL refuses the password")
        with psycopg.connect(trusting, autocommit=True) as admin:
            admin.execute("ALTER ROLE tests PASSWORD 'another'")
            admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'tests'")
            until(said, what="a worker saying so")
            admin.execute("ALTER ROLE tests PASSWORD 'right'")

    met = Traffic(site, provider, "postgresql: its password changed while running, and back")
    met_under_load(site, met, table, changed)


@pytest.mark.everyday_fault
@pytest.mark.timeout(400)
def test_a_worker_whose_clock_is_an_hour_off_waits_until_it_is_right(
    site: Site, provider: SampleProvider, table: FaultTable, tmp_path: Path
) -> None:
    clock = tmp_path / "clock"
    clock.write_text("+0\n")
    prepare(site)
    site.receiver_part()
    site.start("sweep", "worker sweep", "--often")
    site.start("worker-0", "worker archive", env=faked_time(clock))
    met = Traffic(site, provider, "clock of the worker an hour ahead (libfaketime), until it is set right")
    met.send()
    until(met.all_archived, what="a message being archived while the clock is right")
    clock.write_text("+3600\n")
    for _ in range(4):
        met.send()
    until(
        lambda: "clock and that of the bucket's server differ" in log_of(site, "worker-0"),
        what="it being said",
    )
    assert "may not do this" not in log_of(site, "worker-0")
    assert met.archived() == 1
    clock.write_text("+0\n")
    expect(table, settled([met], seconds=120))


def faked_time(clock: Path) -> dict[str, str]:
    """Return the environment of a program whose every clock is moved as the file says, as it changes."""
    found = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
    require("faketime", found=found)
    return {
        "LD_PRELOAD": str(found[0]),
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_NO_CACHE": "1",
    }


@full
@pytest.mark.timeout(400)
def test_a_bucket_with_versions_that_is_killed_costs_no_message(
    site: Site, provider: SampleProvider, table: FaultTable
) -> None:
    settings = site.settings
    access, secret = settings.bucket_keys
    client = Minio(settings.bucket_address[0], access_key=access, secret_key=secret, secure=False)
    client.make_bucket(settings.s3_bucket)
    client.set_bucket_versioning(settings.s3_bucket, VersioningConfig(ENABLED))
    prepare(site)

    def killed() -> None:
        noticed = a_worker_waits(site)
        with site.away("bucket"):
            until(noticed, what="the bucket being missed")

    met = Traffic(site, provider, "kill -9 of the bucket with versioning under load, until that is noticed")
    met_under_load(site, met, table, killed)
    versions = list(
        client.list_objects(settings.s3_bucket, "messages/", recursive=True, include_version=True)
    )
    originals = [one.object_name for one in versions if one.object_name.endswith(".jpg")]
    assert originals
    assert client.get_bucket_versioning(settings.s3_bucket).status == ENABLED


@full
@pytest.mark.timeout(400)
def test_a_redis_by_tls_with_the_rights_of_the_guide_that_is_killed_costs_no_message(
    site: Site, provider: SampleProvider, table: FaultTable
) -> None:
    authority, certificate, key = certificates(site.folder)
    line = next(
        one for one in (DOCS / "real-servers.md").read_text().splitlines() if one.startswith("user vault ")
    )
    acl = site.folder / "users.acl"
    acl.write_text(f"user default off ~* &* +@all\n{line.replace('>PASSWORD', '>right')}\n")
    port = free_port()
    tls = ("--tls-cert-file", certificate, "--tls-key-file", key, "--tls-ca-cert-file", authority)
    (site.folder / "tls").mkdir()
    own = ("--port", "0", "--tls-port", str(port), "--tls-auth-clients", "no", "--bind", "127.0.0.1")
    url = f"rediss://vault:right@127.0.0.1:{port}/0"
    command = [redis_binary(), *own, *tls, "--aclfile", str(acl), "--dir", str(site.folder / "tls"), *DURABLE]
    site.add_server("redis-tls", Server(command, partial(answers, f"{url}?ssl_ca_certs={authority}")))
    site.env |= {"MMSVAULT_REDIS_URL": url, "MMSVAULT_REDIS_CA": authority}
    prepare(site)

    def killed() -> None:
        with site.away("redis-tls"):
            until(lambda: site.keeps() == "spool", what="Redis being missed")

    met = Traffic(
        site, provider, "kill -9 of redis by TLS, with the rights of the guide, until that is noticed"
    )
    met_under_load(site, met, table, killed)


@full
@pytest.mark.timeout(400)
def test_a_failover_by_sentinel_under_load_costs_no_message(
    site: Site, provider: SampleProvider, table: FaultTable
) -> None:
    first, second, sentinel = free_port(), free_port(), free_port()
    for name, port, more in (("first", first, ()), ("second", second, ("--replicaof", f"127.0.0.1 {first}"))):
        (site.folder / name).mkdir()
        command = [
            redis_binary(),
            "--port",
            str(port),
            "--bind",
            "127.0.0.1",
            "--dir",
            str(site.folder / name),
        ]
        site.add_server(
            name, Server([*command, *DURABLE, *more], partial(answers, f"redis://127.0.0.1:{port}"))
        )
    config = site.folder / "sentinel.conf"
    config.write_text(
        f"port {sentinel}\nbind 127.0.0.1\ndir {site.folder}\nsentinel monitor vault 127.0.0.1 {first} 1\n"
        "sentinel down-after-milliseconds vault 1000\nsentinel failover-timeout vault 5000\n"
    )
    watching = [redis_binary(), str(config), "--sentinel"]
    site.add_server("sentinel", Server(watching, partial(answers, f"redis://127.0.0.1:{sentinel}")))
    until(lambda: knows_replica(sentinel), what="the Sentinel knowing both")
    site.env["MMSVAULT_REDIS_URL"] = f"redis+sentinel://127.0.0.1:{sentinel}/vault/0"
    prepare(site)

    def failed_over() -> None:
        with site.away("first"), Redis(port=second) as replica:
            until(lambda: replica.info("replication")["role"] == "master", what="the replica taking over")
            until(lambda: site.keeps() == "spool", what="no replica being left")
        until(lambda: site.keeps() == "queue", seconds=60, what="the old master following the new one")

    met = Traffic(site, provider, "kill -9 of the redis master under load, failover by Sentinel")
    met_under_load(site, met, table, failed_over)


def redis_binary() -> str:
    found = shutil.which("redis-server")
    require("redis", found=found)
    return str(found)


def answers(url: str) -> bool:
    with contextlib.suppress(RedisError), Redis.from_url(url, socket_timeout=2) as redis:
        return bool(redis.ping())
    return False
