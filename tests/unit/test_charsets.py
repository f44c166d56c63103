import time
import zlib
from pathlib import Path

import pytest

from mmsvault.media import sniffing
from mmsvault.media.charset_names import codec_of
from mmsvault.media.charsets import as_text
from mmsvault.media.inspecting import inspect

MEDIA = Path(__file__).parents[1] / "cases" / "media"
WESTERN = "Grüße aus Köln"
RUSSIAN = "Привет, город у моря"


@pytest.mark.parametrize("declared", ["", "text/plain", "application/octet-stream"])
@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("t-nul-end", "Hello there"),
        ("t-ucs2", "Hello wörld"),
        ("t-noct-latin1", WESTERN),
        ("t-onebad", "Schöne Grüße aus München 😀 und \ufffd mehr"),
        ("t-cesu8", "Nice day 😆 später"),
    ],
)
def test_each_text_of_the_cases_is_read(name: str, text: str, declared: str) -> None:
    facts = inspect(str(MEDIA / name), declared, 1000)
    assert (facts.content_type, facts.text) == ("text/plain", text)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"Hello\0\0\0\0", "Hello"),
        (b"one word\0another word\0\0third\0", "one word\nanother word\nthird"),
        (b"from DOS\r\n\x1a", "from DOS\r\n"),
        ("Grüße\x02 aus Köln".encode(), "Grüße\ufffd aus Köln"),
        (b"\x1b[31mred\x1b[0m", "\x1b[31mred\x1b[0m"),
        (b"Gr\xc3\xbc\xc3\x9fe \xff aus \xfe K\xc3\xb6ln", "Grüße \ufffd aus \ufffd Köln"),
        ("Grüße 🐟".encode()[:-1], "Grüße "),
        (b"Gr\xc3\xbc\xc3\x9fe \xed\xa0\xbd allein", "Grüße \ufffd allein"),
        (b"Gr\xfc\xdfe", "Grüße"),
        (b"don\x92t \x93go\x94", "don’t “go”"),
        (b"{\\rtf1 not shown}", "{\\rtf1 not shown}"),
        ("ü".encode() * 1_000_000, "ü" * 1_000_000),
    ],
)
def test_a_slip_in_a_text_costs_no_more_than_itself(data: bytes, text: str) -> None:
    assert as_text(data, "text/plain") == text


@pytest.mark.parametrize(
    "declared", ["", "text/plain", "text/plain; charset=iso-10646-ucs-2", "x/y; charset=1000"]
)
@pytest.mark.parametrize("codec", ["utf-16-be", "utf-16-le"])
@pytest.mark.parametrize("text", [WESTERN, RUSSIAN, "Γειά σου, κόσμε", "שלום מהרציף"])
def test_two_bytes_a_character_are_read_without_a_mark(text: str, codec: str, declared: str) -> None:
    for data in (text.encode(codec), text.encode(codec) + b"\0\0", text.encode(codec) + b"\x41"):
        read = as_text(data, declared)
        assert read is not None
        assert read.rstrip("\ufffd䄀A") == text


@pytest.mark.parametrize("text", ["港の嵐、また明日", "你好，世界", "Hi 👍🏽"])
@pytest.mark.parametrize(
    "charset", ["utf-16be", "utf-16le", "utf-16", "utf-32", "utf-32be", "utf-32le", "ucs-2"]
)
def test_two_and_four_bytes_a_character_are_read_as_declared(text: str, charset: str) -> None:
    data = text.encode({"ucs-2": "utf-16-be"}.get(charset, charset))
    assert as_text(data, f"text/plain; charset={charset}") == text


def test_half_a_pair_of_surrogates_costs_one_character() -> None:
    data = "see ".encode("utf-16-be") + b"\xd8\x3d" + " there".encode("utf-16-be")
    assert as_text(data, "text/plain; charset=utf-16be") == "see \ufffd there"


def test_words_that_are_declared_as_utf_16_and_are_none_are_read_as_they_are() -> None:
    assert as_text(b"Hello there", "text/plain; charset=utf-16") == "Hello there"
    assert as_text(WESTERN.encode(), "text/plain; charset=iso-10646-ucs-2") == WESTERN


@pytest.mark.parametrize(
    ("text", "written", "codec"),
    [
        (WESTERN, "106", "utf-8"),
        (WESTERN, "4", "latin-1"),
        (WESTERN, "1015", "utf-16"),
        (RUSSIAN, "2084", "koi8-r"),
        (RUSSIAN, "koi8-r", "koi8-r"),
        (RUSSIAN, "'windows-1251'", "cp1251"),
        (RUSSIAN, "2251", "cp1251"),
        (WESTERN, '"x-mac-roman"', "mac-roman"),
        ("1 € “kept”", "iso-8859-1", "cp1252"),
        ("海港风暴镕", "gb2312", "gb18030"),
        ("海港風暴", "big5", "big5"),
        ("港の嵐①", "shift_jis", "cp932"),
        ("港の嵐", "x-sjis", "shift_jis"),
        ("항구의 폭풍 똠", "euc-kr", "cp949"),
        (WESTERN, "us-ascii", "latin-1"),
        (WESTERN, "x-nobody-knows", "latin-1"),
        ("ท่าเรือ", "tis-620", "cp874"),
    ],
)
def test_a_charset_is_known_by_the_names_and_numbers_that_phones_write(
    text: str, written: str, codec: str
) -> None:
    assert as_text(text.encode(codec), f"text/plain; charset={written}") == text


