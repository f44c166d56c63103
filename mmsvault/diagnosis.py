"""What `mmsvault doctor` looks at: every setting that matters and every server, and what to do about it.

Nothing here changes the archive: what is written to find out whether it can be is removed again.
"""

import shutil
import socket
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from redis import Redis
from redis.exceptions import RedisError

from mmsvault import health
from mmsvault.catalog import second_factors, verdicts, writes
from mmsvault.catalog.connection import collation_versions, migrate
from mmsvault.clients import untrusted_peer
from mmsvault.core.fault_rules import Kind, Server
from mmsvault.core.server_faults import ServerFault, fault_of
from mmsvault.errors import ConfigurationError, UnavailableError, VaultError, plain_reason
from mmsvault.message import utc_now
from mmsvault.ops import conditions
from mmsvault.ops.channels import NotToldError, mail_server
from mmsvault.ops.conditions import VERIFIED_WITHIN, Severity
from mmsvault.ops.gather import gather
from mmsvault.queueing import figures
from mmsvault.queueing.connection import connect_to_answer, needs_waitaof, probe_queue
from mmsvault.settings import Settings
from mmsvault.settings.forms import from_here
from mmsvault.settings.sources import PREFIX
from mmsvault.state import keeper
from mmsvault.vault import Vault

SHORT_TOKEN = 16
SECONDS_TO_ANSWER = 3
CLOCKS_APART = timedelta(seconds=5)
PROBE_BYTES = 1 << 10
NEARLY_FULL = 0.9
_NOT_RUNNING = (Kind.REFUSED, Kind.NO_AUTHORITY_FILE, Kind.NO_ROUTE)


class State(StrEnum):
    """How a finding stands. Only `wrong` is a reason to act at once."""

    OK = "ok"
    ADVICE = "advice"
    WRONG = "wrong"


@dataclass(frozen=True)
class Finding:
    """What was looked at, how it stands, and what to do. `condition`: the alert that tells of it as well."""

    check: str
    state: State
    said: str
    advice: str = ""
    setting: str = ""
    """What to set right, where it is a setting."""
    condition: str = ""
    is_away: bool = field(default=False, kw_only=True, repr=False)
    """Whether nothing more could be looked at there."""


Findings = Iterator[Finding]


def examine(vault: Vault) -> Findings:
    """Give what is found, from the settings to the archive. An embedded vault should be running."""
    settings = vault.settings
    checks: tuple[tuple[str, Callable[[], Findings]], ...] = (
        ("settings", lambda: settings_that_matter(settings)),
        ("folder", lambda: folder(settings)),
        ("queue", lambda: queue(settings)),
        ("bucket", lambda: bucket(vault)),
        ("catalog", lambda: catalog(vault)),
        ("people", lambda: people(vault)),
        ("programs", lambda: programs(settings)),
        ("alerts", lambda: alerts(settings)),
    )
    with ThreadPoolExecutor(len(checks)) as side_by_side:  # those that are away are waited for together
        looks = {name: side_by_side.submit(_found, settings, name, check) for name, check in checks}
    found = [finding for look in looks.values() for finding in look.result()]
    if not any(finding.is_away for finding in looks["catalog"].result()):
        found += _found(settings, "archive", lambda: archive(vault))
    yield from found
    yield from _found(settings, "conditions", lambda: of_conditions(vault, found))


def _found(settings: Settings, name: str, check: Callable[[], Findings]) -> list[Finding]:
    """Return what a check finds, and why it could not go on."""
    found: list[Finding] = []
    try:
        found.extend(check())
    except ConfigurationError as error:
        found.append(Finding(error.setting, State.WRONG, error.problem, "Change the setting, or the server."))
    except RedisError as error:
        found.append(_of_server(settings, name, fault_of(error, Server.QUEUE)))
    except UnavailableError as error:
        found.append(
            _of_server(settings, name, error.fault)
            if error.fault
            else Finding(name, State.WRONG, str(error), _hint(settings, name), is_away=True)
        )
    except (VaultError, OSError) as error:
        said = plain_reason(error, otherwise="It cannot be looked at.")
        found.append(Finding(name, State.WRONG, said, _hint(settings, name), is_away=True))
    return found


