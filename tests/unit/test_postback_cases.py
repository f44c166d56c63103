"""What providers and phones really send, and what is right: one behaviour a case."""

import json
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlencode
from xml.sax.saxutils import escape

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmsvault.errors import NotUnderstoodError
from mmsvault.message import Message, Receipt
from mmsvault.postbacks import OtherNotice, understand
from mmsvault.postbacks.timestamps import moment_of

CASES = Path(__file__).parents[1] / "cases" / "postbacks"
RECEIVED_AT = datetime(2026, 11, 28, 16, 30, tzinfo=UTC)
SENT_AT = datetime(2026, 11, 28, 16, 19, 49, tzinfo=UTC)
RETENTION = timedelta(days=30)
URL = "http://127.0.0.2:8000/a/x.jpg"
XML = (
    "<postback><code>N401</code><from>1</from><to>2</to><tracking-id>x</tracking-id>"
    "<message-subject>{}</message-subject><content><file>{}</file></content></postback>"
)
SCHEMA = "http://www.w3.org/2001/XMLSchema-instance"
NO_FILES = "<postback><code>N401</code><tracking-id>x</tracking-id></postback>"
SMALL, LARGE = 1 << 12, 1 << 15


def read(body: bytes | str, content_type: str = "", *, at: datetime = RECEIVED_AT) -> Message:
    data = body.encode() if isinstance(body, str) else body
    receipt = Receipt.of(data, provider="sinch", headers={"content-type": content_type})
    understood = understand(receipt.model_copy(update={"received_at": at}), retention=RETENTION)
    assert isinstance(understood, Message)
    return understood


def urls(message: Message) -> list[str]:
    return [item.url for item in message.media]


def notice(**fields: object) -> str:
    return json.dumps({"code": "N401", "tracking-id": "x", "from": "1", "to": "2", **fields})


@pytest.mark.parametrize(
    ("name", "subject", "repaired"),
    [
        ("f-mailtype.xml", "hi", ()),
        ("f-rlm.xml", "hi", ()),
        ("f-sip.xml", "hi", ()),
        ("f-tel.xml", "hi", ()),
        ("j-array.json", "hi", ("list of one",)),
        ("j-comma.json", "hi", ("trailing commas",)),
        ("j-content-obj.json", "hi", ()),
        ("j-latin1.json", "Grüße", ("encoding",)),
        ("j-ts-ms.json", "hi", ()),
        ("t-rfc2822.xml", "hi", ()),
        ("t-y1970.xml", "hi", ("timestamp not believed",)),
        ("x-amp-raw-url.xml", "hi", ("bare ampersands",)),
        ("x-cesu8.xml", "Hello 😆", ("encoding",)),
        ("x-ctrl-ref.xml", "Hello  world", ("character references",)),
        ("x-decl16-utf8.xml", "hi", ("encoding",)),
        ("x-file-attr.xml", "hi", ()),
        ("x-gb2312-decl.xml", "你好", ()),
        ("x-latin1-httpcharset.xml", "Grüße", ()),
        ("x-lead-newline.xml", "hi", ("text before the XML",)),
        ("x-lt-raw.xml", "I <3 you", ("bare less-than signs",)),
        ("x-surrogate-ref.xml", "Hello 😆", ("character references",)),
        ("x-trailing-junk.xml", "hi", ("text after the XML",)),
    ],
)
def test_each_case_is_read_with_its_files_and_says_what_was_repaired(
    name: str, subject: str, repaired: tuple[str, ...]
) -> None:
    content_type = "text/xml; charset=iso-8859-1" if "httpcharset" in name else ""
    found = read((CASES / name).read_bytes(), content_type)
    more = {"x-amp-raw-url.xml": [f"{URL}?a=1&b=2"], "j-content-obj.json": [URL, f"{URL}?2"]}
    assert (found.subject, urls(found), found.repaired) == (subject, more.get(name, [URL]), repaired)
    assert found.tracking_id == name.partition(".")[0]
    assert found.received_at == (RECEIVED_AT if name == "t-y1970.xml" else SENT_AT)


def test_every_case_has_its_right_value() -> None:
    (marker,) = test_each_case_is_read_with_its_files_and_says_what_was_repaired.pytestmark  # type: ignore[attr-defined]
    assert {path.name for path in CASES.iterdir()} == {row[0] for row in marker.args[1]}


