"""How fast exports are written and what they cost in memory; writes its figures into docs/exports.md.

`make bench-export`. Every rate is compared within one run: the same objects are also read plainly with
minio-py and written to one file with their SHA-256. Real processes throughout; on the embedded servers,
and on MinIO where it is on this machine.
"""

import hashlib
import json
import os
import platform
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from minio import Minio

from mmsvault.catalog import upkeep
from mmsvault.exporting import register, working
from mmsvault.exporting.planning import Choice
from mmsvault.exporting.register import State
from mmsvault.message import Message, utc_now
from mmsvault.vault import Vault
from tests.benchmarks.ground import ends_what_it_started
from tests.house import House
from tests.integration.exports import POSTBACK, THUMBNAIL, described
from tests.servers import minio_server, until

GIB = 1 << 30
DOCS = Path(__file__).parents[2] / "docs" / "exports.md"
BEGIN, END = "<!-- figures: begin -->", "<!-- figures: end -->"
SIZES = (200_000, 400_000, 600_000, 1_200_000)
MOST_MIB = 400
LEAST_RATIO = 0.6


def fill(vault: Vault, size: int, *, begin: int) -> int:
    """Put messages with `size` bytes of media in all into the vault; return how many."""
    chance, filled, number = random.Random(begin), 0, begin
    folder = vault.settings.embedded_bucket_dir
    batch: list[Message] = []
    while filled < size:
        data = chance.randbytes(SIZES[number % len(SIZES)])
        message = described(f"bench-{number}", data, minutes=number)
        item = message.media[0]
        objects = {
            f"{message.prefix}postback.xml": POSTBACK,
            item.key: data,
            item.thumbnail_key: THUMBNAIL * 400,
            f"{message.prefix}message.json": message.as_record(),
        }
        for key, content in objects.items():
            if folder:
                (folder / key).parent.mkdir(parents=True, exist_ok=True)
                (folder / key).write_bytes(content)
            else:
                vault.bucket.put(key, content, content_type="application/octet-stream")
        batch.append(message)
        filled += len(data)
        number += 1
        if len(batch) == 100 or filled >= size:
            upkeep.enter(vault.catalog, batch, now=utc_now())
            batch = []
    return number


def plain_seconds(vault: Vault, path: Path) -> float:
    """Read every object of every message with minio-py into one file, with its SHA-256."""
    address, secure = vault.settings.bucket_address
    access, secret = vault.settings.bucket_keys
    client = Minio(address, access_key=access, secret_key=secret, secure=secure, region="us-east-1")
    began = time.monotonic()
    with path.open("wb") as file:
        for key in keys(vault):
            digest = hashlib.sha256()
            response = client.get_object(vault.settings.s3_bucket, key)
            for chunk in response.stream(1 << 18):
                digest.update(chunk)
                file.write(chunk)
            response.close()
            response.release_conn()
        file.flush()
        os.fsync(file.fileno())
    return time.monotonic() - began


def keys(vault: Vault) -> Iterator[str]:
    for ids in upkeep.pages(vault.catalog):
        for standing in upkeep.standings(vault.catalog, ids, now=utc_now()).values():
            message = standing.message
            yield f"{message.prefix}postback.xml"
            yield f"{message.prefix}message.json"
            for item in message.media:
                yield item.key
                yield item.thumbnail_key


def job_seconds(vault: Vault) -> float:
    """Let the worker of the running vault export everything to the bucket."""
    entered = working.request(vault, Choice(query=""), name="bench", made_by="bench", made_at=utc_now())
    assert entered
    began = time.monotonic()
    until(
        lambda: register.find(vault.catalog, entered.id).state not in register.UNFINISHED,
        seconds=3600,
        what="the export",
    )
    spent = time.monotonic() - began
    assert register.find(vault.catalog, entered.id).state is State.DONE
    working.delete(vault, entered.id)
    return spent