def _of_server(settings: Settings, name: str, fault: ServerFault) -> Finding:
    """Return a fault of a server as a finding; where it is the vault's own server, it has to be started."""
    is_own = fault.kind in _NOT_RUNNING and _is_embedded(settings, name)
    advice = _hint(settings, name) if is_own else fault.advice
    return Finding(name, State.WRONG, fault.problem, advice, setting=fault.setting, is_away=True)


def of_conditions(vault: Vault, found: Sequence[Finding]) -> Findings:
    """Give each condition that alerts tell of, but for what was `found` to be at least as bad already."""
    judged = list(conditions.judge(gather(vault)))
    known = {(finding.check, finding.state) for finding in found}
    for one in judged:
        condition = one.condition
        is_urgent = condition.severity is Severity.PAGE and one.stands
        state = State.WRONG if is_urgent else State.ADVICE
        is_known = bool(known & {(condition.check, state), (condition.check, State.WRONG)})
        if one.answer.level and not is_known:
            said = f"{one.answer.sentence} {one.answer.details}".strip()
            yield Finding(condition.check, state, said, one.next_step, condition=condition.id)
    wrong = sum(one.stands for one in judged)
    said = (
        f"{len(judged)} of {len(conditions.CONDITIONS)} things that alerts tell of are seen from here; "
        f"{wrong or 'none'} {'is' if wrong == 1 else 'are'} wrong."
    )
    yield Finding("conditions", State.OK if not wrong else State.ADVICE, said)


def settings_that_matter(settings: Settings) -> Findings:
    """Look at settings that work and yet may not be meant."""
    if "retention_days" in settings.model_fields_set:
        yield Finding("retention", State.OK, f"The provider keeps files for {settings.retention_days} days.")
    else:
        yield Finding(
            "retention",
            State.ADVICE,
            f"It is assumed that the provider keeps files for {settings.retention_days} days.",
            f"Set {PREFIX}RETENTION_DAYS to what your contract says: it is the deadline of every file.",
        )
    if len(settings.effective_token) < SHORT_TOKEN:
        yield Finding(
            "token",
            State.WRONG,
            "The postback token can be guessed.",
            f"Set {PREFIX}POSTBACK_TOKEN to {SHORT_TOKEN} random characters or more.",
        )
    if settings.fetch_private_networks:
        yield Finding(
            "fetching",
            State.ADVICE,
            "Files may be fetched from private networks.",
            f"Empty {PREFIX}FETCH_PRIVATE_NETWORKS unless the provider is in there.",
        )
    for host in settings.fetch_hosts:
        if not host.startswith(".") and not _resolves(host):
            yield Finding(
                "fetching",
                State.WRONG,
                f"There is no host {host}.",
                f"Look at {PREFIX}FETCH_HOSTS, or at DNS.",
            )
    if not settings.dashboard_tls and settings.dashboard_host not in ("127.0.0.1", "::1", "localhost"):
        yield Finding(
            "dashboard",
            State.ADVICE,
            "Others can reach the dashboard, and its cookie is sent without TLS.",
            f"Put a proxy with TLS in front and set {PREFIX}DASHBOARD_TLS=true.",
        )
    if peer := untrusted_peer(settings.data_dir, settings.trusted_proxies):
        yield Finding(
            "proxies",
            State.ADVICE,
            f"{peer.address} sends X-Forwarded-For and is not believed: all behind it count as one visitor.",
            f"If it is your proxy, name its network in {PREFIX}TRUSTED_PROXIES; else there is nothing to do.",
        )


def folder(settings: Settings) -> Findings:
    """Look whether DATA_DIR takes files, and has room for them."""
    with tempfile.TemporaryFile(dir=settings.data_dir) as file:
        file.write(bytes(PROBE_BYTES))
        file.flush()
    free = shutil.disk_usage(settings.data_dir).free
    said = f"{settings.data_dir.absolute()} has {free / (1 << 30):,.1f} GiB free."
    if free < settings.alert_disk_low_bytes:
        state = State.WRONG if free < settings.alert_disk_full_bytes else State.ADVICE
        yield Finding("folder", state, said, "Make room: downloads and the spool stand here for a moment.")
    else:
        yield Finding("folder", State.OK, said)


