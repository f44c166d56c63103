"""A Redis as larger installations run it: TLS, a user of few rights, replicas and Sentinels."""

import asyncio
import contextlib
import shutil
import subprocess
from collections.abc import Iterator
from datetime import timedelta
from ipaddress import IPv4Address
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from redis import Redis
from redis.exceptions import NoPermissionError

from mmsvault.errors import ConfigurationError, UnavailableError
from mmsvault.message import Receipt, utc_now
from mmsvault.queueing.connection import connect_to_answer, connect_to_work, needs_waitaof
from mmsvault.queueing.durable import DurableQueue
from mmsvault.queueing.intake import Intake
from mmsvault.queueing.jobs import open_queue
from mmsvault.queueing.spool import Spool
from mmsvault.sample.notices import lower_case_xml
from mmsvault.sample.provider import SampleProvider
from mmsvault.settings import Settings
from tests import servers
from tests.house import House
from tests.integration.archive import notice, words
from tests.servers import free_port, redis_server, running, until

DOCS = Path(__file__).parents[2] / "docs"
DURABLE = ("--appendonly", "yes", "--appendfsync", "always")
AT_ONCE = ("--repl-diskless-sync-delay", "0")


def receipts(count: int) -> list[Receipt]:
    return [Receipt.of(f"<{number}/>".encode(), provider="sinch") for number in range(count)]


def waiting(connection: "Redis") -> set[str]:
    """Return the ids of the receipts in the queue."""
    return {job.args[0]["id"] for job in open_queue(connection).get_jobs()}


@pytest.mark.parametrize("policy", ["allkeys-lru", "volatile-ttl"])
def test_a_redis_that_may_throw_keys_away_is_refused(tmp_path: Path, policy: str) -> None:
    full = ("--maxmemory", "100mb", "--maxmemory-policy", policy)
    with (
        redis_server(tmp_path, *DURABLE, *full) as url,
        connect_to_answer(url) as connection,
        pytest.raises(ConfigurationError, match="set `maxmemory-policy noeviction`"),
    ):
        needs_waitaof(connection)


def test_a_full_redis_that_throws_nothing_away_is_taken(tmp_path: Path) -> None:
    with (
        redis_server(tmp_path, *DURABLE, "--maxmemory", "100mb") as url,
        connect_to_answer(url) as connection,
    ):
        assert not needs_waitaof(connection)


def test_a_redis_that_would_forget_transactions_when_it_starts_again_is_refused(tmp_path: Path) -> None:
    acl = tmp_path / "users.acl"
    acl.write_text("user default off\nuser vault on >right ~* &* +@all\n")
    with redis_with(tmp_path, port := free_port(), {"aclfile": str(acl)}):
        with (
            connect_to_answer(f"redis://vault:right@127.0.0.1:{port}/0") as connection,
            pytest.raises(ConfigurationError, match=r"set `user default off ~\* &\* \+@all`"),
        ):
            needs_waitaof(connection)
        with Redis(port=port, username="vault", password="right") as admin:
            admin.execute_command("ACL", "SETUSER", "default", "allkeys", "allchannels", "+@all")
        with connect_to_answer(f"redis://vault:right@127.0.0.1:{port}/0") as connection:
            assert not needs_waitaof(connection)


def test_receipts_go_over_tls_to_a_server_that_the_given_authority_vouches_for(tmp_path: Path) -> None:
    authority, certificate, key = certificates(tmp_path)
    port = free_port()
    tls = {"port": "0", "tls-port": str(port), "tls-cert-file": certificate, "tls-key-file": key}
    tls |= {"tls-ca-cert-file": authority, "tls-auth-clients": "no", "requirepass": "pass:w/rd"}
    with redis_with(tmp_path, port, tls):
        url = f"rediss://:pass%3Aw%2Frd@127.0.0.1:{port}/3"
        settings = Settings.load(data_dir=tmp_path / "vault", redis_url=url, redis_ca=authority)
        with connect_to_answer(settings.effective_redis_url) as connection:
            DurableQueue(open_queue(connection)).keep([one.model_dump(mode="json") for one in receipts(2)])
            assert len(waiting(connection)) == 2
            assert connection.info("keyspace").keys() == {"db3"}
        with connect_to_answer(url) as stranger, pytest.raises(UnavailableError, match="certificate"):
            DurableQueue(open_queue(stranger)).check()


