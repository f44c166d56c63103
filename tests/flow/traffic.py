"""Messages that a provider sends to a site, and what becomes of them."""

import itertools
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime

from sqlalchemy import func, select

from mmsvault.catalog.connection import reading
from mmsvault.catalog.tables import messages
from mmsvault.errors import UnavailableError, VaultError
from mmsvault.message import MessageState
from mmsvault.queueing.spool import Spool
from mmsvault.sample import media
from mmsvault.sample.faults import Answer
from mmsvault.sample.media import SampleFile
from mmsvault.sample.notices import Notice
from mmsvault.sample.provider import SampleProvider
from tests.accounts import OK, Row, Sent, account, uncounted, wait_until_nothing_moves
from tests.flow.site import Site

SMALL = (64, 48)
_numbers = itertools.count()


class Traffic:
    """What meets one fault. `fault` names it in the table."""

    def __init__(self, site: Site, provider: SampleProvider, fault: str) -> None:
        self.fault = fault
        self.sent: list[Sent] = []
        self.site = site
        self._provider = provider
        site.traffic.append(self)

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
        self.site.known.add(f"sinch-{name}")
        status = self._provider.send(self.site.postbacks, notice, pause_seconds=attempts_apart)
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
            with self.site.vault() as vault, reading(vault.catalog) as connection:
                return connection.scalar(found) or 0
        except UnavailableError:  # there is no catalog before the first worker runs
            return 0

    def all_archived(self) -> bool:
        """Return whether everything that was answered with 200 is in the archive."""
        return self.archived() == sum(sent.status == OK for sent in self.sent)


def settled(traffic: Sequence[Traffic], *, seconds: float = 90) -> list[Row]:
    """Wait until everything is archived or nothing moves any more, and return the accounts."""
    site = traffic[0].site
    with site.vault() as vault:
        wait_until_nothing_moves(
            lambda: all(one.all_archived() for one in traffic),
            vault=vault,
            spools=[Spool(site.settings.spool_dir)],
            seconds=seconds,
        )
    return counted(traffic)


def counted(traffic: Sequence[Traffic]) -> list[Row]:
    """Look at every message in the catalog and in the bucket as it is now, byte for byte."""
    site = traffic[0].site
    try:
        with site.vault() as vault:
            return account(vault, {one.fault: one.sent for one in traffic}, known=site.known)
    except VaultError as error:
        return [uncounted(one.fault, one.sent, str(error)) for one in traffic]
