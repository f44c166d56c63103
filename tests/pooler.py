"""Debian's PgBouncer in transaction mode, between the tests' programs and a PostgreSQL of their own."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from sqlalchemy.engine import make_url

from tests import servers
from tests.servers import free_port, open_to_others, require, running, takes_connections, until

SERVER_CONNECTIONS = 3
"""Fewer than there are clients: a transaction meets what another one left on its connection."""


def prepare_pgbouncer(folder: Path, server_url: str) -> tuple[str, list[str], str | None]:
    """Return the URL of a pooled database, the command of its pooler, and the user that runs it."""
    binary = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")
    require("pgbouncer", found=binary)
    server, port = make_url(server_url), free_port()
    where = folder / "pgbouncer"
    where.mkdir()
    users = where / "users.txt"
    users.write_text('"tests" ""\n')
    config = where / "pgbouncer.ini"
    config.write_text(
        f"""[databases]
* = host=127.0.0.1 port={server.port}

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = trust
auth_file = {users}
pool_mode = transaction
default_pool_size = {SERVER_CONNECTIONS}
max_client_conn = 200
server_login_retry = 1
"""
    )
    user = "postgres" if os.geteuid() == 0 else None
    if user:
        for path in (where, users, config):
            shutil.chown(path, user)
        open_to_others(folder)
    return str(server.set(port=port)), [str(binary), str(config)], user


@contextmanager
def pooled_postgresql(folder: Path) -> Iterator[tuple[str, str]]:
    """Run PostgreSQL with a pooler before it; give the URL of a database by the pooler, and directly."""
    with servers.postgresql_server(folder) as direct:
        url, command, user = prepare_pgbouncer(folder, direct)
        port = int(make_url(url).port or 0)
        with running(command, log=folder / "pgbouncer.log", port=port, user=user):
            until(partial(takes_connections, url), what="the pooler taking connections")
            yield url, direct
