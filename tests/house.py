"""A whole vault as its users run it: `mmsvault up` and the command line, as real processes."""

import contextlib
import functools
import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
from playwright.sync_api import Page
from sqlalchemy import text

from dashboard.visiting import COOKIE
from mmsvault.catalog import people, queries, sessions, totals
from mmsvault.catalog.connection import reading
from mmsvault.catalog.people import Role
from mmsvault.errors import NotFoundError, UnavailableError
from mmsvault.message import Message, MessageState, utc_now
from mmsvault.queueing.spool import Spool
from mmsvault.settings import Settings
from mmsvault.settings.generated import Generated
from mmsvault.vault import Vault
from tests.accounts import wait_until_nothing_moves
from tests.artificial import artificial_faults
from tests.servers import end, free_port, patience, until

TOKEN = "tests-token"


@functools.cache
def _asks() -> httpx.Client:
    """Return a client made once: to make one takes longer than to ask."""
    return httpx.Client(timeout=2, trust_env=False, limits=httpx.Limits(max_keepalive_connections=0))


class House:
    """A vault in `folder`, with more settings in `env`; nothing runs yet."""

    def __init__(self, folder: Path, env: Mapping[str, str] | None = None) -> None:
        self.folder = folder
        self.receiver_port, self.dashboard_port = free_port(), free_port()
        self.env = {
            **{name: value for name, value in os.environ.items() if not name.startswith("MMSVAULT_")},
            "MMSVAULT_DATA_DIR": str(folder / "vault"),
            "MMSVAULT_RECEIVER_PORT": str(self.receiver_port),
            "MMSVAULT_DASHBOARD_PORT": str(self.dashboard_port),
            "MMSVAULT_POSTBACK_TOKEN": TOKEN,
            "MMSVAULT_FETCH_PRIVATE_NETWORKS": "127.0.0.1/32",
            "MMSVAULT_WORKERS": "2",
            **artificial_faults(folder),
            **(env or {}),
        }
        self.log = folder / "up.log"

    @property
    def given(self) -> dict[str, str]:
        """The settings that the house's programs find in their environment, by their names."""
        return {
            name.removeprefix("MMSVAULT_").lower(): value
            for name, value in self.env.items()
            if name.startswith("MMSVAULT_")
        }

    @property
    def settings(self) -> Settings:
        """What the house's own programs read from their environment."""
        return Settings.load(**self.given)

    @contextlib.contextmanager
    def vault(self) -> Iterator[Vault]:
        """Give the collaborators of this house, to look at what its programs did."""
        vault = Vault(self.settings)
        try:
            yield vault
        finally:
            vault.close()

    def archived(self, message_id: str, *, seconds: float = 60) -> Message:
        """Return the message once it is archived; the catalog is asked, since a command takes a second.

        Fail, and say how it stands, once nothing moves any more.
        """
        with self.vault() as vault:

            def found() -> Message | None:
                with contextlib.suppress(NotFoundError, UnavailableError):
                    return queries.load(vault.catalog, message_id)
                return None

            def is_archived() -> bool:
                message = found()
                return message is not None and message.state is MessageState.ARCHIVED

            spools = [Spool(self.settings.spool_dir)]
            wait_until_nothing_moves(is_archived, vault=vault, spools=spools, seconds=seconds)
            message = found()
            assert message, f"{message_id} is not in the catalog, and nothing moves any more"
            assert message.state is MessageState.ARCHIVED, f"{message_id} stays {message.state.value}"
            return message

    def receipts(self) -> dict[str, int]:
        """Return the counts of receipts, as `status` tells them."""
        with self.vault() as vault:
            return totals.counts(vault.catalog, at_risk_before=utc_now()).receipts

    @property
    def receiver(self) -> str:
        return f"http://127.0.0.1:{self.receiver_port}"

    @property
    def postbacks(self) -> str:
        return f"{self.receiver}/postbacks/sinch/{TOKEN}"

    @property
    def dashboard(self) -> str:
        return f"http://127.0.0.1:{self.dashboard_port}"

    def visitor(self, name: str = "tests", *, role: Role = Role.ADMIN, scope: str = "") -> dict[str, str]:
        """Log somebody in, who is let in where they are not known yet, and return their cookies."""
        with self.vault() as vault:
            if name not in {one.name for one in people.list_all(vault.catalog)}:
                people.add(vault.catalog, name, role=role, scope=scope, password="a long enough password")
            span = timedelta(hours=1)
            return {COOKIE: sessions.begin(vault.catalog, name, now=utc_now(), span=span)}

    def enter(self, page: Page, name: str = "tests", *, role: Role = Role.ADMIN, scope: str = "") -> None:
        """Log somebody in, in the browser of this page."""
        for cookie, value in self.visitor(name, role=role, scope=scope).items():
            page.context.add_cookies([{"name": cookie, "value": value, "url": self.dashboard}])

    def choose_ports(self) -> None:
        """Give the embedded servers ports that no other test has, unless they had their first start."""
        path = self.settings.generated_path
        if not path.exists():
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            Generated(redis_port=free_port(), s3_port=free_port()).save(path)

    @contextlib.contextmanager
    def up(self, command: str = "up") -> Iterator[subprocess.Popen[bytes]]:
        """Run `mmsvault up` until the end of the block, ready as scripts may rely on."""
        self.choose_ports()
        with self.log.open("ab") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "mmsvault.cli", command], env=self.env, stdout=output, stderr=output
            )
        try:
            until(
                lambda: self.is_ready() or process.poll() is not None,
                seconds=60,
                what="the vault being ready",
            )
            assert process.poll() is None, self.log.read_text()[-3000:]
            yield process
        finally:
            end(process, number=signal.SIGTERM)

    def is_ready(self) -> bool:
        with contextlib.suppress(httpx.HTTPError):
            return all(
                _asks().get(url).status_code == 200
                for url in (f"{self.receiver}/readyz", f"{self.dashboard}/_stcore/health")
            )
        return False

    def call(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command of `mmsvault` to its end."""
        return subprocess.run(
            [sys.executable, "-m", "mmsvault.cli", *arguments],
            env=self.env,
            capture_output=True,
            text=True,
            timeout=120 * patience(),
            check=False,
        )

    def json(self, *arguments: str) -> Any:
        """Return what a command answers with --json."""
        done = self.call(*arguments, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def can_write(self) -> bool:
        """Return whether nobody is changing the catalog now: a process stopped then keeps others out."""
        with self.vault() as vault:
            if vault.catalog.dialect.name == "postgresql":
                changing = "SELECT count(*) FROM pg_stat_activity WHERE backend_xid IS NOT NULL"
                with reading(vault.catalog) as connection:
                    return not connection.scalar(text(changing))
            file = str(vault.catalog.url.database)
        with (
            contextlib.suppress(sqlite3.OperationalError),
            contextlib.closing(sqlite3.connect(file, timeout=0.1)) as catalog,
        ):
            catalog.execute("BEGIN IMMEDIATE")
            return True
        return False

    def processes(self, name: str) -> list[int]:
        """Return the ids of this vault's processes whose command line has `name` in it."""
        marker = f"MMSVAULT_DATA_DIR={self.env['MMSVAULT_DATA_DIR']}".encode()
        found = []
        for entry in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                if name in command and marker in (entry / "environ").read_bytes().split(b"\0"):
                    found.append(int(entry.name))
        return found
