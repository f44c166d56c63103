import json

import pytest

from mmsvault.embedded.pauses import RECEIVER_SECONDS, Pauses
from mmsvault.runtime.failures import ASK_DOCTOR, reason, remedy

TRACEBACK = """Traceback (most recent call last):
  File "/usr/lib/python3.11/runpy.py", line 198, in _run_module_as_main
    return _run_code(code, main_globals, None,
           ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
ModuleNotFoundError: No module named 'streamlit'
"""
LOGGED = json.dumps({"level": "error", "event": "it broke off", "exception": TRACEBACK})


@pytest.mark.parametrize(
    ("written", "why"),
    [
        (TRACEBACK, "No module named 'streamlit'"),
        (LOGGED, "No module named 'streamlit'"),
        ('{"level": "warning", "event": "waiting for a server", "reason": "It is away."}',
         "waiting for a server: It is away"),
        ('MMSVAULT_S3_BUCKET: is no name\n{"level": "info", "event": "ended"}',
         "MMSVAULT_S3_BUCKET: is no name"),
        ("12345:M 29 Nov 2026 22:41:52.123 # Bad file format reading the append only file",
         "Bad file format reading the append only file"),
        ("2026/11/29 22:41:52 NOTICE: Failed to s3: listen tcp 127.0.0.1:9: address already in use",
         "Failed to s3: listen tcp 127.0.0.1:9: address already in use"),
        ("\x1b[2m2026-11-29T22:41:52Z\x1b[0m [\x1b[31merror    \x1b[0m] \x1b[1mno space left\x1b[0m",
         "no space left"),
        ("PermissionError: [Errno 13] Permission denied: '/srv/vault/spool'", "Permission denied"),
        ("", "it did not say why"),
        ('{"level": "info", "event": "all is well"}', "it did not say why"),
    ],
)  # fmt: skip
def test_why_a_program_ended_is_said_in_one_plain_line(written: str, why: str) -> None:
    assert reason(written.splitlines()) == why


@pytest.mark.parametrize(
    ("why", "words"),
    [
        ("No module named 'streamlit'", "make setup"),
        ("No space left on device", "Free space"),
        ("MMSVAULT_S3_BUCKET: is no name", "docs/settings.md"),
        ("it did not say why", ASK_DOCTOR),
    ],
)
def test_each_reason_comes_with_what_helps(why: str, words: str) -> None:
    assert words in remedy(why)


def longest_pause(pauses: Pauses) -> float:
    made = []
    for _ in range(20):
        pauses.started()
        made.append(pauses.ended())
    assert made == sorted(made)
    return made[-1]


def test_the_receiver_is_never_away_for_long_and_others_wait_longer_and_longer() -> None:
    assert longest_pause(Pauses(longest_seconds=RECEIVER_SECONDS)) == 2
    assert longest_pause(Pauses()) == 30
