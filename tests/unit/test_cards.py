import random
import time
from pathlib import Path

import pytest

from mmsvault.media import cards, slides, sniffing
from mmsvault.media.inspecting import inspect

MEDIA = Path(__file__).parents[1] / "cases" / "media"


def card(*lines: str, version: str = "3.0", end: str = "\r\n") -> str:
    return end.join(("BEGIN:VCARD", f"VERSION:{version}", *lines, "END:VCARD", ""))


def calendar(*lines: str, version: str = "2.0") -> str:
    return "\r\n".join(("BEGIN:VCALENDAR", f"VERSION:{version}", *lines, "END:VCALENDAR", ""))


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        ("v-android-custom", ["Name: Ann Bee", "Nickname: Annie", "Phone (Boat): +15550127"]),
        (
            "v-group-label",
            [
                "Name: Ann Bee",
                "Phone (Boat phone): +15550110",
                "E-mail (Harbor): ann@example.org",
                "Web (homepage): https://www.example.org/a,b",
            ],
        ),
        ("v-noend-two", ["Name: Ann Bee", "Phone: +15550115", "", "Name: Bob Cee", "Phone: +15550116"]),
        ("v2-profile-mixed", ["Name: Änn Bee", "Phone: +15550120"]),
    ],
)
def test_each_card_of_the_cases_is_read(name: str, lines: list[str]) -> None:
    facts = inspect(str(MEDIA / name), "", 1000)
    assert (facts.content_type, facts.text.splitlines()) == ("text/vcard", lines)


@pytest.mark.parametrize(("name", "parts"), [("smil-upper", ["a.jpg"]), ("smil-amp", ["a&b.jpg", "t.txt"])])
def test_each_smil_of_the_cases_gives_the_order_of_its_parts(name: str, parts: list[str]) -> None:
    facts = inspect(str(MEDIA / name), "", 1000)
    assert (facts.content_type, facts.text.splitlines()) == ("application/smil", parts)


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("TEL;X-Custom(CHARSET=UTF-8,ENCODING=QUOTED-PRINTABLE,=C3=84rger):+1", "Phone (Ärger): +1"),
        ("TEL;X-CUSTOM(Ship):+1", "Phone (Ship): +1"),
        ('TEL;VALUE=uri;TYPE="voice,cell":tel:+1-555-0100;ext=12', "Phone (cell): +1-555-0100 ext. 12"),
        ("TEL;WORK;CELL:+1 555;+1 666", "Phone (work, cell): +1 555"),
        ("TEL;WORK;CELL:+1 555;+1 666", "Phone (work, cell): +1 666"),
        ("TEL;waid=15550123:+1 555 0199", "Phone (whatsapp): 15550123"),
        ("TEL;type=CELL;waid=15550123:+1 555-0123", "Phone (cell): +1 555-0123"),
        ("X-WORK-PHONE:555 0155", "Phone: 555 0155"),
        ("EMAIL;INTERNET:a@example.org", "E-mail: a@example.org"),
        ("URL:http\\://example.org/a\\,b", "Web: http://example.org/a,b"),
        ("ADR;HOME:;;1 Road;Town;;123;Land", "Address (home): 1 Road, Town, 123, Land"),
        ("ADR:;Flat 2;1 Road\\, East;Town", "Address: 1 Road, East, Town, Flat 2"),
        ("LABEL:1 Road\\nTown", "Address: 1 Road Town"),
        ("ORG:Harbor;Pier 3;", "Organisation: Harbor, Pier 3"),
        ("X-SKYPE-USERNAME:annbee", "Chat: annbee"),
        ("X-PHONETIC-LAST-NAME:びー", "Reading: びー"),
        ("NOTE;QUOTED-PRINTABLE:Gr=C3=BC=\r\n=C3=9Fe=0D=0AKai", "Note: Grüße Kai"),
        ("NOTE;ENCODING=Q;CHARSET=ISO-8859-1:Gr=FC=DFe", "Note: Grüße"),
        ("NOTE;ENCODING=B;CHARSET=UTF-8:R3LDvMOfZQ==", "Note: Grüße"),
        ("NOTE:two\r\n  words\r\n\there", "Note: two wordshere"),
        (
            "NOTE;LANGUAGE=en:first\r\nsecond, as no phone may write it",
            "Note: first second, as no phone may write it",
        ),
        ('NOTE;X="a:b;c":kept', "Note: kept"),
        ("TEL;TYPE=\r\n CELL:+1 555", "Phone (cell): +1 555"),
        ("this is no line of a card\r\nTEL:+1 777", "Phone: +1 777"),
        ('=?:;;"\r\nTEL:+1 778', "Phone: +1 778"),
        ("item1.TEL:+1 779\r\nitem1.X-ABLabel:_$!<Mobile>!$_", "Phone (mobile): +1 779"),
        ("PHOTO;ENCODING=BASE64;JPEG:/9j/4AAQ\r\n SkZJRgAB\r\nAQAAAQ==\r\n\r\nTEL:+1 780", "Phone: +1 780"),
        ("AGENT:\r\nBEGIN:VCARD\r\nFN:Cleo\r\nTEL:+1 781\r\nEND:VCARD\r\nEMAIL:b@example.org", "Name: Cleo"),
        ("AGENT:\r\nBEGIN:VCARD\r\nFN:Cleo\r\nEND:VCARD\r\nEMAIL:b@example.org", "E-mail: b@example.org"),
        ("AGENT:BEGIN:VCARD\\nFN:Cleo\\nTEL:+1 782\\nEND:VCARD\\n", "Phone: +1 782"),
        ("N:Bee;Ann;M.;Dr.;PhD", "Name: Dr. Ann M. Bee PhD"),
        ("FN:Mum\r\nN:Bee;Ann", "Name: Ann Bee"),
    ],
)
def test_every_number_and_address_of_a_contact_is_kept(line: str, shown: str) -> None:
    for end in ("\r\n", "\n", "\r"):
        text = cards.contact(card("PROFILE:VCard", line, end=end).replace("\r\n", end))
        assert shown in text.splitlines()
    assert shown in cards.contact(f"begin:vCard\r\n{line}\r\nend:vCard").splitlines()