@pytest.mark.parametrize(
    ("written", "subject"),
    [
        ("a\x00b\x0bc", "abc"),
        ("a&#0;b&#xB;c&#xFFFF;d", "abcd"),
        ("a&#x1F606;&#xD83D;&#xDE06;b", "a😆😆b"),
        ("half &#xD83D; gone", "half \ufffd gone"),
        ("Q&A &you; R&D", "Q&A &you; R&D"),
        ("caf&eacute; &euro;5 &LT;", "café €5 <"),
        ("1 < 2 > 0 <- <", "1 < 2 > 0 <- <"),
        ("<b>bold & <i>bare", "<b>bold & <i>bare"),
        ("see <someone@example.org> & co", "see <someone@example.org> & co"),
        ("the </postback> of & it", "the </postback> of & it"),
        ("]]> &", "]]> &"),
        ("<![CDATA[a&amp;b <c>]]> & d", "a&amp;b <c> & d"),
        ("<!-- left out -->in & out", "in & out"),
        ("<!-- not & closed", "<!-- not & closed"),
        ("Fish &amp; chips", "Fish & chips"),
        ("I <b>really</b> do", "I really do"),
    ],
)
def test_signs_in_a_text_are_meant_literally(written: str, subject: str) -> None:
    found = read(XML.format(written, URL))
    assert (found.subject, urls(found)) == (subject, [URL])


@pytest.mark.parametrize(
    ("encoding", "declared", "content_type", "is_repaired"),
    [
        ("utf-8", "", "", False),
        ("utf-8-sig", "", "", False),
        ("utf-16", "", "", False),
        ("utf-16", "utf-16", "text/xml; charset=utf-8", False),
        ("utf-16-le", "", "", True),
        ("utf-16-be", "utf-16", "", False),
        ("utf-32", "", "", False),
        ("latin-1", "iso-8859-1", "", False),
        ("latin-1", "", "text/xml; charset=ISO-8859-1", False),
        ("latin-1", "", "", True),
        ("cp1252", "utf-8", "", True),
        ("utf-8", "iso-8859-1", "", True),
        ("utf-8", "", 'application/xml; charset="latin1"', True),
        ("utf-8", "utf-16", "", True),
        ("utf-8", "klingon", "text/xml; charset=romulan", True),
        ("utf-8", "idna", "", True),
        ("cp1252", "", "text/xml; charset=utf-16", True),
    ],
)
def test_a_text_is_decoded_whatever_is_declared_of_it(
    encoding: str, declared: str, content_type: str, is_repaired: bool
) -> None:
    head = f'<?xml version="1.0" encoding="{declared}"?>' if declared else ""
    found = read((head + XML.format("Grüße von Zoë", URL)).encode(encoding), content_type)
    assert (found.subject, urls(found)) == ("Grüße von Zoë", [URL])
    assert found.repaired == (("encoding",) if is_repaired else ())


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("gbk", "暴风雨过后的港口"),
        ("gb18030", "你好"),
        ("big5", "暴風雨過後的港口"),
        ("shift_jis", "嵐のあとの港"),
        ("euc-jp", "嵐のあとの港"),
        ("iso-2022-jp", "嵐のあとの港"),
        ("euc-kr", "폭풍 뒤의 항구"),
        ("koi8-r", "Гавань после бури"),
        ("windows-1251", "Гавань после бури"),
        ("windows-1256", "مرحبا"),
        ("tis-620", "สวัสดี"),
    ],
)
@pytest.mark.parametrize("by", ["xml", "http", "json"])
def test_encodings_of_many_countries_are_read_as_declared(encoding: str, text: str, by: str) -> None:
    head = f'<?xml version="1.0" encoding="{encoding}"?>' if by == "xml" else ""
    body = head + XML.format(text, URL)
    if by == "json":
        body = json.dumps(
            json.loads(notice(content=[{"file": URL}])) | {"message-subject": text}, ensure_ascii=False
        )
    found = read(body.encode(encoding), "" if by == "xml" else f"text/plain; charset={encoding}")
    assert (found.subject, urls(found), found.repaired) == (text, [URL], ())


def test_a_bad_byte_in_utf8_costs_one_character() -> None:
    body = XML.format("Grüße 你好 @ Zoë", URL).encode().replace(b"@", b"\xff")
    assert read(body).subject == "Grüße 你好 \ufffd Zoë"


