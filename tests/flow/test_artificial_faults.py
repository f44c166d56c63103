"""Whole test runs over a vault that loses, doubles and changes: each fails, and names what is not right."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HERE = Path("tests/flow")
EVERY = "1000"
CHANGED = r"sinch-\S+: file \d \(\S+\) has other bytes than the provider served"
"""Of which file is open: several are downloaded side by side."""
RUNS = {
    "fault table": (
        ("test_faults.py", "provider and everyday and not real"),
        {"CHANGE": "1000:3"},
        (
            "sinch-the-provider-serves-404-until-later-0: answered with 200, and not in the catalog",
            "sinch-the-provider-drops-the-connection-half-way-1-again: nobody sent it, so it is doubled",
            CHANGED,
        ),
    ),
    "soak": (
        ("test_soak.py", "short and not real"),
        {"CHANGE": "1000:3"},
        (
            r"sinch-soak-\d: answered with 200, and not in the catalog",  # sent side by side, in any order
            r"sinch-soak-\d-again: nobody sent it, so it is doubled",
            CHANGED,
        ),
    ),
    "every-day flow": (
        ("test_archive.py", "embedded and (dialect or served_yet or so_far)"),
        {"CHANGE": EVERY},
        (
            "sinch-dialect-0 is not in the catalog",
            "sinch-dialect-0: answered with 200, and not in the catalog",
            "sinch-late-again: nobody sent it, so it is doubled",
            r"sinch-late: file 1 \(sticker.png\) has other bytes than the provider served",
        ),
    ),
}


@pytest.mark.parametrize("run", RUNS)
def test_a_lost_a_doubled_and_a_changed_message_each_fail_the_run_and_are_named(
    tmp_path: Path, run: str
) -> None:
    (file, chosen), more, expected = RUNS[run]
    document = tmp_path / "reliability.md"
    document.write_text("<!-- fault table begins -->\n<!-- fault table ends -->\n")
    faults = {"LOSE": EVERY, "DOUBLE": "1000:1", **more}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", chosen, str(HERE / file)],
        cwd=ROOT,
        env={
            **os.environ,
            **{f"MMSVAULT_TEST_{kind}": value for kind, value in faults.items()},
            "MMSVAULT_TEST_QUIET_SECONDS": "3",
            "MMSVAULT_TEST_FAULT_TABLE": str(document),
            "PYTEST_DEBUG_TEMPROOT": str(tmp_path),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == pytest.ExitCode.TESTS_FAILED, done.stdout + done.stderr
    for words in expected:
        assert re.search(words, done.stdout), done.stdout
    if run == "fault table":
        written = document.read_text()
        assert "| the provider serves 404 until later | 1 | 1 | 0 | 1 | 0 | 0 | " in written
        assert re.search(r"half-way \| 1 \| 1 \| . \| . \| 1 \| . \| [-0-9]+, failed \|", written)
