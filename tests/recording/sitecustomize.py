"""Has a process that a test starts note its statements, once it loads what opens the catalog.

Python runs this at its start where the folder is in PYTHONPATH. Nothing is loaded that the process does
not load anyhow: programs that never open a catalog start as they do elsewhere.
"""

import os
import sys
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType
from typing import Any

FOLDER = os.environ.get("MMSVAULT_TEST_STATEMENTS", "")
OPENS_THE_CATALOG = "mmsvault.catalog.connection"


class _Recorded(MetaPathFinder):
    def find_spec(self, name: str, path: Any = None, target: ModuleType | None = None) -> ModuleSpec | None:
        if name != OPENS_THE_CATALOG:
            return None
        sys.meta_path.remove(self)
        found = PathFinder.find_spec(name, path, target)
        if found and found.loader:
            _record_after(found.loader)
        return found


def _record_after(loader: Loader) -> None:
    run = loader.exec_module

    def exec_module(module: ModuleType) -> None:
        run(module)
        sys.path.append(str(Path(__file__).resolve().parents[2]))
        try:
            from tests.statements import record  # noqa: PLC0415 - where the product is loaded already
        finally:
            sys.path.pop()
        record(Path(FOLDER), " ".join(sys.argv[:2]))

    loader.exec_module = exec_module  # type: ignore[method-assign]


if FOLDER:
    sys.meta_path.insert(0, _Recorded())
