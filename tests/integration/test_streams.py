"""Commands whose streams are full, closed or cut off, and locales that are not in UTF-8."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from mmsvault.catalog import upkeep
from mmsvault.catalog.connection import migrate, open_catalog
from mmsvault.message import utc_now
from mmsvault.settings import Settings
from mmsvault.vault import Vault
from tests.integration.test_catalog import message

SUBJECT = "Żółw 🐢 é"
COMMANDS = ("search", "show sinch-1", "status --json", "keywords", "audit list", "user list", "-h", "doctor")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a vault with one message, whose words are in no old encoding; nothing runs."""
    made = tmp_path_factory.mktemp("streams") / "vault"
    Vault(Settings.load(data_dir=made)).bucket.make()
    catalog = open_catalog(f"sqlite:///{made / 'catalog.sqlite'}")
    migrate(catalog)
    upkeep.enter(catalog, [message(subject=SUBJECT)], now=utc_now())
    catalog.dispose()
    return made


def command(folder: Path, env: Mapping[str, str] | None = None) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MMSVAULT_", "LC_"))}
    return {**kept, "MMSVAULT_DATA_DIR": str(folder), **(env or {})}


def called(folder: Path, words: Sequence[str], redirected: str) -> "subprocess.CompletedProcess[str]":
    """Run a command in a shell, with its streams redirected."""
    return subprocess.run(
        ["/bin/bash", "-c", f'"$@" {redirected}', "bash", sys.executable, "-m", "mmsvault.cli", *words],
        env=command(folder),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("words", COMMANDS)
def test_an_answer_that_finds_no_room_is_said_in_a_sentence(folder: Path, words: str) -> None:
    done = called(folder, words.split(), "> /dev/full")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    if words != "status --json":  # the queue is away, which is said instead
        assert done.stderr == "The output could not be written: No space left on device.\n"


@pytest.mark.parametrize("words", ["search", "search --json", "audit list", "-h"])
def test_a_reader_that_is_gone_ends_a_command_quietly(folder: Path, words: str) -> None:
    done = called(folder, words.split(), '| true; exit "${PIPESTATUS[0]}"')
    assert done.stderr == ""
    assert done.returncode in (0, 141)  # all may fit into the pipe before its reader ends


@pytest.mark.parametrize("redirected", [">&-", "2>&-", "<&-", ">&- 2>&- <&-"])
def test_closed_streams_end_nothing_and_nothing_is_written_into_the_catalog(
    folder: Path, redirected: str
) -> None:
    done = called(folder, ["search"], redirected)
    assert done.returncode == 0
    assert "Traceback" not in done.stderr
    catalog = open_catalog(f"sqlite:///{folder / 'catalog.sqlite'}")
    migrate(catalog)
    assert (folder / "catalog.sqlite").read_bytes().startswith(b"SQLite format 3\0")
    catalog.dispose()


LOCALES: tuple[Mapping[str, str], ...] = (
    {"LC_ALL": "C"},
    {"LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    {"PYTHONIOENCODING": "latin-1"},
    {"PYTHONIOENCODING": "ascii:strict", "LANG": "xx"},
)


@pytest.mark.parametrize("env", LOCALES, ids=str)
def test_in_every_locale_an_answer_is_readable_and_json_says_the_same(
    folder: Path, env: Mapping[str, str]
) -> None:
    for words in (["search"], ["search", "--json"]):
        done = subprocess.run(
            [sys.executable, "-m", "mmsvault.cli", *words],
            env=command(folder, env),
            capture_output=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert done.stderr == b""
    encoding = env.get("PYTHONIOENCODING", "utf-8").partition(":")[0]
    (found,) = json.loads(done.stdout.decode(encoding))["messages"]
    assert found["subject"] == SUBJECT