@pytest.mark.parametrize("cut", [b"\xf0\x9f\x98", b"\xf0\x9f", b"\xe4\xbd"])
def test_a_character_that_was_cut_off_at_the_end_of_a_text_costs_itself_only(cut: bytes) -> None:
    assert read(XML.format("hi @", URL).encode().replace(b"@", cut)).subject == "hi \ufffd"


@pytest.mark.parametrize(
    ("body", "is_read"),
    [
        (f"\n\t junk {XML}", True),
        (f"HTTP/1.1 200 OK\r\n\r\n{XML}", True),
        (f"{XML}</html>", True),
        (XML.replace("postback>", "ns:postback>"), True),
        (XML.replace("<file>", "<file xsi:type='string'>"), True),
        (f"<string>{XML}</string>".replace(XML, escape(XML)), True),
        (f"<e:Envelope xmlns:e='s'><e:Body><![CDATA[{XML}]]></e:Body></e:Envelope>", True),
        (f"<a>{NO_FILES}<content><file>{URL}</file></content></a>", False),
        (f"<soap:Envelope xmlns:soap='s'><soap:Body>{XML}</soap:Body></soap:Envelope>", True),
        (f"{XML}{XML}", False),
        (f"{XML}<content><file>{URL}</file></content>", False),
        (XML.replace("</postback>", ""), False),
        (XML.replace("</file>", ""), False),
        (XML.replace("</content>", ""), False),
        (f"<!DOCTYPE postback>{XML}", False),
        (f"\n<!DOCTYPE postback [<!ENTITY a 'b'>]>{XML}", False),
        (XML.replace("<content>", "<!-- <content>"), True),
        (XML.replace("<content>", "<!-- & <content>").replace("</content>", "</content> -->") + "&", False),
    ],
)
def test_what_stands_around_a_notice_is_passed_over_but_never_a_part_of_one(body: str, is_read: bool) -> None:
    whole = body.replace("{}", "hi", 1).replace("{}", URL, 1).replace("{}", URL)
    if is_read:
        assert urls(read(whole)) == [URL]
    else:
        with pytest.raises(NotUnderstoodError):
            read(whole)


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (f"<file url='{URL}'/>", [URL]),
        (f"<file href='{URL}' type='image/jpeg' size='1'/>", [URL]),
        (f"<file><url>{URL}</url><name>x.jpg</name></file>", [URL]),
        (f"<file><type>image/jpeg</type><location>{URL}</location></file>", [URL]),
        (f"<file><![CDATA[{URL}?a=1&b=2]]></file>", [f"{URL}?a=1&b=2"]),
        (f"<file>\n   {URL}\n</file>", [URL]),
        (
            f"<file xmlns:x='{SCHEMA}' x:schemaLocation='http://s.example/a http://s.example/b'>{URL}</file>",
            [URL],
        ),
        (f"<count>1</count><file>{URL}</file>", [URL]),
        (f"<file>{URL[:20]}\n{URL[20:]}</file>", [URL]),
        (f"<files><file>{URL}</file><file>{URL}</file></files>", [URL, URL]),
        (f"<item src='{URL}'/><item src='{URL}?2'/>", [URL, f"{URL}?2"]),
        (f"{URL}", [URL]),
        (f"{URL} {URL}?2", [URL, f"{URL}?2"]),
        (f"&lt;file&gt;{URL}&lt;/file&gt;", [URL]),
        ("", []),
        (" \n ", []),
    ],
)
def test_files_are_found_in_every_shape_of_xml(content: str, found: list[str]) -> None:
    assert urls(read(XML.format("hi", "@").replace("<file>@</file>", content))) == found


@pytest.mark.parametrize(
    "content",
    [
        "<file/>",
        "<file></file>",
        "<file>x.jpg</file>",
        "<file><name>x.jpg</name></file>",
        f"<file>{URL}</file><file/>",
        f"<file>{URL}</file><file><type>image/jpeg</type></file>",
        "<moderated>yes</moderated>",
        "three files",
        "&lt;file&gt;x&lt;/file&gt;",
    ],
)
def test_a_notice_whose_files_have_no_address_is_not_understood(content: str) -> None:
    with pytest.raises(NotUnderstoodError, match="address that can be read"):
        read(XML.format("hi", "@").replace("<file>@</file>", content))


SECOND = f"{URL}?2"


