"""Messages that a provider sends to a site, and an exact account of what became of them."""

import hashlib
import itertools
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import func, select

from mmsvault.catalog import queries
from mmsvault.catalog.connection import reading
from mmsvault.catalog.tables import messages
from mmsvault.errors import NotFoundError, UnavailableError
from mmsvault.folder import HALF_WRITTEN
from mmsvault.message import Message, MessageState
from mmsvault.sample import media
from mmsvault.sample.faults import Answer
from mmsvault.sample.media import SampleFile
from mmsvault.sample.notices import Notice
from mmsvault.sample.provider import SampleProvider
from mmsvault.vault import Vault
from tests.flow.site import Site
from tests.servers import until

OK = 200
SMALL = (64, 48)
_numbers = itertools.count()


@dataclass(frozen=True)
class Sent:
    """One message as it was sent, and the last answer to its postback, 0 for none."""

    id: str
    files: tuple[SampleFile, ...]
    status: int


@dataclass(frozen=True)
class Row:
    """What became of the messages that met one fault."""

    fault: str
    sent: int
    answered: int
    archived: int
    lost: int
    doubled: int

    def is_right(self) -> bool:
        return self.sent > 0 and self.archived >= self.answered and not (self.lost or self.doubled)


class Traffic:
    """What meets one fault. `fault` names it in the table."""

    def __init__(self, site: Site, provider: SampleProvider, fault: str) -> None:
        self.fault = fault
        self.sent: list[Sent] = []
        self._site = site
        self._provider = provider

    def send(
        self,
        *,
        answers: tuple[Answer, ...] = (),
        attempts_apart: float = 1.0,
        files: Sequence[SampleFile] = (),
    ) -> int:
        """Send a message with a picture and a text as a provider does, with repeats; return the answer."""
        number = next(_numbers)
        served = tuple(files) or (
            media.photograph(number, size=SMALL),
            media.text(f"Message {number} of the tests"),
        )
        urls = tuple(self._provider.offer(file, answers=answers) for file in served)
        name = f"{''.join(letter if letter.isalnum() else '-' for letter in self.fault)}-{number}"
        notice = Notice(
            tracking_id=name, sender="14085550123", to="28444", timestamp=datetime.now(UTC), urls=urls
        )
        status = self._provider.send(self._site.postbacks, notice, pause_seconds=attempts_apart)
        self.sent.append(Sent(id=f"sinch-{name}", files=served, status=status))
        return status

    @contextmanager
    def flowing(self, *, a_second: float = 10) -> Iterator[None]:
        """Send messages at a steady rate until the end of the block."""
        ended = threading.Event()

        def send() -> None:
            while not ended.wait(4 / a_second):
                self.send()

        threads = [threading.Thread(target=send) for _ in range(4)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            ended.set()
            for thread in threads:
                thread.join()

    def archived(self) -> int:
        """Return how many of the messages are in the archive, as the catalog says."""
        found = select(func.count()).where(
            messages.c.id.in_([sent.id for sent in self.sent if sent.status == OK]),
            messages.c.state == MessageState.ARCHIVED.value,
        )
        try:
            with self._site.vault() as vault, reading(vault.catalog) as connection:
                return connection.scalar(found) or 0
        except UnavailableError:  # there is no catalog before the first worker runs
            return 0

    def all_archived(self) -> bool:
        """Return whether everything that was answered with 200 is in the archive."""
        return self.archived() == sum(sent.status == OK for sent in self.sent)

    def account(self) -> Row:
        """Look at every message in the catalog and in the bucket, byte for byte."""
        answered = [sent for sent in self.sent if sent.status == OK]
        with self._site.vault() as vault:
            whole = {sent.id for sent in self.sent if _is_whole(vault, sent)}
            doubled = sum(_surplus(vault, sent) for sent in self.sent)
        return Row(
            fault=self.fault,
            sent=len(self.sent),
            answered=len(answered),
            archived=len(whole),
            lost=sum(sent.id not in whole for sent in answered),
            doubled=doubled,
        )


def settled(traffic: Sequence[Traffic], *, seconds: float = 90) -> list[Row]:
    """Wait until everything is archived, and return the accounts."""
    for one in traffic:
        until(one.all_archived, seconds=seconds, what=f"everything being archived after {one.fault!r}")
    return [one.account() for one in traffic]


def _is_whole(vault: Vault, sent: Sent) -> bool:
    try:
        message = queries.load(vault.catalog, sent.id)
        return message.state is MessageState.ARCHIVED and all(
            item.sha256 == hashlib.sha256(file.data).hexdigest() and vault.bucket.read(item.key) == file.data
            for item, file in zip(message.media, sent.files, strict=True)
        )
    except NotFoundError:
        return False


def _surplus(vault: Vault, sent: Sent) -> int:
    """Return how many files or objects the message has beyond what it should have."""
    try:
        message = queries.load(vault.catalog, sent.id)
    except NotFoundError:
        return 0
    expected = {f"{message.prefix}{name}" for name in ("message.json", "postback.xml")}
    for item in message.media:
        expected |= {item.key, item.thumbnail_key}
    surplus = [key for key in _objects(vault, message) if key not in expected]
    return len(surplus) + len(message.media) - len(sent.files)


def _objects(vault: Vault, message: Message) -> list[str]:
    listed = (found.key for found in vault.bucket.list(message.prefix))
    return [key for key in listed if HALF_WRITTEN not in key]
