"""A rehearsal: a test postback sent over HTTP as the provider sends them, followed until it is archived.

It announces a message without files. So it proves the way from the receiver's door to the bucket, and
says nothing about fetching: no address is at hand that every vault may fetch from. Its sender is
nobody's number, by which test messages are found and removed.
"""

import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from xml.sax.saxutils import escape

import httpx

from mmsvault import disposition
from mmsvault.catalog import queries, totals
from mmsvault.catalog.language import Query, Term
from mmsvault.errors import NotFoundError, RecordError, RefusedError, UnavailableError
from mmsvault.layout import RECORD_NAME
from mmsvault.message import Message, MessageState, utc_now
from mmsvault.postbacks import message_id
from mmsvault.settings import Settings
from mmsvault.vault import Vault

PROVIDER = "sinch"
SENDER = "mms-vault-test"
PATIENCE_SECONDS = 30
LOOKED_EVERY_SECONDS = 0.2
_MEANINGS = {
    401: "the token is not its own: was it started with other settings?",
    403: "MMSVAULT_POSTBACK_NETWORKS does not allow this machine",
    404: "there is no receiver under this address",
    503: "it can keep nothing now: the queue and its spool folder are both away",
}


@dataclass(frozen=True)
class Step:
    """One part of the way, whether it was passed, and in words how."""

    name: str
    ok: bool
    said: str


def address(settings: Settings) -> str:
    """Return where the provider posts to, token and all."""
    return f"{settings.receiver_address}/postbacks/{PROVIDER}/{settings.effective_token}"


def rehearse(vault: Vault, *, who: str, patience_seconds: float = PATIENCE_SECONDS) -> Iterator[Step]:
    """Send a test postback and give the steps of its way as it goes; the first one that fails is the last."""
    name = f"{SENDER}-{utc_now():%Y%m%dT%H%M%S}-{uuid.uuid4().hex[:8]}"
    body, began = _body(name, who), time.monotonic()
    sent = _send(vault.settings, body)
    yield sent
    if not sent.ok:
        return
    identity = message_id(PROVIDER, name)
    give_up = time.monotonic() + patience_seconds
    found: Message | None = None
    while found is None and time.monotonic() < give_up:
        time.sleep(LOOKED_EVERY_SECONDS)
        found = _archived(vault, identity)
    if found is None:
        yield Step("Worker", ok=False, said=f"none took it within {patience_seconds:g} seconds; it waits")
        return
    yield Step("Worker", ok=True, said=f"took it from the queue; {time.monotonic() - began:.1f} s so far")
    yield _kept(vault, found, body, give_up)


def tests(vault: Vault) -> int:
    """Return how many test messages there are."""
    return totals.total(vault.catalog, _TESTS).messages


def remove(vault: Vault) -> int:
    """Delete all test messages; return how many. One that a worker has in hand stays."""
    removed = 0
    for identity in list(queries.ids(vault.catalog, _TESTS)):
        try:
            disposition.delete(vault, identity)
        except (RefusedError, NotFoundError):
            continue
        removed += 1
    return removed


_TESTS = Query(((Term("from", SENDER, exact=True),),))


def _body(name: str, who: str) -> bytes:
    fields = {
        "origin": "MMS_MO",
        "code": "N401",
        "from": SENDER,
        "to": SENDER,
        "tracking-id": name,
        "timestamp": utc_now().isoformat(),
        "message-subject": f"Test postback, sent by {who}",
    }
    inside = "".join(f"<{field}>{escape(text)}</{field}>" for field, text in fields.items())
    return f"<postback>{inside}<content></content></postback>".encode()


def _send(settings: Settings, body: bytes) -> Step:
    began = time.monotonic()
    try:
        answer = httpx.post(
            address(settings),
            content=body,
            headers={"content-type": "application/xml", "user-agent": "mms-vault-test"},
            timeout=10,
            trust_env=False,
        )
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        where, said = settings.receiver_address, str(error) or type(error).__name__
        return Step("Receiver", ok=False, said=f"does not answer at {where}: {said}")
    took = f"in {(time.monotonic() - began) * 1000:.0f} ms"
    if answer.status_code == httpx.codes.OK:
        return Step("Receiver", ok=True, said=f"answered 200 {took}: the postback is on the disk")
    meaning = _MEANINGS.get(answer.status_code, "the provider would send it again")
    return Step("Receiver", ok=False, said=f"answered {answer.status_code} {took}: {meaning}")


def _archived(vault: Vault, identity: str) -> Message | None:
    try:
        found = queries.load(vault.catalog, identity)
    except NotFoundError:
        return None
    return found if found.state is MessageState.ARCHIVED else None


def _kept(vault: Vault, message: Message, body: bytes, give_up: float) -> Step:
    """Look for what the bucket must have; it is written after the catalog."""
    while True:
        try:
            raw = vault.bucket.read(f"{message.prefix}{message.postbacks[0].name}")
            Message.from_record(vault.bucket.read(f"{message.prefix}{RECORD_NAME}"))
            same = raw == body
            said = "the raw postback, byte for byte, and message.json are in the bucket"
            return Step(
                "Archive", ok=same, said=said if same else "the raw postback has other bytes than were sent"
            )
        except (NotFoundError, RecordError, UnavailableError) as error:
            if time.monotonic() > give_up:
                return Step("Archive", ok=False, said=str(error))
            time.sleep(LOOKED_EVERY_SECONDS)
