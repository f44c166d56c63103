import time

import pytest

from mmsvault.media import cards, slides, sniffing
from mmsvault.media.charsets import as_text
from mmsvault.sample import kinds, media

WORDS = "Grüße, šťastný; Привет, город у моря; שלום; مرحبا; 港の嵐 🐟"


@pytest.mark.parametrize("charset", ["utf-8", "utf-16", "utf-8-sig", "utf-32"])
def test_unicode_is_read_whatever_was_declared(charset: str) -> None:
    assert as_text(WORDS.encode(charset), "text/plain; charset=us-ascii") == WORDS


@pytest.mark.parametrize(
    ("words", "charset"),
    [
        ("Grüße aus Köln", "iso-8859-1"),
        ("Привет, город у моря", "windows-1251"),
        ("Привет, город у моря", "koi8-r"),
        ("港の嵐", "shift_jis"),
        ("港の嵐", "iso-2022-jp"),
        ("海港风暴", "gb18030"),
        ("שלום מהרציף", "iso-8859-8"),
        ("مرحبا من الرصيف", "windows-1256"),
        ("Grüße", "utf-7"),
    ],
)
def test_a_declared_charset_is_believed(words: str, charset: str) -> None:
    assert as_text(words.encode(charset), f'text/plain; charset="{charset}"') == words


def test_without_a_word_about_it_the_charset_is_found_out() -> None:
    words = "Привет, город у моря. Мы видели шторм с причала, и он был очень сильный."
    assert as_text(words.encode("windows-1251"), "text/plain") == words
    assert as_text("Olá".encode("latin-1"), "text/plain") == "Olá"
    assert as_text("Grüße".encode("latin-1"), "image/jpeg") is None


def test_a_charset_that_does_not_exist_does_no_harm() -> None:
    assert as_text(b"hi \xff", "text/plain; charset=\r\nx-nothing")


@pytest.mark.parametrize(
    ("kind", "lines"),
    [
        ("vCard 2.1", ["Name: Jörg Müller", "Phone (cell): +1 408 555 0124"]),
        ("vCard 3.0", ["Name: Ada Example", "Phone (cell): +1 408 555 0123", "E-mail: ada@example.com"]),
        ("vCard 4.0", ["Name: Zoë Example 🐟", "Phone (cell): +1-408-555-0125", "Note: Rings after six"]),
    ],
)
def test_a_contact_of_each_version_becomes_lines(kind: str, lines: list[str]) -> None:
    text = cards.contact(kinds.KINDS[kind]().data.decode()).splitlines()
    assert set(lines) <= set(text)


def test_an_appointment_becomes_lines_also_from_an_old_phone() -> None:
    text = cards.appointment(kinds.appointment().data.decode())
    assert text.splitlines() == [
        "Event: Walk along the harbor",
        "Starts: 2026-11-30 17:00 UTC",
        "Ends: 2026-11-30 18:30 UTC",
        "Place: Pier 3",
    ]
    old = (
        "BEGIN:VCALENDAR\r\nVERSION:1.0\r\nBEGIN:VEVENT\r\n"
        "SUMMARY;CHARSET=UTF-8;ENCODING=QUOTED-PRINTABLE:Gr=C3=BC=\r\n=C3=9Fe\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
    )
    assert cards.appointment(old) == "Event: Grüße"


def test_a_time_that_says_its_zone_is_written_with_its_distance_from_utc() -> None:
    said = (
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nBEGIN:VEVENT\r\nUID:1\r\nDTSTAMP:20261101T080000Z\r\n"
        "DTSTART;TZID=America/Los_Angeles:20261130T090000\r\nDTEND:20261130T093000\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
    )
    assert cards.appointment(said).splitlines() == [
        "Starts: 2026-11-30 09:00 UTC-08:00",
        "Ends: 2026-11-30 09:30",
    ]


