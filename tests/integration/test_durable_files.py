"""What is on the disk, with its name, before anybody hears that it is kept: steps that strace saw."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from mmsvault.embedded import append_only_file, servers
from mmsvault.embedded.part import Part
from mmsvault.message import Receipt
from mmsvault.queueing.connection import connect_to_answer
from mmsvault.queueing.durable import DurableQueue
from mmsvault.queueing.jobs import open_queue
from mmsvault.settings import Settings
from mmsvault.settings.generated import free_port
from tests import file_log
from tests.file_log import Step
from tests.power_cut import NAMES, SYNCED, TORN, Disk, Left
from tests.servers import listens, until

TOKEN = "tests-token"
CUTS = (SYNCED, NAMES, TORN)
MADE_ANEW = ("server.conf",)
"""What each start writes again."""
BODIES = [f"<postback>{number}</postback>".encode() for number in range(3)]


@contextmanager
def recorded(command: Sequence[str], log: Path, *, env: dict[str, str]) -> Iterator[None]:
    """Run a server under strace until the end of the block, where it is asked to end."""
    with log.with_suffix(".output").open("wb") as output:
        process = subprocess.Popen(
            file_log.command_of(command, log), env={**os.environ, **env}, stdout=output, stderr=output
        )
    try:
        yield
    finally:
        # The first call in the log is the server's own; strace itself ends after it.
        os.kill(int(log.read_text().split(maxsplit=1)[0]), signal.SIGTERM)
        process.wait(30)


def steps_until(steps: Sequence[Step], root: Path, *, sent: bytes) -> Iterator[Disk]:
    """Give the disk as it is each time that `sent` goes out over a socket."""
    disk = Disk(root)
    for step in steps:
        if step.call == "send" and sent in step.data:
            yield disk
        disk.do(step)


@pytest.fixture(scope="module")
def spooled(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Step]]:
    """What a receiver does with three postbacks while the queue is away."""
    folder = tmp_path_factory.mktemp("receiver").resolve()
    root = folder / "disk"
    root.mkdir()
    port = free_port()
    env = {
        "MMSVAULT_DATA_DIR": str(root / "vault"),
        "MMSVAULT_RECEIVER_PORT": str(port),
        "MMSVAULT_POSTBACK_TOKEN": TOKEN,
    }
    with recorded([sys.executable, "-m", "receiver"], folder / "log", env=env):
        until(lambda: listens(port), what="the receiver listening")
        for body in BODIES:
            address = f"http://127.0.0.1:{port}/postbacks/sinch/{TOKEN}"
            assert httpx.post(address, content=body, trust_env=False).status_code == 200
    return root, list(file_log.steps(folder / "log"))


def test_a_spooled_receipt_is_written_forced_named_and_its_folder_forced_before_the_200(
    spooled: tuple[Path, list[Step]],
) -> None:
    root, steps = spooled
    folder = root / "vault" / "spool"
    answers = [n for n, step in enumerate(steps) if step.call == "send" and b"HTTP/1.1 200" in step.data]
    begin = 0
    for answer, body in zip(answers, BODIES, strict=True):
        told = [step for step in steps[begin:answer] if step.path.is_relative_to(folder)]
        named = next(step for step in told if step.call == "rename")
        draft = [
            step.call for step in told if step.path == named.path and step.call not in ("seek", "begin sync")
        ]
        assert draft == ["open", "write", "sync", "rename"]
        calls = [(step.call, step.path) for step in told]
        assert ("sync", folder) in calls[calls.index(("rename", named.path)) :]
        written = next(step for step in told if step.call == "write").data
        assert Receipt.model_validate_json(written).body == body
        begin = answer + 1


@pytest.mark.parametrize("left", CUTS, ids=str)
def test_every_postback_answered_while_the_queue_is_away_is_in_the_spool_after_a_power_cut(
    spooled: tuple[Path, list[Step]], tmp_path: Path, left: Left
) -> None:
    root, steps = spooled
    answered = 0
    for disk in steps_until(steps, root, sent=b"HTTP/1.1 200"):
        answered += 1
        place = tmp_path / str(answered)
        disk.leave(place, left)
        there = [json.loads(path.read_bytes()) for path in place.glob("vault/spool/*.json")]
        kept = sorted(Receipt.model_validate(one).body for one in there)
        assert kept == BODIES[:answered]
    assert answered == len(BODIES)


def test_the_embedded_queue_has_receipts_on_the_disk_before_it_answers(tmp_path: Path) -> None:
    root = tmp_path.resolve() / "disk"
    root.mkdir()
    settings, log = made_settings(root)
    kept = [Receipt.of(body, provider="sinch").model_dump(mode="json") for body in BODIES]
    part = queue_part(settings)
    # What was made for the server's start is on the disk as well: another test shows that.
    disk = Disk.holding(root)
    with recorded(part.command, log, env={}):
        until(lambda: part.ready is not None and part.ready(), what="the queue answering")
        with connect_to_answer(settings.effective_redis_url) as connection:
            queue = DurableQueue(open_queue(connection))
            for receipt in kept:
                queue.keep([receipt])
    answered = 0
    for step in file_log.steps(log):
        if step.call == "send" and b"appendfsync" in step.data and b"always" in step.data:
            waiting = {name for name in disk.unsynced() if "appendonlydir" in name}
            assert waiting == set()
            place = tmp_path / f"left-{answered}"
            disk.leave(place, SYNCED)
            files = b"".join(path.read_bytes() for path in place.rglob("*.aof"))
            found = [receipt for receipt in kept if receipt["id"].encode() in files]
            answered = max(answered, len(found))
            assert found == kept[: len(found)]
        disk.do(step)
    assert answered == len(kept)


def made_settings(root: Path) -> tuple[Settings, Path]:
    return Settings.load(data_dir=root / "vault"), root.parent / "log"


def queue_part(settings: Settings) -> Part:
    return servers.redis_part(settings)


BUCKET = """
from io import BytesIO
from mmsvault.folder import FolderBucket
bucket = FolderBucket(root / "bucket" / "vault")
bucket.make()
bucket.put("a/b/c/one.xml", b"1", content_type="")
bucket.put("a/b/d/two.xml", BytesIO(b"2"), size=1, content_type="")
bucket.put_new("e/f/three.json", b"3", content_type="")
bucket.put_stream("e/g/four.zip", BytesIO(b"4"), content_type="")
for name in "five", "six":
    bucket.put(f"h/{name}/thumbs/00.webp", b"5", content_type="", forced=False)
