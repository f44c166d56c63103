from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmsvault.errors import NotUnderstoodError
from mmsvault.message import Message, Receipt
from mmsvault.postbacks import OtherNotice, message_id, understand

RETENTION = timedelta(days=30)

SEED = """<postback>
    <origin>MMS_MO</origin>
    <code>N401</code>
    <from>14082257140</from>
    <to>28444</to>
    <keyword>all</keyword>
    <tracking-id>MMS_MO_iLnCRrL6</tracking-id>
    <operator-id>31002</operator-id>
    <timestamp>2014-02-03T11:19:49-05:00</timestamp>
    <message-subject></message-subject>
    <content>
        <file>http://media.example/1.jpg</file>
        <file>http://media.example/2.jpg</file>
        <file>http://media.example/3.txt</file>
    </content>
</postback>"""

LEGACY = """<?xml version="1.0" encoding="UTF-8"?>
<POSTBACK>
    <ORIGIN>MMS_MO</ORIGIN>
    <CODE>N401</CODE>
    <FROM>16505550100</FROM>
    <TO>28444</TO>
    <KEYWORD>STORM</KEYWORD>
    <TRACKINGID>MMS_MO_legacy1</TRACKINGID>
    <SPID>0001470</SPID>
    <TIMESTAMP>2012-07-04T23:59:59-07:00</TIMESTAMP>
    <CONTENT><FILE>http://media.example/a.3gp</FILE></CONTENT>
</POSTBACK>"""

TODAY = """{
    "origin": "MMS_MO", "code": "N401", "from": "14085550123", "to": "18885550100",
    "copy-to": [{"number": "14085550124"}, {"number": "14085550125"}],
    "keyword": "contest", "tracking-id": "MMS_MO_today", "timestamp": "2026-11-23T08:00:00Z",
    "message-subject": "Our entry \\u2713",
    "content": [{"file": "https://media.example/x.mp4"}, {"file": "https://media.example/y.vcf"}]
}"""


def receipt(body: str | bytes) -> Receipt:
    return Receipt.of(body.encode() if isinstance(body, str) else body, provider="sinch")


def message(body: str | bytes) -> Message:
    announced = understand(receipt(body), retention=RETENTION)
    assert isinstance(announced, Message)
    return announced


def test_the_published_example_is_understood_whole() -> None:
    found = message(SEED)
    assert found.id == "sinch-MMS_MO_iLnCRrL6"
    assert (found.sender, found.to, found.keyword) == ("14082257140", ("28444",), "all")
    assert (found.operator_id, found.subject) == ("31002", "")
    assert found.received_at == datetime(2014, 2, 3, 16, 19, 49, tzinfo=UTC)
    assert found.deadline_at == found.received_at + RETENTION
    assert found.prefix == "messages/2014/02/03/sinch-MMS_MO_iLnCRrL6/"
    assert [item.url for item in found.media] == [
        f"http://media.example/{name}" for name in ("1.jpg", "2.jpg", "3.txt")
    ]
    assert [item.position for item in found.media] == [0, 1, 2]


def test_the_upper_case_dialect_names_the_operator_spid_and_has_no_subject() -> None:
    found = message(LEGACY)
    assert (found.tracking_id, found.operator_id, found.subject) == ("MMS_MO_legacy1", "0001470", "")
    assert found.received_at == datetime(2012, 7, 5, 6, 59, 59, tzinfo=UTC)
    assert [item.url for item in found.media] == ["http://media.example/a.3gp"]


def test_the_json_dialect_names_every_recipient_and_may_lack_the_operator() -> None:
    found = message(TODAY)
    assert found.to == ("18885550100", "14085550124", "14085550125")
    assert (found.operator_id, found.subject) == ("", "Our entry ✓")
    assert len(found.media) == 2


def test_a_message_without_files_is_a_message() -> None:
    assert (
        message(
            SEED.replace("http://media.example/", "")
            .replace("<content>", "<content/><x>")
            .replace("</content>", "</x>")
        ).media
        == ()
    )


def test_the_same_address_twice_is_two_files() -> None:
    assert len(message(SEED.replace("2.jpg", "1.jpg")).media) == 3


def test_unknown_elements_are_ignored() -> None:
    assert message(SEED.replace("<code>", "<moderated>yes</moderated><code>")).keyword == "all"


def test_entities_of_xml_itself_are_text() -> None:
    assert (
        message(SEED.replace("<message-subject>", "<message-subject>Fish &amp; chips &#128031;")).subject
        == "Fish & chips 🐟"
    )


def test_xml_in_another_encoding_is_read() -> None:
    body = '<?xml version="1.0" encoding="ISO-8859-1"?>' + SEED.replace(
        "<message-subject>", "<message-subject>Café"
    )
    assert message(body.encode("latin-1")).subject == "Café"


