"""Messages as lists: CSV for a spreadsheet, JSON lines for programs.

What a stranger sent must not run in the spreadsheet of whoever opens the list: a cell that a
spreadsheet would take for a formula is marked as text (OWASP, CSV Injection). So is one that it would
take for a number or a date and write in another way: `0123`, `1E5`, `1-2`.
"""

import csv
import io
import json
import re
from collections.abc import Iterator, Mapping

from mmsvault.message import Message

COLUMNS = (
    *("id", "received_at", "from", "to", "keyword", "subject", "operator_id", "state", "tags"),
    *("file", "file_state", "content_type", "size", "sha256", "path", "text", "reason"),
)
BYTE_ORDER_MARK = "\ufeff"
"""Without it Excel reads a CSV file in the machine's old code page."""
LONGEST_CELL = 32_700
"""Units of UTF-16; a cell of Excel holds 32,767, and the mark of a cut one is to fit."""
_PLAIN_NUMBER = re.compile(r"0|[1-9]\d{0,10}")
"""What every spreadsheet shows as it is written: no leading zero, and no more than 11 digits."""
CUT = " [cut here; {length:,} characters in messages.jsonl]"
LONGEST_NUMBER = 400
_NUMBER = re.compile(r"(?=.*\d)[\s\d.,:;/\\()%$€£¥'’^*−–+-]+(?:[eE][+-]?\d+)?", re.DOTALL)  # noqa: RUF001 - as people write
_MONTH = (
    "jan(?:uary?)?|feb(?:ruary?)?|mar(?:ch)?|märz?|apr(?:il)?|may|mai|june?|juni|july?|juli|aug(?:ust)?"
    "|sept?(?:ember)?|o[ck]t(?:ober)?|nov(?:ember)?|de[cz](?:ember)?"
)
_DATE = re.compile(
    rf"(?=.*\d)(?:\d{{1,4}}[\s./-]*)?(?:{_MONTH})\.?(?:[\s./,-]*\d{{1,4}}){{0,2}}"
    r"|\d{1,2}(?::\d\d){0,2}\s*[ap]m?|true|false",
    re.IGNORECASE,
)
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
    """Return a cell's text such that every spreadsheet shows it as it is, after a `'` where it needs one.

    It is cut where a spreadsheet would cut it, and says so at its end.
    """
    text = _fitting(cell.replace("\0", ""))
    risky = text.startswith(_CONTROL) or text.lstrip().startswith(_FORMULA)
    return f"'{text}" if risky or _is_changed(text) else text


def _fitting(text: str) -> str:
    if len(text) <= LONGEST_CELL // 2:  # no letter has more than two units
        return text
    units = text.encode("utf-16-le", "replace")
    if len(units) <= LONGEST_CELL * 2:
        return text
    mark = CUT.format(length=len(text))
    return units[: (LONGEST_CELL - len(mark)) * 2].decode("utf-16-le", "ignore") + mark


def _is_changed(text: str) -> bool:
    """Return whether a spreadsheet takes the text for a number, a time or a word of its own."""
    if len(text) > LONGEST_NUMBER or _PLAIN_NUMBER.fullmatch(text):
        return False
    return bool(_NUMBER.fullmatch(text) or _DATE.fullmatch(text.strip()))


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
