"""The vault: every collaborator, wired from the settings in this one place.

Opening it connects to nothing; each part connects when it is first used.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from mmsvault.bucket import Bucket
from mmsvault.catalog import key_values
from mmsvault.catalog.connection import Limits, migrate, open_catalog
from mmsvault.errors import UnavailableError
from mmsvault.folder import FolderBucket
from mmsvault.settings import Settings
from mmsvault.settings.forms import Encryption

if TYPE_CHECKING:
    from redis import Redis
    from rq import Queue
    from sqlalchemy import Engine

    from mmsvault.fetching import Fetcher
    from mmsvault.fetching.backpressure import Hosts
    from mmsvault.media.sandbox import Sandbox

# ruff: noqa: PLC0415 - what only some programs use is loaded by those alone: loading takes time and memory


@dataclass(frozen=True)
class Vault:
    """What the parts of the story work with.

    `is_patient` is for programs that wait for a server that is away; commands say so within seconds.
    """

    settings: Settings
    is_patient: bool = True

    @cached_property
    def redis(self) -> Redis:
        """The connection to the queue."""
        from mmsvault.queueing.connection import connect_to_answer, connect_to_work

        connect = connect_to_work if self.is_patient else connect_to_answer
        return connect(self.settings.effective_redis_url)

    @cached_property
    def queue(self) -> Queue:
        """The queue of receipts and attempts, for putting jobs in."""
        from mmsvault.queueing.jobs import open_queue

        return open_queue(self.redis)

    @cached_property
    def catalog(self) -> Engine:
        """The index over the bucket."""
        return open_catalog(
            self.settings.effective_database_url,
            connections=self.settings.database_connections,
            limits=Limits(self.settings.database_lock_seconds, self.settings.database_statement_seconds),
            is_patient=self.is_patient,
        )

    @cached_property
    def bucket(self) -> Bucket:
        """The archive itself."""
        settings = self.settings
        if settings.embedded_bucket_dir is not None:
            return FolderBucket(settings.embedded_bucket_dir)
        from mmsvault.s3.locking import Locks
        from mmsvault.s3.objects import S3Bucket
        from mmsvault.s3.talking import open_client

        address, secure = settings.bucket_address
        client = open_client(
            address,
            secure=secure,
            keys=settings.bucket_keys,
            region=settings.s3_region,
            style=settings.s3_style,
            authority=settings.s3_ca,
            is_patient=self.is_patient,
        )
        return S3Bucket(
            client,
            settings.s3_bucket,
            region=settings.s3_region,
            locks=Locks(
                is_asked=settings.s3_object_lock,
                mode=settings.s3_lock_mode,
                days=settings.s3_lock_days,
                until=settings.s3_lock_until,
                encrypts=settings.s3_encryption is Encryption.SSE_S3,
            ),
        )

    @cached_property
    def fetcher(self) -> Fetcher:
        """What downloads the files."""
        from mmsvault.fetching import Fetcher
        from mmsvault.media.answers import is_known

        return Fetcher(
            max_bytes=self.settings.max_media_bytes,
            hosts=self.settings.fetch_hosts,
            private_networks=self.settings.fetch_private_networks,
            ports=self.settings.fetch_ports,
            knows=is_known,
        )

    @cached_property
    def hosts(self) -> Hosts:
        """What is known of the hosts of files: which of them are away."""
        from mmsvault.fetching.backpressure import Hosts
        from mmsvault.queueing.connection import connect_to_answer

        return Hosts(connect_to_answer(self.settings.effective_redis_url))

    @cached_property
    def sandbox(self) -> Sandbox:
        """What looks into files."""
        from mmsvault.media.sandbox import Sandbox

        return Sandbox(max_pixels=self.settings.max_media_pixels, folder=self.settings.temporary_dir)

    def prepare(self) -> None:
        """Make catalog and bucket where they are not there yet.

        Raises UnavailableError, also where a restore is not done: people and the trail of a vault that began
        anew meanwhile would stand against those that it brings back.
        """
        self.make()
        if key_values.get(self.catalog, key_values.RESTORING):
            raise UnavailableError(
                "A backup is being restored into this vault, or that was cut off: run the same "
                "`mmsvault restore` again, and it goes on where it was."
            )

    def make(self) -> None:
        """Make catalog and bucket where they are not there yet. Raises UnavailableError."""
        migrate(self.catalog)
        self.bucket.make()

    def load(self) -> None:
        """Make now what may be shared by processes that are forked later."""
        for name in ("queue", "catalog", "bucket", "fetcher"):
            getattr(self, name)

    def open(self) -> None:
        """Make every collaborator now, for threads to share: two at once would make two of each."""
        self.load()
        _ = self.sandbox, self.hosts

    def close(self) -> None:
        """Let go of what was opened."""
        for name in ("sandbox", "fetcher", "hosts", "redis"):
            opened = self.__dict__.get(name)
            if opened is not None:
                opened.close()
        if "catalog" in self.__dict__:
            self.catalog.dispose()