@pytest.mark.parametrize(
    "code", "N101 N102 N103 E101 E102 N003 E002 E004 N013 E011 E202 E999 N202 N211 N501".split()
)
def test_other_codes_are_counted_and_nothing_else(code: str) -> None:
    body = f"<postback><origin>MMS_MT</origin><code>{code}</code></postback>"
    assert understand(receipt(body), retention=RETENTION) == OtherNotice(code)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "empty"),
        (b" " * 1000, "empty"),
        (b"hello", "neither XML nor JSON"),
        (b"[]", "not an object"),
        (b'{"code": "N401"', "cannot be read"),
        (b"[" * 100_000, "cannot be read"),
        (b'{"code": ' + b"9" * 5000 + b"}", "cannot be read"),
        (b"<html><body>hi</body></html>", "not <postback>"),
        (b'<!DOCTYPE postback [<!ENTITY a "b">]><postback>&a;</postback>', "document type"),
        (b"<postback><code>N401</code></postback>", "no tracking id"),
        (b"<postback><tracking-id>x</tracking-id></postback>", "no code"),
        (b'<?xml version="1.0" encoding="klingon"?><postback/>', "no code"),
    ],
)
def test_what_is_not_understood_says_why(body: bytes, reason: str) -> None:
    with pytest.raises(NotUnderstoodError, match=reason):
        understand(receipt(body), retention=RETENTION)


@pytest.mark.parametrize("timestamp", ["", "yesterday", "0001-01-01T00:00:00+14:00", "2014-13-01T00:00:00Z"])
def test_a_message_with_an_unreadable_time_is_dated_by_its_receipt(timestamp: str) -> None:
    kept = receipt(SEED.replace("2014-02-03T11:19:49-05:00", timestamp))
    announced = understand(kept, retention=RETENTION)
    assert isinstance(announced, Message)
    assert announced.received_at == kept.received_at


@given(st.binary(max_size=2000))
def test_no_body_breaks_the_parser(body: bytes) -> None:
    try:
        understand(receipt(body), retention=RETENTION)
    except NotUnderstoodError as error:
        assert str(error)


@given(st.text(max_size=300), st.text(max_size=300))
def test_ids_are_safe_in_a_path_and_never_shared(one: str, other: str) -> None:
    first, second = message_id("sinch", one), message_id("sinch", other)
    assert set(first) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-~")
    assert len(first) < 200
    assert (first == second) == (one == other)


def test_a_very_long_tracking_id_is_cut_to_a_name_that_any_disk_takes() -> None:
    assert message_id("sinch", "a" * 10_000) != message_id("sinch", "a" * 10_001)
    assert len(message_id("sinch", "/" * 10_000)) < 200


@pytest.mark.parametrize(
    ("tracking_id", "identity"),
    [
        ("a\nb", "sinch-a~0Ab"),
        ("~0A", "sinch-~7E0A"),
        ("a/../b", "sinch-a~2F~2E~2E~2Fb"),
        ("é", "sinch-~C3~A9"),
    ],
)
def test_other_characters_of_an_id_are_written_in_two_digits_each(tracking_id: str, identity: str) -> None:
    assert message_id("sinch", tracking_id) == identity


def test_a_retention_without_an_end_has_a_deadline() -> None:
    found = understand(receipt(SEED), retention=timedelta.max)
    assert isinstance(found, Message)
    assert found.deadline_at.year == 9999


@pytest.mark.parametrize("name", ["content-type", "Content-Type", "CONTENT-TYPE"])
def test_the_header_of_the_content_type_is_found_in_any_case(name: str) -> None:
    body = SEED.replace("<message-subject>", "<message-subject>Привет").encode("koi8-r")
    sent = Receipt.of(body, provider="sinch", headers={name: "text/xml; charset=koi8-r"})
    found = understand(sent, retention=RETENTION)
    assert isinstance(found, Message)
    assert found.subject == "Привет"


def test_no_text_of_a_message_holds_what_no_database_takes() -> None:
    body = TODAY.replace("MMS_MO_today", "MMS\\u0000today").replace("\\u2713", "\\ud83d \\u0000")
    found = message(body)
    assert (found.tracking_id, found.subject) == ("MMS\ufffdtoday", "Our entry ?")


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (TODAY.replace('"keyword"', '"key"word"'), "a quotation mark stands in a name"),
        (TODAY[: TODAY.index("/y.vcf")], "it ends within a text"),
        (TODAY.replace("/y.vcf", '/"y".vcf'), "a quotation mark stands in an address"),
        (SEED.replace("/2.jpg", "/2<b&c.jpg"), "an address that can be read"),
    ],
)
def test_a_body_whose_repair_might_lose_a_file_is_not_understood(body: str, reason: str) -> None:
    with pytest.raises(NotUnderstoodError, match=reason):
        message(body)
