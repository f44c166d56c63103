"""Memory of rebuild and verify as an archive grows; the bucket's files are written directly."""

import hashlib
import tracemalloc
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from mmsvault.catalog.connection import migrate
from mmsvault.integrity.rebuilding import rebuild
from mmsvault.integrity.repairing import verify_and_repair
from mmsvault.message import MediaItem, MediaState, Message, RawPostback
from mmsvault.settings import Settings
from mmsvault.vault import Vault

BEGAN_AT = datetime(2026, 1, 1, tzinfo=UTC)
A_DAY = 500


def write_message(folder: Path, number: int) -> None:
    """Write the folder of one archived message of 20 KB into the bucket's files."""
    at = BEGAN_AT + timedelta(days=number // A_DAY, seconds=number % A_DAY)
    prefix = f"messages/{at:%Y/%m/%d}/sinch-{number:07d}/"
    data, raw = f"{number:07d}".encode() * 3000, b"<postback/>"
    item = MediaItem(
        position=0,
        url=f"http://content.example/{number}",
        state=MediaState.STORED,
        content_type="text/plain",
        size=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
        key=f"{prefix}00.txt",
    )
    message = Message(
        id=f"sinch-{number:07d}",
        provider="sinch",
        tracking_id=f"{number:07d}",
        sender="14085550123",
        to=("28444",),
        received_at=at,
        deadline_at=at + timedelta(days=30),
        recorded_at=at,
        prefix=prefix,
        media=(item,),
        postbacks=(
            RawPostback(
                name="postback.xml",
                sha256=hashlib.sha256(raw).hexdigest(),
                received_at=at,
                source="",
                headers={},
            ),
        ),
    )
    (folder / prefix).mkdir(parents=True)
    for name, content in (("00.txt", data), ("postback.xml", raw), ("message.json", message.as_record())):
        (folder / prefix / name).write_bytes(content)


def peak(work: Callable[[Vault], object], vault: Vault) -> float:
    """Return the most memory that the work held, in MiB."""
    tracemalloc.start()
    work(vault)
    most = tracemalloc.get_traced_memory()[1] / (1 << 20)
    tracemalloc.stop()
    return most


@pytest.mark.benchmark
@pytest.mark.timeout(600)
def test_memory_stays_that_of_a_page_as_the_archive_grows(tmp_path: Path) -> None:
    peaks = {}
    for messages in (1000, 4000):
        settings = Settings.load(data_dir=str(tmp_path / str(messages)))
        folder = settings.embedded_bucket_dir
        assert folder
        for number in range(messages):
            write_message(folder, number)
        vault = Vault(settings)
        migrate(vault.catalog)
        peaks[messages] = peak(rebuild, vault), peak(verify_and_repair, vault)
        report = verify_and_repair(vault)
        assert (report.checked, report.problems) == (messages * 3, [])
        vault.close()
    for small, large in zip(*peaks.values(), strict=True):
        assert large < small * 1.5, peaks
