"""Messages as lists: CSV for a spreadsheet, JSON lines for programs.

What a stranger sent must not run in the spreadsheet of whoever opens the list: a cell that a
spreadsheet would take for a formula is marked as text (OWASP, CSV Injection).
"""

import csv
import io
import json
from collections.abc import Iterator, Mapping

from mmsvault.message import Message

COLUMNS = (
    *("id", "received_at", "from", "to", "keyword", "subject", "operator_id", "state", "tags"),
    *("file", "file_state", "content_type", "size", "sha256", "path", "text", "reason"),
)
BYTE_ORDER_MARK = "\ufeff"
"""Without it Excel reads a CSV file in the machine's old code page."""
LONGEST_CELL = 32_000
"""Characters; a cell of Excel holds 32,767."""
_FORMULA = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")
_CONTROL = ("\t", "\r", "\n")


def header() -> bytes:
    """Return the beginning of messages.csv."""
    return BYTE_ORDER_MARK.encode() + _line(COLUMNS)


def rows(message: Message, paths: Mapping[str, str]) -> bytes:
    """Return the message's lines: one for each file, one where there is none.

    `paths` are the names in the archive, by key.
    """
    return b"".join(_line([safe(cell) for cell in cells]) for cells in _cells(message, paths))


def safe(cell: str) -> str:
    """Return a cell's text such that no spreadsheet takes it for a formula."""
    text = cell.replace("\0", "")[:LONGEST_CELL]
    risky = text.startswith(_CONTROL) or text.lstrip().startswith(_FORMULA)
    return f"'{text}" if risky else text


def json_line(message: Message) -> bytes:
    """Return the message as one line of messages.jsonl, in the shape of `mmsvault show ID --json`."""
    return json.dumps(message.as_json(), ensure_ascii=False).encode("utf-8", "backslashreplace") + b"\n"


def _cells(message: Message, paths: Mapping[str, str]) -> Iterator[list[str]]:
    own = [
        message.id,
        message.received_at.isoformat().replace("+00:00", "Z"),
        message.sender,
        " ".join(message.to),
        message.keyword,
        message.subject,
        message.operator_id,
        message.state.value,
        " ".join(message.tags),
    ]
    if not message.media:
        yield own + [""] * (len(COLUMNS) - len(own))
    for item in message.media:
        size = "" if item.size is None else str(item.size)
        told = (item.content_type, size, item.sha256, paths.get(item.key, ""), item.text, item.reason)
        yield [*own, str(item.position), item.state.value, *told]


def _line(cells: "list[str] | tuple[str, ...]") -> bytes:
    text = io.StringIO()
    csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\r\n").writerow(cells)
    return text.getvalue().encode("utf-8", "replace")
