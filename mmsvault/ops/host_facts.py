"""What a machine says of its disk and its spool: for programs that have no catalog as well."""

import shutil
import socket

from mmsvault.ops.facts import HostFacts
from mmsvault.queueing.spool import Spool
from mmsvault.settings import Settings

SPOOLED_COUNTED_TO = 10_000


def host_facts(settings: Settings, *, keeps_nothing: str | None = None) -> HostFacts:
    """Return what this machine says. Raises OSError where the data directory cannot be looked at."""
    folders = (settings.data_dir, settings.embedded_bucket_dir)
    disks = [shutil.disk_usage(folder) for folder in folders if folder is not None and folder.exists()]
    least = min(disks, key=lambda disk: disk.free)
    return HostFacts(
        name=socket.gethostname(),
        spooled=Spool(settings.spool_dir).count(at_most=SPOOLED_COUNTED_TO),
        free_bytes=least.free,
        disk_bytes=least.total,
        keeps_nothing=keeps_nothing,
    )
