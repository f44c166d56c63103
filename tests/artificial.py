"""Faults that the tests put into the product's processes, to show that they are found.

    MMSVAULT_TEST_LOSE=1000      one message in a thousand is answered with 200 and kept nowhere
    MMSVAULT_TEST_DOUBLE=1000    one message in a thousand is archived a second time, under another id
    MMSVAULT_TEST_CHANGE=1000    one file in a thousand gets another last byte when it is downloaded

`1000:3` takes the fourth of each thousand, `1000` the first. The same run chooses the same each time, and
the choice outlives a process that is killed: it stands in a file. The product knows nothing of it.
"""

import os
from pathlib import Path

START = Path(__file__).with_name("artificial_start")
KINDS = ("LOSE", "DOUBLE", "CHANGE")


def artificial_faults(folder: Path) -> dict[str, str]:
    """Return what the product's processes find in their environment, nothing where no fault is asked for."""
    asked = {
        f"TESTS_{kind}": value for kind in KINDS if (value := os.environ.get(f"MMSVAULT_TEST_{kind}", ""))
    }
    if not asked:
        return {}
    path = os.pathsep.join(filter(None, (str(START), os.environ.get("PYTHONPATH"))))
    return {**asked, "TESTS_CHOSEN": str(folder / "chosen"), "PYTHONPATH": path}