def test_a_vault_needs_no_more_rights_than_the_guide_gives_it(tmp_path: Path) -> None:
    line = next(
        line for line in (DOCS / "real-servers.md").read_text().splitlines() if line.startswith("user vault ")
    )
    rules = line.replace(">PASSWORD", ">secret").split()[2:]
    with redis_server(tmp_path) as url, Redis.from_url(url) as admin, SampleProvider() as provider:
        admin.execute_command("ACL", "SETUSER", "vault", *rules)
        house = House(tmp_path, {"MMSVAULT_REDIS_URL": url.replace("//", "//vault:secret@")})
        with house.up():
            for name in ("one", "two"):
                body = lower_case_xml(notice(name, provider.offer(words(name))))
                assert httpx.post(house.postbacks, content=body, trust_env=False).status_code == 200
            house.archived("sinch-one")
            house.archived("sinch-two")
            house.call("requeue", "one")
            assert house.json("status")["queues"] == {"archive": 0, "exports": 0}
        assert admin.acl_log() == []
        with Redis.from_url(url.replace("//", "//vault:secret@")) as vault:
            for forbidden in (("FLUSHALL",), ("CONFIG", "SET", "appendonly", "no"), ("GET", "other")):
                with pytest.raises(NoPermissionError, match="no permissions"):
                    vault.execute_command(*forbidden)


def test_a_receipt_is_on_a_replica_before_it_counts_as_kept(tmp_path: Path) -> None:
    with redis_server(tmp_path, *DURABLE, *AT_ONCE) as url, connect_to_answer(url) as master:
        queue = DurableQueue(open_queue(master), replicas=1)
        with pytest.raises(UnavailableError, match="0 of its 1 replicas"):
            queue.check()
        with redis_with(folder(tmp_path, "replica"), port := free_port(), replica_of(url)):
            replica = Redis(port=port)
            until(lambda: synchronised(replica), what="the replica following")
            kept = receipts(20)
            queue.keep([one.model_dump(mode="json") for one in kept])
            assert {one.id for one in kept} == waiting(replica)
            replica.close()


def test_a_wrong_address_is_refused_and_shown_how_it_is_written() -> None:
    for url in ("redis+sentinel://127.0.0.1/vault", "redis+sentinel://127.0.0.1:26379/"):
        with pytest.raises(ConfigurationError, match="redis\\+sentinel://host:26379"):
            connect_to_work(url)
    with pytest.raises(ConfigurationError, match="no Redis URL"):
        connect_to_work("http://127.0.0.1")


def test_nothing_that_was_kept_is_lost_when_sentinel_puts_a_replica_in_place_of_the_master(
    tmp_path: Path,
) -> None:
    with contextlib.ExitStack() as stack:
        first, second = free_port(), free_port()
        master_url = f"redis://127.0.0.1:{first}/0"
        master = stack.enter_context(redis_with(folder(tmp_path, "first"), first, {}))
        stack.enter_context(redis_with(folder(tmp_path, "second"), second, replica_of(master_url)))
        replica = stack.enter_context(Redis(port=second))
        until(lambda: synchronised(replica), what="the replica following")
        sentinel = stack.enter_context(sentinel_of(folder(tmp_path, "sentinel"), first))
        url = f"redis+sentinel://127.0.0.1:{sentinel}/vault/0"
        connection = stack.enter_context(connect_to_answer(url))
        until(lambda: knows_replica(sentinel), what="the Sentinel knowing both")
        kept = asyncio.run(keep_through_a_failover(connection, Spool(tmp_path / "spool"), master))
        assert len(kept) == 400
        assert replica.info("replication")["role"] == "master"
        assert kept == waiting(replica)


