"""The spool: receipts as files, for as long as the queue cannot keep them.

One file a receipt, written, forced to the disk, renamed, and the folder forced to the disk. Its
name sorts by time. It is drained in that order, by the receiver and by the sweep, one of them at a
time. A receipt that gets into the queue twice, because the drainer was killed in between, is
counted once: its id is the key.
"""

import fcntl
import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path

import structlog

from mmsvault.core.durable_files import force, make_folder
from mmsvault.errors import UnavailableError
from mmsvault.queueing.durable import Kept

log = structlog.get_logger(__name__)

DRAINED_AT_ONCE = 100


class Spool:
    """Receipts in `folder`, which is made when the first is kept."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._is_forced = False

    def __len__(self) -> int:
        return sum(1 for _ in self._folder.glob("*.json"))

    def count(self, *, at_most: int) -> int:
        """Return how many receipts wait, counted only so far: it takes no longer with more of them."""
        with suppress(FileNotFoundError), os.scandir(self._folder) as entries:
            return sum(1 for _ in islice((one for one in entries if one.name.endswith(".json")), at_most))
        return 0

    def keep(self, receipts: Sequence[Kept]) -> None:
        """Return once all the receipts are on the disk. Raises UnavailableError, and keeps none, if not."""
        written: list[Path] = []
        try:
            self._make()
            for receipt in receipts:
                name = f"{receipt['received_at']}-{receipt['id']}.json".replace(":", "")
                draft = self._folder / f".{name}.part"
                written.append(draft)
                _write(draft, json.dumps(receipt).encode())
                written[-1] = draft.replace(self._folder / name)
            force(self._folder)
        except OSError as error:
            for path in written:
                with suppress(OSError):
                    path.unlink(missing_ok=True)
            raise UnavailableError(f"The spool did not take the receipts: {error}.") from error

    def check(self) -> None:
        """Raise UnavailableError unless a receipt could be kept now."""
        probe = self._folder / f".probe-{os.getpid()}.part"
        try:
            self._make()
            try:
                _write(probe, bytes(4096))
            finally:
                probe.unlink(missing_ok=True)
        except OSError as error:
            raise UnavailableError(f"The spool cannot be written: {error}.") from error

    def drain(self, into: Callable[[Sequence[Kept]], None]) -> int:
        """Hand every receipt over, oldest first, and let go of those that were taken; return how many.

        Does nothing while another process drains. Whatever `into` raises ends it; the rest stays.
        """
        drained = 0
        with self._alone() as alone:
            names = sorted(path.name for path in self._folder.glob("*.json")) if alone else []
            for start in range(0, len(names), DRAINED_AT_ONCE):
                paths = [self._folder / name for name in names[start : start + DRAINED_AT_ONCE]]
                receipts = [receipt for path in paths if (receipt := _read(path)) is not None]
                if receipts:
                    into(receipts)
                for path in paths:
                    path.unlink(missing_ok=True)
                drained += len(receipts)
        return drained

    def _make(self) -> None:
        if not self._is_forced or not self._folder.exists():
            make_folder(self._folder)
            self._is_forced = True

    @contextmanager
    def _alone(self) -> Iterator[bool]:
        try:
            descriptor = os.open(self._folder, os.O_RDONLY)
        except FileNotFoundError:
            yield False
            return
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
        finally:
            os.close(descriptor)


def _write(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        path.chmod(0o600)
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _read(path: Path) -> Kept | None:
    """Return the receipt, or None for a file that is none, which is put aside for a person to see."""
    try:
        receipt: Kept = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except ValueError as error:
        path.rename(path.with_suffix(".damaged"))
        log.warning("a receipt in the spool cannot be read", file=path.name, reason=str(error))
        return None
    return receipt
