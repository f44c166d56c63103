"""Contacts and appointments as lines of `label: value`: to show as a card and to search in."""

import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, tzinfo
from typing import Any

from icalendar import Timezone
from icalendar.prop import vDDDTypes
from icalendar.timezone import tzp

from mmsvault.media.content_lines import Component, Property, components, unescaped

MOST_CHARACTERS = 2_000_000
"""Of a file, with the pictures in it."""
MOST_CARDS = 200
MOST_LINES = 100
"""Lines of one card; a value is cut off after MOST_OF_A_VALUE characters."""
MOST_OF_A_VALUE = 500
MOST_AGENTS_DEEP = 3

_CONTACT = {
    "NICKNAME": "Nickname",
    "ORG": "Organisation",
    "TITLE": "Title",
    "ROLE": "Role",
    "TEL": "Phone",
    "EMAIL": "E-mail",
    "ADR": "Address",
    "LABEL": "Address",
    "URL": "Web",
    "X-SOCIALPROFILE": "Web",
    "IMPP": "Chat",
    **{
        f"X-{service}": "Chat"
        for service in (
            *("AIM", "GOOGLE-TALK", "GTALK", "ICQ", "JABBER", "MSN", "QQ", "SIP", "SKYPE"),
            *("SKYPE-USERNAME", "TWITTER", "YAHOO"),
        )
    },
    "BDAY": "Birthday",
    "ANNIVERSARY": "Anniversary",
    "X-ANNIVERSARY": "Anniversary",
    "X-ABDATE": "Date",
    "RELATED": "Related",
    "X-ABRELATEDNAMES": "Related",
    "MEMBER": "Member",
    "AGENT": "Agent",
    "GEO": "Place",
    "NOTE": "Note",
    "CATEGORIES": "Categories",
    "SORT-STRING": "Reading",
    "X-PHONETIC-FIRST-NAME": "Reading",
    "X-PHONETIC-MIDDLE-NAME": "Reading",
    "X-PHONETIC-LAST-NAME": "Reading",
    "X-PHONETIC-ORG": "Reading",
}
"""What is shown of a contact, in this order, after its name."""
_OWN_NAMES = (
    (re.compile(r"X-.*(?:TEL|PHONE|MOBILE)(?:-|$)"), "Phone"),
    (re.compile(r"X-.*E?MAIL(?:-|$)"), "E-mail"),
    (re.compile(r"X-.*(?:ADR|ADDRESS)$"), "Address"),
    (re.compile(r"X-.*(?:URL|HOMEPAGE|WEBSITE)$"), "Web"),
)
"""Numbers and addresses under names that a maker thought up."""
_ANDROID = {"nickname": "Nickname", "contact_event": "Date", "relation": "Related"}
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
_MOMENTS = ("DTSTART", "DTEND", "DUE")
_ENTRIES = ("VEVENT", "VTODO", "VJOURNAL")
_KINDS_LEFT_OUT = frozenset(("voice", "internet", "pref", "x-internet", "quoted-printable", "base64"))
_SCHEME = re.compile(r"^(tel|mailto|sips?|xmpp|skype|aim|ymsgr|x-apple):", re.IGNORECASE)

Line = tuple[str, str]


def contact(text: str) -> str:
    """Return the cards of a vCard (2.1, 3.0 or 4.0), a blank line between two; empty where it has none."""
    return _written(_contacts(text[:MOST_CHARACTERS], depth=0))


def appointment(text: str) -> str:
    """Return the entries of an iCalendar file (or vCalendar 1.0) in the same form; empty without any."""
    found = list(components(text[:MOST_CHARACTERS]))
    zones = _zones(found)
    return _written(list(_of_event(one, zones)) for one in found if one.name in _ENTRIES)


def _contacts(text: str, *, depth: int) -> Iterator[list[Line]]:
    for card in components(text):
        if card.name != "VCARD":
            continue
        yield list(_of_contact(card))
        for agent in card.properties:
            if agent.name == "AGENT" and _is_card(agent.value) and depth < MOST_AGENTS_DEEP:
                yield from _contacts(unescaped(agent.value), depth=depth + 1)


def _of_contact(card: Component) -> Iterator[Line]:
    labels = {
        one.group: _bare_label(one.text) for one in card.properties if one.group and one.name == "X-ABLABEL"
    }
    yield from _names(card)
    order = {label: at for at, label in enumerate(dict.fromkeys(_CONTACT.values()))}
    lines = [line for one in card.properties for line in _of_property(one, labels)]
    yield from sorted(lines, key=lambda line: order.get(line[0].partition(" (")[0], len(order)))


def _names(card: Component) -> Iterator[Line]:
    """Give the name as it is shown, and the full one where that has words that it has not."""
    shown = next((one.text for one in card.properties if one.name == "FN" and one.text.strip()), "")
    given = card.first("N")
    family, first, more, before, after = (*(given.fields if given else ()), "", "", "", "", "")[:5]
    full = " ".join(filter(None, (before, first, more, family, after)))
    if shown or full:
        yield "Name", shown or full
    if shown and not set(full.casefold().replace(",", " ").split()) <= set(
        shown.casefold().replace(",", " ").split()
    ):
        yield "Name", full


def _of_property(one: Property, labels: Mapping[str, str]) -> Iterator[Line]:
    if one.name == "X-ANDROID-CUSTOM":
        kind, *values = one.fields
        label = _ANDROID.get(kind.rpartition("/")[2])
        if label and values:
            yield label, values[0]
        return
    label = _CONTACT.get(one.name) or next(
        (label for pattern, label in _OWN_NAMES if pattern.match(one.name)), ""
    )
    if not label or (one.name == "AGENT" and _is_card(one.value)):
        return
    whole = _labelled(label, one, labels.get(one.group, ""))
    values = list(_values(label, one))
    yield from ((whole, value) for value in values)
    number = one.param("WAID")
    if number and not any(_digits(number) in _digits(value) for value in values):
        yield f"{label} (whatsapp)", number


