"""Loaded by each Python process at its start: puts the faults of tests/artificial.py into the product.

A module is changed right after it was loaded, and not loaded for this.
"""

import fcntl
import functools
import hashlib
import os
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from typing import Any, BinaryIO

TRACKING_ID = re.compile(rb"""tracking-?id["']?\s*[:>]\s*["']?([^"'<\s]+)""", re.IGNORECASE)


def is_chosen(kind: str, name: str) -> bool:
    """Return whether the fault is for this one, as it is each time that the same name comes."""
    every, _, place = os.environ.get(f"TESTS_{kind}", "").partition(":")
    if not every:
        return False
    with Path(f"{os.environ['TESTS_CHOSEN']}-{kind}").open("a+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        names = file.read().splitlines()
        if name not in names:
            file.write(f"{name}\n")
            names.append(name)
    return names.index(name) % int(every) == int(place or 0)


def kept(receipts: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return the receipts with one left out, and with another a second time."""
    from mmsvault.message import Receipt  # noqa: PLC0415 - nothing is loaded before the program loads it

    result = []
    for receipt in receipts:
        body = Receipt.model_validate(receipt).body
        found = TRACKING_ID.search(body)
        name = found[1].decode() if found else ""
        if not name:
            result.append(receipt)
            continue
        if not is_chosen("LOSE", name):
            result.append(receipt)
        if not name.endswith("-again") and is_chosen("DOUBLE", name):
            again = Receipt.of(body.replace(name.encode(), f"{name}-again".encode()), provider="")
            written = again.model_dump(mode="json")
            result.append(
                {**receipt, "body": written["body"], "id": hashlib.sha256(name.encode()).hexdigest()[:32]}
            )
    return result


def change_keep(holder: Any) -> None:
    real = holder.keep

    @functools.wraps(real)
    def keep(self: Any, receipts: Sequence[Mapping[str, Any]]) -> None:
        if left := kept(receipts):
            real(self, left)

    holder.keep = keep


def change_fetch(holder: Any) -> None:
    real = holder.fetch

    @functools.wraps(real)
    def fetch(self: Any, url: str, into: BinaryIO, **more: Any) -> Any:
        fetched = real(self, url, into, **more)
        if not fetched.size or not is_chosen("CHANGE", url):
            return fetched
        into.seek(-1, os.SEEK_END)
        last = into.read(1)
        into.seek(-1, os.SEEK_END)
        into.write(bytes([last[0] ^ 1]))
        into.flush()
        into.seek(0)
        digest = hashlib.sha256(into.read()).hexdigest()
        return replace(fetched, sha256=digest)

    holder.fetch = fetch


CHANGES: dict[str, Callable[[Any], None]] = {
    "mmsvault.queueing.durable": lambda module: change_keep(module.DurableQueue),
    "mmsvault.queueing.spool": lambda module: change_keep(module.Spool),
    "mmsvault.fetching.download": lambda module: change_fetch(module.Fetcher),
}


class Changed(MetaPathFinder):
    """Finds the modules that are changed."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        spec = PathFinder.find_spec(name, path, target) if name in CHANGES else None
        if spec is None or spec.loader is None:
            return None
        load = spec.loader.exec_module

        def exec_module(module: Any) -> None:
            load(module)
            CHANGES[name](module)

        spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec


sys.meta_path.insert(0, Changed())