@pytest.mark.parametrize(
    "content",
    [
        [{"file": URL}, {"file": SECOND}],
        {"file": [URL, SECOND]},
        [{"file": [URL, SECOND]}],
        {"file": [{"@url": URL}, {"@url": SECOND}]},
        {"file": [{"#text": URL, "@type": "image/jpeg"}, {"#text": SECOND}]},
        {"file": [{"$": URL}, {"$": SECOND}]},
        {"file": [{"$t": URL}, {"$t": SECOND}]},
        {"file": [{"_": URL, "$": {"size": "1"}}, {"_": SECOND}]},
        {"file": [{"_attributes": {"url": URL}}, {"_attributes": {"url": SECOND}}]},
        {"file": [{"_text": URL}, {"_text": SECOND}]},
        [{"url": URL}, {"url": SECOND}],
        [{"url": URL, "href": URL, "type": "image/jpeg"}, {"href": SECOND}],
        [{"media": {"src": URL}}, {"media": {"src": SECOND}}],
        {"files": [URL, SECOND]},
        {"files": [{"link": URL}, {"link": SECOND}], "count": 2},
        {"files": {"file": [{"uri": URL}, {"uri": SECOND}]}},
        {"0": {"file": URL}, "1": {"file": SECOND}},
        [URL, SECOND],
        f"{URL}, {SECOND}",
        json.dumps([{"file": URL}, {"file": SECOND}]),
        {
            "elements": [
                {"name": "file", "elements": [{"text": one, "type": "text"}]} for one in (URL, SECOND)
            ]
        },
        {"children": [{"file": URL}, {"file": SECOND}]},
    ],
)
def test_files_are_found_in_every_shape_that_converters_write(content: object) -> None:
    found = read(notice(content=content))
    assert (urls(found), found.repaired) == ([URL, SECOND], ())


@pytest.mark.parametrize(
    "content", [None, "", [], {}, [""], [None], {"files": []}, {"file": []}, {"count": 0, "files": []}]
)
def test_an_empty_content_is_a_message_without_files(content: object) -> None:
    assert urls(read(notice(content=content))) == []


@pytest.mark.parametrize(
    "content",
    [
        {"file": None},
        [{"file": ""}],
        [{"file": URL}, {}],
        [{"file": URL}, None],
        [URL, ""],
        {"files": [{"url": URL}, {"url": None}]},
        {"url": None},
        {"total": 2, "files": []},
        {"type": "image/jpeg"},
        [7],
        True,
        "[{'file': 'x'",
    ],
)
def test_json_whose_files_have_no_address_is_not_understood(content: object) -> None:
    with pytest.raises(NotUnderstoodError, match="address that can be read"):
        read(notice(content=content))


@pytest.mark.parametrize(
    "fields",
    [
        {"body": {"content": [{"file": URL}, {"file": SECOND}]}},
        {"message": {"parts": {"files": [URL, SECOND]}}},
        {"mms": [{"media": {"url": URL}}, {"media": {"url": SECOND}}], "callback": "http://c.example/"},
    ],
)
def test_files_are_found_within_fields_that_nobody_knows(fields: dict[str, object]) -> None:
    assert urls(read(notice(**fields))) == [URL, SECOND]


@pytest.mark.parametrize(
    "fields",
    [
        {"mediaUrls": [URL]},
        {"media_url": URL, "content": []},
        {"images": [{"id": "1", "src": URL}], "content": None},
        {"parts": f"see {URL}"},
    ],
)
def test_a_notice_with_an_address_in_a_field_that_nobody_knows_is_not_one_without_files(
    fields: dict[str, object],
) -> None:
    with pytest.raises(NotUnderstoodError, match="a web address in"):
        read(notice(**fields))


@pytest.mark.parametrize(
    "fields", [{"callback": "http://c.example/", "content": [{"file": URL}]}, {"device": "iPhone"}]
)
def test_other_fields_that_nobody_knows_are_passed_over(fields: dict[str, object]) -> None:
    assert urls(read(notice(**fields))) == ([URL] if "content" in fields else [])


@pytest.mark.parametrize("content", [{"count": 3, "file": [URL, SECOND]}, {"@total": "2", "files": [URL]}])
def test_a_notice_that_announces_more_files_than_can_be_read_is_not_understood(content: object) -> None:
    with pytest.raises(NotUnderstoodError, match=r"announces \d files, but only \d can be read"):
        read(notice(content=content))


