"""The readers of what strangers write, each with the promises that hold for any bytes.

A target takes bytes and returns nothing. It raises where a promise is broken: an error of a kind that
the reader does not name, a text that no database holds, an answer out of bounds. `check` adds that the
work grows with the length of the input.
"""

import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from hashlib import sha256
from io import BytesIO
from ipaddress import ip_network
from pathlib import Path
from socket import socket
from typing import Any, cast

import charset_normalizer  # noqa: F401 - else loading it counts as work
from sqlalchemy import Connection, create_engine
from sqlalchemy.dialects import postgresql
from starlette.requests import Request

from dashboard import plain_page, sight, visiting
from mmsvault import outside
from mmsvault.catalog import documents, filters, forms, language
from mmsvault.clients import client_address
from mmsvault.errors import FetchError, NotUnderstoodError, RecordError, SearchError
from mmsvault.fetching.client import Client
from mmsvault.fetching.download import Fetcher
from mmsvault.media import answers, cards, charset_names, charsets, slides
from mmsvault.message import Message, Receipt
from mmsvault.postbacks import OtherNotice, understand
from tests.fuzz.steps import at_most

CORPUS = Path(__file__).parent / "corpus"
CASES = Path(__file__).parents[1] / "cases"
RECEIVED_AT = datetime(2026, 11, 29, 12, tzinfo=UTC)
_SAFE_FOLDER = re.compile(r"messages/\d{1,4}/\d\d/\d\d/[a-z]+-[A-Za-z0-9_~-]{1,200}/")
_TYPES = ("", "application/xml; charset=iso-8859-1", "application/json; charset=utf-16")
_DECLARED = ("", "text/plain", "text/plain; charset=utf-16", "text/html; charset=shift_jis")
_SAMPLE = "Grüße vom Hafen, Ægir €".encode()
_NEXT_ANSWER = b"\n=====\n"
_LARGEST = 50_000
_ANSWERS: list[bytes] = []
_NOTHING = Path(os.devnull).open("rb")  # noqa: SIM115 - it looks like a connection that was closed
_PROXIES = (ip_network("127.0.0.0/8"), ip_network("2001:db8::/32"))
_QUICK = 2_000, 40
"""Calls for any input, and for each byte of it."""
_THOROUGH = 60_000, 400


@dataclass(frozen=True)
class Target:
    """A reader, and how many calls it may take: for any input, and for each byte of it.

    `cases` names the files of tests/cases that are inputs of it as well.
    """

    run: Callable[[bytes], None]
    calls: int
    calls_per_byte: int
    cases: str = ""


def check(name: str, data: bytes) -> None:
    """Raise where a promise of this target does not hold for `data`."""
    target = TARGETS[name]
    with at_most(target.calls + target.calls_per_byte * len(data)):
        target.run(data)


def kept(name: str) -> list[bytes]:
    """Return the inputs that are kept for a target."""
    pattern = TARGETS[name].cases
    paths = [*(CORPUS / name).iterdir(), *(CASES.glob(pattern) if pattern else ())]
    return [path.read_bytes() for path in sorted(paths)]


def postbacks(data: bytes) -> None:
    """A body is a message, another notice, or not understood with a reason."""
    for content_type in _TYPES:
        receipt = Receipt(
            provider="sinch", body=b"", headers={"content-type": content_type}, received_at=RECEIVED_AT
        ).model_copy(update={"body": data})
        try:
            found = understand(receipt, retention=timedelta(days=30))
        except NotUnderstoodError as error:
            _hold(str(error))
            assert str(error)
            continue
        if isinstance(found, OtherNotice):
            _hold(found.code)
            continue
        _hold_all(found)
        assert _SAFE_FOLDER.fullmatch(found.prefix), found.prefix
        assert [item.position for item in found.media] == list(range(len(found.media)))
        assert Message.from_record(found.as_record()) == found
        document = documents.document(found)
        _are_tokens((*document.sequence, *document.marks))


