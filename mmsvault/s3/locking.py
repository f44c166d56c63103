"""Object Lock: what a bucket keeps unchanged, and until when.

A server may take a call that it knows nothing of and answer that all is well. So what was asked
for is always looked at afterwards.
"""

import io
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from minio import Minio
from minio.error import S3Error
from minio.retention import Retention
from minio.sse import SseS3
from minio.sseconfig import Rule, SSEConfig

from mmsvault.errors import ConfigurationError, RefusedError
from mmsvault.s3.talking import translated
from mmsvault.s3.versions import Version
from mmsvault.settings.forms import LockMode

_NO_LOCK = ("ObjectLockConfigurationNotFoundError", "InvalidRequest", "NotImplemented", "MethodNotAllowed")
_NO_ENCRYPTION = ("NotImplemented", "InvalidRequest", "InvalidArgument", "MethodNotAllowed")
_ON = "ON"


@dataclass(frozen=True)
class Locks:
    """What is asked of the bucket. `is_asked`: that it is made with Object Lock."""

    is_asked: bool = False
    mode: LockMode = LockMode.NONE
    days: int | None = None
    until: date | None = None
    encrypts: bool = False

    def retention(self, now: datetime) -> Retention | None:
        """Return how long what is written now is kept unchanged; None for not at all."""
        if self.mode is LockMode.NONE:
            return None
        if self.days is not None:
            ends_at = now + timedelta(days=self.days)
        elif self.until is not None:
            ends_at = datetime.combine(self.until, time(), UTC) + timedelta(days=1)
        else:
            return None
        return Retention(self.mode.value.upper(), ends_at) if ends_at > now else None


def can_lock(client: Minio, name: str, *, probe: str) -> bool:
    """Find out whether the bucket holds objects, by a legal hold on `probe`, which is then removed."""
    with translated(name):
        try:
            client.get_object_lock_config(name)
            written = client.put_object(name, probe, io.BytesIO(b"0"), 1, legal_hold=True)
        except (S3Error, ValueError) as error:
            if isinstance(error, S3Error) and error.code not in _NO_LOCK:
                raise
            return False
        held = written.version_id is not None and _is_held(client, name, probe, written.version_id)
        if held:
            client.disable_object_legal_hold(name, probe, version_id=written.version_id)
        client.remove_object(name, probe, version_id=written.version_id)
        return held


def hold(client: Minio, name: str, version: Version, *, held: bool) -> None:
    """Put a legal hold on a version, or take it off. Raises RefusedError where that did not happen."""
    with translated(version.key):
        change = client.enable_object_legal_hold if held else client.disable_object_legal_hold
        if _is_held(client, name, version.key, version.id) is held:
            return
        change(name, version.key, version_id=version.id)
        if _is_held(client, name, version.key, version.id) is not held:
            raise RefusedError(f"the bucket did not {'hold' if held else 'release'} {version.key}")


def lock_on(client: Minio, name: str, version: Version, *, now: datetime) -> str:
    """Return in plain words what keeps a version from being removed; mostly nothing."""
    with translated(version.key):
        told = client.stat_object(name, version.key, version_id=version.id).metadata or {}
    said = {header.lower(): str(value) for header, value in told.items()}
    if said.get("x-amz-object-lock-legal-hold", "").upper() == _ON:
        return f"the bucket holds {version.key} (a legal hold of Object Lock)"
    until = said.get("x-amz-object-lock-retain-until-date", "")
    if until and datetime.fromisoformat(until) > now:
        mode = said.get("x-amz-object-lock-mode", "").lower()
        day = datetime.fromisoformat(until).astimezone(UTC)
        return f"the bucket keeps {version.key} until {day:%Y-%m-%d %H:%M} UTC (Object Lock, {mode})"
    return ""


def encrypt(client: Minio, name: str, *, probe: str) -> None:
    """Have the server encrypt what it keeps, with keys of its own. Raises ConfigurationError."""
    with translated(name):
        try:
            if client.get_bucket_encryption(name) is None:
                client.set_bucket_encryption(name, SSEConfig(Rule.new_sse_s3_rule()))
            written = client.put_object(name, probe, io.BytesIO(b"0"), 1, sse=SseS3())
        except S3Error as error:
            if error.code not in _NO_ENCRYPTION:
                raise
            raise ConfigurationError(
                "MMSVAULT_S3_ENCRYPTION", f"the server does not encrypt: {error.message}"
            ) from error
        told = client.stat_object(name, probe, version_id=written.version_id).metadata or {}
        client.remove_object(name, probe, version_id=written.version_id)
        if "x-amz-server-side-encryption" not in {header.lower() for header in told}:
            raise ConfigurationError("MMSVAULT_S3_ENCRYPTION", "the server says yes and does not encrypt")


def _is_held(client: Minio, name: str, key: str, version_id: str | None) -> bool:
    with suppress(S3Error):  # of one that was never held, some servers say that there is no such thing
        return client.is_object_legal_hold_enabled(name, key, version_id=version_id)
    return False