@pytest.mark.parametrize(
    "shape",
    [
        '{"postback": {"code": ["N401"], "tracking-id": ["x"], "content": [{"file": ["%s", "%s"]}]}}',
        '{"code": "N401", "tracking-id": "x", "content": {"file": "%s", "file": "%s"}}',
        """["postback", {"xmlns": "u"}, ["code", "N401"], ["tracking-id", "x"],
            ["content", ["file", "%s"], ["file", {"n": "2"}, "%s"]]]""",
        """{"postback": {"@xmlns": {"$": "http://x.example/ns"}, "code": {"$": "N401"},
            "tracking-id": {"$": "x"}, "content": {"file": [{"$": "%s"}, {"$": "%s"}]}}}""",
        """{"?xml": {"@version": "1.0"}, "postback": {"code": "N401", "tracking-id": "x",
            "content": {"file": ["%s", "%s"]}}}""",
        """{"declaration": {}, "elements": [{"type": "element", "name": "postback", "elements": [
            {"type": "element", "name": "code", "elements": [{"type": "text", "text": "N401"}]},
            {"type": "element", "name": "tracking-id", "elements": [{"type": "text", "text": "x"}]},
            {"type": "element", "name": "content", "elements": [
            {"type": "element", "name": "file", "elements": [{"type": "text", "text": "%s"}]},
            {"type": "element", "name": "file", "elements": [{"type": "cdata", "cdata": "%s"}]}]}]}]}""",
        '{"CODE": "N401", "TRACKINGID": "x", "CONTENT": {"FILE": ["%s", "%s"]}}',
        '{"code": "N401", "trackingId": "x", "content": [{"file": "%s"}, {"file": "%s"}]}',
    ],
)
def test_a_whole_notice_is_read_as_converters_write_it(shape: str) -> None:
    found = read(shape % (URL, SECOND))
    assert (urls(found), found.repaired) == ([URL, SECOND], ())


@pytest.mark.parametrize(
    ("sender", "to", "numbers"),
    [
        ({"number": "1408"}, [{"number": "28444"}, {"number": "28445"}], ("1408", "28444", "28445")),
        ({"#text": "1408", "@type": "PLMN"}, {"number": ["28444", "28445"]}, ("1408", "28444", "28445")),
        ({"name": "Ann", "address": "1408"}, ["28444", "28445"], ("1408", "28444", "28445")),
        (14082257140, 28444, ("14082257140", "28444")),
        (14082257140.0, {"$": "28444"}, ("14082257140", "28444")),
        ({"$t": "1408"}, {"recipient": [{"msisdn": "28444"}]}, ("1408", "28444")),
        ("1408", "28444, +1 408 225 7140", ("1408", "28444", "+1 408 225 7140")),
        ("1408", '"Doe, John" <+1408>', ("1408", '"Doe, John" <+1408>')),
    ],
)
def test_senders_and_recipients_are_found_in_every_shape(
    sender: object, to: object, numbers: tuple[str, ...]
) -> None:
    found = read(notice(**{"from": sender, "to": to}))
    assert (found.sender, *found.to) == numbers


def test_senders_and_recipients_are_found_in_elements_and_attributes() -> None:
    body = XML.replace("<from>1</from>", '<from number="1408"/>').replace(
        "<to>2</to>",
        "<to><number>28444</number><number>28445</number></to><copy-to><number>9</number></copy-to>",
    )
    found = read(body.format("hi", URL))
    assert (found.sender, found.to) == ("1408", ("28444", "28445", "9"))


@pytest.mark.parametrize(
    ("body", "subject", "repaired"),
    [
        ('{%s "message-subject": "a\nb"}', "a\nb", ("line breaks in texts",)),
        ('{%s "message-subject": "a\x00\x11b"}', "ab", ("control characters",)),
        (
            "{%s 'message-subject': 'it\\'s \"so\"'}",
            'it\'s "so"',
            ("single quotation marks", "bare quotation marks"),
        ),
        ('{%s /* a */ "message-subject": "hi" // b\n}', "hi", ("comments",)),
        ('{%s message-subject: "hi", moderated: None,}', "hi", ("bare words", "trailing commas")),
        ('{%s "message-subject": "I "love" you"}', 'I "love" you', ("bare quotation marks",)),
        ('{%s "message-subject": "C:\\pics\\x"}', "C:\\pics\\x", ("backslashes",)),
        ('\ufeff{%s "message-subject": "hi", "size": NaN}', "hi", ()),
        ('callback({%s "message-subject": "hi"});', "hi", ("text before the JSON", "text after the JSON")),
        ('[{%s "message-subject": "hi"}]', "hi", ("list of one",)),
        ('{"postback": {%s "message-subject": "hi"}}', "hi", ()),
    ],
)
def test_slips_of_json_are_put_right(body: str, subject: str, repaired: tuple[str, ...]) -> None:
    found = read(body % f'"code": "N401", "tracking-id": "x", "content": [{{"file": "{URL}"}}],')
    assert (found.subject, urls(found), found.repaired) == (subject, [URL], repaired)


