"""Codes of an authenticator app, by a clock that is given."""

from datetime import UTC, datetime, timedelta

import pyotp
import pytest

from mmsvault.catalog.second_factors import app_address, step_of

SECRET = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
"""The secret of RFC 6238's examples, 12345678901234567890, in base 32."""
AT_59_SECONDS, CODE = datetime.fromtimestamp(59, UTC), "287082"
"""Of the same examples, the last six digits."""
STEP = timedelta(seconds=30)


def test_the_example_of_the_standard_is_right() -> None:
    assert step_of(SECRET, CODE, now=AT_59_SECONDS) == 1
    assert step_of(SECRET, f" {CODE[:3]} {CODE[3:]} ", now=AT_59_SECONDS) == 1


@pytest.mark.parametrize(("steps", "is_right"), [(-2, False), (-1, True), (0, True), (1, True), (2, False)])
def test_a_clock_may_be_one_step_off(steps: int, is_right: bool) -> None:
    now = datetime(2026, 11, 20, 12, tzinfo=UTC)
    code = pyotp.TOTP(SECRET).at(now + steps * STEP)
    assert (step_of(SECRET, code, now=now) is not None) == is_right


def test_a_code_of_a_step_that_was_used_does_not_count() -> None:
    assert step_of(SECRET, CODE, now=AT_59_SECONDS, after_step=0) == 1
    assert step_of(SECRET, CODE, now=AT_59_SECONDS, after_step=1) is None


@pytest.mark.parametrize(
    "code", ["", "28708", "2870820", "28708a", "\u0662\u0668\u0667\u0660\u0668\u0662", "\ud800"]
)
def test_anything_else_is_wrong(code: str) -> None:
    assert step_of(SECRET, code, now=AT_59_SECONDS) is None


def test_the_app_is_told_whose_the_secret_is() -> None:
    assert app_address(SECRET, "anna@example.org").startswith(
        f"otpauth://totp/MMS%20Vault:anna%40example.org?secret={SECRET}"
    )
