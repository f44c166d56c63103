"""Which values of settings work together."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from mmsvault.errors import ConfigurationError
from mmsvault.settings.forms import Encryption, LockMode
from mmsvault.settings.secrets import may_hold_secret
from mmsvault.settings.sources import PREFIX

if TYPE_CHECKING:
    from mmsvault.settings import Settings

SHORTEST_PROXY_SECRET = 16
ROLES = ("viewer", "exporter", "manager", "admin")
LOOPBACK = ("localhost", "127.0.0.1", "::1")


def check_addresses(settings: Settings) -> None:
    """Raise ConfigurationError for an address that is none, without quoting it: it may hold a secret."""
    for name in type(settings).model_fields:
        value = getattr(settings, name)
        if not (may_hold_secret(name) and isinstance(value, str) and "://" in value):
            continue
        try:
            parts = urlsplit(value)
            _ = "+sentinel" in parts.scheme or parts.port  # of Sentinel, there are several hosts
        except ValueError:
            text = (
                "is no address: its host or port cannot be; percent-encode special characters of a password"
            )
            raise ConfigurationError(PREFIX + name.upper(), text) from None


def check(settings: Settings) -> None:
    """Raise ConfigurationError for values that cannot work together."""
    if settings.redis_ca and not settings.redis_ca.is_file():
        raise ConfigurationError(PREFIX + "REDIS_CA", f"there is no file {settings.redis_ca}")
    if settings.redis_ca and not settings.redis_url.startswith("rediss"):
        raise ConfigurationError(PREFIX + "REDIS_URL", "starts with rediss:// where REDIS_CA is set")
    if settings.s3_ca and not settings.s3_ca.is_file():
        raise ConfigurationError(PREFIX + "S3_CA", f"there is no file {settings.s3_ca}")
    _check_locks(settings)
    if settings.alert_email and not settings.smtp_url:
        raise ConfigurationError(PREFIX + "SMTP_URL", "name a mail server together with ALERT_EMAIL")
    if settings.proxy_login_header and len(settings.proxy_secret) < SHORTEST_PROXY_SECRET:
        raise ConfigurationError(
            PREFIX + "PROXY_SECRET", f"needs {SHORTEST_PROXY_SECRET} characters: it stands for everybody"
        )
    if settings.oidc_issuer:
        _check_oidc(settings)
    _check_second_factor(settings)
    if (
        settings.receiver_port == settings.dashboard_port
        and settings.receiver_host == settings.dashboard_host
    ):
        raise ConfigurationError(PREFIX + "DASHBOARD_PORT", "is the receiver's port as well")


def _check_second_factor(settings: Settings) -> None:
    name = PREFIX + "SECOND_FACTOR_ROLES"
    for role in settings.second_factor_roles:
        if role not in ROLES:
            raise ConfigurationError(name, f"{role!r} is no role; roles are {', '.join(ROLES)}")
    if settings.second_factor_roles and not settings.has_passwords:
        raise ConfigurationError(
            name, "is for people with passwords of the vault; have your provider ask for a second factor"
        )


def _check_oidc(settings: Settings) -> None:
    url = urlsplit(settings.oidc_issuer)
    if url.scheme != "https" and not (url.scheme == "http" and url.hostname in LOOPBACK):
        raise ConfigurationError(PREFIX + "OIDC_ISSUER", "is an https:// address")
    if not settings.oidc_client_id:
        raise ConfigurationError(PREFIX + "OIDC_CLIENT_ID", "is needed together with OIDC_ISSUER")
    if settings.proxy_login_header:
        raise ConfigurationError(PREFIX + "OIDC_ISSUER", "and PROXY_LOGIN_HEADER: give one of the two")


def _check_locks(settings: Settings) -> None:
    asked = {
        "S3_OBJECT_LOCK": settings.s3_object_lock,
        "S3_ENCRYPTION": settings.s3_encryption is not Encryption.NONE,
        "S3_PUBLIC_ENDPOINT": settings.s3_public_endpoint,
    }
    for name, is_asked in asked.items():
        if is_asked and settings.embeds_bucket:
            raise ConfigurationError(PREFIX + name, "the embedded server has none; set S3_ENDPOINT")
    ends = (settings.s3_lock_days is not None) + (settings.s3_lock_until is not None)
    if settings.s3_lock_mode is LockMode.NONE:
        if ends:
            raise ConfigurationError(PREFIX + "S3_LOCK_MODE", "say `governance` or `compliance`")
    elif not settings.s3_object_lock:
        raise ConfigurationError(PREFIX + "S3_OBJECT_LOCK", "is needed for S3_LOCK_MODE; set it to true")
    elif ends != 1:
        raise ConfigurationError(PREFIX + "S3_LOCK_DAYS", "give either S3_LOCK_DAYS or S3_LOCK_UNTIL")