@pytest.mark.parametrize("inner", [notice(content=[{"file": URL}]), XML.format("hi", URL)])
def test_a_notice_in_a_text_of_json_or_a_web_form_is_read(inner: str) -> None:
    assert urls(read(json.dumps(inner))) == [URL]
    assert urls(read(json.dumps({"postback": inner}))) == [URL]
    form = read(urlencode({"id": "1", "xml": inner}), "application/x-www-form-urlencoded")
    assert (urls(form), form.repaired) == ([URL], ("form encoding",))


@pytest.mark.parametrize(
    ("around", "repaired"),
    [
        ("{}", ()),
        ("<envelope><body>{}</body></envelope>", ("text around the notice",)),
        ("<envelope><![CDATA[{}]]></envelope>", ("text in a text",)),
    ],
)
def test_what_stands_around_a_notice_is_passed_over_and_noted(around: str, repaired: tuple[str, ...]) -> None:
    found = read(around.format(XML.format("hi", URL)))
    assert (urls(found), found.repaired) == ([URL], repaired)


def test_a_notice_in_a_text_of_a_text_is_read_to_a_certain_depth_and_noted() -> None:
    body = notice(content=[{"file": URL}])
    for _ in range(4):
        body = json.dumps(body)
        found = read(body)
        assert (urls(found), found.repaired) == ([URL], ("text in a text",))
    with pytest.raises(NotUnderstoodError, match="too many texts within texts"):
        read(json.dumps(body))


@pytest.mark.parametrize(
    "body",
    [
        '{"postback": {"code": "N401", "tracking-id": "x"}, "postback": {"code": "N401"}}',
        '{"postback": [{"code": "N401", "tracking-id": "x"}, {"code": "N401"}]}',
        f"<all>{NO_FILES}{NO_FILES}</all>",
        f"<all><one>{NO_FILES}</one><other>{NO_FILES}</other></all>",
        f"<all><a><![CDATA[{NO_FILES}]]></a><b><![CDATA[{NO_FILES}]]></b></all>",
    ],
)
def test_of_two_notices_in_one_body_neither_is_taken_for_all(body: str) -> None:
    with pytest.raises(NotUnderstoodError):
        read(body)


def test_files_in_a_text_are_read_only_where_nothing_of_it_needs_repair() -> None:
    assert urls(read(notice(content=f"<file>{URL}</file>"))) == [URL]
    for slip in (f"<file>{URL}?a&b</file>", f'{{"file": "{URL}",}}'):
        with pytest.raises(NotUnderstoodError, match="address that can be read"):
            read(notice(content=slip))


@pytest.mark.parametrize(
    "body",
    [
        '{"code": "N401", "tracking-id": "x", "content": [{"file": "%s"}',
        '{"code": "N401", "tracking-id": "x", "content": [{"file": "%s" "file": "b"}]}',
        '{"code": "N401", "tracking-id": "x", "content": ["%s" "http://a.example/2"]}',
        '{"code": "N401", "tracking-id": "x"}, "content": [{"file": "%s"}]}',
        '{"code": "N401", "tracking-id": "x", /* "content": [{"file": "%s"}] */ }',
        '{"code": "N401", "tracking-id": "x"}{"code": "N401", "tracking-id": "y", "content": ["%s"]}',
        '{"postback": {"code": "N401", "tracking-id": "x"}, "content": [{"file": "%s"}]}',
        '[{"code": "N401", "tracking-id": "x"}, {"code": "N401", "tracking-id": "y", "content": ["%s"]}]',
    ],
)
def test_json_that_lost_a_part_is_not_understood(body: str) -> None:
    with pytest.raises(NotUnderstoodError):
        read(body % URL)