def searches(data: bytes) -> None:
    """A text is a query that both databases take, or has a mistake at a place in it."""
    text = data.decode("utf-8", "surrogateescape")
    try:
        query = language.parse(text)
    except SearchError as error:
        assert 0 <= error.position <= len(text)
        _hold(str(error))
        return
    _hold_all(query)
    _are_tokens(
        token
        for group in query.groups
        for term in group
        if not term.moment
        for phrase in filters.phrases(term)
        for token in phrase
    )
    filters.places(query, "postgresql").compile(dialect=postgresql.dialect())
    _catalog().execute(filters.places(query, "sqlite")).all()


def records(data: bytes) -> None:
    """A record from outside is a message that every database holds and that stays the same, or is refused."""
    try:
        found = outside.read(data, now=RECEIVED_AT, retention=timedelta(days=30))
    except RecordError as error:
        _hold(str(error))
        return
    message = found.message.within_limits()
    _hold_all((message, found.remarks))
    assert Message.from_record(message.as_record()) == message
    assert _SAFE_FOLDER.fullmatch(message.prefix), message.prefix
    for item in message.media:
        assert all(key.startswith(message.prefix) for key in filter(None, (item.key, *item.evidence)))
        assert not re.search(r"[\r\n]", item.content_type)
    document = documents.document(message)
    _are_tokens((*document.sequence, *document.marks))


def slide_shows(data: bytes) -> None:
    """SMIL gives names of parts, each once, none too long."""
    names = slides.order(charsets.as_text(data, "application/smil") or "")
    assert len(names) == len(set(names)) <= slides.MOST_PARTS
    assert all(0 < len(name) <= 200 for name in names)
    _hold_all(names)


def contacts(data: bytes) -> None:
    """A vCard gives cards in lines of a label and a value."""
    _hold_cards(cards.contact(charsets.as_text(data, "text/vcard") or ""))


def appointments(data: bytes) -> None:
    """An iCalendar file gives entries in lines of a label and a value."""
    _hold_cards(cards.appointment(charsets.as_text(data, "text/calendar") or ""))


def texts(data: bytes) -> None:
    """Bytes are text without control characters, or none."""
    for declared in _DECLARED:
        text = charsets.as_text(data, declared)
        if text is not None:
            _hold(text)
            assert not re.search(r"[\x01-\x08\x0e-\x1a\x1c-\x1f]", text)
            assert len(text) <= len(data)


def charset_declarations(data: bytes) -> None:
    """Whatever is declared of a text, and whatever it declares itself, it is read."""
    declared = data.decode("latin-1")
    charset_names.codec_of(declared)
    for text in (
        charsets.as_text(_SAMPLE, f"text/plain; charset={declared}"),
        charsets.as_text(_SAMPLE, declared),
        charsets.as_text(b'<?xml version="1.0" encoding="' + data + b'"?><a>' + _SAMPLE, "text/xml"),
        charsets.as_text_in(_SAMPLE, declared),
    ):
        _hold(text or "")


def request_heads(data: bytes) -> None:
    """A Cookie or X-Forwarded-For header names a token, a look and an address, or nothing."""
    text = data.decode("latin-1")
    visiting.token_of(text)
    look = sight.look_in(text)
    if look is not None:
        RECEIVED_AT.astimezone(look.zone)
        assert look.tone in ("light", "dark")
        assert 0 <= float(look.top_px) < 10_000
    source = client_address("127.0.0.1", text, _PROXIES)
    assert source.isprintable()
    assert client_address("203.0.113.1", text, _PROXIES) == "203.0.113.1"


def http_answers(data: bytes) -> None:
    """What servers answer, one after the other, is a file with its true hash, or a failure with a reason."""
    _ANSWERS[:] = data.split(_NEXT_ANSWER)
    file = BytesIO()
    try:
        fetched = _fetcher().fetch("http://example.org/a.jpg", file)
    except FetchError as error:
        assert error.reason
        _hold(error.reason)
        return
    body = file.getvalue()
    assert (fetched.size, fetched.sha256) == (len(body), sha256(body).hexdigest())
    assert fetched.size <= _LARGEST
    assert "set-cookie" not in fetched.headers
    _hold_all(fetched)
    told = answers.Told(
        "http://example.org/a.jpg", (fetched.declared_type,), fetched.headers.get("content-disposition", "")
    )
    _hold(answers.judge(told, size=fetched.size, beginning=body[: answers.sniffing.HEAD_BYTES]).reason)


