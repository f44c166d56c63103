"""A small archive on real servers, worked by the vault's own code in this process."""

import contextlib
import hashlib
import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from mmsvault import archiving
from mmsvault.catalog import language, queries, totals
from mmsvault.catalog.connection import migrate, writing
from mmsvault.catalog.tables import count_changes, counters, counts, metadata
from mmsvault.embedded import servers as embedded
from mmsvault.integrity.repairing import verify_and_repair
from mmsvault.integrity.verifying import Report
from mmsvault.message import Message, Receipt
from mmsvault.sample.media import SampleFile, drawing, text
from mmsvault.sample.notices import Notice, lower_case_xml
from mmsvault.sample.provider import SampleProvider
from mmsvault.settings import Settings
from mmsvault.vault import Vault
from tests.servers import end, minio_server, until

RECEIVED_AT = datetime(2026, 11, 20, 12, tzinfo=UTC)


class Archive:
    """A vault and a provider; messages come in by `receive`, without a queue between."""

    def __init__(self, vault: Vault, provider: SampleProvider) -> None:
        self.vault = vault
        self.provider = provider

    def receive(self, name: str, *files: SampleFile, failures: tuple[int, ...] = (), **more: Any) -> Message:
        """Take in the notice of a message with these files, as a worker does."""
        urls = tuple(self.provider.offer(file, failures=failures) for file in files)
        return self.take(notice(name, *urls, **more))

    def take(self, announced: Notice) -> Message:
        """Take in a notice, as a worker does."""
        self.take_bytes(lower_case_xml(announced))
        return self.load(f"sinch-{announced.tracking_id}")

    def take_bytes(self, body: bytes) -> Receipt:
        receipt = Receipt.of(body, provider="sinch", headers={"user-agent": "tests"}, source="127.0.0.1")
        archiving.archive_receipt(self.vault, receipt.model_dump(mode="json"))
        return receipt

    def forget_catalog(self) -> None:
        """Empty every table."""
        with writing(self.vault.catalog) as connection:
            # What is counted last: deleting changes it.
            for table in (*reversed(metadata.sorted_tables), counters, counts, count_changes):
                connection.execute(table.delete())

    def load(self, message_id: str) -> Message:
        return queries.load(self.vault.catalog, message_id)

    def verify(self, **options: Any) -> Report:
        return verify_and_repair(self.vault, **options)

    def problems(self, **options: Any) -> dict[str, str]:
        """Return what is wrong, by key."""
        return {problem.key: problem.problem for problem in self.verify(**options).problems}

    def everything(self) -> list[bytes]:
        """Return the records of all messages as the catalog has them."""
        found = queries.search(self.vault.catalog, language.EVERYTHING, limit=1000)
        return [message.as_record() for message in found.messages]

    def receipts(self) -> dict[str, int]:
        return totals.counts(self.vault.catalog, at_risk_before=RECEIVED_AT).receipts

    def overwrite(self, key: str, data: bytes) -> None:
        """Change an object behind the vault's back: on the disk, where there is one."""
        folder = self.vault.settings.embedded_bucket_dir
        if folder:
            (folder / key).parent.mkdir(parents=True, exist_ok=True)
            (folder / key).write_bytes(data)
        else:
            self.vault.bucket.put(key, data, content_type="application/octet-stream")

    def lose(self, key: str) -> None:
        """Lose an object, or a folder, behind the vault's back."""
        folder = self.vault.settings.embedded_bucket_dir
        for found in list(self.vault.bucket.list(key)) if key.endswith("/") else ():
            self.lose(found.key)
        if key.endswith("/"):
            return
        if folder:
            (folder / key).unlink()
        else:
            self.vault.bucket.remove(key)

    def keys(self, prefix: str = "") -> set[str]:
        return {found.key for found in self.vault.bucket.list(prefix)}

    def record(self, message: Message) -> dict[str, Any]:
        """Return message.json as it is in the bucket."""
        kept: dict[str, Any] = json.loads(self.vault.bucket.read(f"{message.prefix}message.json"))
        return kept


def notice(name: str, *urls: str, **more: Any) -> Notice:
    """Return the notice of a message from one sender to one short code."""
    given = {"tracking_id": name, "sender": "14085550123", "to": "28444", "timestamp": RECEIVED_AT}
    return Notice(urls=urls, **{**given, **more})


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def picture(seed: int = 0) -> SampleFile:
    return drawing(seed)


def words(said: str = "Grüße 🐟 from the pier") -> SampleFile:
    return text(said)


@contextlib.contextmanager
def embedded_bucket(folder: Path) -> Iterator[dict[str, str]]:
    """Run the embedded bucket server and give the settings of a vault on it."""
    env = {"MMSVAULT_DATA_DIR": str(folder / "vault")}
    part = embedded.bucket_part(_settings(env))
    with (folder / "bucket.log").open("wb") as log:
        process = subprocess.Popen(part.command, env={**os.environ, **part.env}, stdout=log, stderr=log)
    try:
        assert part.ready
        until(part.ready, what="the bucket server listening")
        yield env
    finally:
        end(process)


@contextlib.contextmanager
def minio_bucket(folder: Path) -> Iterator[dict[str, str]]:
    """Run MinIO and give the settings of a vault on it."""
    with minio_server(folder) as env:
        yield {"MMSVAULT_DATA_DIR": str(folder / "vault"), **env}


@contextlib.contextmanager
def opened(env: dict[str, str], *, bucket: str, catalog: str, provider: SampleProvider) -> Iterator[Archive]:
    """Give an archive in a bucket of its own, with an empty catalog."""
    private = {"MMSVAULT_FETCH_PRIVATE_NETWORKS": "127.0.0.1/32"}
    own = {"MMSVAULT_S3_BUCKET": bucket, "MMSVAULT_DATABASE_URL": catalog}
    vault = Vault(_settings({**env, **private, **own}))
    migrate(vault.catalog)
    vault.bucket.make()
    try:
        yield Archive(vault, provider)
    finally:
        vault.close()


def _settings(env: Mapping[str, str]) -> Settings:
    return Settings.load(**{name.removeprefix("MMSVAULT_").lower(): value for name, value in env.items()})


def long_ago() -> datetime:
    return datetime.now(UTC) - timedelta(days=1)