@pytest.mark.parametrize(
    "written",
    [
        "2026-11-28T11:19:49-05:00", "2026-11-28T11:19:49-0500", "2026-11-28T11:19:49-05",
        "2026-11-28T11:19:49.000-05:00", "2026-11-28T16:19:49Z", "2026-11-28t16:19:49z", "20261128T161949Z",
        "2026-11-28 16:19:49", "2026-11-28T16:19:49", "2026-11-28 16:19:49 UTC", "2026-11-28 16:19:49 GMT",
        "2026-11-28 11:19:49 EST", "2026-11-28 11:19:49 ET", "2026-11-28 17:19:49 CET",
        "2026-11-28T11:19:49-05:00[America/New_York]", "2026-11-28T16:19:49Z[UTC]",
        "2026-11-28T11:19:49[America/New_York]", "2026-11-28 11:19:49 America/New_York",
        "2026-11-28T11:19:49,000-05:00", "2026-11-28T21:49:49+05:30", "2026-11-28T21:49:49+05:30:00",
        "2026/11/28 16:19:49", "2026-11-28 04:19:49 PM", "2026-11-28T11:19:49\u221205:00",
        "2026-11-28 16:19:49 +0000 UTC", "2026-11-28T16:19:49 +00:00", "２０２６-11-28T16:19:49Z",
        "Sat, 28 Nov 2026 11:19:49 -0500", "Sat, 28 Nov 2026 16:19:49 GMT", "28 Nov 2026 11:19:49 EST",
        "Sat, 28 Nov 2026 11:19:49 -0500 (EST)", "Saturday, 28-Nov-26 16:19:49 GMT",
        "Sat Nov 28 16:19:49 2026", "Sat Nov 28 11:19:49 EST 2026", "Nov 28, 2026 4:19:49 PM",
        "1795882789", "1795882789000", "1795882789.0", "1795882789000000", "/Date(1795882789000)/",
        "/Date(1795882789000-0500)/", "20261128161949",
    ],
)  # fmt: skip
def test_a_time_is_the_moment_that_it_means(written: str) -> None:
    assert moment_of(written) == SENT_AT
    assert read(notice(timestamp=written)).received_at == SENT_AT


@pytest.mark.parametrize("number", [1795882789, 1795882789.0, 1795882789000, 1795882789000.0])
def test_seconds_and_milliseconds_may_be_numbers(number: float) -> None:
    assert read(notice(timestamp=number)).received_at == SENT_AT


@pytest.mark.parametrize(
    ("written", "moment"),
    [
        ("2026-11-27T24:00:00Z", datetime(2026, 11, 28, tzinfo=UTC)),
        ("2026-11-27T24:00Z", datetime(2026, 11, 28, tzinfo=UTC)),
        ("2026-11-27T23:59:60Z", datetime(2026, 11, 28, tzinfo=UTC)),
        ("2026-11-28", datetime(2026, 11, 28, tzinfo=UTC)),
        ("1795882789.25", SENT_AT + timedelta(milliseconds=250)),
        ("2026-11-28T16:19:49.123456789Z", SENT_AT + timedelta(microseconds=123456)),
        ("2026-07-28T12:19:49[America/New_York]", datetime(2026, 7, 28, 16, 19, 49, tzinfo=UTC)),
    ],
)
def test_midnight_leap_seconds_and_fractions_are_read(written: str, moment: datetime) -> None:
    assert moment_of(written) == moment


@pytest.mark.parametrize(
    "written",
    ["", "yesterday", "2026-11-28T25:00:00Z", "2026-11-27T24:00:01Z", "2026-02-30T00:00:00Z", "12", "1e400",
     "2026-11-28T16:19:49 XYZ", "2026-11-28T16:19:49[../../etc/passwd]",
     "2026-11-28T16:19:49[Europe/Nowhere]",
     "2026-11-28T16:19:61Z", "28 Foo 2026 11:19:49 EST", "9" * 5000],
)  # fmt: skip
def test_what_is_no_time_is_dated_by_the_receipt_and_noted(written: str) -> None:
    assert moment_of(written) is None
    found = read(notice(timestamp=written))
    assert found.received_at == RECEIVED_AT
    assert found.repaired == (("timestamp not understood",) if written else ())


@given(st.text(max_size=120))
def test_no_text_breaks_the_reading_of_times(text: str) -> None:
    moment = moment_of(text)
    assert moment is None or moment.utcoffset() == timedelta()


