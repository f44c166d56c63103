"""Any good postback with any two slips is read with all of its files, or goes to quarantine."""

import os
import random
from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from mmsvault.errors import NotUnderstoodError
from mmsvault.message import Message, Receipt
from mmsvault.postbacks import understand
from mmsvault.sample.notices import DIALECTS, Notice
from tests.slips import Sent, slips_of

EXAMPLES = int(os.environ.get("MMSVAULT_TEST_SLIPS", "150"))
"""How many postbacks are tried; 20,000 take some minutes."""
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)

_TEXT = st.text(
    st.one_of(
        st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Cn")),
        st.sampled_from("<>&\"'[]{}-\\/é漢🐟"),
    ),
    max_size=12,
)
_PATH = st.text("abcXYZ019-_.~%/", min_size=1, max_size=12)
_QUERY = st.lists(
    st.tuples(st.text("abcpt", min_size=1, max_size=5), st.text("01aZ-_.", max_size=5)), max_size=3
)


@st.composite
def addresses(draw: st.DrawFn) -> str:
    query = "&".join(f"{name}={value}" for name, value in draw(_QUERY))
    address = f"https://media.example/{draw(_PATH)}"
    return f"{address}?{query}" if query else address


@st.composite
def notices(draw: st.DrawFn) -> Notice:
    return Notice(
        tracking_id=draw(st.text("abcXYZ_0189", min_size=1, max_size=8)),
        sender="14085550123",
        to="28444",
        timestamp=NOON,
        keyword=draw(st.sampled_from(("", "all", "STORM"))),
        operator_id="31002",
        subject=draw(_TEXT),
        urls=tuple(draw(st.lists(addresses(), max_size=4))),
    )


@settings(max_examples=EXAMPLES, deadline=None)
@given(notices(), st.sampled_from(sorted(DIALECTS)), st.data(), st.integers(0, 1 << 30))
def test_a_postback_with_two_slips_is_read_with_the_same_files_or_not_at_all(
    notice: Notice, dialect: str, data: st.DataObject, seed: int
) -> None:
    write, content_type = DIALECTS[dialect]
    slips = slips_of(is_json=content_type == "application/json")
    first, second = (data.draw(st.sampled_from(sorted(slips))) for _ in range(2))
    sent, dice = Sent(write(notice).decode(), content_type), random.Random(seed)
    for name in (first, second):
        sent = slips[name](sent, dice)
    receipt = Receipt.of(sent.body, provider="sinch", headers={"content-type": sent.content_type})
    try:
        understood = understand(
            receipt.model_copy(update={"received_at": NOON}), retention=timedelta(days=30)
        )
    except NotUnderstoodError as error:
        assert str(error)
    else:
        assert isinstance(understood, Message)
        assert [item.url for item in understood.media] == list(notice.urls), (first, second, sent.body)
