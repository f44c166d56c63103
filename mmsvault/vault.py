"""The vault: every collaborator, wired from the settings in this one place.

Opening it connects to nothing; each part connects when it is first used.
"""

from dataclasses import dataclass
from functools import cached_property

from redis import Redis
from rq import Queue
from sqlalchemy import Engine

from mmsvault.bucket import Bucket, open_bucket
from mmsvault.catalog.connection import migrate, open_catalog
from mmsvault.fetching import Fetcher
from mmsvault.media.sandbox import Sandbox
from mmsvault.queueing.connection import connect_to_work
from mmsvault.queueing.jobs import open_queue
from mmsvault.settings import Settings


@dataclass(frozen=True)
class Vault:
    """What the parts of the story work with."""

    settings: Settings

    @cached_property
    def redis(self) -> "Redis":
        """The connection to the queue, for those who can wait for it."""
        return connect_to_work(self.settings.effective_redis_url)

    @cached_property
    def queue(self) -> Queue:
        """The queue of receipts and attempts, for putting jobs in."""
        return open_queue(self.redis)

    @cached_property
    def catalog(self) -> Engine:
        """The index over the bucket."""
        return open_catalog(self.settings.effective_database_url)

    @cached_property
    def bucket(self) -> Bucket:
        """The archive itself."""
        address, secure = self.settings.bucket_address
        return open_bucket(
            address,
            secure=secure,
            keys=self.settings.bucket_keys,
            name=self.settings.s3_bucket,
            region=self.settings.s3_region,
            local_dir=self.settings.embedded_bucket_dir,
        )

    @cached_property
    def fetcher(self) -> Fetcher:
        """What downloads the files."""
        return Fetcher(
            max_bytes=self.settings.max_media_bytes,
            hosts=self.settings.fetch_hosts,
            private_networks=self.settings.fetch_private_networks,
        )

    @cached_property
    def sandbox(self) -> Sandbox:
        """What looks into files."""
        return Sandbox(max_pixels=self.settings.max_media_pixels)

    def prepare(self) -> None:
        """Make catalog and bucket where they are not there yet. Raises UnavailableError."""
        migrate(self.catalog)
        self.bucket.make()

    def close(self) -> None:
        """Let go of what was opened."""
        for name in ("sandbox", "fetcher", "redis"):
            opened = self.__dict__.get(name)
            if opened is not None:
                opened.close()
        if "catalog" in self.__dict__:
            self.catalog.dispose()
