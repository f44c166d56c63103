"""The embedded servers for a command, while no vault runs in the folder."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from mmsvault.embedded import servers, supervisor, tether
from mmsvault.embedded.part import Part
from mmsvault.errors import UnavailableError
from mmsvault.settings import Settings

SECONDS_TO_GET_READY = 60.0
SECONDS_TO_END = 30.0


@contextmanager
def borrowed(settings: Settings) -> Iterator[None]:
    """Run the servers that the settings leave to the vault itself until the end of the block.

    Raises VaultError where a vault runs in the folder, and keeps one from starting.
    """
    with supervisor.alone(settings), ExitStack() as stack:
        servers.claim_ports(settings)
        for part in servers.embedded_servers(settings):
            stack.enter_context(_running(part))
        yield


@contextmanager
def _running(part: Part) -> Iterator[None]:
    command = (sys.executable, "-I", "-S", str(tether.__file__), str(os.getpid()), *part.command)
    process = subprocess.Popen(  # noqa: S603 - our own servers
        command,
        env={**os.environ, **part.env},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        give_up = time.monotonic() + SECONDS_TO_GET_READY
        while part.ready and not part.ready():
            if process.poll() is not None or time.monotonic() > give_up:
                raise UnavailableError(f"{part.name} did not start; `mmsvault up` says more.")
            time.sleep(0.1)
        yield
    finally:
        process.terminate()
        try:
            process.wait(SECONDS_TO_END)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
