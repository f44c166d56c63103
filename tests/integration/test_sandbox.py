"""The sandbox with real children: what they may not do, and what hostile files cost."""

import errno
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path

import pytest

from mmsvault.media import sandbox as module
from mmsvault.media.facts import Facts, NotShownError
from mmsvault.media.sandbox import BrokenError, Sandbox
from mmsvault.sample import kinds, media
from tests import hostile

MANY = 100_000_000
SECONDS = 20.0


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    running = Sandbox(max_pixels=MANY, seconds=SECONDS)
    yield running
    running.close()


def within(sandbox: Sandbox, task: Callable[..., object], *arguments: object) -> object:
    return module._answer(sandbox._inspectors, task, *arguments, seconds=30)


def inspect(sandbox: Sandbox, folder: Path, data: bytes, declared: str = "") -> Facts:
    """Look into the file as the worker does; it stays as it is."""
    path = folder / "file"
    path.write_bytes(data)
    facts = sandbox.inspect(path, declared)
    assert path.read_bytes() == data
    return facts


# What the child does in its own process.


def refused(task: str, place: str) -> int:
    """Return the number of the error that the kernel answers with, 0 for none."""
    try:
        match task:
            case "connect":
                socket.create_connection(("127.0.0.1", int(place)), timeout=2)
            case "listen":
                socket.socket(socket.AF_UNIX)
            case "make a file":
                os.open(place, os.O_CREAT | os.O_WRONLY)
            case "write":
                os.open(place, os.O_WRONLY)
            case "make a folder":
                os.mkdir(place)  # noqa: PTH102 - the call itself is what is tried
            case "remove":
                os.unlink(place)  # noqa: PTH108 - as above
            case "run a program":
                os.execv("/bin/true", ["true"])  # noqa: S606 - as above
    except OSError as error:
        return error.errno or -1
    return 0


def take_memory() -> int:
    return len(bytearray(3 << 30))


def take_processor_time() -> None:
    module.confining.limit_processor_time(1)
    while True:
        pass


def wait() -> None:
    time.sleep(600)


def own_id() -> int:
    return os.getpid()


def modules_loaded() -> list[str]:
    return sorted({"av", "PIL", "pypdfium2"} & set(sys.modules))


@pytest.mark.skipif(sys.platform != "linux", reason="seccomp and Landlock are Linux's")
@pytest.mark.parametrize(
    "task", ["connect", "listen", "make a file", "write", "make a folder", "remove", "run a program"]
)
def test_a_child_reaches_no_network_changes_no_file_and_runs_no_program(
    sandbox: Sandbox, tmp_path: Path, task: str
) -> None:
    (tmp_path / "there").write_text("as it was")
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        place = {"connect": str(port), "write": "there", "remove": "there"}.get(task, "new")
        number = within(sandbox, refused, task, place if task == "connect" else str(tmp_path / place))
    assert number in (errno.EACCES, errno.EPERM)
    assert [path.name for path in tmp_path.iterdir()] == ["there"]


def test_the_worker_itself_loads_no_decoder(tmp_path: Path) -> None:
    code = "import sys, mmsvault.vault, mmsvault.archiving, mmsvault.previewing, worker.working;"
    code += "print(sorted({'av', 'PIL', 'numpy', 'pypdfium2', 'icalendar'} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert done.stdout == "[]\n"


@pytest.mark.parametrize(
    ("task", "words"),
    [(take_memory, "of memory"), (take_processor_time, "broke the decoder"), (os.abort, "broke")],
)
def test_a_child_that_takes_too_much_is_ended_and_the_next_file_is_served(
    sandbox: Sandbox, tmp_path: Path, task: Callable[[], object], words: str
) -> None:
    with pytest.raises(BrokenError, match=words):
        within(sandbox, task)
    assert inspect(sandbox, tmp_path, media.photograph(0).data).thumbnail


