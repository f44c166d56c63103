import logging
import re
import stat
from pathlib import Path

import pytest
import structlog

from mmsvault import starting
from mmsvault.errors import ConfigurationError
from mmsvault.settings import Settings
from mmsvault.settings.secrets import HIDDEN, secret_pattern
from mmsvault.settings.sources import Origin

REAL = {"s3_endpoint": "http://127.0.0.1:9000", "s3_access_key": "a", "s3_secret_key": "b"}


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_the_first_start_makes_secrets_that_only_their_owner_reads_and_later_starts_find(
    tmp_path: Path,
) -> None:
    first = Settings.load()
    assert Settings.load().effective_token == first.effective_token
    assert len(first.effective_token) >= 32
    assert stat.S_IMODE((tmp_path / "var/generated.json").stat().st_mode) == 0o600


def test_an_unknown_setting_is_refused_and_the_right_name_offered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MMSVAULT_RETENTION_DAY", "3")
    with pytest.raises(
        ConfigurationError,
        match="MMSVAULT_RETENTION_DAY: is not a setting; did you mean MMSVAULT_RETENTION_DAYS",
    ):
        Settings.load()


def test_an_unknown_setting_in_the_env_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("MMSVAULT_WORKRES=3\n")
    with pytest.raises(ConfigurationError, match="MMSVAULT_WORKRES"):
        Settings.load()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MMSVAULT_RECEIVER_PORT", "http"),
        ("MMSVAULT_RECEIVER_PORT", "70000"),
        ("MMSVAULT_RETENTION_DAYS", "0"),
        ("MMSVAULT_WORKERS", "0"),
        ("MMSVAULT_KEEP_DAYS", "-1"),
        ("MMSVAULT_KEEP_DAYS_BY_KEYWORD", "storm"),
        ("MMSVAULT_KEEP_DAYS_BY_KEYWORD", "storm=long"),
        ("MMSVAULT_KEEP_DAYS_BY_KEYWORD", "storm=30, Storm=90"),
        ("MMSVAULT_FETCH_PRIVATE_NETWORKS", "10.0.0.0/99"),
        ("MMSVAULT_POSTBACK_NETWORKS", "here"),
        ("MMSVAULT_S3_BUCKET", "My Bucket"),
    ],
)
def test_an_impossible_value_is_refused_by_the_settings_name(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError, match=name):
        Settings.load()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ALERT_WEBHOOK", "htp://hooks.example/known-secret"),
        ("TRACING_URL", "nonsense://user:known-secret@host"),
        ("SMTP_URL", "mail://user:known-secret@host"),
        ("SMTP_URL", "smtp://user:known-secret@host:port"),
        ("DATABASE_URL", "postgresql://user:known-secret@host:port/x"),
        ("DATABASE_URL", "postgresql://user:known-secret@[host/x"),
        ("OIDC_ISSUER", "https://user:known-secret@host:port/x"),
        ("S3_ENDPOINT", "https://user:known-secret@host:port"),
    ],
)
def test_an_address_that_is_none_is_refused_without_being_quoted(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(f"MMSVAULT_{name}", value)
    with pytest.raises(ConfigurationError, match=f"MMSVAULT_{name}") as refused:
        Settings.load()
    assert "known-secret" not in str(refused.value)


def test_lists_are_comma_separated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MMSVAULT_FETCH_HOSTS", "a.example, .b.example")
    assert Settings.load().fetch_hosts == ("a.example", ".b.example")


def test_the_env_file_is_read(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("MMSVAULT_RETENTION_DAYS=7\n")
    assert Settings.load().retention_days == 7


def test_a_bucket_server_needs_both_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MMSVAULT_S3_ENDPOINT", "http://127.0.0.1:9000")
    settings = Settings.load()  # a receiver uses no bucket, and has no key
    with pytest.raises(ConfigurationError, match="S3_ACCESS_KEY"):
        _ = settings.bucket_keys


@pytest.mark.parametrize(
    ("endpoint", "address"),
    [
        ("http://minio:9000", ("minio:9000", False)),
        ("https://s3.example", ("s3.example", True)),
        ("minio:9000", ("minio:9000", True)),
    ],
)
def test_the_bucket_server_is_a_url_or_a_host(
    monkeypatch: pytest.MonkeyPatch, endpoint: str, address: tuple[str, bool]
) -> None:
    monkeypatch.setenv("MMSVAULT_S3_ENDPOINT", endpoint)
    monkeypatch.setenv("MMSVAULT_S3_ACCESS_KEY", "a")
    monkeypatch.setenv("MMSVAULT_S3_SECRET_KEY", "b")
    assert Settings.load().bucket_address == address


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"oidc_issuer": "http://login.example", "oidc_client_id": "x"}, "MMSVAULT_OIDC_ISSUER"),
        ({"oidc_issuer": "https://login.example"}, "MMSVAULT_OIDC_CLIENT_ID"),
        (
            {
                "oidc_issuer": "https://login.example",
                "oidc_client_id": "x",
                "proxy_login_header": "X-User",
                "proxy_secret": "a secret of the proxy",
            },
            "MMSVAULT_OIDC_ISSUER",
        ),
    ],
)
def test_a_login_provider_that_cannot_be_safe_is_refused(given: dict[str, str], named: str) -> None:
    with pytest.raises(ConfigurationError, match=named):
        Settings.load(**given)


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"s3_object_lock": True}, "S3_OBJECT_LOCK.*embedded"),
        ({"s3_public_endpoint": "https://media.example"}, "S3_PUBLIC_ENDPOINT.*embedded"),
        ({"s3_encryption": "sse-s3"}, "S3_ENCRYPTION.*embedded"),
        ({**REAL, "s3_lock_days": 3}, "S3_LOCK_MODE"),
        ({**REAL, "s3_lock_mode": "compliance", "s3_lock_days": 3}, "S3_OBJECT_LOCK.*is needed"),
        ({**REAL, "s3_object_lock": True, "s3_lock_mode": "governance"}, "S3_LOCK_DAYS"),
        (
            {
                **REAL,
                "s3_object_lock": True,
                "s3_lock_mode": "governance",
                "s3_lock_days": 1,
                "s3_lock_until": "2030-01-01",
            },
            "S3_LOCK_DAYS",
        ),
    ],
)
def test_a_lock_that_cannot_be_is_refused(given: dict[str, object], named: str) -> None:
    with pytest.raises(ConfigurationError, match=named):
        Settings.load(**given)


