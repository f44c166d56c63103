"""Lines of vCard and iCalendar files as phones write them: `GROUP.NAME;PARAM=VALUE:value`.

Read line by line, without a grammar that all of a file must follow: a line that cannot be understood
costs that line, a missing END costs nothing. The sources are RFC 6350, RFC 5545, vCard 2.1 and what
phones do beyond them. The time that it takes grows with the length of the text.
"""

import base64
import quopri
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from mmsvault.media.charsets import as_text_in

MOST_DEPTH = 8
"""Components within components; what is nested deeper belongs to the last of these."""
MOST_COMPONENTS = 2000

_LINE_END = re.compile(r"\r\n|\n|\r")
_BEFORE_VALUE = re.compile(r'((?:[^":]|"[^"\n]*+")*+):')
_NAME = re.compile(r"[A-Za-z][\w.-]*+\s*+(?:;[\w-]+\s*+(?:[=;(:]|\Z)|:(?!//))", re.ASCII)
_FRAME = re.compile(r"(?:BEGIN|END)\s*:\s*V", re.IGNORECASE)
_QUOTED = re.compile(r"[^:]*?QUOTED-PRINTABLE[^:]*+:", re.IGNORECASE)
_OLD = re.compile(r"VERSION\s*:\s*(?:1\.0|2\.1)\b", re.IGNORECASE)
_PARAM = re.compile(r'(?:[^";]|"[^"]*+"|"(?=[^"]*+$))++')
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_UNESCAPED_SEMICOLON = re.compile(r"((?:[^\\;]|\\.)*+\\?)(?:;|\Z)", re.DOTALL)
_CUSTOM = re.compile(r"X-CUSTOM\((?:CHARSET=([\w-]+),)?(?:ENCODING=QUOTED-PRINTABLE,)?(.*)\)", re.IGNORECASE)
_ENCODINGS = {"Q": "QUOTED-PRINTABLE", "B": "BASE64"}


@dataclass
class Property:
    """One line. `name` is upper case, `value` as it is written; use `text` or `fields` to read it."""

    name: str
    group: str = ""
    params: list[tuple[str, str]] = field(default_factory=list)
    value: str = ""

    def param(self, name: str) -> str:
        """Return the first value of a parameter; empty where it has none."""
        return next((value for key, value in self.params if key == name), "")

    @property
    def encoding(self) -> str:
        """What the value is written in: QUOTED-PRINTABLE, BASE64 or empty."""
        bare = {value.upper() for key, value in self.params if key == "TYPE"}
        named = self.param("ENCODING").upper()
        named = _ENCODINGS.get(named, named)
        return named or next((one for one in ("QUOTED-PRINTABLE", "BASE64") if one in bare), "")

    @property
    def text(self) -> str:
        """The value as a person reads it."""
        return unescaped(self.decoded)

    @property
    def fields(self) -> list[str]:
        """The parts of the value, which semicolons separate, as a person reads them."""
        return [unescaped(part) for part in _UNESCAPED_SEMICOLON.findall(self.decoded)[:-1] or [""]]

    @property
    def decoded(self) -> str:
        """The value without its encoding, still escaped."""
        if self.encoding == "QUOTED-PRINTABLE":
            data = quopri.decodestring(self.value.encode("utf-8", "replace"))
            return as_text_in(data, self.param("CHARSET"))
        if self.encoding == "BASE64":
            try:
                data = base64.b64decode(re.sub(r"\s", "", self.value), validate=True)
            except ValueError:
                return ""
            return as_text_in(data, self.param("CHARSET"))
        return self.value

    @property
    def custom_label(self) -> str:
        """What a person called it on an Android phone: `TEL;X-CUSTOM(...,Boat):...`."""
        for key, value in self.params:
            found = _CUSTOM.fullmatch(value) if key == "TYPE" else None
            if found:
                return as_text_in(quopri.decodestring(found[2].encode("utf-8", "replace")), found[1] or "")
        return ""