@pytest.mark.parametrize(
    ("written", "is_believed"),
    [
        ("1970-01-01T00:00:00Z", False),
        ("1999-12-31T23:59:59Z", False),
        ("2000-01-01T00:00:00Z", True),
        ("2014-02-03T11:19:49-05:00", True),
        ("2026-11-30T16:30:00Z", True),
        ("2026-11-30T16:30:01Z", False),
        ("2062-11-28T16:19:49Z", False),
        ("9999-12-31T23:59:59Z", False),
    ],
)
def test_a_moment_that_cannot_be_is_not_believed(written: str, is_believed: bool) -> None:
    found = read(notice(timestamp=written))
    assert found.repaired == (() if is_believed else ("timestamp not believed",))
    assert (found.received_at == RECEIVED_AT) == (not is_believed)
    assert found.deadline_at <= RECEIVED_AT + RETENTION
    assert found.give_up_at >= RECEIVED_AT + timedelta(days=1)


def test_a_deadline_is_never_later_than_receipt_and_retention() -> None:
    ahead = RECEIVED_AT + timedelta(hours=47)
    found = read(notice(timestamp=ahead.isoformat()))
    assert (found.received_at, found.deadline_at) == (ahead, RECEIVED_AT + RETENTION)


@pytest.mark.parametrize(
    "piece",
    ["<", "&", "<a ", "<a b='", '<a b="" ', "<!--", "<![CDATA[", "<?x", "<a>", "</a>", "<a><b></a>",
     "&#xD800;",
     "&a", "]]>", "<postback ", "\0", "\ud83d", "<file>", "<a b='<a b=\"", "http://a ",
     "&lt;file&gt;", "[", "{"],
)  # fmt: skip
def test_a_body_full_of_slips_takes_time_in_proportion(piece: str) -> None:
    def seconds(size: int) -> float:
        filler = piece * (size // len(piece))
        shapes = (
            XML.format(filler, URL),
            XML.format("hi", filler),
            filler + XML,
            XML.format("&", URL) + filler,
        )
        began = time.process_time()
        for shape in shapes:
            try:
                read(shape.encode("utf-8", "surrogatepass"))
            except NotUnderstoodError:
                continue
        return time.process_time() - began

    assert seconds(LARGE) < LARGE // SMALL * 4 * seconds(SMALL) + 0.5


@pytest.mark.parametrize(
    "piece", ['"', "'", "\\", '\\"', "//", "/*", ",", "[", "{", '{"a":', " ", '" ', "a", "0", '"a",', "\0"]
)
def test_a_body_full_of_json_slips_takes_time_in_proportion(piece: str) -> None:
    def seconds(size: int) -> float:
        filler = piece * (size // len(piece))
        began = time.process_time()
        for shape in (f'{{"code": "N401", "x": "{filler}"}}', f'{{"code": {filler}', f"[{filler}]"):
            try:
                read(shape)
            except (NotUnderstoodError, AssertionError):
                continue
        return time.process_time() - began

    assert seconds(LARGE) < LARGE // SMALL * 4 * seconds(SMALL) + 0.5


@pytest.mark.parametrize("code", ["N4\n01", " n401 ", "N401\u0000"])
def test_a_code_with_a_slip_is_still_the_code_of_a_message(code: str) -> None:
    assert urls(read(notice(code=code, content=[{"file": URL}]))) == [URL]


def test_a_notice_with_two_codes_is_a_message_where_one_of_them_says_so() -> None:
    body = XML.format("hi", URL).replace("<code>", "<code>N402</code><code>")
    assert urls(read(body)) == [URL]


@pytest.mark.parametrize("code", ["N40", "N4401", "N402"])
def test_a_received_message_with_files_and_another_code_is_never_counted_as_another_notice(code: str) -> None:
    with pytest.raises(NotUnderstoodError, match=f"the code {code} and files"):
        read(notice(code=code, origin="MMS_MO", content=[{"file": URL}]))
    with pytest.raises(NotUnderstoodError, match=f"the code {code} and files"):
        read(f"<postback><origin>MMS_MO</origin><code>{code}</code><file url='{URL}'/></postback>")


@pytest.mark.parametrize(
    "fields", [{"origin": "MMS_MT", "content": [{"file": URL}]}, {"origin": "MMS_MO", "content": []}]
)
def test_other_notices_are_counted(fields: dict[str, object]) -> None:
    receipt = Receipt.of(notice(code="N102", **fields).encode(), provider="sinch")
    assert understand(receipt, retention=RETENTION) == OtherNotice("N102")


def test_a_code_that_is_none_is_never_counted_as_another_notice() -> None:
    with pytest.raises(NotUnderstoodError, match="no code"):
        read(notice(code="N4?1", content=[{"file": URL}]))
