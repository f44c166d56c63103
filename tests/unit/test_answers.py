from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmsvault.media.answers import Told, is_known, judge, names, type_named
from mmsvault.sample import media

CASES = Path(__file__).parents[1] / "cases" / "media"
PAGE = b"<!DOCTYPE html><html><body>Please log in</body></html>"
FRAGMENT = b"<h1>404 Not Found</h1>"
ERROR = b"<?xml version='1.0'?>\n<Error><Code>NoSuchKey</Code></Error>"
JSON = (CASES / "error.json").read_bytes()
TEXT = b"The file is not here yet."
WESTERN = "<p>Fichier non trouvé, désolé</p>".encode("latin-1")
CARD = b"BEGIN:VCARD\r\nVERSION:3.0\r\nFN:Anna\r\nEND:VCARD\r\n"
SLIDES = b"<smil><body><par><img src='a.jpg'/></par></body></smil>"
PICTURE = media.drawing(0).data


def why(body: bytes, name: str, *types: str, disposition: str = "") -> str:
    told = Told(f"http://m.example/{name}", types, disposition)
    return judge(told, size=len(body), beginning=body).reason


def may_be(body: bytes, name: str, *types: str) -> bool:
    return judge(Told(f"http://m.example/{name}", types), size=len(body), beginning=body).may_be_it


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "nothing"),
        (PAGE, "a web page"),
        (FRAGMENT, "a web page"),
        (WESTERN, "a web page"),
        (ERROR, "XML"),
        (JSON, "JSON"),
        (TEXT, "a text"),
        (CARD[:3], "a text"),
        (TEXT + b"\0", "a text"),
        (PAGE.decode().encode("utf-16"), "a web page"),
    ],
)
@pytest.mark.parametrize(
    ("name", "types", "disposition"),
    [
        ("a", ("image/jpeg",), ""),
        ("a.jpg", ("application/octet-stream",), ""),
        ("a.jpg", ("text/html; charset=utf-8",), ""),
        ("get?file=a.3gp&x=1", ("application/json",), ""),
        ("a", ("",), 'attachment; filename="voice.amr"'),
        ("a", ("text/plain", "video/mp4"), ""),
        ("a.pdf", ("text/plain",), ""),
    ],
    ids=["declared", "named", "named and declared otherwise", "in its query", "disposed", "earlier", "pdf"],
)
def test_what_is_no_media_is_not_the_file_where_media_was_declared_named_or_announced(
    body: bytes, words: str, name: str, types: tuple[str, ...], disposition: str
) -> None:
    said = why(body, name, *types, disposition=disposition)
    assert said == f"The provider answered with {words} in place of the file."


@pytest.mark.parametrize(
    ("body", "name", "types"),
    [
        (PICTURE, "a.jpg", ("image/jpeg",)),
        (PICTURE, "a.txt", ("text/plain",)),
        (PICTURE, "a", ("text/html",)),
        (bytes(range(256)), "a.jpg", ("image/jpeg",)),
        (CARD, "a.jpg", ("image/jpeg",)),
        (CARD, "a.vcf", ("text/x-vcard",)),
        (SLIDES, "a.smil", ("application/smil",)),
        (SLIDES, "a", ()),
        (b"<s:smil xmlns:s='x'><s:body/></s:smil>", "a.smil", ("application/smil",)),
        (b"<s:smil xmlns:s='x'><s:body/></s:smil>", "a", ("application/smil",)),
        (TEXT, "a.txt", ("text/plain",)),
        (TEXT, "a", ("text/plain",)),
        (TEXT, "a", ()),
        (TEXT, "a", ("application/octet-stream",)),
        (JSON, "a.txt", ("text/plain",)),
        (JSON, "a", ("text/plain",)),
        (JSON, "a.json", ("application/json",)),
        (PAGE, "a.html", ("text/html",)),
        (PAGE, "a.txt", ("text/plain",)),
        (ERROR, "a.xml", ("application/xml",)),
        (b"I <3 you", "a", ("text/plain",)),
        (b"", "a.txt", ("text/plain",)),
        (b"", "a", ("text/plain",)),
    ],
)
def test_what_was_declared_or_named_so_or_is_media_by_its_look_is_the_file(
    body: bytes, name: str, types: tuple[str, ...]
) -> None:
    assert why(body, name, *types) == ""


@pytest.mark.parametrize("body", [PAGE, FRAGMENT, ERROR, JSON])
@pytest.mark.parametrize(
    "declared", ["", "application/octet-stream", "text/html", "application/json", "text/xml"]
)
def test_a_page_or_an_error_that_nothing_speaks_against_may_be_the_file_when_nothing_else_comes(
    body: bytes, declared: str
) -> None:
    assert why(body, "a", declared)
    assert may_be(body, "a", declared)
    assert not may_be(body, "a.vcf", declared)
    assert not may_be(body, "a.jpg", declared)
    assert not may_be(b"", "a", declared)


@given(st.text(max_size=60), st.text(max_size=60), st.text(max_size=60), st.binary(max_size=200))
def test_whatever_is_told_and_comes_there_is_a_verdict(
    url: str, kind: str, disposition: str, body: bytes
) -> None:
    told = Told(f"http://{url}", (kind,), disposition)
    assert judge(told, size=len(body), beginning=body).reason or body or kind or url


def test_nothing_without_a_declared_text_is_not_the_file() -> None:
    assert why(b"", "a") == why(b"", "a", "application/octet-stream") != ""


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.JPG", "image/jpeg"),
        ("a.jpeg", "image/jpeg"),
        ("a.txt", "text/plain"),
        ("a.php", ""),
        ("a.dll", ""),
        ("a", ""),
        ("a.", ""),
        ("a.jpg/", "image/jpeg"),
        ("x.m4a", "audio/mp4"),
        ("a.?%", ""),
    ],
)
def test_a_name_tells_media_and_text_only(name: str, kind: str) -> None:
    assert type_named(name) == kind


@pytest.mark.parametrize(
    ("body", "known"), [(PICTURE, True), (TEXT, True), (b"\x1f\x8b\x08", False), (b"\xff", False)]
)
def test_a_kind_is_known_by_its_own_look(body: bytes, known: bool) -> None:
    assert is_known(body, "image/jpeg") is known


@pytest.mark.parametrize(
    ("disposition", "name"),
    [
        ('attachment; filename="a b.jpg"', "a b.jpg"),
        ("attachment;FILENAME = a.jpg;size=3", "a.jpg"),
        ("inline; filename*=utf-8''%C3%A4.jpg", "utf-8''ä.jpg"),
        ("attachment; filename*=utf-8''a.jpg; filename*1=\"b\"", "utf-8''a.jpg"),
        ("attachment; filename=", None),
        ('; filename="', None),
    ],
)
def test_a_name_is_found_in_a_disposition_whatever_its_pieces_are(disposition: str, name: str | None) -> None:
    assert names(Told("http://m.example/a", (), disposition))[1:] == ([name] if name else [])