def test_no_child_outlives_its_limit(tmp_path: Path) -> None:
    sandbox = Sandbox(max_pixels=MANY, seconds=1)
    try:
        child = within(sandbox, own_id)
        with pytest.raises(BrokenError, match="longer than 1 s"):
            module._answer(sandbox._inspectors, wait, seconds=1)
        assert inspect(sandbox, tmp_path, media.photograph(0).data).thumbnail
        assert not Path(f"/proc/{child}").exists()
    finally:
        sandbox.close()


def test_a_preview_is_written_to_its_own_folder_and_nowhere_else(sandbox: Sandbox, tmp_path: Path) -> None:
    file, own = tmp_path / "film", tmp_path / "own"
    file.write_bytes(media.film_3gp().data)
    own.mkdir()
    assert sandbox.make_preview(file, "video/3gpp", into=own / "made", preview_type="video/mp4") == ""
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["film", "made", "own"]
    with pytest.raises(NotShownError, match=r"preview not made: .*cannot be played"):
        sandbox.make_preview(file, "audio/amr", into=own / "other", preview_type="audio/mp4")


@pytest.mark.parametrize("name", hostile.MADE)
def test_a_hostile_file_costs_nothing_and_says_what_is_wrong_with_it(
    sandbox: Sandbox, tmp_path: Path, name: str
) -> None:
    file = hostile.MADE[name]()
    facts = inspect(sandbox, tmp_path, file.data, file.content_type)
    expected = {
        "PNG of 30,000 x 30,000": ("image/png", "30,000 x 30,000 pixels is over the limit of 100 million"),
        "JPEG that says 65,000 x 65,000": ("image/jpeg", "over the limit of 100 million"),
        "GIF of 100,000 frames": ("image/gif", ""),
        "ZIP of ZIPs, named .jpg": ("application/zip", ""),
        "3GP of 10^9 seconds": ("video/3gpp", ""),
        "PDF of pages within pages": ("application/pdf", ""),
        "nothing at all": ("application/octet-stream", ""),
        "a web page in place of a picture": ("text/html", "This is a web page."),
        "GIF and script in one": ("image/gif", ""),
        "JPEG and web page in one": ("image/jpeg", ""),
        "SVG with a script": ("image/svg+xml", ""),
    }.get(name)
    if expected:
        assert facts.content_type == expected[0]
        assert expected[1] in facts.reason
    assert facts.duration_ms is None or facts.duration_ms < 24 * 3600 * 1000
    if facts.preview_type:
        own = tmp_path / "own"
        own.mkdir()
        try:
            sandbox.make_preview(
                tmp_path / "file", facts.content_type, into=own / "made", preview_type=facts.preview_type
            )
        except NotShownError as error:
            assert str(error).startswith("preview not made: ")


def test_files_cut_off_or_with_a_bit_turned_over_are_described(sandbox: Sandbox, tmp_path: Path) -> None:
    for kind in kinds.KINDS:
        broken_in_many_ways(sandbox, tmp_path, kind, points=3, count=4)


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("kind", kinds.KINDS)
def test_every_sample_cut_off_at_20_points_and_with_2000_bits_turned_over(
    sandbox: Sandbox, tmp_path: Path, kind: str
) -> None:
    broken_in_many_ways(sandbox, tmp_path, kind, points=20, count=2000, preview_of_every=200)


def broken_in_many_ways(
    sandbox: Sandbox, folder: Path, kind: str, *, points: int, count: int, preview_of_every: int = 0
) -> None:
    file = kinds.KINDS[kind]()
    own = folder / "own"
    own.mkdir(exist_ok=True)
    cut_off, turned_over = (
        hostile.truncations(file.data, points=points),
        hostile.flips(file.data, count=count),
    )
    for number, data in enumerate(chain(cut_off, turned_over)):
        began = time.monotonic()
        facts = inspect(sandbox, folder, data, file.content_type)
        assert time.monotonic() - began < SECONDS + 10, number
        assert facts.content_type, number
        if preview_of_every and number % preview_of_every == 0 and facts.preview_type:
            try:
                sandbox.make_preview(
                    folder / "file", facts.content_type, into=own / "made", preview_type=facts.preview_type
                )
            except NotShownError as error:
                assert str(error).startswith("preview not made: ")
