"""A number is found in texts in every usual writing, and no other number is taken for it."""

import sqlite3

import pytest

from mmsvault.catalog import connection as catalog_connection
from mmsvault.catalog.language import parse
from mmsvault.catalog.number_text import ERASED, NumberText
from mmsvault.catalog.numbers import writings

NUMBER = NumberText(writings("14085550177", region="US"))
WRITINGS = (
    "14085550177",
    "4085550177",
    "+14085550177",
    "+1 (408) 555-0177",
    "(408) 555-0177",
    "408.555.0177",
    "408-555-0177",
    "1-408-555-0177",
    "001 408 555 0177",
    "011 1 408 555 0177",
    "tel:+1-408-555-0177",
    "408\u2011555\u20110177",
    "\uff14\uff10\uff18\uff15\uff15\uff15\uff10\uff11\uff17\uff17",
    "\u202a+1 408 555 0177\u202c",
    "%2B14085550177",
    "408%20555%200177",
)


@pytest.mark.parametrize("written", WRITINGS)
def test_a_number_is_found_in_every_usual_writing(written: str) -> None:
    for text in (written, f"from:{written}", f"call {written}, please", f'-number:"{written}" keyword:storm'):
        assert NUMBER.is_in("", text)
        assert not NUMBER.is_in(NUMBER.without(text))


@pytest.mark.parametrize(
    "other",
    [
        "14085550178",
        "4085550178 and 55501775",
        "140855501771",
        "24085550177",
        "408555*",
        "*0177",
        "after:2014-08-05 before:2015-01-17",
        "",
    ],
)
def test_no_other_number_is_taken_for_it(other: str) -> None:
    assert not NUMBER.is_in(other)
    assert NUMBER.without(other) == other


def test_a_short_code_is_no_part_of_a_longer_number() -> None:
    short = NumberText(writings("28444", region="US"))
    assert short.is_in("to:28444 keyword:storm")
    assert not short.is_in("from:14082844455")
    assert not NumberText(writings("911", region="US")).is_in("911")


def test_an_address_is_found_whole() -> None:
    address = NumberText(writings("ann-b+x@example.org", region="US"))
    assert address.is_in("from:Ann-B+x@example.org")
    assert not address.is_in("joann-b+x@example.org", "ann-b+x@example.organic")


def test_a_search_without_the_number_is_still_a_search() -> None:
    for query in (
        "from:14085550177 OR keyword:storm",
        "-to:+1-408-555-0177",
        'number:"(408) 555-0177"',
        "(408) 555-0177 keyword:storm",
    ):
        hidden = NUMBER.without(query)
        assert ERASED in hidden
        assert len(parse(hidden, region="US").groups) == len(parse(query, region="US").groups)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-16-be", "latin-1"])
def test_a_number_is_found_in_a_body_whatever_its_encoding(encoding: str) -> None:
    assert NUMBER.is_in_bytes("<from>+1 (408) 555-0177</from>".encode(encoding))
    assert not NUMBER.is_in_bytes("<from>+1 (408) 555-0178</from>".encode(encoding))


def test_a_number_is_found_in_references_of_xml() -> None:
    assert NUMBER.is_in_bytes(b"<from>&#x2b;1&#52;085550177</from>")


def test_every_connection_to_sqlite_overwrites_what_is_deleted() -> None:
    with sqlite3.connect(":memory:") as connection:
        connection.execute("PRAGMA secure_delete=OFF")
        catalog_connection._prepare_sqlite(connection, None)
        assert connection.execute("PRAGMA secure_delete").fetchone() == (1,)
