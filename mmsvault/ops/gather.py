"""Finding out the facts: servers are asked side by side, and none is waited for longer than seconds."""

import json
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future, wait
from contextlib import suppress
from datetime import datetime
from http import HTTPStatus
from typing import Any

import structlog
from redis import Redis
from redis.exceptions import RedisError

from mmsvault import health
from mmsvault.attempts import REASONS_NOT_ALLOWED
from mmsvault.bucket import PROBE_KEY
from mmsvault.catalog import key_values, quarantine, source_activity, totals, verdicts
from mmsvault.catalog.views import View
from mmsvault.errors import NotFoundError, VaultError, plain_reason
from mmsvault.message import utc_now
from mmsvault.ops import silence
from mmsvault.ops.facts import ArchiveFacts, Facts, Silence
from mmsvault.ops.host_facts import host_facts
from mmsvault.ops.queue_facts import queue_facts
from mmsvault.queueing.connection import connect_to_answer
from mmsvault.settings import Settings
from mmsvault.vault import Vault

log = structlog.get_logger(__name__)

SECONDS_FOR_AN_ANSWER = 8.0
SHOWN_DIGITS = 2


class Gatherer:
    """Finds the facts out again and again. A server that hangs is asked once, and is away meanwhile."""

    def __init__(self, vault: Vault, connection: "Redis") -> None:
        self._vault = vault
        self._connection = connection
        self._asked: dict[str, Future[Any]] = {}
        _ = vault.catalog, vault.bucket  # made now: two threads at once would make two of each

    def __call__(self) -> Facts:
        """Return what is known now."""
        vault, now = self._vault, utc_now()
        answers = {
            "catalog": self._ask("catalog", lambda: archive_facts(vault, now=now)),
            "queue": self._ask("queue", lambda: queue_facts(self._connection, now=now)),
            "bucket": self._ask("bucket", lambda: _look_at_bucket(vault)),
            "host": self._ask("host", lambda: host_facts(vault.settings, **_receiver(vault.settings))),
        }
        wait(answers.values(), timeout=SECONDS_FOR_AN_ANSWER)
        found = {name: _result(future) for name, future in answers.items()}
        return Facts(
            settings=vault.settings,
            now=now,
            archive=found["catalog"][0],
            queue=found["queue"][0],
            host=found["host"][0],
            servers={name: found[name][1] for name in ("catalog", "queue", "bucket")},
        )

    def _ask(self, name: str, question: Callable[[], Any]) -> Future[Any]:
        last = self._asked.get(name)
        if last is not None and not last.done():
            return last
        future: Future[Any] = Future()
        threading.Thread(target=_answer, args=(future, question), name=f"ask {name}", daemon=True).start()
        self._asked[name] = future
        return future


def gather(vault: Vault) -> Facts:
    """Return what is known now, once."""
    with connect_to_answer(vault.settings.effective_redis_url) as connection:
        return Gatherer(vault, connection)()


def _answer(future: Future[Any], question: Callable[[], Any]) -> None:
    try:
        future.set_result(question())
    except Exception as error:  # noqa: BLE001 - whoever waits hears of it
        future.set_exception(error)


def _result(future: Future[Any]) -> tuple[Any, str]:
    """Return the answer, and why there is none; that is empty where there is one."""
    if not future.done():
        return None, f"There was no answer within {SECONDS_FOR_AN_ANSWER:g} s."
    error = future.exception()
    if error is None:
        return future.result(), ""
    if not isinstance(error, (VaultError, RedisError, OSError)):
        log.error("a server could not be asked", exc_info=error)
    return None, plain_reason(error, otherwise="There was no usable answer.")


def archive_facts(vault: Vault, *, now: datetime) -> ArchiveFacts:
    """Return what the catalog says. Raises UnavailableError."""
    catalog = vault.catalog
    return ArchiveFacts(
        counts=totals.counts(catalog, at_risk_before=now + totals.AT_RISK),
        not_allowed=totals.waiting_for(catalog, REASONS_NOT_ALLOWED),
        quarantine=quarantine.waiting(catalog),
        verdicts=tuple(verdicts.latest(catalog)),
        silences=silences(vault, now=now),
        backup_finished_at=key_values.backup_finished_at(catalog),
        late=View(catalog).at_risk(before=now),
    )


def silences(vault: Vault, *, now: datetime) -> tuple[Silence, ...] | None:
    """Return the sources that are silent for too long, the longest first; None where nothing is known."""
    settings, now_hour = vault.settings, source_activity.hour_of(now)
    active = source_activity.active_hours(vault.catalog, now=now)
    if not active:
        return None
    watched = source_activity.watched_hours(vault.catalog, now=now)
    found = []
    for source, hours in active.items():
        seen = len(silence.watched_silence(hours, now_hour=now_hour, watched=watched))
        is_set = bool(settings.alert_silent_hours) and seen >= settings.alert_silent_hours
        if is_set or (
            settings.alert_silent_by_habit and silence.is_unusual(hours, now_hour=now_hour, watched=watched)
        ):
            found.append(Silence(source_name(source), silence.silent_hours(hours, now_hour=now_hour)))
    return tuple(sorted(found, key=lambda one: (-one.hours, one.name)))


def source_name(source: source_activity.Source) -> str:
    """Return what a source is called where it is not known who reads: its last digits only."""
    number = source.recipient
    hidden = "*" * max(0, len(number) - SHOWN_DIGITS)
    return f"{source.provider} {hidden}{number[len(hidden) :]}".strip()


def _receiver(settings: Settings) -> Mapping[str, str]:
    """Return why the receiver of this machine keeps nothing; nothing where there is none."""
    reply = health.ask(
        settings.receiver_host,
        settings.receiver_port,
        "/readyz",
        token=settings.effective_metrics_token,
    )
    if reply is None or reply.status not in (HTTPStatus.OK, HTTPStatus.SERVICE_UNAVAILABLE):
        return {}
    if reply.status == HTTPStatus.OK:
        return {"keeps_nothing": ""}
    reason = ""
    with suppress(ValueError, AttributeError):
        reason = str(json.loads(reply.body).get("reason", ""))
    return {"keeps_nothing": reason or "It answers 503."}


def _look_at_bucket(vault: Vault) -> None:
    with suppress(NotFoundError):  # an answer
        vault.bucket.look_up(PROBE_KEY)