def test_a_secret_may_be_a_file_and_the_environment_comes_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    (secrets / "mmsvault_postback_token").write_text("of-the-file\n")
    (secrets / "mmsvault_redis_password").write_text("p@ss/word")
    monkeypatch.setenv("MMSVAULT_SECRETS_DIR", str(secrets))
    monkeypatch.setenv("MMSVAULT_REDIS_URL", "redis://queue:6379/0")
    assert Settings.load().effective_token == "of-the-file"
    assert Settings.load().effective_redis_url == "redis://:p%40ss%2Fword@queue:6379/0"
    assert Settings.load().origin("postback_token") is Origin.SECRETS_FILE
    monkeypatch.setenv("MMSVAULT_POSTBACK_TOKEN", "of-the-environment")
    assert Settings.load().effective_token == "of-the-environment"
    assert Settings.load().origin("postback_token") is Origin.ENVIRONMENT


def test_a_secret_that_is_no_setting_and_a_folder_that_is_not_there_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MMSVAULT_SECRETS_DIR", str(tmp_path / "nowhere"))
    with pytest.raises(ConfigurationError, match="MMSVAULT_SECRETS_DIR: there is no folder"):
        Settings.load()
    monkeypatch.setenv("MMSVAULT_SECRETS_DIR", str(tmp_path))
    (tmp_path / "mmsvault_postback_tokn").write_text("x")
    with pytest.raises(ConfigurationError, match="did you mean MMSVAULT_POSTBACK_TOKEN"):
        Settings.load()


@pytest.mark.parametrize(
    ("url", "password", "whole"),
    [
        ("postgresql://mms@db:5432/mms", "secret", "postgresql://mms:secret@db:5432/mms"),
        ("postgresql://mms:own@db/mms", "secret", "postgresql://mms:own@db/mms"),
        ("postgresql://mms@db/mms", "", "postgresql://mms@db/mms"),
        ("sqlite:////tmp/x", "secret", "sqlite:////tmp/x"),
    ],
)
def test_a_servers_password_may_stand_apart_from_its_url(url: str, password: str, whole: str) -> None:
    settings = Settings.load(database_url=url, database_password=password)
    assert settings.effective_database_url == whole


def test_the_log_has_no_secret_whatever_a_library_says(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    secrets = {
        "POSTBACK_TOKEN": "a-token-of-the-tests",
        "POSTBACK_TOKENS_OLD": "older-token,oldest-token",
        "REDIS_URL": "redis://:redis%2Fpassword@127.0.0.1:6379/0",
        "DATABASE_URL": "postgresql://user:database-password@127.0.0.1/x?password=query%2Fpassword",
        "SMTP_URL": "smtp://user:mail-password@127.0.0.1",
        "ALERT_WEBHOOK": "https://hooks.example/services/T000/B000/webhook-secret",
        "METRICS_TOKEN": "metrics-token",
    }
    for name, value in secrets.items():
        monkeypatch.setenv(f"MMSVAULT_{name}", value)
    settings = Settings.load(data_dir=tmp_path)
    made = map(str, settings.generated.model_dump().values())
    told = " ".join((*secrets.values(), "redis/password", "query/password", *made))
    shown = secret_pattern(settings).sub(HIDDEN, f"Client error '404' for url {told}; sender 14085550123")
    for secret in (
        *("a-token", "older", "oldest", "redis%2Fpassword", "redis/password", "database-password"),
        *("query%2Fpassword", "query/password"),
        *("mail-password", "webhook-secret", "metrics-token", settings.generated.redis_password),
        *(settings.generated.link_secret, settings.generated.s3_secret_key),
    ):
        assert secret not in shown
    assert "14085550123" in shown


def test_the_log_hides_secrets_wherever_they_stand_in_a_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    monkeypatch.setattr(starting, "_secrets", [re.compile("known-secret")])
    try:
        starting.write_log()
        log = structlog.get_logger("tests")
        log.warning("said", keys=["a known-secret"], told={"known-secret": ("known-secret",)})
        log.warning("failed", error=ValueError("known-secret"), count=1)
        logging.getLogger("a.library").warning("says %s", "known-secret")
    finally:
        root.handlers, root.level = handlers, level
        structlog.reset_defaults()
    shown = capsys.readouterr().err
    assert "known-secret" not in shown
    assert shown.count(HIDDEN) == 5
    assert '"count": 1' in shown
