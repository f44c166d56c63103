"""Sinch's MMS MO postbacks in their three dialects, told apart by their content.

Lower-case XML (the published example), the older upper-case XML (`TRACKINGID`, `SPID`, no
subject) and today's JSON share one set of names once case, `-` and `_` are put aside. The field
list is that of "Sinch MMS MO Postbacks"; the legacy names are those of the Skycore API that it
grew from.
"""

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence

from mmsvault.errors import NotUnderstoodError
from mmsvault.postbacks import body as bodies
from mmsvault.postbacks.files import addresses, content_of
from mmsvault.postbacks.notice import Notice
from mmsvault.postbacks.tree import CONTENT_NAMES, Node

MESSAGE_CODE = "N401"
"""The code of a received MMS; the other codes on the same URL are about messages sent."""

_RECEIVED = "MMS_MO"
"""The origin of a notice about a message received, not sent."""
_CODE = re.compile(r"[A-Z]{1,3}\d{2,5}", re.ASCII)

_KNOWN = CONTENT_NAMES | {
    *("origin", "code", "from", "to", "copyto", "keyword", "trackingid", "operatorid", "spid"),
    *("timestamp", "messagesubject"),
}
_NUMBER_NAMES = ("number", "address", "value", "msisdn", "phone", "phonenumber", "recipient", "to", "id")
"""What holds the number where a sender or recipient is an object, the best first."""
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_SEVERAL_NUMBERS = re.compile(r"\s*\+?[\d() .\-]{3,}(?:[,;]\s*\+?[\d() .\-]{3,})+")

Fields = Mapping[str, Sequence[Node]]


def parse(body: bytes, content_type: str = "") -> Notice:
    """Return what a postback says; `content_type` is its HTTP header.

    Raises NotUnderstoodError with the reason.
    """
    root, repaired = bodies.read(body, content_type)
    fields: dict[str, list[Node]] = defaultdict(list)
    for node in root.children:
        fields[node.name].append(node)

    def first(*names: str) -> str:
        texts = (_clean(node.whole_text()) for name in names for node in fields.get(name, ()))
        return next(filter(None, texts), "")

    codes = ["".join(_clean(node.whole_text()).upper().split()) for node in fields.get("code", ())]
    code = MESSAGE_CODE if MESSAGE_CODE in codes else next(filter(None, codes), "")
    if not code:
        raise NotUnderstoodError("The postback has no code, so what it announces is not known.")
    if not _CODE.fullmatch(code):
        raise NotUnderstoodError(f"{code[:20]} is no code of a postback, so what it announces is not known.")
    content = content_of(root.children, known=_KNOWN)
    if code != MESSAGE_CODE:
        if first("origin").upper() == _RECEIVED and _is_full(content):
            raise NotUnderstoodError(
                f"The postback has the code {code} and files, as only {MESSAGE_CODE} has."
            )
        return Notice(code=code, announces_message=False)
    others = [node for node in root.children if node.name not in _KNOWN]
    return Notice(
        code=code,
        announces_message=True,
        tracking_id=next(filter(None, map(_kept, fields.get("trackingid", ()))), ""),
        sender=next(iter(_numbers(fields.get("from", ()))), ""),
        to=tuple(dict.fromkeys(_recipients((*fields.get("to", ()), *fields.get("copyto", ()))))),
        keyword=first("keyword"),
        operator_id=first("operatorid", "spid"),
        timestamp=first("timestamp"),
        subject=first("messagesubject"),
        urls=tuple(map(_clean, addresses(content, others=others, is_repaired=bool(repaired)))),
        repaired=tuple(repaired),
    )


def _is_full(content: Sequence[Node]) -> bool:
    return any(leaf.text.strip() for node in content for leaf in node.leaves())


def _clean(text: str) -> str:
    """Return text without control characters, which no text field means to hold."""
    if text.isascii() and text.isprintable():
        return text.strip()
    return _encodable(_CONTROL.sub("", text)).strip()


def _kept(node: Node) -> str:
    # The id of a message is made of it: two tracking ids never become one.
    return _encodable(node.whole_text().strip().replace("\0", "\N{REPLACEMENT CHARACTER}"))


def _encodable(text: str) -> str:
    # Half of a surrogate pair can neither be kept in PostgreSQL nor be written as UTF-8.
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def _recipients(nodes: Sequence[Node]) -> list[str]:
    texts = _numbers(nodes)
    return [
        one.strip()
        for text in texts
        for one in (re.split("[,;]", text) if _SEVERAL_NUMBERS.fullmatch(text) else [text])
    ]


def _numbers(nodes: Sequence[Node]) -> list[str]:
    """Return the numbers or addresses in the nodes, which may be texts or objects."""
    found = []
    for node in nodes:
        text = _clean(node.text)
        if text or not node.children:
            found += [text] if text else []
            continue
        named = [[child for child in node.children if child.name == name] for name in _NUMBER_NAMES]
        others = [child for child in node.children if not child.is_attribute]
        found += next(filter(None, map(_numbers, [*named, others])), [])
    return found
