"""No value of a secret setting is shown, whichever setting it is and wherever a library puts it."""

import re
from pathlib import Path

import pytest

from mmsvault.settings import Settings
from mmsvault.settings.secrets import HIDDEN, is_secret, may_hold_secret, secret_pattern

SECRET, IN_QUERY = "kingfisher-of-the-tests", "heron-of-the-tests"
ADDRESS = f"scheme://user:{SECRET}@host.example:1234/path?password={IN_QUERY}"
SECRETS = sorted(name for name in Settings.model_fields if is_secret(name))
ADDRESSES = sorted(name for name in Settings.model_fields if may_hold_secret(name) and not is_secret(name))


def with_value(tmp_path: Path, name: str, value: str) -> Settings:
    settings = Settings.load(data_dir=tmp_path)
    given = (value,) if isinstance(getattr(settings, name), tuple) else value
    return settings.model_copy(update={name: given})


def test_every_setting_that_sounds_secret_is_known_as_one() -> None:
    sounds = re.compile("token|secret|passw|_key$|webhook")
    public = {"secrets_dir"}
    assert {name for name in Settings.model_fields if sounds.search(name)} - public <= set(SECRETS)
    assert len(SECRETS) >= 8
    assert {"redis_url", "database_url", "smtp_url"} <= set(ADDRESSES)


@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_setting_is_hidden_in_any_text(tmp_path: Path, name: str) -> None:
    value = f"https://hooks.example/{SECRET}" if name == "alert_webhook" else SECRET
    pattern = secret_pattern(with_value(tmp_path, name, value))
    shown = pattern.sub(HIDDEN, f"Error 500 for {value}, of {value!r}.")
    assert SECRET not in shown


@pytest.mark.parametrize("name", ADDRESSES)
def test_the_password_in_an_address_is_hidden_in_any_text(tmp_path: Path, name: str) -> None:
    pattern = secret_pattern(with_value(tmp_path, name, ADDRESS))
    shown = pattern.sub(HIDDEN, f"cannot connect to {ADDRESS}")
    assert SECRET not in shown
    assert IN_QUERY not in shown
    assert "host.example" in shown


@pytest.mark.parametrize("name", ["postback_token", "redis_password", "link_secret", "s3_secret_key"])
def test_a_secret_of_the_first_start_is_hidden_in_any_text(tmp_path: Path, name: str) -> None:
    settings = Settings.load(data_dir=tmp_path)
    value = getattr(settings.generated, name)
    assert value not in secret_pattern(settings).sub(HIDDEN, f"said {value}")
