"""The gallery's modules as browsers get them: each in one file, with all that it imports.

A browser asks for a module, finds what it imports, and asks again: twelve files where one will do, in
front of the first picture. The modules are simple enough to be put together as they are read: an import
or an export is a line of its own, and nothing is imported in a circle.
"""

import re
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).parent / "components"
_IMPORT = re.compile(r'^import (?P<names>\{[\w, ]+\}|\* as \w+) from "\./(?P<name>\w+\.js)";$', re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:async )?(?:function|class|const) (\w+))", re.MULTILINE)
_UNKNOWN = re.compile(r"^(?:import|export)\b(?! (?:async )?(?:function|class|const) \w).*$", re.MULTILINE)


def module(name: str) -> str:
    """Return a module together with those that it imports, each in a scope of its own.

    Raises ValueError for an import or an export that is written in another way.
    """
    return "\n".join([*map(_scoped, _needed(name)), _taken(_source(name))])


def script(name: str) -> str:
    """Return the same as a script that runs where it stands; what it exports is out of reach."""
    return "\n".join(["(() => {", *map(_scoped, _needed(name)), _scoped(name), "})();"])


def _needed(name: str) -> list[str]:
    """Return all that a module imports, and what those import, each before what imports it."""
    found: list[str] = []
    for one in _IMPORT.finditer(_source(name)):
        found += [*_needed(one["name"]), one["name"]]
    return list(dict.fromkeys(found))


def _scoped(name: str) -> str:
    """Return a module as an object of its exports."""
    source = _source(name)
    lines = [
        f"const {_variable(name)} = (() => {{",
        _taken(_EXPORT.sub("", source)),
        f"return {{ {', '.join(_EXPORT.findall(source))} }};",
        "})();",
    ]
    return "\n".join(lines)


def _taken(source: str) -> str:
    """Return a source that takes what it imports from those objects."""

    def take(found: re.Match[str]) -> str:
        return f"const {found['names'].removeprefix('* as ')} = {_variable(found['name'])};"

    return _IMPORT.sub(take, source)


@cache
def _source(name: str) -> str:
    source = (FOLDER / name).read_text()
    if unknown := _UNKNOWN.search(_IMPORT.sub("", source)):
        raise ValueError(f"{name}: {unknown[0]!r} is not written as the other imports and exports are.")
    return source


def _variable(name: str) -> str:
    return f"from_{name.removesuffix('.js')}"
