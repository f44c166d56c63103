"""Contacts and appointments as lines of `label: value`: to show as a card and to search in."""

import logging
import quopri
import re
from collections.abc import Iterator
from typing import Any

import icalendar
import vobject
from icalendar.error import ICalParsingError
from vobject.base import VObjectError

MOST_CHARACTERS = 100_000
"""Of a file, without the pictures in it. What is long and hostile takes time that grows with its square."""
MOST_CARDS = 50
MOST_LINES = 40
"""Lines of one card; a value is cut off after MOST_OF_A_VALUE characters."""
MOST_OF_A_VALUE = 500

_CONTACT = {
    "fn": "Name",
    "nickname": "Nickname",
    "org": "Organisation",
    "title": "Title",
    "role": "Role",
    "tel": "Phone",
    "email": "E-mail",
    "adr": "Address",
    "url": "Web",
    "impp": "Chat",
    "bday": "Birthday",
    "anniversary": "Anniversary",
    "note": "Note",
    "categories": "Categories",
}
_EVENT = {
    "SUMMARY": "Event",
    "DTSTART": "Starts",
    "DTEND": "Ends",
    "DUE": "Due",
    "DURATION": "Length",
    "RRULE": "Repeats",
    "LOCATION": "Place",
    "ORGANIZER": "Organiser",
    "ATTENDEE": "With",
    "URL": "Web",
    "STATUS": "Status",
    "DESCRIPTION": "Note",
}
_EMBEDDED = re.compile(
    r"^(?:PHOTO|LOGO|SOUND|KEY)[^:\n]{0,200}+:[^\n]*+(?:\r?\n[ \t][^\n]*+)*+", re.IGNORECASE | re.MULTILINE
)
"""Pictures and sounds inside of a card: long, and nothing to read."""
_QUOTED = re.compile(
    r"^([^:\n]{0,200}?);ENCODING=QUOTED-PRINTABLE([^:\n]{0,200}+):((?:[^\n]*=\r?\n)*+[^\n]*)",
    re.IGNORECASE | re.MULTILINE,
)
_KINDS_LEFT_OUT = frozenset(("voice", "internet", "pref", "x-internet", "quoted-printable"))

Line = tuple[str, str]

logging.getLogger("vobject.base").setLevel(logging.CRITICAL)  # it would log what strangers wrote


def contact(text: str) -> str:
    """Return the cards of a vCard (2.1, 3.0 or 4.0), a blank line between two; empty where it has none."""
    cards: list[list[Line]] = []
    try:
        ended = _ended(_EMBEDDED.sub("", text)[:MOST_CHARACTERS], "VCARD")
        for component in vobject.readComponents(ended, ignoreUnreadable=True, allowQP=True):
            lines = list(_of_contact(component))
            if lines:
                cards.append(lines)
            if len(cards) == MOST_CARDS:
                break
    except (VObjectError, ValueError, LookupError, AttributeError, TypeError, RecursionError):
        pass  # what was read before it counts
    return _written(cards)


def appointment(text: str) -> str:
    """Return the entries of an iCalendar file in the same form; empty where it has none."""
    cards: list[list[Line]] = []
    try:
        ended = _ended(_QUOTED.sub(_unquoted, text[:MOST_CHARACTERS]), "VCALENDAR")
        for calendar in icalendar.Calendar.from_ical(ended, multiple=True):
            for entry in calendar.walk():
                if entry.name in ("VEVENT", "VTODO", "VJOURNAL") and len(cards) < MOST_CARDS:
                    cards.append(list(_of_event(entry)))
    except (ICalParsingError, ValueError, LookupError, AttributeError, TypeError, RecursionError):
        pass
    return _written(cards)


def _ended(text: str, kind: str) -> str:
    """Close what was cut off: its beginning is worth reading."""
    lines = text.rstrip().splitlines()
    opened: list[str] = []
    for line in lines:
        word, _, name = line.strip().upper().partition(":")
        if word == "BEGIN":
            opened.append(name)
        elif word == "END" and opened:
            opened.pop()
    missing = [f"END:{name}" for name in reversed(opened)] if opened[:1] == [kind] else []
    return "\r\n".join((*lines, *missing, ""))


def _unquoted(found: re.Match[str]) -> str:
    """Decode a quoted-printable value of a vCalendar 1.0, which iCalendar does not know."""
    before, after, value = found.groups()
    charset = re.search(r"CHARSET=([\w-]+)", before + after, re.IGNORECASE)
    data = quopri.decodestring(value.encode())
    try:
        text = data.decode(charset[1] if charset else "utf-8")
    except (ValueError, LookupError):
        text = data.decode("cp1252", errors="replace")
    return f"{before}{after}:" + " ".join(text.split())


def _of_contact(component: Any) -> Iterator[Line]:
    for name, label in _CONTACT.items():
        for entry in component.contents.get(name, []):
            yield _labelled(label, entry), _plain(entry.value)
    if "fn" not in component.contents and "n" in component.contents:
        yield "Name", _plain(component.contents["n"][0].value)


def _labelled(label: str, entry: Any) -> str:
    """Add what kind of number or address it is: `Phone (cell)`."""
    given = [*entry.params.get("TYPE", []), *entry.singletonparams]
    kinds = dict.fromkeys(kind.lower() for kind in given if isinstance(kind, str))
    told = [kind for kind in kinds if kind not in _KINDS_LEFT_OUT and re.fullmatch(r"[a-z-]{1,20}", kind)]
    return f"{label} ({', '.join(told)})" if told and label in ("Phone", "E-mail", "Address") else label


def _of_event(entry: Any) -> Iterator[Line]:
    for name, label in _EVENT.items():
        given = entry.get(name)
        for value in given if isinstance(given, list) else [given]:
            if value is not None:
                yield label, _moment(value) if hasattr(value, "dt") else _plain_event(value)


def _moment(value: Any) -> str:
    """Return a day, or a time as it was written, with its distance from UTC where it says its zone."""
    moment = value.dt
    if not hasattr(moment, "hour"):
        return str(moment)
    offset = moment.isoformat()[-6:] if moment.utcoffset() else ""
    zone = f" UTC{offset}" if moment.tzinfo else ""
    return f"{moment:%Y-%m-%d %H:%M}{zone}"


def _plain_event(value: Any) -> str:
    written = value.to_ical() if hasattr(value, "to_ical") and not isinstance(value, str) else value
    text = written.decode(errors="replace") if isinstance(written, bytes) else str(written)
    return re.sub(r"^mailto:", "", text, flags=re.IGNORECASE)


def _plain(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return ", ".join(filter(None, (_plain(part) for part in value)))
    parts = [getattr(value, name, "") for name in ("street", "city", "region", "code", "country", "box")]
    if any(parts):
        return ", ".join(filter(None, (_plain(part) for part in parts)))
    return re.sub(r"^(tel|mailto|sip):", "", str(value), flags=re.IGNORECASE)


def _written(cards: list[list[Line]]) -> str:
    return "\n\n".join(
        "\n".join(f"{label}: {shown}" for label, value in lines[:MOST_LINES] if (shown := _one_line(value)))
        for lines in cards
    )


def _one_line(value: str) -> str:
    return " ".join(value.replace("\0", "").split())[:MOST_OF_A_VALUE]
