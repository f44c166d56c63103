"""Which of the encodings that a body may be in decides, and whether that is noted."""

import codecs

import pytest

from mmsvault.postbacks.charset import decode

TEXT = "<a>Привет, мир</a>"
DECLARED = '<?xml version="1.0" encoding="{}"?>'


def test_the_header_decides_before_the_declaration_of_the_xml() -> None:
    body = DECLARED.format("koi8-r").encode() + TEXT.encode("cp1251")
    assert decode(body, "text/xml; charset=windows-1251") == (DECLARED.format("koi8-r") + TEXT, False)
    body = DECLARED.format("koi8-r").encode() + TEXT.encode("koi8-r")
    assert decode(body, "text/xml") == (DECLARED.format("koi8-r") + TEXT, False)


@pytest.mark.parametrize("first", ["us-ascii", "klingon", "utf-8"])
def test_where_the_first_that_is_declared_cannot_be_the_second_is_taken_and_that_is_noted(first: str) -> None:
    declared = DECLARED.format("koi8-r")
    body = declared.encode() + TEXT.encode("koi8-r")
    assert decode(body, f"text/xml; charset={first}") == (declared + TEXT, True)


@pytest.mark.parametrize(
    ("mark", "codec"),
    [
        (codecs.BOM_UTF8, "utf-8"),
        (codecs.BOM_UTF16_LE, "utf-16-le"),
        (codecs.BOM_UTF16_BE, "utf-16-be"),
        (codecs.BOM_UTF32_LE, "utf-32-le"),
        (codecs.BOM_UTF32_BE, "utf-32-be"),
    ],
)
def test_a_byte_order_mark_decides_before_all_that_is_declared(mark: bytes, codec: str) -> None:
    assert decode(mark + TEXT.encode(codec), "text/xml; charset=iso-8859-1") == (TEXT, False)


@pytest.mark.parametrize("codec", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
def test_wide_characters_are_seen_without_a_mark_and_noted_where_another_encoding_is_declared(
    codec: str,
) -> None:
    assert decode(TEXT.encode(codec), f"text/xml; charset={codec[:6]}") == (TEXT, False)
    assert decode(TEXT.encode(codec), "text/xml; charset=utf-8") == (TEXT, True)
    assert decode(TEXT.encode(codec)) == (TEXT, True)


@pytest.mark.parametrize("charset", ["unicode-escape", "raw-unicode-escape", "idna", "punycode", "undefined"])
def test_what_is_no_encoding_of_texts_decides_nothing(charset: str) -> None:
    body = b"<a>\\u0041 gr\xfc\xdfe</a>"
    assert decode(body, f"text/xml; charset={charset}") == ("<a>\\u0041 grüße</a>", True)
    assert decode(b"<a>\\u0041</a>", f"text/xml; charset={charset}") == ("<a>\\u0041</a>", True)


@pytest.mark.parametrize(
    ("text", "written", "charset", "is_noted"),
    [
        ("<a>Grüße</a>", "utf-8", "iso-8859-1", True),
        ("<a>Grüße</a>", "utf-8", "utf-8", False),
        ("<a>Grüße</a>", "cp1252", "iso-8859-1", False),
        ("<a>“Grüße” €</a>", "cp1252", "iso-8859-1", False),
        ("<a>Grüße</a>", "utf-8", "", False),
        ("<a>Grüße</a>", "cp1252", "", True),
        ("<a>你好世界</a>", "utf-8", "shift_jis", True),
        ("<a>こんにちは①</a>", "cp932", "shift_jis", False),
        ("<a>こんにちは</a>", "iso2022_jp", "iso-2022-jp", False),
        ("<a>Grüße</a>", "utf-8", "utf8mb4", False),
        ("<a>こんにちは①</a>", "cp932", "x-sjis", False),
        ("<a>שלום עולם</a>", "iso-8859-8", "iso-8859-8-i", False),
        ("<a>plain</a>", "ascii", "klingon", True),
        ("<a>plain</a>", "ascii", "utf-16", True),
        ("<a>plain</a>", "ascii", "ebcdic-cp-us", True),
        ("<a>plain</a>", "ascii", "utf-8", False),
        ("<a>plain</a>", "ascii", "", False),
    ],
)
def test_bytes_that_are_surely_utf8_are_read_so_and_others_as_declared(
    text: str, written: str, charset: str, *, is_noted: bool
) -> None:
    content_type = f"text/xml; charset={charset}" if charset else "text/xml"
    assert decode(text.encode(written), content_type) == (text, is_noted)


def test_characters_beyond_the_first_plane_in_javas_way_are_read() -> None:
    assert decode(b"<a>\xc0\x80\xed\xa0\xbd\xed\xb8\x86</a>") == ("<a>\U0001f606</a>", True)


def test_a_few_bytes_that_are_no_utf8_are_western() -> None:
    assert decode(b"<a>5 \x80</a>") == ("<a>5 €</a>", True)
    assert decode(b"<a>\x81</a>") == ("<a>\x81</a>", True), "which no Western character has"


@pytest.mark.parametrize("mark", [codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE])
def test_a_mark_that_is_not_that_of_its_text_decides_nothing(mark: bytes) -> None:
    assert decode(mark + b"<a>plain</a>")[0] == "<a>plain</a>"