bucket.force(["h/five/thumbs/00.webp", "h/six/thumbs/00.webp"])
bucket.erase("a/b/")
bucket.put("a/b/c/one.xml", b"again", content_type="")
"""
OTHERS_FOLDER = """
from mmsvault.folder import FolderBucket
(root / "vault" / "day" / "message").mkdir(parents=True)
bucket = FolderBucket(root / "vault")
bucket.make()
bucket.put("day/message/one.xml", b"1", content_type="")
"""
SETTINGS = """
from mmsvault.settings import Settings
Settings.load(data_dir=root / "new" / "vault")
"""
FIRST_START = """
from mmsvault.embedded import servers
from mmsvault.settings import Settings
settings = Settings.load(data_dir=root / "new" / "vault")
servers.redis_part(settings)
servers.bucket_part(settings)
"""
FILES = """
from mmsvault.backup.secrets import write_secret
from mmsvault.core.durable_files import make_folder
from mmsvault.exporting import outputs, signing
for name in "new", "replaced", "key", "secret":
    make_folder(root / name)
for name in "new", "replaced", "replaced":
    with outputs.to_file(root / name / "export.zip", replace=name == "replaced") as stream:
        stream.write(name.encode())
signing._make(root / "key" / "key.pem")
write_secret(root / "secret" / "secret", "told")
"""
SPOOL = """
from mmsvault.queueing.spool import Spool
(root / "spool").mkdir()
Spool(root / "spool").keep([{"received_at": "2026-11-30T00:00:00Z", "id": "1"}])
"""


@pytest.mark.parametrize(
    ("program", "names"),
    [
        pytest.param(BUCKET, ["bucket/"], id="objects of the bucket"),
        pytest.param(OTHERS_FOLDER, ["vault/"], id="an object in a folder that another program made"),
        pytest.param(SETTINGS, ["new/"], id="tokens and keys of the first start"),
        pytest.param(FIRST_START, ["new/"], id="what the first start makes"),
        pytest.param(FILES, [""], id="exports, the signing key and secrets"),
        pytest.param(SPOOL, ["spool/"], id="a spool that another program made"),
    ],
)
def test_what_is_kept_is_on_the_disk_with_every_folder_above_it(
    tmp_path: Path, program: str, names: list[str]
) -> None:
    root = tmp_path.resolve() / "disk"
    root.mkdir()
    code = f"import sys\nfrom pathlib import Path\nroot = Path(sys.argv[1])\n{program}"
    disk = Disk(root)
    for step in file_log.record([sys.executable, "-c", code, str(root)], tmp_path / "log"):
        disk.do(step)
    waiting = {one for one in disk.unsynced() if one.startswith(tuple(names))}
    assert {one for one in waiting if not one.endswith(MADE_ANEW)} == set()
    disk.leave(tmp_path / "left", SYNCED)
    left = {path.relative_to(tmp_path / "left") for path in (tmp_path / "left").rglob("*") if path.is_file()}
    there = {path.relative_to(root) for path in root.rglob("*") if path.is_file()}
    assert {path for path in there ^ left if path.name not in MADE_ANEW} == set()


def test_a_queue_that_was_put_in_order_stays_so_after_a_power_cut(tmp_path: Path) -> None:
    root = tmp_path.resolve() / "disk"
    files = root / append_only_file.FOLDER
    files.mkdir(parents=True)
    increment = "appendonly.aof.1.incr.aof"
    (files / append_only_file.MANIFEST).write_text(f"file {increment} seq 1 type i\n")
    (files / increment).write_bytes(b"*1\r\n$4\r\nPING\r\n" + bytes(100))
    disk = Disk.holding(root)
    program = [sys.executable, "-I", "-S", str(append_only_file.__file__), str(root), "valkey-server"]
    for step in file_log.record(program, tmp_path / "log"):
        disk.do(step)
    assert {name for name in disk.unsynced() if not name.endswith("server.log")} == set()
    disk.leave(tmp_path / "left", SYNCED)
    assert (tmp_path / "left" / append_only_file.FOLDER / increment).read_bytes() == b"*1\r\n$4\r\nPING\r\n"
    assert len(list((tmp_path / "left").glob(f"damaged-*/{increment}"))) == 1