def file_seconds(house: House, path: Path) -> tuple[float, int]:
    """Let the command write one file; return its seconds and its peak memory in MiB."""
    began = time.monotonic()
    command = [sys.executable, "-m", "mmsvault.cli", "export", "--output", str(path)]
    process = os.posix_spawn(command[0], command, house.env)
    _, status, usage = os.wait4(process, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    return time.monotonic() - began, usage.ru_maxrss >> 10


def peaks_mib(house: House) -> dict[str, int]:
    """Return the peak memory of every process of the vault, by what it is."""
    peaks: dict[str, int] = {}
    for name in (
        "valkey-server",
        "rclone",
        "-m receiver",
        "-m worker exports",
        "-m worker sweep",
        "-m dashboard",
    ):
        for process in house.processes(name):
            lines = Path(f"/proc/{process}/status").read_text().splitlines()
            told = next(line for line in lines if line.startswith("VmHWM"))
            peaks[name] = max(peaks.get(name, 0), int(told.split()[1]) >> 10)
    return peaks


def measure(folder: Path, *, kind: str, sizes: tuple[int, ...], compared: int) -> list[dict[str, Any]]:
    """Fill a vault step by step, and measure at each size."""
    with ExitStack() as stack:
        env = stack.enter_context(minio_server(folder)) if kind == "MinIO" else {}
        house = House(folder, {"MMSVAULT_WORKERS": "1", **env})
        rows, number, filled = [], 0, 0
        for size in sizes:
            # Started anew for each size: a peak is that of this size alone.
            with house.up(), house.vault() as vault:
                number = fill(vault, size - filled, begin=number)
                filled = size
                row: dict[str, Any] = {"servers": kind, "gib": size / GIB, "messages": number}
                if size == compared:
                    row["plain_seconds"] = plain_seconds(vault, folder / "plain")
                    (folder / "plain").unlink()
                row["file_seconds"], row["file_mib"] = file_seconds(house, folder / "export.zip")
                (folder / "export.zip").unlink()
                row["job_seconds"] = job_seconds(vault)
                row["mib"] = peaks_mib(house)
                rows.append(row)
                sys.stdout.write(f"{json.dumps(row)}\n")
                sys.stdout.flush()
        return rows


def told(rows: list[dict[str, Any]], command: str) -> str:
    cores = os.cpu_count()
    heads = (
        *("servers", "media", "messages", "plain read", "export to a file", "ratio", "as a job", "ratio"),
        *("memory: command", "worker", "rclone", "the rest, at most"),
    )
    said = (
        f"Measured by `{command}` on {datetime.now(UTC):%Y-%m-%d}: {cores} cores shared with other work, "
        f"Python {platform.python_version()}. Rates in MiB/s of media; memory is the peak in MiB."
    )
    lines = [said, "", f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for row in rows:
        rate = {name: row["gib"] * 1024 / row[name] for name in row if name.endswith("seconds")}
        plain = rate.get("plain_seconds")
        peaks = dict(row["mib"])
        worker, rclone = peaks.pop("-m worker exports"), peaks.pop("rclone", 0)
        cells = (
            row["servers"],
            f"{row['gib']:g} GiB",
            f"{row['messages']:,}",
            f"{plain:.0f}" if plain else "",
            f"{rate['file_seconds']:.0f}",
            f"{rate['file_seconds'] / plain:.2f}" if plain else "",
            f"{rate['job_seconds']:.0f}",
            f"{rate['job_seconds'] / plain:.2f}" if plain else "",
            str(row["file_mib"]),
            str(worker),
            str(rclone or ""),
            str(max(peaks.values())),
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    scale = float(os.environ.get("MMSVAULT_TEST_BENCH_SCALE", "1"))
    one, two, four = (int(size * GIB * scale) for size in (1, 2, 4))
    folder = Path(tempfile.mkdtemp(prefix="bench-export-", dir=os.environ.get("MMSVAULT_TEST_BENCH_DIR")))
    try:
        rows = []
        kinds = [("embedded", (one, two, four))]
        if shutil.which("minio"):
            kinds.append(("MinIO", (two,)))
        for kind, sizes in kinds:
            (folder / kind).mkdir()
            rows += measure(folder / kind, kind=kind, sizes=sizes, compared=two)
            shutil.rmtree(folder / kind)
    finally:
        shutil.rmtree(folder)
    if scale == 1:  # a trial at another scale leaves the docs alone
        before, _, rest = DOCS.read_text().partition(BEGIN)
        after = rest.partition(END)[2]
        DOCS.write_text(f"{before}{BEGIN}\n{told(rows, 'make bench-export')}\n{END}{after}")
    sys.stdout.write(told(rows, "make bench-export") + "\n")
    for row in rows:
        assert max(row["file_mib"], *row["mib"].values()) < MOST_MIB
        if "plain_seconds" in row:  # a job on MinIO sends the archive back as well, which a file spares
            assert row["plain_seconds"] / row["file_seconds"] >= LEAST_RATIO


if __name__ == "__main__":
    ends_what_it_started()
    main()