@cache
def _fetcher() -> Fetcher:
    """Return what downloads from connections that say what stands in _ANSWERS, one each."""
    fetcher = Fetcher(max_bytes=_LARGEST, hosts=(), private_networks=(), knows=answers.is_known)
    fetcher._client = Client(
        lambda _host, _port: cast("socket", _Connection(_ANSWERS.pop(0) if _ANSWERS else b"")),
        silence_seconds=1,
    )
    return fetcher


class _Connection:
    """A server that says what it was given, and then closes."""

    def __init__(self, said: bytes) -> None:
        self._said = said

    def makefile(self, *_: Any, **__: Any) -> BytesIO:
        return BytesIO(self._said)

    def fileno(self) -> int:
        return _NOTHING.fileno()

    def sendall(self, _data: bytes) -> None:
        pass

    def settimeout(self, _seconds: float | None) -> None:
        pass

    def shutdown(self, _how: int) -> None:
        pass

    def close(self) -> None:
        pass


def login_forms(data: bytes) -> None:
    """A form gives names and values, and leads to a path of this server, or is refused."""
    head, _, body = data.partition(b"\n\n")
    headers = [
        (name.strip().lower(), value.strip())
        for name, _, value in (line.partition(b":") for line in head.splitlines())
    ]
    fields_of_form = _read_form({"type": "http", "method": "POST", "headers": headers}, body)
    if fields_of_form is not None:
        _hold_all(fields_of_form)
        path = plain_page.own_path(fields_of_form.get("next", ""))
        assert re.fullmatch(r"/(?![/\\])[ -~]*", path)


TARGETS: Mapping[str, Target] = {
    "postbacks": Target(postbacks, *_THOROUGH, cases="postbacks/*"),
    "searches": Target(searches, *_THOROUGH),
    "records": Target(records, *_THOROUGH),
    "slide_shows": Target(slide_shows, *_THOROUGH, cases="media/smil-*"),
    "contacts": Target(contacts, *_THOROUGH, cases="media/v*-*"),
    "appointments": Target(appointments, *_THOROUGH),
    "texts": Target(texts, *_THOROUGH, cases="media/t-*"),
    "charset_declarations": Target(charset_declarations, *_THOROUGH),
    "http_answers": Target(http_answers, *_THOROUGH),
    "login_forms": Target(login_forms, *_QUICK),
    "request_heads": Target(request_heads, *_QUICK),
}


def _read_form(scope: dict[str, Any], body: bytes) -> dict[str, str] | None:
    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    reading = plain_page.read_form(Request(scope, receive))
    try:
        reading.send(None)
    except StopIteration as end:
        answer: dict[str, str] | None = end.value
        return answer
    raise AssertionError("it waits for something")


@cache
def _catalog() -> Connection:
    """Return an empty catalog in memory."""
    connection = create_engine("sqlite://").connect()
    for statement in forms.FORM.read_text().split("\n\n"):
        connection.exec_driver_sql(statement)
    return connection


def _hold_cards(text: str) -> None:
    _hold(text)
    for card in filter(None, text.split("\n\n")):
        lines = card.split("\n")
        assert len(lines) <= cards.MOST_LINES
        assert all(re.match(r"[^:]+: .", line) for line in lines)


def _are_tokens(tokens: Any) -> None:
    """Check that tokens break out of no expression of either database."""
    for token in tokens:
        _hold(token)
        assert token
        assert not re.search(r"[\s\"'\\]", token), token


def _hold(text: str) -> None:
    """Check that both databases and UTF-8 hold a text."""
    assert "\0" not in text
    text.encode()


def _hold_all(value: Any) -> None:
    """Check every text in a value, and that JSON takes it."""
    for text in _texts_in(value):
        _hold(text)
        json.dumps(text)


def _texts_in(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Message):
        yield from _texts_in(value.model_dump(mode="json"))
    elif is_dataclass(value) and not isinstance(value, type):
        for field in fields(value):
            yield from _texts_in(getattr(value, field.name))
    elif isinstance(value, Mapping):
        for name, one in value.items():
            yield from (*_texts_in(name), *_texts_in(one))
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _texts_in(one)
