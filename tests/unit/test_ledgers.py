"""What was told is known to all programs that can reach each other, and nobody sends twice."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mmsvault.errors import UnavailableError
from mmsvault.ops.ledgers import FileLedger, Ledgers, Sent


class Shared:
    """A place on a server that can be away."""

    def __init__(self, server: str) -> None:
        self.server = server
        self.told: dict[str, Sent] = {}
        self.is_away = False
        self.is_held = False
        self.asked = 0

    def _ask(self) -> None:
        self.asked += 1
        if self.is_away:
            raise UnavailableError("It is away.")

    def read(self) -> dict[str, Sent]:
        self._ask()
        return dict(self.told)

    def write(self, name: str, sent: Sent) -> None:
        self._ask()
        self.told[name] = sent

    @contextmanager
    def alone(self) -> Iterator[bool]:
        self._ask()
        yield not self.is_held


def test_what_was_told_while_a_server_was_away_is_not_told_again_when_it_is_back(tmp_path: Path) -> None:
    queue, catalog = Shared("queue"), Shared("catalog")
    queue.is_away = True
    first = Ledgers((queue, catalog), FileLedger(tmp_path / "first"))
    with first.alone() as may:
        assert may
        first.write("webhook spool", Sent(3, at=100))
    queue.is_away = False
    queue.told["webhook spool"] = Sent(0, at=50)
    other = Ledgers((queue, catalog), FileLedger(tmp_path / "other"))
    assert other.read() == {"webhook spool": Sent(3, at=100)}


def test_of_the_same_second_what_others_told_since_is_believed(tmp_path: Path) -> None:
    queue = Shared("queue")
    ledgers = Ledgers((queue,), FileLedger(tmp_path))
    ledgers.write("webhook no_sweep", Sent(1, at=100))
    queue.told["webhook no_sweep"] = Sent(0, at=100)
    assert ledgers.read() == {"webhook no_sweep": Sent(0, at=100)}


def test_one_program_of_a_machine_sends_at_a_time(tmp_path: Path) -> None:
    first, second = (Ledgers((), FileLedger(tmp_path)) for _ in range(2))
    with first.alone() as may:
        assert may
        with second.alone() as also:
            assert not also
    with second.alone() as may:
        assert may
        assert not second.is_shared


def test_one_machine_sends_at_a_time_where_a_server_answers(tmp_path: Path) -> None:
    queue = Shared("queue")
    queue.is_held = True
    with Ledgers((queue,), FileLedger(tmp_path)).alone() as may:
        assert not may


def test_a_server_that_hangs_is_not_asked(tmp_path: Path) -> None:
    queue, catalog = Shared("queue"), Shared("catalog")
    ledgers = Ledgers((queue, catalog), FileLedger(tmp_path))
    with ledgers.alone(away=["catalog"]) as may:
        assert may
        ledgers.read()
        ledgers.write("webhook spool", Sent(1, at=1))
    assert catalog.asked == 0
    assert ledgers.is_shared


def test_a_program_remembers_what_no_place_took(tmp_path: Path) -> None:
    ledgers = Ledgers((), FileLedger(tmp_path / "is" / "not" / "there"))
    ledgers.write("webhook disk_full host", Sent(1, at=9))
    assert ledgers.read() == {"webhook disk_full host": Sent(1, at=9)}


def test_a_file_that_is_no_ledger_is_as_good_as_none(tmp_path: Path) -> None:
    for content in (b"[]", b"\xff", b'{"a": 1}', b'{"a": {"b": 1}}'):
        (tmp_path / "alerts.json").write_bytes(content)
        assert FileLedger(tmp_path).read() == {}
