"""What a postback holds as one tree, whether it came as XML or as JSON.

Programs that turn XML into JSON write the same notice in many shapes: attributes as `@url` or in an
object of their own, text as `#text`, `$` or `$t`, a list where an element comes twice, the children of an
element by name or spelled out in a list (JsonML, xml-js). All of them are read into the same nodes.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any
from xml.etree.ElementTree import Element

from mmsvault.errors import NotUnderstoodError

DEEPEST = 50
"""Levels that a postback may have; the published ones have three."""

CONTENT_NAMES = frozenset(("content", "contents", "file", "files", "media", "attachment", "attachments"))
"""Fields of a notice that hold files; the published one is `content`."""

SCHEMA = "http://www.w3.org/2001/XMLSchema-instance"
"""The namespace of attributes that tell of a schema."""

MOST_ATTRIBUTES = 100
"""Of one element; the published ones have none."""

_TEXT_KEYS = frozenset(
    (
        *("#text", "$", "$t", "_", "_text", "__text", "#cdata", "_cdata", "__cdata", "#cdata-section"),
        *("$text", "text()", "%text", "#"),
    )
)
_ATTRIBUTE_KEYS = frozenset(
    ("$", "@", "@attributes", "_attributes", "attributes", "attrs", "#attributes", "_attr")
)
_CHILD_KEYS = frozenset(["children", "elements", "childNodes", "#children", "$$"])
_NAME_KEYS = frozenset(["name", "tag", "tagName", "nodeName", "#name"])
_PASSED_OVER = frozenset(["?xml", "_declaration", "declaration", "#comment", "_comment", "?pi"])


@dataclass(slots=True)
class Node:
    """An element or field: its plain name, its own text, and what it holds, in the order sent.

    `is_attribute` is of XML's attributes, `is_listed` of one among several in a JSON list. Text between
    the children of an XML element is a child without a name.
    """

    name: str
    text: str = ""
    children: list["Node"] = field(default_factory=list)
    is_attribute: bool = False
    is_listed: bool = False

    def leaves(self) -> Iterator["Node"]:
        """Give the node and all that it holds, where there is nothing further in it."""
        if not self.children:
            yield self
        for child in self.children:
            yield from child.leaves()

    def whole_text(self) -> str:
        """Return its text with the text of all that stands in it, but for attributes."""
        inner = (child.whole_text() for child in self.children if not child.is_attribute)
        return "".join((self.text, *inner)) if self.children else self.text


class Fields(tuple[tuple[str, Any], ...]):
    """A JSON object: its names and values as they came, the same name twice as well."""

    __slots__ = ()


@lru_cache(maxsize=512)
def plain_name(name: str) -> str:
    """Return a name without its namespace, case, and the signs that dialects write differently."""
    local = name.rpartition("}")[2].rpartition(":")[2].lower()
    return local.translate(_SIGNS)


def is_of_schema(name: str) -> bool:
    """Return whether an attribute tells of a schema: what it holds is no part of the notice."""
    return name.startswith((f"{{{SCHEMA}}}", "xsi:", "@xsi:", "-xsi:", "_xsi:"))


_SIGNS = str.maketrans("", "", "-_@#$ ." + "".join(map(chr, range(0x20))))


def of_xml(element: Element, depth: int = 0) -> Node:
    """Return an XML element as a node. Raises NotUnderstoodError where it is nested too deeply."""
    _check(depth)
    node = Node(plain_name(element.tag), element.text or "")
    if element.attrib:
        if len(element.attrib) > MOST_ATTRIBUTES:
            raise NotUnderstoodError(f"An element of the XML has more than {MOST_ATTRIBUTES} attributes.")
        node.children = [
            Node(plain_name(name), text, is_attribute=True)
            for name, text in element.attrib.items()
            if not is_of_schema(name)
        ]
    for child in element:
        node.children.append(of_xml(child, depth + 1))
        if child.tail and not child.tail.isspace():
            node.children.append(Node("", child.tail))
    return node


def of_json(name: str, value: Any, depth: int = 0, *, is_listed: bool = False) -> Iterator[Node]:
    """Give the nodes that a JSON value of this name is: one, or one for each entry of a list.

    Objects are Fields. Raises NotUnderstoodError where it is nested too deeply.
    """
    _check(depth)
    if isinstance(value, list):
        for entry in value:
            yield from of_json(name, entry, depth + 1, is_listed=len(value) > 1)
        return
    node = Node(plain_name(name), is_listed=is_listed)
    if isinstance(value, Fields):
        _fill(node, value, depth)
    else:
        node.text = _scalar(value)
    yield node


def of_jsonml(value: list[Any], depth: int = 0) -> Node:
    """Return the element that JsonML writes as a list: its name, its attributes, what it holds."""
    _check(depth)
    node = Node(plain_name(value[0]))
    for entry in value[1:]:
        if isinstance(entry, list) and entry and isinstance(entry[0], str):
            node.children.append(of_jsonml(entry, depth + 1))
        elif isinstance(entry, Fields):
            node.children.extend(_attributes(entry, depth))
        elif node.children:
            node.children.append(Node("", _scalar(entry)))
        else:
            node.text += _scalar(entry)
    return node


def _check(depth: int) -> None:
    if depth > DEEPEST:
        raise NotUnderstoodError(f"The postback is nested more than {DEEPEST} levels deep.")


def _fill(node: Node, fields: Fields, depth: int) -> None:
    for key, value in fields:
        if key.isalpha() and isinstance(value, str) and key not in _PASSED_OVER:
            node.children.append(Node(plain_name(key), value))
        elif key in _TEXT_KEYS and not isinstance(value, Fields):
            entries = value if isinstance(value, list) else [value]
            node.text += "".join(_scalar(entry) for entry in entries)
        elif key in _ATTRIBUTE_KEYS and isinstance(value, Fields):
            node.children.extend(_attributes(value, depth))
        elif key in _CHILD_KEYS and isinstance(value, list):
            for entry in value:
                _add_spelled_out(node, entry, depth + 1)
        elif key in _PASSED_OVER or key.lstrip("@-_").startswith("xmlns") or is_of_schema(key):
            continue
        else:
            node.children.extend(of_json(key, value, depth + 1))


def _attributes(fields: Fields, depth: int) -> Iterator[Node]:
    for key, value in fields:
        for node in of_json(key, value, depth + 1):
            node.is_attribute = True
            if not (key.startswith("xmlns") or is_of_schema(key)):
                yield node


def _add_spelled_out(node: Node, entry: Any, depth: int) -> None:
    """Add an entry of a list of children: an element with its name beside what it holds, or text."""
    _check(depth)
    if not isinstance(entry, Fields):
        if isinstance(entry, list):
            for inner in entry:
                _add_spelled_out(node, inner, depth + 1)
        else:
            node.text += _scalar(entry)
        return
    names = [value for key, value in entry if key in _NAME_KEYS and isinstance(value, str)]
    texts = [value for key, value in entry if key in ("text", "cdata", "value")]
    if names:
        rest = Fields(pair for pair in entry if pair[0] not in _NAME_KEYS and pair[0] != "type")
        child = Node(plain_name(names[0]))
        child.text = "".join(_scalar(value) for value in texts if not isinstance(value, list))
        _fill(child, Fields(pair for pair in rest if pair[0] not in ("text", "cdata", "value")), depth)
        node.children.append(child)
    elif len(texts) == 1 and any(key == "type" for key, _ in entry):
        node.text += _scalar(texts[0])
    else:
        _fill(node, entry, depth)


def _scalar(value: Any) -> str:
    """Return a JSON value that is no list or object as text; false and null say nothing."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else ""
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float) and value == value and abs(value) < 1e18:  # noqa: PLR0124, PLR2004 - NaN; more is no number or time
        return str(int(value)) if value.is_integer() else repr(value)
    return ""