def _values(label: str, one: Property) -> Iterator[str]:
    match label:
        case "Address":
            box, more, *rest = (*one.fields, "", "")
            yield ", ".join(filter(None, (part.strip() for part in (*rest, more, box))))
        case "Phone" | "E-mail" if not _SCHEME.match(one.value.strip()):
            yield from filter(None, one.fields)
        case "Organisation" | "Nickname" | "Categories":
            parts = one.fields if label == "Organisation" else re.split("[,;]", one.text)
            yield ", ".join(filter(None, (part.strip() for part in parts)))
        case _:
            yield _SCHEME.sub("", one.text.strip()).replace(";ext=", " ext. ")


def _labelled(label: str, one: Property, given: str) -> str:
    """Add what kind of number or address it is: `Phone (cell)`, or what its owner calls it."""
    own = _bare_label(one.custom_label) or given
    if own:
        return f"{label} ({own})"
    if label not in ("Phone", "E-mail", "Address"):
        return label
    kinds = dict.fromkeys(value.lower() for key, value in one.params if key == "TYPE")
    told = [kind for kind in kinds if kind not in _KINDS_LEFT_OUT and re.fullmatch(r"[a-z-]{1,20}", kind)]
    return f"{label} ({', '.join(told)})" if told else label


def _bare_label(text: str) -> str:
    """Return a label without Apple's marks of its own ones (`_$!<HomePage>!$_`)."""
    known = re.fullmatch(r"_\$!<(.*)>!\$_", text.strip())
    return " ".join((known[1].lower() if known else text).replace(":", " ").split())[:100]


def _is_card(value: str) -> bool:
    return value.lstrip()[:11].upper() == "BEGIN:VCARD"


def _digits(text: str) -> str:
    return re.sub(r"\D", "", text)


def _of_event(entry: Component, zones: Mapping[str, tzinfo]) -> Iterator[Line]:
    for name, label in _EVENT.items():
        for one in entry.properties:
            if one.name == name:
                shown = _moment(one, zones) if name in _MOMENTS else one.text
                yield label, re.sub(r"^mailto:", "", shown, flags=re.IGNORECASE)


def _moment(one: Property, zones: Mapping[str, tzinfo]) -> str:
    """Return a day, or a time as it was written, with its distance from UTC where it says its zone."""
    value, zone = one.text.strip(), one.param("TZID")
    try:
        with warnings.catch_warnings(action="ignore"):
            moment: Any = vDDDTypes.from_ical(value, timezone=None if zone in zones else zone or None)  # type: ignore[no-untyped-call]
            if not isinstance(moment, datetime):
                return str(moment) if isinstance(moment, date) else value
            if zone in zones:
                moment = moment.replace(tzinfo=zones[zone])
            offset = moment.isoformat()[-6:] if moment.utcoffset() else ""
    except (ValueError, LookupError, AttributeError, TypeError, OverflowError):
        return value
    told = f" UTC{offset}" if moment.tzinfo else f" {zone}" if zone else ""
    return f"{moment:%Y-%m-%d %H:%M}{told}"


def _zones(found: Sequence[Component]) -> dict[str, tzinfo]:
    """Return the zones that a file defines itself, by their names."""
    tzp.use_default()  # forgets those of the files before
    zones: dict[str, tzinfo] = {}
    for at, one in enumerate(found):
        named = one.first("TZID")
        if one.name == "VTIMEZONE" and named and len(zones) < 10:  # noqa: PLR2004 - nobody travels through more
            parts = []
            for part in found[at + 1 :]:
                if part.depth <= one.depth:
                    break
                parts.append(part)
            zone = _zone(one, parts)
            if zone is not None:
                zones[named.text.strip()] = zone
    return zones


def _zone(zone: Component, parts: Sequence[Component]) -> tzinfo | None:
    rules = [one.value.upper() for part in parts for one in part.properties if one.name == "RRULE"]
    if any(not rule.startswith("FREQ=YEARLY") or "BYHOUR" in rule for rule in rules):
        return None  # a rule for every second takes hours to follow
    lines = [
        *("BEGIN:VTIMEZONE", *_as_lines(zone)),
        *(line for part in parts for line in (f"BEGIN:{part.name}", *_as_lines(part), f"END:{part.name}")),
        "END:VTIMEZONE",
    ]
    try:
        with warnings.catch_warnings(action="ignore"):
            defined: Any = Timezone.from_ical("\r\n".join((*lines, "")))
            made: tzinfo = defined.to_tz()
    except (ValueError, LookupError, AttributeError, TypeError, OverflowError):
        return None
    return made


def _as_lines(component: Component) -> list[str]:
    wanted = ("TZID", "DTSTART", "TZOFFSETFROM", "TZOFFSETTO", "TZNAME", "RRULE", "RDATE")
    return [f"{one.name}:{_one_line(one.value)}" for one in component.properties if one.name in wanted]


def _written(cards: Iterator[list[Line]]) -> str:
    shown = []
    for lines in cards:
        given = [f"{label}: {value}" for label, told in lines if (value := _one_line(told))]
        if given:
            shown.append("\n".join(given[:MOST_LINES]))
        if len(shown) == MOST_CARDS:
            break
    return "\n\n".join(shown)


def _one_line(value: str) -> str:
    return " ".join(value.replace("\0", "").split())[:MOST_OF_A_VALUE]