def queue(settings: Settings) -> Findings:
    """Look whether Redis answers, keeps what it is given, and goes by the same clock."""
    with connect_to_answer(settings.effective_redis_url) as connection:
        about = connection.info()
        probe_queue(connection)
        needs_waitaof(connection)
        yield _memory_of_redis(about)
        if about.get("maxmemory_policy", "noeviction") != "noeviction":  # needs_waitaof: no maxmemory yet
            yield Finding(
                "queue: eviction",
                State.ADVICE,
                f"Redis would throw keys away once it had a `maxmemory` ({about['maxmemory_policy']}).",
                "Set `maxmemory-policy noeviction` in Redis: with the others receipts can be lost.",
                PREFIX + "REDIS_URL",
            )
        seconds, microseconds = connection.time()
        apart = abs(utc_now() - datetime.fromtimestamp(seconds + microseconds / 1e6, UTC))
        if apart > CLOCKS_APART:
            yield Finding(
                "clock",
                State.WRONG,
                f"This machine's clock and that of Redis are {apart.total_seconds():.0f} s apart.",
                "Run NTP on both: leases and deadlines go by the clock.",
            )
        yield from _workers(connection)


def _memory_of_redis(about: Mapping[str, Any]) -> Finding:
    room, used = int(about.get("maxmemory", 0)), int(about["used_memory"])
    said = (
        f"Redis {about['redis_version']} keeps every write before it answers; it holds "
        f"{used / (1 << 20):,.0f} MiB" + (f" of {room / (1 << 20):,.0f}." if room else ".")
    )
    if room and used > NEARLY_FULL * room:
        return Finding(
            "queue",
            State.ADVICE,
            f"{said} It is nearly full.",
            "Raise `maxmemory` in Redis, or start more workers so that the queue gets shorter.",
            PREFIX + "REDIS_URL",
        )
    return Finding("queue", State.OK, said)


def _workers(connection: "Redis") -> Findings:
    alive = figures.workers_alive(connection, now=utc_now())
    for name, without in (
        ("archive", "nothing is fetched"),
        ("exports", "no export is made"),
        (figures.SWEEP, "no attempt that failed is made again"),
    ):
        command = "mmsvault sweep" if name == figures.SWEEP else f"mmsvault worker --queue {name}"
        if alive[name]:
            yield Finding(f"workers: {name}", State.OK, f"{alive[name]:,} alive.")
        else:
            yield Finding(
                f"workers: {name}", State.WRONG, f"None is alive: {without}.", f"Start `{command}`."
            )


def bucket(vault: Vault) -> Findings:
    """Look whether the bucket takes something in and gives it back."""
    address, secure = vault.settings.bucket_address
    vault.bucket.check(PROBE_BYTES)
    vault.bucket.check_as_set()
    way = " with TLS" if secure else ""
    yield Finding("bucket", State.OK, f"{vault.settings.s3_bucket} at {address}{way} takes objects.")


def catalog(vault: Vault) -> Findings:
    """Look whether the catalog takes something in, in the form that this version knows."""
    migrate(vault.catalog)
    writes.check(vault.catalog)
    if versions := collation_versions(vault.catalog):
        yield Finding(
            "catalog: collation",
            State.WRONG,
            f"The database {vault.catalog.url.database} was made with version {versions[0]} of the"
            f" system's sort order; the server has {versions[1]} now. Indexes of texts may be wrong.",
            f'Run `REINDEX DATABASE "{vault.catalog.url.database}"` and then `ALTER DATABASE'
            f' "{vault.catalog.url.database}" REFRESH COLLATION VERSION`, as the owner of the database.',
            PREFIX + "DATABASE_URL",
        )
    yield Finding("catalog", State.OK, f"{vault.catalog.dialect.name} takes rows, in its newest form.")
    if names := second_factors.unreadable(vault.catalog, vault.settings.bucket_keys[1]):
        yield Finding(
            "second factors",
            State.WRONG,
            f"Those of {', '.join(names)} cannot be read: the bucket's secret key is another one since.",
            "Recovery codes are still good. Run `mmsvault user second-factor NAME --reset` for each.",
        )
    if vault.catalog.dialect.name == "sqlite" and not vault.settings.embeds_redis:
        yield Finding(
            "catalog",
            State.ADVICE,
            "The catalog is a file of this machine.",
            f"For workers on several hosts set {PREFIX}DATABASE_URL to a PostgreSQL.",
        )


