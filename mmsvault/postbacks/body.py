"""A body as the tree of one notice: decoded, told apart as XML or JSON, read, unwrapped.

What stands around the notice is passed over: an object or element that holds nothing else, a list of
one, a JSON string that holds JSON or XML, a field of a web form.
"""

import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import unquote_plus

from mmsvault.errors import NotUnderstoodError
from mmsvault.postbacks import json_body, tree, xml_body
from mmsvault.postbacks.charset import decode
from mmsvault.postbacks.tree import CONTENT_NAMES, Fields, Node

ROOT = "postback"
MOST_WRAPPINGS = 4
_JSON_STARTS = ("{", "[", '"')
_NOTHING = "\ufeff\0 \t\r\n"
_ROOT_IN_XML = re.compile(r"<(?:[\w.\-]{1,40}:)?postback[\s/>]", re.IGNORECASE)


def read(body: bytes, content_type: str) -> tuple[Node, list[str]]:
    """Return the notice in a body, and what was repaired to read it. Raises NotUnderstoodError."""
    text, is_another_encoding = decode(body, content_type)
    root, names = _notice(text, 0)
    return root, ["encoding", *names] if is_another_encoding else names


def read_inner(name: str, text: str) -> Node | None:
    """Return what a text in a notice holds, where it is XML or JSON itself; None where it is neither."""
    try:
        if text.startswith("<"):
            root, names = xml_body.read(f"<{name}>{text}</{name}>")
            return None if names else tree.of_xml(root)
        value, names = json_body.read(text)
        return None if names else Node(name, children=list(tree.of_json(name, value)))
    except NotUnderstoodError:
        return None


def _notice(text: str, depth: int) -> tuple[Node, list[str]]:
    if depth > MOST_WRAPPINGS:
        raise NotUnderstoodError("The postback is wrapped in too many texts within texts.")
    start = text.lstrip(_NOTHING)[:1]
    if not start:
        raise NotUnderstoodError("The body is empty.")
    if start in _JSON_STARTS:
        return _of_json(text.lstrip(_NOTHING), depth)
    if start == "<" or _ROOT_IN_XML.search(text):
        return _of_xml(text, depth)
    if "{" in text or "[" in text:
        return _of_json(text, depth)
    return _of_form(text, depth) if "%" in text else _neither(text)


def _neither(text: str) -> tuple[Node, list[str]]:
    root, names = xml_body.read(text)  # whose error says it
    return tree.of_xml(root), names


def _of_xml(text: str, depth: int) -> tuple[Node, list[str]]:
    element, names = xml_body.read(text)
    root = tree.of_xml(element)
    if root.name == ROOT:
        return root, names
    inner = [node for node in _all(root) if node.name == ROOT]
    texts = [leaf.text for leaf in root.leaves() if _ROOT_IN_XML.search(leaf.text)]
    if not inner and len(texts) == 1:
        notice, more = _notice(texts[0], depth + 1)
        return notice, _once([*names, "text in a text", *more])
    if len(inner) != 1:
        raise NotUnderstoodError(f"The XML's root is <{element.tag[:80]}>, not <postback>.")
    _check_around(root, inner[0])
    return inner[0], [*names, "text around the notice"]


def _check_around(node: Node, notice: Node) -> None:
    """Raise NotUnderstoodError where files stand beside the notice: they may be its own."""
    for child in node.children:
        if child is notice:
            continue
        if child.name not in CONTENT_NAMES or any(inner is notice for inner in _all(child)):
            _check_around(child, notice)
        elif any(leaf.text.strip() for leaf in child.leaves()):
            raise NotUnderstoodError("The body has files beside the postback, not in it.")


def _of_json(text: str, depth: int) -> tuple[Node, list[str]]:
    value, names = json_body.read(text)
    if isinstance(value, list) and value and isinstance(value[0], str) and tree.plain_name(value[0]) == ROOT:
        return tree.of_jsonml(value), names
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
        names.append("list of one")
    if isinstance(value, str):
        root, inner = _notice(value, depth + 1)
        return root, _once([*names, "text in a text", *inner])
    if not isinstance(value, Fields):
        raise NotUnderstoodError("The JSON is not an object with the fields of a postback.")
    return _unwrapped(value, names, depth)


def _unwrapped(value: Fields, names: list[str], depth: int) -> tuple[Node, list[str]]:
    (root,) = tree.of_json("", value)
    inside = [node for node in root.children if node.name == ROOT]
    if len(inside) > 1:
        raise NotUnderstoodError("The body holds more than one postback; each is sent on its own.")
    if not inside:
        return root, names
    _check_around(root, inside[0])
    if not inside[0].children and inside[0].text.strip():
        notice, inner = _notice(inside[0].text, depth + 1)
        return notice, _once([*names, "text in a text", *inner])
    return inside[0], names


def _of_form(text: str, depth: int) -> tuple[Node, list[str]]:
    """Read the field of a web form that holds the notice."""
    found = re.search(r"(?:^|[&=])([^&=]*%(?:3C|7B)[^&=]*)", text, re.IGNORECASE)
    if not found:
        return _neither(text)
    root, names = _notice(unquote_plus(found[1]), depth + 1)
    return root, _once(["form encoding", *names])


def _all(node: Node) -> Iterable[Node]:
    yield node
    for child in node.children:
        yield from _all(child)


def _once(names: Iterable[Any]) -> list[str]:
    return list(dict.fromkeys(names))
