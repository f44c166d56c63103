"""Thumbnails against libvips, and what the sandbox costs; `make bench-media` writes them down.

The two take turns within one run, so that a noisy machine is noisy for both.
"""

import os
import platform
import statistics
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mmsvault.media import inspecting
from mmsvault.media.sandbox import Sandbox
from mmsvault.sample.media import PHOTO_SIZE, photograph

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(900)]

PAGE = Path(__file__).parents[2] / "docs" / "performance-media.md"
SIZES = {
    "640 x 480": (640, 480),
    "1280 x 960": PHOTO_SIZE,
    "1920 x 1080": (1920, 1080),
    "12 MP": (4000, 3000),
}
SECONDS_A_SIZE = 12
FASTER_THAN = 1.0
SANDBOX_COST = 0.25
QUALITY, EFFORT, EDGE = 80, 2, 320  # those of mmsvault.media.images


def taking_turns(*works: Callable[[], object], seconds: float = SECONDS_A_SIZE) -> list[float]:
    """Return the tenth percentile of the time of each, in milliseconds, after one round to warm up."""
    times: list[list[float]] = [[] for _ in works]
    give_up = time.monotonic() + seconds
    while time.monotonic() < give_up or len(times[0]) < 10:
        for work, taken in zip(works, times, strict=True):
            began = time.perf_counter()
            work()
            taken.append((time.perf_counter() - began) * 1000)
    return [statistics.quantiles(taken[1:], n=10)[0] for taken in times]


@pytest.fixture(scope="module")
def page() -> Iterator[dict[str, list[str]]]:
    """Gather the tables, and write them at the end where both were measured."""
    tables: dict[str, list[str]] = {}
    yield tables
    if len(tables) == 2 and os.environ.get("MMSVAULT_TEST_WRITE"):
        PAGE.write_text(
            "# How fast media is looked into\n\n"
            f"Written by `make bench-media` on {datetime.now(UTC):%Y-%m-%d}: "
            f"Python {platform.python_version()}, {os.cpu_count()} cores. Milliseconds; both take turns\n"
            "within one run, and the tenth percentile of each counts: on a busy machine a median tells\n"
            "what the others do.\n\n" + "\n".join(line for table in tables.values() for line in table)
        )


def test_a_thumbnail_takes_no_longer_than_with_libvips(
    tmp_path: Path, page: dict[str, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VIPS_CONCURRENCY", "1")  # its threads would only wait for each other on busy cores
    pyvips = pytest.importorskip("pyvips")
    lines = [
        "## Thumbnails against libvips",
        "",
        f"A JPEG to WebP of {EDGE} px, quality {QUALITY}, effort {EFFORT}, one thread, only pixels kept.",
        "Ours: all of `inspect` in the process (type, EXIF, hash, thumbnail).",
        f"libvips {_version(pyvips)}: `thumbnail_buffer`, then `webpsave_buffer`.",
        "",
        "| picture | ours | libvips | ratio |",
        "|---|---|---|---|",
    ]
    ratios = {}
    for name, size in SIZES.items():
        data = photograph(1, size=size).data
        path = tmp_path / "picture"
        path.write_bytes(data)

        def vips(data: bytes = data) -> bytes:
            small = pyvips.Image.thumbnail_buffer(data, EDGE, height=EDGE)
            return bytes(small.webpsave_buffer(Q=QUALITY, effort=EFFORT, keep="none"))

        ours, theirs = taking_turns(lambda path=path: inspecting.inspect(str(path), "", 100_000_000), vips)
        ratios[name] = ours / theirs
        lines.append(f"| {name} | {ours:.2f} | {theirs:.2f} | {ratios[name]:.2f} |")
    page["thumbnails"] = [*lines, ""]
    print("\n".join(lines))  # noqa: T201 - what a benchmark is for
    assert all(ratio <= FASTER_THAN for ratio in ratios.values()), ratios


def test_the_sandbox_costs_little_for_a_small_picture(tmp_path: Path, page: dict[str, list[str]]) -> None:
    path = tmp_path / "picture"
    path.write_bytes(photograph(1, size=(640, 480)).data)
    sandbox = Sandbox(max_pixels=100_000_000)
    try:
        within, without = taking_turns(
            lambda: sandbox.inspect(path, "image/jpeg"),
            lambda: inspecting.inspect(str(path), "image/jpeg", 100_000_000),
        )
    finally:
        sandbox.close()
    cost = within / without - 1
    lines = [
        "## What the sandbox costs",
        "",
        "`inspect` of a JPEG of 640 x 480, in the sandbox's child and in the process itself.",
        "",
        "| in the sandbox | in the process | cost |",
        "|---|---|---|",
        f"| {within:.2f} | {without:.2f} | {cost:+.0%} |",
    ]
    page["sandbox"] = [*lines, ""]
    print("\n".join(lines))  # noqa: T201 - what a benchmark is for
    assert cost <= SANDBOX_COST


def _version(pyvips: object) -> str:
    number: Callable[[int], int] = pyvips.version  # type: ignore[attr-defined]
    return ".".join(str(number(part)) for part in range(3))
