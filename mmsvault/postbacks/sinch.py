"""Sinch's MMS MO postbacks in their three dialects, told apart by their content.

Lower-case XML (the published example), the older upper-case XML (`TRACKINGID`, `SPID`, no
subject) and today's JSON share one set of names once case, `-` and `_` are put aside. The field
list is that of "Sinch MMS MO Postbacks"; the legacy names are those of the Skycore API that it
grew from.
"""

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from mmsvault.errors import NotUnderstoodError
from mmsvault.postbacks.notice import Notice

MESSAGE_CODE = "N401"
"""The code of a received MMS; the other codes on the same URL are about messages sent."""

Fields = Mapping[str, Sequence[str]]


def parse(body: bytes) -> Notice:
    """Return what a postback says. Raises NotUnderstoodError with the reason."""
    fields = _fields(body)

    def first(*names: str) -> str:
        return next((text for name in names for text in fields.get(name, ()) if text), "")

    code = first("code").upper()
    if not code:
        raise NotUnderstoodError("The postback has no code, so what it announces is not known.")
    return Notice(
        code=code,
        announces_message=code == MESSAGE_CODE,
        tracking_id=first("trackingid"),
        sender=first("from"),
        to=tuple(dict.fromkeys(text for name in ("to", "copyto") for text in fields.get(name, ()) if text)),
        keyword=first("keyword"),
        operator_id=first("operatorid", "spid"),
        timestamp=first("timestamp"),
        subject=first("messagesubject"),
        urls=tuple(text for text in fields.get("file", ()) if text),
    )


def _fields(body: bytes) -> Fields:
    start = body.lstrip(b"\xef\xbb\xbf \t\r\n")[:1]
    if not start:
        raise NotUnderstoodError("The body is empty.")
    pairs = _json_pairs(body) if start in b"{[" else _xml_pairs(body)
    fields: dict[str, list[str]] = defaultdict(list)
    for name, text in pairs:
        fields[_plain(name)].append(_clean(text))
    return fields


def _plain(name: str) -> str:
    return name.rpartition("}")[2].lower().replace("-", "").replace("_", "")


def _clean(text: str) -> str:
    # Neither a NUL nor half of a surrogate pair can be kept in PostgreSQL or written as UTF-8.
    return text.strip().replace("\0", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace").decode()


def _xml_pairs(body: bytes) -> Iterator[tuple[str, str]]:
    try:
        root: Element = fromstring(body, forbid_dtd=True)
    except DefusedXmlException as error:
        raise NotUnderstoodError(
            "The XML has a document type or entities, which are never followed."
        ) from error
    except (ParseError, ValueError, LookupError) as error:
        raise NotUnderstoodError(f"The body is neither XML nor JSON: {error}.") from error
    if _plain(root.tag) != "postback":
        raise NotUnderstoodError(f"The XML's root is <{root.tag[:80]}>, not <postback>.")
    for element in root:
        if _plain(element.tag) == "content":
            yield from (("file", child.text or "") for child in element.iter() if _plain(child.tag) == "file")
        else:
            yield element.tag, element.text or ""


def _json_pairs(body: bytes) -> Iterator[tuple[str, str]]:
    try:
        value: Any = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise NotUnderstoodError(f"The JSON cannot be read: {error}.") from error
    if isinstance(value, dict) and isinstance(value.get("postback"), dict):
        value = value["postback"]
    if not isinstance(value, dict):
        raise NotUnderstoodError("The JSON is not an object with the fields of a postback.")
    for name, field in value.items():
        inner = {"content": "file", "copyto": "number"}.get(_plain(name))
        for text in _texts(field, inner):
            yield ("file" if inner == "file" else name), text


def _texts(field: Any, inner: str | None) -> Iterator[str]:
    """Yield the texts of a field: itself, or `inner` of each object in its list."""
    entries = field if isinstance(field, list) else [field]
    for entry in entries:
        found = entry.get(inner) if inner and isinstance(entry, dict) else entry
        if isinstance(found, str | int) and not isinstance(found, bool):
            yield str(found)
