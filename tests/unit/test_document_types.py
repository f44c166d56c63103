"""A postback with a document type is refused, also where that declares nothing."""

from datetime import timedelta

import pytest

from mmsvault.errors import RejectedInputError
from mmsvault.message import Receipt
from mmsvault.postbacks import understand
from mmsvault.sample.notices import Notice, lower_case_xml
from tests.integration.archive import RECEIVED_AT

BODY = lower_case_xml(
    Notice(tracking_id="one", sender="14085550123", to="28444", timestamp=RECEIVED_AT, urls=())
)


@pytest.mark.parametrize(
    "declared",
    [
        "<!DOCTYPE postback>",
        "<!doctype postback>",
        "<! DOCTYPE postback>",
        "<!DOCTYPE postback []>",
        '<!DOCTYPE postback SYSTEM "file:///etc/passwd">',
        '<!DOCTYPE postback PUBLIC "x" "http://127.0.0.1/x">',
        "<!DOCTYPE postback [<!ELEMENT postback ANY>]>",
        "<!-- a remark --><!DOCTYPE postback>",
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_document_type_without_entities_is_refused(declared: str, encoding: str) -> None:
    text = BODY.decode().partition("?>")[2] if BODY.startswith(b"<?xml") else BODY.decode()
    receipt = Receipt.of(f"{declared}{text}".encode(encoding), provider="sinch", headers={}, source="")
    with pytest.raises(RejectedInputError, match="document type"):
        understand(receipt, retention=timedelta(days=30))