async def keep_through_a_failover(
    connection: "Redis", spool: Spool, master: "subprocess.Popen[bytes]"
) -> set[str]:
    """Kill the master amid receipts; return those that were kept, once the spool is empty again."""
    kept: set[str] = set()
    async with Intake(DurableQueue(open_queue(connection), replicas=1), spool) as intake:
        for number in range(40):
            batch = receipts(10)
            if number == 10:
                master.kill()
            await asyncio.gather(*(intake.keep(one) for one in batch))
            kept |= {one.id for one in batch}
        # The replica that became the master has none itself: the promise asks for one again.
        assert intake.spooled > 0
    alone = DurableQueue(open_queue(connection), replicas=0)

    def drained() -> bool:
        with contextlib.suppress(UnavailableError, ConfigurationError):
            alone.check()
            spool.drain(alone.keep)
        return len(spool) == 0

    await asyncio.to_thread(until, drained, seconds=60, what="the spool being drained into the new master")
    return kept


def folder(within: Path, name: str) -> Path:
    made = within / name
    made.mkdir()
    return made


@contextlib.contextmanager
def redis_with(where: Path, port: int, options: dict[str, str]) -> Iterator["subprocess.Popen[bytes]"]:
    binary = shutil.which("redis-server")
    servers.require("redis", found=binary)
    given = {"port": str(port), "bind": "127.0.0.1", "dir": str(where), "save": "", **options}
    words_ = [word for name, value in given.items() for word in (f"--{name}", *value.split(" "))]
    with running([str(binary), *words_, *DURABLE, *AT_ONCE], log=where / "redis.log", port=port) as process:
        yield process


def replica_of(url: str) -> dict[str, str]:
    return {"replicaof": f"127.0.0.1 {url.rpartition(':')[2].partition('/')[0]}"}


def synchronised(replica: "Redis") -> bool:
    if replica.info("replication").get("master_link_status") != "up":
        return False
    return not replica.info("persistence")["aof_rewrite_in_progress"]  # amid this it cannot be ended


@contextlib.contextmanager
def sentinel_of(where: Path, master: int) -> Iterator[int]:
    port = free_port()
    lines = (
        f"port {port}",
        "bind 127.0.0.1",
        f'dir "{where}"',
        f"sentinel monitor vault 127.0.0.1 {master} 1",
        "sentinel down-after-milliseconds vault 1000",
        "sentinel failover-timeout vault 5000",
    )
    config = where / "sentinel.conf"
    config.write_text("\n".join(lines) + "\n")
    command = [str(shutil.which("redis-server")), str(config), "--sentinel"]
    with running(command, log=where / "sentinel.log", port=port):
        yield port


def knows_replica(sentinel: int) -> bool:
    with Redis(port=sentinel) as asked:
        return int(asked.sentinel_master("vault")["num-slaves"]) == 1


def certificates(where: Path) -> tuple[str, str, str]:
    """Make an authority and a server's certificate; return the files of both and of the server's key."""
    now = utc_now()
    authority_key, server_key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))

    def named(name: str) -> x509.Name:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])

    def begun(name: str, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(named(name))
            .issuer_name(named("tests authority"))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
        )

    usage = x509.KeyUsage(
        digital_signature=True, key_cert_sign=True, crl_sign=True, content_commitment=False,
        key_encipherment=False, data_encipherment=False, key_agreement=False, encipher_only=False,
        decipher_only=False,
    )  # fmt: skip
    authority = (
        begun("tests authority", authority_key)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(authority_key.public_key()), critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    server = (
        begun("127.0.0.1", server_key)
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False
        )
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()), critical=False
        )
        .sign(authority_key, hashes.SHA256())
    )
    paths = [where / name for name in ("authority.pem", "server.pem", "server.key")]
    paths[0].write_bytes(authority.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(server.public_bytes(serialization.Encoding.PEM))
    paths[2].write_bytes(
        server_key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return tuple(map(str, paths))  # type: ignore[return-value]
