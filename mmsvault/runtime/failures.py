"""Why a program ended, out of the last lines that it wrote, and what its operator can do."""

import json
import re
from collections.abc import Sequence
from pathlib import Path

from mmsvault.errors import VaultError, plain_reason

LINES_KEPT = 40
"""Of what a program writes: a traceback and what was said before it."""
LOG_BYTES = 4096
"""Of the end of a server's own log."""
ASK_DOCTOR = "Run `mmsvault doctor`: it looks at everything the vault needs."
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_STAMP = re.compile(
    r"""^(?:
        \d+:[A-Z]\ \d+\ \w+\ \d{4}\ [\d:.]+\ [#*.-]\ +        # valkey-server
        | \d{4}[-/]\d\d[-/]\d\d[T ][\d:.]+Z?\s+(?:\[?\w+\s*\]?:?\s+)?  # structlog, rclone
    )""",
    re.VERBOSE,
)
_OF_A_TRACEBACK = re.compile(r"^(?:\s|Traceback|During handling|The above exception)")
_RAISED = re.compile(r"^(?:[A-Za-z_]\w*\.)*[A-Z]\w*(?:Error|Exception|Interrupt|Exit)(?::\s*(.*))?$")
REMEDIES: Sequence[tuple[str, str]] = (
    (r"no space left|disk quota|disk is full", "Free space on the disk that MMSVAULT_DATA_DIR is on."),
    (r"read-only file system", "Set MMSVAULT_DATA_DIR to a folder on a disk that can be written to."),
    (r"permission denied|not permitted", "Let the vault's user read and write in MMSVAULT_DATA_DIR."),
    (r"no module named|cannot import|no such file.*\.py", "Install MMS Vault again: `make setup`."),
    (r"cannot allocate memory|out of memory", "Give it more memory, or set fewer MMSVAULT_WORKERS."),
    (r"too many open files", "Raise the limit of open files (`ulimit -n`)."),
    (r"address already in use", "End the program that has its port, or set another port."),
    (r"MMSVAULT_[A-Z0-9_]+: ", "Set it right; docs/settings.md lists every setting."),
)


def reason(lines: Sequence[str], *, otherwise: str = "it did not say why") -> str:
    """Return in one line why a program ended; `otherwise` where its last lines do not tell."""
    for line in reversed([_COLOUR.sub("", line).rstrip() for line in lines]):
        if (said := _said(line)) and (plain := plain_reason(VaultError(said), otherwise="")):
            return plain.rstrip(".")
    return otherwise


def remedy(why: str) -> str:
    """Return what helps against a reason, as a whole sentence."""
    for pattern, advice in REMEDIES:
        if re.search(pattern, why, re.IGNORECASE):
            return advice
    return ASK_DOCTOR


def end_of(log: Path) -> list[str]:
    """Return the last lines of a server's own log, none where it has none."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - LOG_BYTES))
            return file.read().decode(errors="replace").splitlines()[-LINES_KEPT:]
    except OSError:
        return []


def _said(line: str) -> str:
    """Return what a line says of a failure; nothing for the inner lines of a traceback."""
    if line.startswith("{"):
        return _said_in_json(line)
    if not line or _OF_A_TRACEBACK.match(line):
        return ""
    if raised := _RAISED.match(line):
        return raised[1] or ""
    return _STAMP.sub("", line)


def _said_in_json(line: str) -> str:
    try:
        told = json.loads(line)
    except ValueError:
        return ""
    if not isinstance(told, dict) or told.get("level") == "info":
        return ""
    raised = reason(str(told.get("exception") or "").splitlines(), otherwise="")
    return raised or ": ".join(str(told[name]) for name in ("event", "reason") if told.get(name))