def test_a_bad_byte_in_a_declared_charset_costs_one_character() -> None:
    data = "港の嵐、また明日".encode("shift_jis")
    assert (
        as_text(data + b"\xff" + data, "text/plain; charset=shift_jis")
        == "港の嵐、また明日\ufffd港の嵐、また明日"
    )


def test_mostly_utf8_is_utf8_also_where_a_charset_is_declared_that_fits_every_byte() -> None:
    data = b"Sch\xc3\xb6ne Gr\xc3\xbc\xc3\x9fe \xff"
    assert as_text(data, "text/plain; charset=iso-8859-1") == "Schöne Grüße \ufffd"


def test_japanese_escapes_are_read_without_a_word_about_them() -> None:
    assert as_text("港の嵐".encode("iso-2022-jp"), "text/plain") == "港の嵐"


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b'<?xml version="1.0" encoding="koi8-r"?><a>' + RUSSIAN.encode("koi8-r") + b"</a>", RUSSIAN),
        (b'<html><head><meta charset="koi8-r">' + RUSSIAN.encode("koi8-r"), RUSSIAN),
        (b"BEGIN:VCARD\r\nN;CHARSET=KOI8-R:" + RUSSIAN.encode("koi8-r"), RUSSIAN),
    ],
)
def test_a_charset_that_stands_in_the_file_itself_counts(data: bytes, text: str) -> None:
    assert text in (as_text(data, "text/plain") or "")


@pytest.mark.parametrize(
    ("data", "declared"),
    [
        (bytes(range(256)), "text/plain"),
        (bytes(range(256)) * 40, "text/plain; charset=iso-8859-1"),
        (b"\0\1\2\3", "text/plain"),
        (b"\0" * 100, "text/plain"),
        (b"\0\1\0\2\0\3\0\4", "application/octet-stream"),
        (b"\x93\xfa\x81\xb7\x9c\xe0\xd3", "application/octet-stream"),
        (b"readme\0\0\0\0\0\x30\x30\x30", "application/octet-stream"),
        (WESTERN.encode("latin-1"), "image/jpeg"),
        (b"", "text/plain"),
    ],
)
def test_what_is_binary_for_the_most_part_is_no_text(data: bytes, declared: str) -> None:
    assert as_text(data, declared) is None


@pytest.mark.parametrize(
    "name", ["zip", "bz2", "rot13", "hex", "punycode", "idna", "unicode_escape", "undefined"]
)
def test_a_codec_that_is_no_charset_is_unknown(name: str) -> None:
    assert codec_of(name) == ""
    packed = zlib.compress(b"hello" * 100_000)
    assert len(as_text(packed, f"text/plain; charset={name}") or "") <= len(packed)


@pytest.mark.parametrize(
    "data",
    [
        b"\xed\xa0\xbd" * 30_000,
        b"\xc3" * 100_000,
        b"a\0" * 50_000 + b"\xff",
        b"<" * 100_000,
        b"<a>" + b"<meta " * 16_000,
        b"BEGIN:V" * 14_000,
        b"\x1b$B" * 33_000,
        b"+AA" * 33_000,
        b"x" * 100_000 + b"\xfc",
    ],
)
@pytest.mark.parametrize(
    "declared", ["text/plain", "text/plain; charset=utf-7", "text/plain; charset=utf-16"]
)
def test_a_hostile_text_takes_seconds_at_most(data: bytes, declared: str) -> None:
    began = time.monotonic()
    as_text(data, declared)
    sniffing.true_type(data, declared)
    assert time.monotonic() - began < 5


@pytest.mark.parametrize(
    "declared",
    [
        "text/plain; charset=windows-1251",
        'text/plain; format=flowed; CHARSET = "windows-1251"',
        "text/plain; charset*=us-ascii'en'windows-1251",
        "text/plain; charset=windows-1251; charset*=utf-8''a%00; charset*1=\"b\"",
        "text/plain;charset=windows-1251\r\n X: 1",
    ],
)
def test_a_charset_is_taken_from_a_content_type_however_that_is_written(declared: str) -> None:
    assert as_text("Привет".encode("cp1251"), declared) == "Привет"


def test_a_content_type_in_pieces_that_do_not_fit_together_is_passed_over() -> None:
    assert as_text("Grüße".encode(), "text/plain; charset*=x''a%00; charset*1=b") == "Grüße"
