"""The table of repairs in docs/connect-sinch.md says what a run does; `make repairs` writes it anew."""

import json
import os
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

from mmsvault.errors import NotUnderstoodError
from mmsvault.message import Message, Receipt
from mmsvault.postbacks import understand

DOCS = Path(__file__).parents[2] / "docs" / "connect-sinch.md"
HEAD = "| what comes | is read as | noted as |\n|---|---|---|\n"
RECEIVED_AT = datetime(2026, 11, 28, 16, 30, tzinfo=UTC)
URL = "http://m.example/1.jpg"
XML = (
    "<postback><code>N401</code><tracking-id>x</tracking-id><timestamp>2026-11-28T16:19:49Z</timestamp>"
    "<message-subject>{subject}</message-subject><content>{content}</content></postback>"
)
FILE = f"<file>{URL}</file>"


def of_xml(subject: str = "hi", content: str = FILE) -> bytes:
    return XML.format(subject=subject, content=content).encode()


def of_json(*, text: str = "", **fields: object) -> bytes:
    given = {
        "code": "N401",
        "tracking-id": "x",
        "timestamp": "2026-11-28T16:19:49Z",
        "content": [{"file": URL}],
    }
    return (text or json.dumps({**given, **fields}, ensure_ascii=False)).encode()


AS_JSON = of_json().decode()
ROWS: tuple[tuple[str, bytes], ...] = (
    (
        "another encoding than is declared, or none that is declared",
        of_xml("Grüße").decode().encode("latin-1"),
    ),
    ('`encoding="utf-16"` over UTF-8', b'<?xml version="1.0" encoding="utf-16"?>' + of_xml("Grüße")),
    ("an emoji as two surrogates in UTF-8 (CESU-8)", of_xml("@").replace(b"@", b"\xed\xa0\xbd\xed\xb0\x9f")),
    ("an emoji as two references, `&#55357;&#56351;`", of_xml("&#55357;&#56351;")),
    ("a reference to a control character, `a&#x11;b`", of_xml("a&#x11;b")),
    ("control characters and NUL", of_xml("a\x11\0b")),
    ("a bare `&` in a text or an address", of_xml("Q&A", f"<file>{URL}?a=1&b=2</file>")),
    ("a bare `<`: `I <3 you`", of_xml("I <3 you")),
    ("a bare `]]>`", of_xml("]]>")),
    ("an entity of HTML, `caf&eacute;`", of_xml("caf&eacute;")),
    ("a tag in a text without its partner, `<b>hi`", of_xml("<b>hi")),
    ("an end in another case, `</FILE>`", of_xml(content=FILE.replace("</file>", "</FILE>"))),
    ("an attribute without quotation marks", of_xml(content=f"<file url={URL} />")),
    ("a prefix that is not declared, `<ns:postback>`", of_xml().replace(b"postback>", b"ns:postback>")),
    ("white space or text before the XML", b"\r\n<?xml version='1.0'?>" + of_xml()),
    ("text after the XML", of_xml() + b"\r\n--\r\n"),
    ("the notice within other XML", b"<envelope>" + of_xml() + b"</envelope>"),
    ("the notice in a field of a web form", b"xml=" + of_xml().replace(b"<", b"%3C").replace(b">", b"%3E")),
    ("the notice as the one entry of a list", of_json(text=f"[{AS_JSON}]")),
    ("JSON within a text of JSON", of_json(text=json.dumps(AS_JSON))),
    ("a comma before `}` or `]`", of_json(text=AS_JSON.replace("}]", "},]"))),
    ("a comment in JSON", of_json(text=AS_JSON.replace("{", "{/* of today */", 1))),
    ("a line break or tab in a text of JSON", of_json(**{"message-subject": "a b"}).replace(b"a b", b"a\nb")),
    ("single quotation marks", of_json(text=AS_JSON.replace('"', "'"))),
    ("a bare quotation mark in a text", of_json(**{"message-subject": "@"}).replace(b"@", b'I "love" it')),
    ("a bare backslash in a text", of_json(**{"message-subject": "@"}).replace(b"@", b"C:\\pics")),
    ("names without quotation marks, `None`, `+1408`", of_json(text=AS_JSON.replace('"code"', "code"))),
    ("text before the JSON", of_json(text=f"notice = {AS_JSON}")),
    ("text after the JSON", of_json(text=f"{AS_JSON};")),
    ("a time before 2000, or two days ahead", of_json(timestamp="1970-01-01T00:00:00Z")),
    ("a time that cannot be read", of_json(timestamp="yesterday")),
    ("`content` with something in it, but no address for an entry", of_xml(content=f"{FILE}<file/>")),
    ("a tag of `content` or `file` without its partner", of_xml(content=f"<file>{URL}")),
    (
        "fewer files than its `count` or `total` tells",
        of_json(content={"count": 2, "file": [URL]}),
    ),
    ("no file, but a web address in an unknown field", of_json(content=[], mediaUrls=[URL])),
    (
        "files beside the notice, within other XML or JSON",
        of_json(text=f'{{"postback": {AS_JSON}, "files": ["{URL}"]}}'),
    ),
    ("a notice that ends early, or two in one", of_xml() * 2),
    ("a document type or entities", b"<!DOCTYPE postback>" + of_xml()),
)


def row(what: str, body: bytes) -> str:
    receipt = Receipt.of(body, provider="sinch").model_copy(update={"received_at": RECEIVED_AT})
    try:
        found = understand(receipt, retention=timedelta(days=30))
    except NotUnderstoodError as error:
        return f"| {what} | quarantine: {str(error).replace('<', '`<').replace('>', '>`')} | |\n"
    assert isinstance(found, Message)
    assert len(found.media) == 1
    subject = (
        "the time of the receipt"
        if found.received_at == RECEIVED_AT
        else f"`{found.subject}`".replace("\n", "\\n")
    )
    shown = subject if found.subject not in ("", "hi") or "time" in subject else "the same notice"
    return f"| {what} | {shown} | {', '.join(found.repaired)} |\n"


def test_the_table_of_repairs_is_current() -> None:
    table = HEAD + "".join(row(what, body) for what, body in ROWS)
    text = DOCS.read_text()
    start = text.index(HEAD)
    end = text.index("\n\n", start) + 1
    if os.environ.get("MMSVAULT_TEST_WRITE"):
        DOCS.write_text(text[:start] + table + text[end:])
    else:
        assert text[start:end] == table, "run `make repairs`"


def test_every_name_of_a_repair_stands_in_the_table() -> None:
    sources = (Path(__file__).parents[2] / "mmsvault" / "postbacks").glob("*.py")
    code = "\n".join(path.read_text() for path in sources)
    names = set(re.findall(r'names\["([^"]+)"\]', code))
    names |= set(
        re.findall(r'"(bare [a-z\- ]+|timestamp not [a-z]+|text in a text|list of one|form encoding)"', code)
    )
    table = DOCS.read_text()
    assert names
    assert {name for name in names if name not in table} == set()
