"""A small archive whose every message is known, for questions with known answers."""

import re
import unicodedata
from datetime import UTC, datetime, timedelta

from sqlalchemy import Engine

from mmsvault.catalog import entering
from mmsvault.catalog.connection import writing
from mmsvault.catalog.language import Query, Term
from mmsvault.catalog.words import words_of
from mmsvault.message import MediaItem, MediaState, Message, fold, normal_number

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
CARRIERS = {"verizon": "31003", "t-mobile": "31004"}


def message(name: str, *files: tuple[str, str] | str, minutes: int = 0, **given: object) -> Message:
    """Return a message; a file is its content type, with its text, or pending or lost."""
    items = []
    for place, file in enumerate(files):
        kind, text = file if isinstance(file, tuple) else (file, "")
        state = MediaState(kind) if kind in ("pending", "lost") else MediaState.STORED
        content_type = kind if state is MediaState.STORED else ""
        items.append(
            MediaItem(
                position=place,
                url=f"http://m.example/{place}",
                state=state,
                content_type=content_type,
                text=text,
            )
        )
    fields = {
        "id": f"sinch-{name}",
        "provider": "sinch",
        "tracking_id": name,
        "sender": "14085550123",
        "to": ("28444",),
        "received_at": NOON + timedelta(minutes=minutes),
        "deadline_at": NOON + timedelta(days=30),
        "recorded_at": NOON,
        "prefix": f"messages/2026/11/20/sinch-{name}/",
        "media": tuple(items),
        **given,
    }
    return Message.model_validate(fields)


ARCHIVE = tuple(
    message(name, *files, minutes=minute, **given)  # type: ignore[arg-type]  # a table for reading
    for minute, (name, files, given) in enumerate(
        [
            (
                "harbor",
                ["image/jpeg"],
                {"subject": "The old harbor", "keyword": "Störm", "operator_id": "31003"},
            ),
            ("harbour", ["image/png"], {"subject": "Harbour, old and grey", "keyword": "STORM"}),
            ("sure", [("text/plain", "100% sure; it's don't-know")], {"sender": "+1 (650) 555-0100"}),
            (
                "brolly",
                [("text/plain", "Bring an Umbrella\nto the harbor")],
                {"keyword": "storm", "sender": "4085550123"},
            ),
            (
                "card",
                [("text/vcard", "FN:Zoë Müller EMAIL:zoe@example.com")],
                {"sender": "someone@example.com"},
            ),
            (
                "film",
                ["video/3gpp", "image/gif"],
                {"sender": "14085559999", "operator_id": "31004", "hold": True},
            ),
            ("sound", ["audio/amr"], {"sender": "28444", "to": ("14085550123", "14085550199")}),
            ("plan", ["text/calendar", "application/pdf"], {"sender": "442079460018", "tags": ("Reviewed",)}),
            ("blob", ["application/octet-stream"], {"sender": "PIZZA", "tags": ("to do", "reviewed")}),
            ("waits", ["pending"], {"subject": "café naïve ÆON straße"}),
            ("half", ["image/jpeg", "lost"], {"subject": "ffi ligature ﬃ, １２３ wide"}),
            ("gone", ["lost"], {"subject": "Ελλάδα Ἀθῆναι МОСКВА ёлка"}),
            ("bare", [], {"subject": "nothing but words", "keyword": "all"}),
            ("chinese", [("text/plain", "暴风雨过后的港口很美")], {"subject": "上海你好"}),
            ("japanese", [("text/plain", "東京タワーとがっこうのねこ")], {"subject": "写真 です"}),
            ("thai", [], {"subject": "สวัสดีครับ แมวน้ำ"}),
            ("korean", [], {"subject": "서울에서 만나요"}),
            ("hindi", [], {"subject": "हिन्दी में संदेश"}),
            ("arabic", [], {"subject": "السَّلامُ عليكم"}),
            ("fish", [], {"subject": "🐟 for dinner ❤️"}),
            ("empty", [], {"sender": "", "to": ()}),
            ("sql", [], {"subject": 'Robert\'); DROP TABLE messages;-- "quoted" 50% _under_ a*b'}),
            ("long", [("text/plain", "word " * 3000 + "end")], {"keyword": "long keyword, with signs & all"}),
        ]
    )
)


def fill(catalog: Engine) -> None:
    with writing(catalog) as connection:
        for one in ARCHIVE:
            assert entering.insert_whole(connection, one)


def expected(query: Query) -> set[str]:
    """Return whom the query finds, by a plain look at each message."""
    return {
        one.tracking_id
        for one in ARCHIVE
        if all(any(_holds(term, one) for term in group) for group in query.groups)
    }


def _holds(term: Term, one: Message) -> bool:
    return _HOLDS[term.field](term, one) != term.negated


def _bare(term: Term, one: Message) -> bool:
    if term.exact:
        return _words(term, one)
    return _words(term, one, one.keyword) or _ends_or_is(term, one)


def _ends_or_is(term: Term, one: Message) -> bool:
    """Return whether a bare number is a number of the message, or the last digits of one."""
    plain = unicodedata.normalize("NFKC", term.value)
    digits = re.sub(r"[\s().+/\-]|^tel:|ext.*$", "", plain)
    if not digits.isdecimal() or len(digits) < 3:
        return False
    numbers = [normal_number(number) for number in (one.sender, *one.to)]
    whole = any(number in term.numbers for number in numbers)
    return whole or (len(digits) >= 4 and any(number.endswith(digits) for number in numbers))


def _words(term: Term, one: Message, *more: str) -> bool:
    wanted = words_of(term.value)
    for text in (one.subject, *(item.text for item in one.media), *more):
        words = words_of(text)
        if len(wanted) == 1 and not term.exact:
            if any(word.startswith(wanted[0]) for word in words):
                return True
        elif any(words[at : at + len(wanted)] == wanted for at in range(len(words))):
            return True
    return False


def _number(term: Term, numbers: tuple[str, ...]) -> bool:
    known = [normal_number(number) for number in numbers]
    if "*" not in term.value:
        return any(number in term.numbers for number in known)
    inner = normal_number(term.value.strip("*"))
    if term.value.startswith("*") and term.value.endswith("*"):
        return any(inner in number for number in known)
    if term.value.startswith("*"):
        return any(number.endswith(inner) for number in known)
    return any(number.startswith(inner) for number in known)


def _kind(content_type: str) -> str:
    named = {"text/vcard": "contact", "text/calendar": "calendar", "application/pdf": "document"}
    main = content_type.partition("/")[0]
    return named.get(content_type) or (main if main in ("image", "video", "audio", "text") else "other")


_HOLDS = {
    "": _bare,
    "from": lambda term, one: _number(term, (one.sender,)),
    "to": lambda term, one: _number(term, one.to),
    "number": lambda term, one: _number(term, (one.sender, *one.to)),
    "keyword": lambda term, one: fold(one.keyword) == fold(term.value.replace("none", "")),
    "type": lambda term, one: any(
        _kind(item.content_type) == term.value for item in one.media if item.content_type
    ),
    "carrier": lambda term, one: one.operator_id == CARRIERS.get(term.value, term.value),
    "after": lambda term, one: one.received_at >= term.moment,
    "before": lambda term, one: one.received_at < term.moment,
    "state": lambda term, one: one.state == term.value,
    "tag": lambda term, one: fold(term.value) in [fold(tag) for tag in one.tags],
    "has": lambda term, one: bool({"media": one.media, "subject": one.subject, "hold": one.hold}[term.value]),
}