@dataclass
class Component:
    """What stands between BEGIN and END, without the components in it. `name` is upper case."""

    name: str
    properties: list[Property] = field(default_factory=list)
    depth: int = 0

    def first(self, name: str) -> Property | None:
        """Return the first property of a name."""
        return next((one for one in self.properties if one.name == name), None)


def components(text: str) -> Iterator[Component]:
    """Give the components of a file, each after what is open when it begins.

    One that begins while another of its name is open ends that one; only an AGENT is a card in a card.
    """
    found: list[Component] = []
    opened: list[Component] = []
    for line in _properties(text):
        name = line.value.strip().upper()
        if line.name == "BEGIN" and len(found) < MOST_COMPONENTS:
            if not _is_agent(opened):
                _close(opened, name)
            if len(opened) < MOST_DEPTH:
                found.append(Component(name, depth=len(opened)))
                opened.append(found[-1])
        elif line.name == "END":
            _close(opened, name)
        elif opened:
            opened[-1].properties.append(line)
    yield from found


def unescaped(text: str) -> str:
    r"""Return text without the backslashes of the format: `\n` is a line end, `\,` a comma."""
    if "\\" not in text:
        return text
    return _ESCAPED.sub(lambda found: _UNESCAPED.get(found[1], found[0]), text)


_UNESCAPED = {"n": "\n", "N": "\n", **{letter: letter for letter in ',;:\\"'}}


def _is_agent(opened: list[Component]) -> bool:
    last = opened[-1].properties[-1:] if opened else []
    return bool(last) and last[0].name == "AGENT" and not last[0].value.strip()


def _close(opened: list[Component], name: str) -> None:
    """Close the innermost component of that name, and what is open in it."""
    for at in range(len(opened) - 1, -1, -1):
        if opened[at].name == name:
            del opened[at:]
            return


def _properties(text: str) -> Iterator[Property]:
    """Give the lines, with those together that belong together."""
    parts: list[str] = []
    is_old = is_quoted = is_soft = False
    for line in _LINE_END.split(text):
        if _begins_property(line, is_soft=is_soft):
            if parts:
                yield _property("".join(parts))
            parts = [line]
            is_quoted = bool(_QUOTED.match(line))
            is_old = bool(_OLD.match(line)) or (is_old and not line.upper().startswith("VERSION"))
        elif not parts:
            continue
        elif is_soft:
            parts[-1] = parts[-1].rstrip()[:-1]
            parts.append(line)
        elif line[:1] in (" ", "\t"):
            parts.append(f" {line.lstrip()}" if is_old else line[1:])
        elif line and not _FRAME.match(parts[0]):  # a line end that a phone did not write as it should
            parts.append(f"\n{line}")
        is_soft = is_quoted and parts[-1].rstrip().endswith("=")
    if parts:
        yield _property("".join(parts))


def _begins_property(line: str, *, is_soft: bool) -> bool:
    """Return whether a line is one of its own. `is_soft`: the one before ends with a soft line break."""
    return bool((_FRAME if is_soft else _NAME).match(line))


def _property(line: str) -> Property:
    head = _BEFORE_VALUE.match(line)
    before = head[1] if head else line.partition(":")[0]
    value = line[len(before) + 1 :]
    name, *params = _PARAM.findall(before) or [""]
    group, _, own = name.strip().upper().rpartition(".")
    return Property(own, group, [pair for one in params for pair in _param(one)], value)


def _param(text: str) -> Iterator[tuple[str, str]]:
    """Give name and value of a parameter, once for each of several values; 2.1 leaves the name out."""
    if _CUSTOM.fullmatch(text):
        yield "TYPE", text
        return
    key, equals, value = text.partition("=")
    if not equals:
        yield "TYPE", text.strip()
        return
    for one in value.split(","):
        yield key.strip().upper(), one.strip().strip('"')