def test_a_line_that_2_1_folds_at_a_space_keeps_the_space() -> None:
    assert cards.contact(card("NOTE:two\r\n words", version="2.1")) == "Note: two words"
    assert cards.contact(card("NOTE:one w\r\n ord", version="3.0")) == "Note: one word"


def test_a_soft_line_break_before_the_end_does_not_hide_the_next_card() -> None:
    text = card("NOTE;ENCODING=QUOTED-PRINTABLE:Kai=", version="2.1") + card("FN:Bob")
    assert cards.contact(text).splitlines() == ["Note: Kai", "", "Name: Bob"]


def test_many_cards_and_a_card_after_a_large_picture_are_kept() -> None:
    many = "".join(card(f"FN:No {at}", f"TEL:+1555{at:04}") for at in range(150))
    assert cards.contact(many).count("Phone: ") == 150
    picture = "\r\n ".join(["PHOTO;ENCODING=b:", *(["A" * 74] * 4000)])
    assert cards.contact(card(picture, "TEL:+1 555")) == "Phone: +1 555"


@pytest.mark.parametrize(
    ("lines", "shown"),
    [
        (["BEGIN:VEVENT", "SUMMARY:One", "BEGIN:VEVENT", "SUMMARY:Two"], ["Event: One", "", "Event: Two"]),
        (["BEGIN:VEVENT", "SUMMARY:One", "BEGIN:VALARM", "SUMMARY:no", "END:VEVENT"], ["Event: One"]),
        (["BEGIN:VTODO", "DUE:whenever", "END:VTODO"], ["Due: whenever"]),
        (
            ["BEGIN:VEVENT", "DTSTART;TZID=Moon/Crater:20261130T090000"],
            ["Starts: 2026-11-30 09:00 Moon/Crater"],
        ),
        (
            ["BEGIN:VEVENT", "DTSTART;TZID=W. Europe Standard Time:20261130T090000"],
            ["Starts: 2026-11-30 09:00 UTC+01:00"],
        ),
        (
            ["BEGIN:VEVENT", "DTSTART;TZID=/example.org/Europe/Berlin:20260630T090000"],
            ["Starts: 2026-06-30 09:00 UTC+02:00"],
        ),
        (["BEGIN:VEVENT", "DTSTART;VALUE=DATE:20261130"], ["Starts: 2026-11-30"]),
        (
            ["BEGIN:VEVENT", "LOCATION:Pier 3\\, left", "no line: of it", "STATUS:TENTATIVE"],
            ["Place: Pier 3, left no line: of it", "Status: TENTATIVE"],
        ),
        (["BEGIN:VEVENT", 'ATTENDEE;CN="Bee; Ann":MAILTO:ann@example.org'], ["With: ann@example.org"]),
    ],
)
def test_every_entry_of_a_calendar_is_kept(lines: list[str], shown: list[str]) -> None:
    assert cards.appointment(calendar(*lines)).splitlines() == shown


def test_a_zone_that_the_file_defines_is_used_in_this_file_only() -> None:
    zone = (
        *("BEGIN:VTIMEZONE", "TZID:Moon/Crater", "BEGIN:STANDARD", "DTSTART:19700101T000000"),
        *("TZOFFSETFROM:+0330", "TZOFFSETTO:+0330", "END:STANDARD", "END:VTIMEZONE"),
    )
    event = ("BEGIN:VEVENT", "DTSTART;TZID=Moon/Crater:20261130T090000", "END:VEVENT")
    assert cards.appointment(calendar(*zone, *event)) == "Starts: 2026-11-30 09:00 UTC+03:30"
    assert cards.appointment(calendar(*event)) == "Starts: 2026-11-30 09:00 Moon/Crater"


