"""Archives receipts one after the other, as a worker does, and marks in a file when it lets go of each.

Run as `python -m tests.recorded_worker PLAN MARKS` under strace, with a vault's settings in the environment.
PLAN is JSON: a list of steps, each with a `name`, a `receipt` as the queue has it, and what `happens`.
"""

import json
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from unittest.mock import patch

from mmsvault import archiving
from mmsvault.catalog import upkeep
from mmsvault.errors import OvertakenError
from mmsvault.leases import Lease
from mmsvault.message import utc_now
from mmsvault.settings import Settings
from mmsvault.vault import Vault


def main() -> None:
    plan: list[dict[str, Any]] = json.loads(Path(sys.argv[1]).read_bytes())
    vault = Vault(Settings.load())
    vault.prepare()
    with Path(sys.argv[2]).open("ab", buffering=0) as marks:
        for step in plan:
            with ExitStack() as stack:
                happen(vault, step.get("happens", ""), stack)
                archiving.archive_receipt(vault, step["receipt"])
            marks.write(f"{step['name']}\n".encode())
    vault.close()


def happen(vault: Vault, what: str, stack: ExitStack) -> None:
    """Have something come between."""
    if what == "its provider is away":
        stack.enter_context(patch.object(archiving, "is_put_off", lambda *_: True))
    elif what == "another worker takes it over":
        stack.enter_context(patch.object(Lease, "check", overtaken))
    elif what:
        upkeep.bury(vault.catalog, {what: utc_now()})


def overtaken(_lease: Lease) -> None:
    raise OvertakenError("Another worker has it.")


if __name__ == "__main__":
    main()
