"""The files that a notice announces: every address within its content, whatever the shape.

A content with something in it announces files. Where an entry of it has no address that can be read, the
notice is not understood: a message whose files are not known is never taken for one without files.
"""

import re
from collections.abc import Collection, Iterable, Iterator

from mmsvault.errors import NotUnderstoodError
from mmsvault.postbacks.body import read_inner
from mmsvault.postbacks.tree import CONTENT_NAMES, Node

_ENTRY_NAMES = frozenset(("file", "item", "attachment", "part", "mediafile"))
"""Each of these announces one file at least."""
_ADDRESS_NAMES = frozenset(("url", "uri", "href", "src", "link", "location", "address"))
"""Under two of these, the same address in one entry is one file."""
_LIST_NAMES = frozenset(("content", "contents", "files", "items", "media", "attachments", "parts"))
_COUNT_NAMES = frozenset(("count", "total", "size", "length", "number"))
_TOTAL_NAMES = frozenset(("count", "total"))
"""In a content, how many files it holds; other numbers may be sizes."""
_WEB_ADDRESS = re.compile(r"https?://\S", re.IGNORECASE)
_TOTAL = re.compile(r"\d{1,6}", re.ASCII)
_ADDRESS = re.compile(r"[a-z][a-z0-9+.\-]*:\S", re.IGNORECASE)
_BETWEEN_ADDRESSES = re.compile(r"[\s,;|]+(?=https?://)", re.IGNORECASE)
_BETWEEN_ADDRESSES_OF_A_FILE = re.compile(r"\s+(?=https?://)", re.IGNORECASE)
_LINE_BREAKS = re.compile(r"[ \t]*[\r\n]+[ \t]*|\t+")
_NOT_IN_ADDRESS = re.compile(r'[<>"]')


def content_of(fields: Iterable[Node], *, known: Collection[str]) -> list[Node]:
    """Return the fields of a notice that hold files, if need be from within fields that are not known."""
    fields = list(fields)
    return [node for node in fields if node.name in CONTENT_NAMES] or [
        inner for node in fields if node.name not in known for inner in _content_in(node)
    ]


def _content_in(node: Node) -> Iterator[Node]:
    for child in node.children:
        if child.name in CONTENT_NAMES:
            yield child
        else:
            yield from _content_in(child)


def addresses(content: Iterable[Node], *, others: Iterable[Node] = (), is_repaired: bool) -> list[str]:
    """Return the addresses of the files in the order sent.

    `others` are fields that nobody knows: where the content has no file, a web address in them may be
    one. `is_repaired` is whether signs in the body were taken literally, so that one in an address may be
    what is left of a tag. Raises NotUnderstoodError where an announced file has no address.
    """
    found: list[str] = []
    for node in content:
        own = list(_found(node, is_entry=node.name in _ENTRY_NAMES))
        if not own and _claims(node):
            own = [None]
        for address in own:
            if address is None or (is_repaired and _NOT_IN_ADDRESS.search(address)):
                raise NotUnderstoodError(
                    "The postback announces files, but not every one has an address that can be read."
                )
            found.append(address)
        if len(own) < _total(node):
            raise NotUnderstoodError(
                f"The postback announces {_total(node)} files, but only {len(own)} can be read."
            )
    if not found:
        _check_others(others)
    return found


def _total(node: Node) -> int:
    texts = [child.text.strip() for child in node.children if child.name in _TOTAL_NAMES]
    return max((int(text) for text in texts if _TOTAL.fullmatch(text)), default=0)


def _check_others(others: Iterable[Node]) -> None:
    for node in others:
        if any(_WEB_ADDRESS.search(leaf.text) for leaf in node.leaves()):
            raise NotUnderstoodError(
                f"The postback has no files in a field that is known, but a web address in {node.name[:40]}."
            )


def _found(node: Node, *, is_entry: bool) -> Iterator[str | None]:
    """Give the addresses in a node; None for an entry that has none."""
    must_have = is_entry or (node.is_listed and node.name in _LIST_NAMES)
    seen: dict[str | None, str] = {}
    for address in _in_text(node, is_entry=is_entry):
        seen[address] = ""
        yield address
    for child in node.children:
        name = child.name if child.name in _ADDRESS_NAMES else ""
        inner = _found(child, is_entry=child.name in _ENTRY_NAMES) if child.name else None
        for address in _in_text(child, is_entry=is_entry) if inner is None else inner:
            if name and seen.setdefault(address, name) != name:
                continue  # the same file, told by another name
            seen.setdefault(address, name)
            yield address
    if must_have and not seen:
        yield None


def _in_text(node: Node, *, is_entry: bool) -> Iterator[str | None]:
    text = node.text.strip()
    if not text:
        return
    between = _BETWEEN_ADDRESSES_OF_A_FILE if is_entry else _BETWEEN_ADDRESSES
    pattern = _ADDRESS if is_entry else _WEB_ADDRESS
    if pattern.match(text):
        yield from (_LINE_BREAKS.sub("", address) for address in between.split(text))
    elif text[0] in "<[{" and (inner := read_inner(node.name or "content", text)):
        yield from _found(inner, is_entry=is_entry)
    elif is_entry or node.name in _LIST_NAMES or not node.name:
        yield None  # text where an address should stand


def _claims(node: Node) -> bool:
    """Return whether a content in which no address was found says that there are files."""
    for leaf in node.leaves():
        if leaf is node or leaf.name in _LIST_NAMES:
            if leaf.text.strip():
                return True
        elif not (leaf.name in _COUNT_NAMES and leaf.text.strip() in ("", "0")):
            return True
    return False