def test_several_contacts_are_several_cards_and_one_cut_off_is_read_as_far_as_it_goes() -> None:
    two = media.contact().data.decode() + media.contact("Ben Example", "+1 408 555 0101").data.decode()
    assert [card.splitlines()[0] for card in cards.contact(two).split("\n\n")] == [
        "Name: Ada Example",
        "Name: Ben Example",
    ]
    assert cards.contact("BEGIN:VCARD\r\nVERSION:3.0\r\nFN:Half") == "Name: Half"


def test_what_is_no_card_at_all_is_none() -> None:
    assert cards.contact("BEGIN:VCARD") == cards.appointment("BEGIN:VCALENDAR\r\nEND:VEVENT") == ""


@pytest.mark.parametrize(
    "text",
    [
        "BEGIN:VCARD\n" * 20_000,
        "BEGIN:VCARD\nX;ENCODING=QUOTED-PRINTABLE:" + "=\n" * 100_000,
        "BEGIN:VCALENDAR\n" + ";ENCODING=QUOTED-PRINTABLE" * 10_000,
        "BEGIN:VCALENDAR\n" * 10_000,
        "BEGIN:VCARD\n" + "PHOTO:" + "A\n " * 100_000,
    ],
)
def test_a_hostile_card_takes_seconds_at_most(text: str) -> None:
    began = time.monotonic()
    cards.contact(text)
    cards.appointment(text)
    assert time.monotonic() - began < 15


def test_smil_gives_the_order_of_the_parts() -> None:
    text = (
        '<?xml version="1.0"?><!DOCTYPE smil PUBLIC "-//W3C//DTD SMIL 2.0//EN" "SMIL20.dtd">'
        '<smil xmlns="http://www.w3.org/2001/SMIL20/Language"><body><par><img src="cid:two.jpg"/>'
        '<text src="one.txt"/></par><par><video src="cid:&lt;three.3gp&gt;"/></par></body></smil>'
    )
    assert slides.order(text) == ["two.jpg", "one.txt", "three.3gp"]


@pytest.mark.parametrize(
    "text",
    [
        '<!DOCTYPE s [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]><smil><img src="&b;"/></smil>',
        '<!DOCTYPE s [<!ENTITY x SYSTEM "file:///etc/passwd">]><smil><img src="&x;"/></smil>',
        "<smil><img src=",
        "",
    ],
)
def test_smil_with_entities_or_broken_gives_no_order(text: str) -> None:
    assert slides.order(text) == []


@pytest.mark.parametrize(
    "data", [b"<!---->" * 9000 + b"<b>", b"<?x?>" * 12_000, b"<!--" * 16_000, b"<!DOCTYPE a>" * 5000 + b"<"]
)
def test_sniffing_never_looks_back(data: bytes) -> None:
    began = time.monotonic()
    assert sniffing.true_type(data, "") == "text/plain"
    assert time.monotonic() - began < 2


@pytest.mark.parametrize(
    ("data", "declared", "found"),
    [
        (b"\xff\xfeh\0i\0", "", "text/plain"),
        (b"PK\x03\x04" + b"\0" * 26 + b"pass.json", "", "application/vnd.apple.pkpass"),
        (b"PK\x03\x04" + b"\0" * 26 + b"a.txt", "image/jpeg", "application/zip"),
        (b"MThd\0\0\0\x06", "", "audio/midi"),
        (b"\0\0\x01\xba\x44", "", "video/mpeg"),
        (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "", "video/x-ms-wmv"),
        (b"\xff\xf1\x50\x80\x02", "", "audio/aac"),
        (b"\xff\xfb\x90\x64\x00", "", "audio/mpeg"),
        (b"\0\0\x08\x01\xff", "", "image/vnd.wap.wbmp"),
        (b"\0\0\x08\x01\xff\xff", "", "application/octet-stream"),
        (b"GIF89a/*\x00", "application/javascript", "image/gif"),
        (b"\xff\xd8\xff\xe0<html><script>", "text/html", "image/jpeg"),
        (b"<!-- GIF89a --><svg onload='x'>", "image/gif", "image/svg+xml"),
    ],
)
def test_rarer_kinds_and_polyglots_are_what_their_first_bytes_say(
    data: bytes, declared: str, found: str
) -> None:
    assert sniffing.true_type(data, declared) == found