def people(vault: Vault) -> Findings:
    """Look whether the catalog knows all that the bucket does of people; one that is away is said above."""
    with suppress(UnavailableError):
        for key, problem in keeper.check(vault):
            is_newer = "rebuild" in problem
            advice = "Look at it, then run `mmsvault rebuild`." if is_newer else "Look at who wrote it."
            yield Finding("people", State.WRONG, f"{key}: {problem}.", advice)


def programs(settings: Settings) -> Findings:
    """Look whether receiver and dashboard answer, if they are to be on this machine."""
    for name, host, port, path in (
        ("receiver", settings.receiver_host, settings.receiver_port, "/readyz"),
        ("dashboard", settings.dashboard_host, settings.dashboard_port, "/_stcore/health"),
    ):
        at = f"{from_here(host)}:{port}"
        token = settings.effective_metrics_token if name == "receiver" else ""
        reply = health.ask(host, port, path, token=token)
        if reply is None:
            yield Finding(
                name,
                State.ADVICE,
                f"Nothing answers at {at}.",
                f"Start `mmsvault {name}`, unless it is on another machine.",
            )
            continue
        said = reply.body.decode(errors="replace").strip()
        if reply.status == HTTPStatus.OK:
            yield Finding(name, State.OK, f"It answers at {at}: {said}")
        else:
            yield Finding(
                name, State.WRONG, f"It answers {reply.status}: {said}", "Its log says what it lacks."
            )


def alerts(settings: Settings) -> Findings:
    """Look whether those who are to be told can be."""
    if not (settings.alert_webhook or settings.alert_email):
        yield Finding(
            "alerts",
            State.ADVICE,
            "Nobody is told when something is wrong: files at risk, a server away, a full disk.",
            f"Set {PREFIX}ALERT_WEBHOOK or {PREFIX}ALERT_EMAIL, or load deploy/prometheus/alerts.yml.",
        )
    for name, url in (("ALERT_WEBHOOK", settings.alert_webhook), ("TRACING_URL", settings.tracing_url)):
        if url:
            at = urlsplit(url)
            port = at.port or (443 if at.scheme == "https" else 80)
            try:
                socket.create_connection((at.hostname or "", port), timeout=SECONDS_TO_ANSWER).close()
            except OSError as error:
                yield Finding(
                    PREFIX + name,
                    State.WRONG,
                    f"{at.hostname}:{port}: {error}.",
                    "Correct it, or its server.",
                )
            else:
                yield Finding(PREFIX + name, State.OK, f"{at.hostname}:{port} answers.")
    if settings.alert_email:
        try:
            with mail_server(settings.smtp_url) as server:
                server.noop()
        except NotToldError as error:
            yield Finding(PREFIX + "SMTP_URL", State.WRONG, str(error), "Correct it, or the mail server.")
        else:
            yield Finding(PREFIX + "SMTP_URL", State.OK, "The mail server answers.")


def archive(vault: Vault) -> Findings:
    """Look when it was last made sure that everything is there; `conditions` tell what is in danger."""
    found = verdicts.latest(vault.catalog)
    if not found:
        yield Finding(
            "verify",
            State.ADVICE,
            "The archive was not checked yet.",
            "Run `mmsvault verify` every week, or `--sample 2/7` and so on every night.",
        )
    elif verdicts.failing(found) is None and utc_now() - found[0].ended_at <= VERIFIED_WITHIN:
        yield Finding("verify", State.OK, f"It was clean at {found[0].ended_at:%Y-%m-%d %H:%M} UTC.")


def _resolves(host: str) -> bool:
    try:
        return bool(socket.getaddrinfo(host, None))
    except OSError:
        return False


def _is_embedded(settings: Settings, check: str) -> bool:
    return (check == "queue" and settings.embeds_redis) or (check == "bucket" and settings.embeds_bucket)


def _hint(settings: Settings, check: str) -> str:
    """Return what to do where a server does not answer."""
    named = {
        "queue": ("REDIS_URL", settings.embeds_redis),
        "bucket": ("S3_ENDPOINT", settings.embeds_bucket),
        "catalog": ("DATABASE_URL", not settings.database_url),
        "archive": ("DATABASE_URL", not settings.database_url),
        "folder": ("DATA_DIR", False),
    }
    name, embedded = named.get(check, ("", False))
    if embedded:
        return "Start `mmsvault up`, or look at its log."
    return f"Look at {PREFIX}{name} and at what it names." if name else ""