@pytest.mark.parametrize(
    "text",
    [
        card(*(["BEGIN:VCARD"] * 8000)),
        card(*(f"BEGIN:X{at}" for at in range(8000))),
        card("NOTE;ENCODING=QUOTED-PRINTABLE:" + "=\r\n" * 30_000),
        card("NOTE:" + "\r\n " * 30_000),
        card("NOTE:" + "\\" * 100_000),
        card("N:" + ";" * 100_000),
        card("TEL" + ';"' * 50_000),
        card("TEL;" + "X-CUSTOM(" * 11_000),
        card(*(["AGENT:BEGIN:VCARD\\nAGENT:BEGIN:VCARD\\nFN:x"] * 2000)),
        card(*(["item1.X-ABLabel:x", "item1.TEL:1"] * 3000)),
        card("X" * 100_000),
        "A;" * 50_000,
        calendar(*(["BEGIN:VTIMEZONE", "TZID:x", "END:VTIMEZONE"] * 3000)),
        calendar(
            *("BEGIN:VTIMEZONE", "TZID:x", "BEGIN:STANDARD", "DTSTART:19000101T000000"),
            *("TZOFFSETFROM:+0000", "TZOFFSETTO:+0100", "RRULE:FREQ=SECONDLY", "END:STANDARD"),
            *("END:VTIMEZONE", "BEGIN:VEVENT", "DTSTART;TZID=x:20261130T090000"),
        ),
        "<img " * 20_000,
        '<img "' * 16_000,
        "<!--" * 25_000,
        "<img src=" + "&" * 100_000,
        "<![CDATA[" * 11_000,
    ],
)
def test_work_grows_with_the_length_of_a_hostile_file_and_no_faster(text: str) -> None:
    began = time.monotonic()
    cards.contact(text)
    cards.appointment(text)
    slides.order(text)
    sniffing.true_type(text.encode(), "text/plain")
    assert time.monotonic() - began < 5


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        (
            '<s:smil xmlns:s="x"><s:par><s:img s:src="no" src="cid:a.jpg"/></s:par></s:smil>',
            ["a.jpg"],
        ),
        ("<smil><body><par><img src='CID:&lt;A.JPG&gt;'><text src=b.txt></par>", ["A.JPG", "b.txt"]),
        ('<!DOCTYPE smil PUBLIC "-//W3C//DTD SMIL 1.0//EN" "SMIL10.dtd"><smil><img src="a"/></smil>', ["a"]),
        (
            '<smil><!-- <img src="no"/> --><par><text src="x&amp;y&copy=1.txt"/></par></smil>',
            ["x&y&copy=1.txt"],
        ),
        ('<smil><img alt=">" src="a"/><ref SRC = "b"/><img src="a"/><img src=""/></smil>', ["a", "b"]),
        ('<smil><img src="caf\u00e9&#233;.jpg"/>', ["caf\u00e9\u00e9.jpg"]),
        ('<smil><layout><region id="img"/></layout></smil>', []),
    ],
)
def test_smil_is_read_as_phones_write_it(text: str, parts: list[str]) -> None:
    assert slides.order(text) == parts
    for data in (text.encode("utf-16"), text.encode("utf-16-be"), text.encode("latin-1"), text.encode()):
        assert sniffing.true_type(data, "") == "application/smil"


def test_a_damaged_card_is_read_without_an_error() -> None:
    whole = card(
        *('FN:Ann "Bee"', "N:Bee;Ann", "TEL;X-CUSTOM(CHARSET=UTF-8,ENCODING=QUOTED-PRINTABLE,=42):+1"),
        *("NOTE;ENCODING=QUOTED-PRINTABLE;CHARSET=x:=42=\r\n=43", "item1.URL;TYPE=a:http\\://x\\", "AGENT:"),
    ) + calendar(
        *("BEGIN:VTIMEZONE", "TZID:x", "BEGIN:STANDARD", "DTSTART:19700101T000000", "TZOFFSETFROM:+0330"),
        *("TZOFFSETTO:+0330", "RRULE:FREQ=YEARLY;BYDAY=1SU", "END:STANDARD", "END:VTIMEZONE"),
        *("BEGIN:VEVENT", "DTSTART;TZID=x:20261130T090000", "DTEND:20261130T100000Z", "END:VEVENT"),
    )
    dice = random.Random(17)
    for _ in range(400):
        letters = list(whole)
        for _ in range(dice.randrange(1, 12)):
            letters[dice.randrange(len(letters))] = dice.choice(
                ["", ":", ";", '"', "\\", "\n", "=", "\0", "9", "("]
            )
        text = "".join(letters)
        cards.contact(text)
        cards.appointment(text)
        slides.order(text.replace("B", "<img "))
