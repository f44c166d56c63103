"""Who works on a message: one worker at a time, for as long as it keeps saying so.

A lease is a token in the catalog with a time until which it counts. One thread of a process renews
those that it holds; the lease of a killed worker runs out. Before anything is written that another
holder might have written differently, `check` makes sure that the lease still counts.
"""

import contextlib
import threading
import time
import uuid
from collections.abc import Iterator
from datetime import timedelta

import structlog
from sqlalchemy import Engine

from mmsvault.catalog import entering, turns, writes
from mmsvault.errors import OvertakenError, RefusedError, UnavailableError
from mmsvault.message import utc_now

log = structlog.get_logger(__name__)

SPAN = timedelta(seconds=20)
RENEWED_EVERY_SECONDS = 5
SURE_FOR_SECONDS = 12
"""How long after it was renewed the holder need not ask whether a lease still counts."""


class Lease:
    """The right to work on one message; `token` names it in the catalog."""

    def __init__(self, engine: Engine, message_id: str) -> None:
        self.token = uuid.uuid4().hex
        self.is_over = False
        """Set by whoever ended it together with the work, in one transaction."""
        self._engine = engine
        self._message_id = message_id
        self._taken = 0.0
        self._renewing = threading.Lock()
        self._may_renew = True

    def claim(self) -> entering.Claim:
        """Return what takes it together with its message, which is new."""
        self._taken = time.monotonic()
        return entering.Claim(self.token, utc_now() + SPAN)

    def take(self) -> bool:
        """Take or renew it; return whether it counts now. Raises UnavailableError."""
        asked = time.monotonic()
        counts = writes.take_lease(self._engine, self._message_id, token=self.token, now=utc_now(), span=SPAN)
        self._taken = asked if counts else 0.0
        return counts

    def check(self) -> None:
        """Raise OvertakenError if another worker may have taken the message over."""
        if time.monotonic() - self._taken > SURE_FOR_SECONDS and not self.take():
            raise OvertakenError("Another worker took the message over; what it writes counts.")

    def stop_renewing(self) -> None:
        """Let it run out, or be ended, from now on."""
        with self._renewing:
            self._may_renew = False

    def release(self) -> None:
        """Let others work on the message as it is."""
        writes.release_lease(self._engine, self._message_id, token=self.token)

    def renew(self) -> None:
        """Keep it from running out, unless that has been stopped."""
        with self._renewing:
            if not self._may_renew:
                return
            try:
                self.take()
            except UnavailableError:
                log.warning("lease not renewed: the catalog is away", message=self._message_id)


@contextlib.contextmanager
def hold(engine: Engine, message_id: str) -> Iterator[Lease | None]:
    """Hold the message while working on it; give None where another worker holds it."""
    lease = Lease(engine, message_id)
    if not lease.take():
        yield None
        return
    with kept(lease):
        yield lease


@contextlib.contextmanager
def kept(lease: Lease) -> Iterator[None]:
    """Keep a lease that was taken from running out, and let go of it at the end."""
    _renewals.add(lease)
    try:
        yield
    finally:
        _renewals.remove(lease)
        lease.stop_renewing()
        if not lease.is_over:
            lease.release()


class Turn:
    """The right to do something that is done once at a time in an archive; `name` names it."""

    def __init__(self, engine: Engine, name: str) -> None:
        self._engine = engine
        self._name = name
        self._held: int | None = None
        self._renewing = threading.Lock()

    def take(self) -> bool:
        """Return whether it is ours now. Raises UnavailableError."""
        self._held = self._take(None)
        return self._held is not None

    def renew(self) -> None:
        """Keep it from running out."""
        with self._renewing:
            if self._held is None:
                return
            try:
                self._held = self._take(self._held)
            except UnavailableError:
                log.warning("lease not renewed: the catalog is away", lease=self._name)

    def release(self) -> None:
        """Let others have it."""
        with self._renewing:
            if self._held is not None:
                turns.end_turn(self._engine, self._name, held=self._held)
            self._held = None

    def _take(self, held: int | None) -> int | None:
        now = utc_now()
        return turns.take_turn(self._engine, self._name, held=held, now=now, until_at=now + SPAN)


@contextlib.contextmanager
def one_at_a_time(engine: Engine, name: str, *, otherwise: str) -> Iterator[None]:
    """Do the block while no other program does what `name` says; raise RefusedError where one does.

    `otherwise` is what is said then. The right of a program that was killed runs out after SPAN.
    """
    turn = Turn(engine, name)
    if not turn.take():
        raise RefusedError(otherwise)
    _renewals.add(turn)
    try:
        yield
    finally:
        _renewals.remove(turn)
        turn.release()


class _Renewals:
    """Renews every lease that this process holds, from one thread."""

    def __init__(self) -> None:
        self._leases: set[Lease | Turn] = set()
        self._changes = threading.Lock()
        self._thread: threading.Thread | None = None

    def add(self, lease: Lease | Turn) -> None:
        with self._changes:
            self._leases.add(lease)
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._renew, name="leases", daemon=True)
                self._thread.start()

    def remove(self, lease: Lease | Turn) -> None:
        with self._changes:
            self._leases.discard(lease)

    def _renew(self) -> None:
        while True:
            time.sleep(RENEWED_EVERY_SECONDS)
            with self._changes:
                held = list(self._leases)
            for lease in held:
                try:
                    lease.renew()
                except Exception:  # the others are renewed all the same, and this one next time
                    log.exception("lease not renewed")


_renewals = _Renewals()
