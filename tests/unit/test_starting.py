import pytest

from mmsvault.starting import masked


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("from +14085550123 to 28444", "from +1408555**** to 28444"),
        ("14085550123", "1408555****"),
        ("from:14085550123.", "from:1408555****."),
        ("sinch-14085550123", "sinch-14085550123"),
        ("messages/2026/11/24/14085550123/", "messages/2026/11/24/14085550123/"),
        ("2026-11-24T22:18:52.589902Z", "2026-11-24T22:18:52.589902Z"),
        ("1d15f838792d45d6b5d3e78a9e086271", "1d15f838792d45d6b5d3e78a9e086271"),
        ("larger than 104,857,600 bytes", "larger than 104,857,600 bytes"),
        ("http://127.0.0.1:8080/1234567890", "http://127.0.0.1:8080/1234567890"),
    ],
)
def test_numbers_in_logs_lose_their_last_digits_and_nothing_else_does(text: str, shown: str) -> None:
    assert masked(text) == shown
