"""axe-core on a page of the browser: what people who see or hear a page differently stumble over.

The program is an npm package. It is fetched once into the cache of test tools and never committed.
"""

import json
import os
import shutil
import subprocess
import tarfile
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

from playwright.sync_api import Page

from tests.servers import require

VERSION = "4.14.1"
SERIOUS = ("serious", "critical")
_RUN = """async (rules) => {
  const found = await axe.run(document, { resultTypes: ["violations"], ...rules });
  return JSON.stringify(found.violations);
}"""


def serious_violations(page: Page, *, without: tuple[str, ...] = ()) -> list[str]:
    """Return what axe finds serious on the page as it stands, one line each; `without` names rules."""
    if not page.evaluate("() => typeof axe === 'object'"):
        page.evaluate(_source())  # by the debugger, so the page's own policy stays as it is
    rules = {"rules": {name: {"enabled": False} for name in without}}
    found = json.loads(page.evaluate(_RUN, rules))
    return [line for rule in found if rule["impact"] in SERIOUS for line in _lines(rule)]


def _lines(rule: dict[str, Any]) -> list[str]:
    said = []
    for node in rule["nodes"]:
        what = node["any"] + node["all"] + node["none"]
        why = what[0]["message"] if what else rule["help"]
        said.append(f"{rule['impact']} {rule['id']}: {node['html'][:160]}: {why}")
    return said


@cache
def _source() -> str:
    path = _cache() / f"axe-core-{VERSION}.js"
    if not path.exists():
        npm = shutil.which("npm")
        require("npm", found=npm)
        with tempfile.TemporaryDirectory() as folder:
            given = [str(npm), "pack", "--silent", f"axe-core@{VERSION}", "--pack-destination", folder]
            subprocess.run(given, check=True, capture_output=True, cwd=folder)
            (packed,) = Path(folder).glob("*.tgz")
            with tarfile.open(packed) as archive:
                archive.extract("package/axe.min.js", folder, filter="data")
            path.parent.mkdir(parents=True, exist_ok=True)
            shutil.move(Path(folder) / "package/axe.min.js", path)
    return path.read_text()


def _cache() -> Path:
    home = os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()
    return Path(home) / "mmsvault-tools"
