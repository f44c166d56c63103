"""Postbacks as the provider writes them, in each of its three dialects."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from xml.sax.saxutils import escape


@dataclass(frozen=True)
class Notice:
    """What a postback says. `timestamp` is aware; `copy_to` are the others of a group message."""

    tracking_id: str
    sender: str
    to: str
    timestamp: datetime
    keyword: str = ""
    operator_id: str = ""
    subject: str = ""
    urls: tuple[str, ...] = ()
    copy_to: tuple[str, ...] = ()
    code: str = "N401"
    origin: str = "MMS_MO"


def lower_case_xml(notice: Notice) -> bytes:
    """Write the notice like the provider's published example."""
    return _xml(
        ("postback", "content", "file"),
        {
            "origin": notice.origin,
            "code": notice.code,
            "from": notice.sender,
            "to": notice.to,
            "keyword": notice.keyword,
            "tracking-id": notice.tracking_id,
            "operator-id": notice.operator_id,
            "timestamp": notice.timestamp.isoformat(),
            "message-subject": notice.subject,
        },
        notice.urls,
    )


def upper_case_xml(notice: Notice) -> bytes:
    """Write the notice in the older form, which has no subject."""
    return _xml(
        ("POSTBACK", "CONTENT", "FILE"),
        {
            "ORIGIN": notice.origin,
            "CODE": notice.code,
            "FROM": notice.sender,
            "TO": notice.to,
            "KEYWORD": notice.keyword,
            "TRACKINGID": notice.tracking_id,
            "SPID": notice.operator_id,
            "TIMESTAMP": notice.timestamp.isoformat(),
        },
        notice.urls,
    )


def today_json(notice: Notice) -> bytes:
    """Write the notice in today's form; what is empty is left out."""
    fields = {
        "origin": notice.origin,
        "code": notice.code,
        "from": notice.sender,
        "to": notice.to,
        "copy-to": [{"number": number} for number in notice.copy_to],
        "keyword": notice.keyword,
        "tracking-id": notice.tracking_id,
        "operator-id": notice.operator_id,
        "timestamp": notice.timestamp.isoformat().replace("+00:00", "Z"),
        "message-subject": notice.subject,
        "content": [{"file": url} for url in notice.urls],
    }
    return json.dumps({name: value for name, value in fields.items() if value}, ensure_ascii=False).encode()


DIALECTS: Mapping[str, tuple[Callable[[Notice], bytes], str]] = {
    "lower-case XML": (lower_case_xml, "application/xml"),
    "upper-case XML": (upper_case_xml, "application/xml"),
    "JSON": (today_json, "application/json"),
}
"""How each dialect is written, and its content type."""


def _xml(names: tuple[str, str, str], fields: Mapping[str, str], urls: tuple[str, ...]) -> bytes:
    root, content, file = names
    lines = [f"    <{name}>{escape(value)}</{name}>" for name, value in fields.items()]
    files = "\n".join(f"        <{file}>{escape(url)}</{file}>" for url in urls)
    body = "\n".join([*lines, f"    <{content}>\n{files}\n    </{content}>"])
    return f"<{root}>\n{body}\n</{root}>\n".encode()
