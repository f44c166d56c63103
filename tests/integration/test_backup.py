"""docs/backup.md is carried out: its own commands, in their order, on real servers."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from sqlalchemy.engine import make_url

from mmsvault.catalog import people
from mmsvault.catalog.people import Role
from mmsvault.disposition import hold
from mmsvault.sample.faults import refused
from mmsvault.sample.provider import SampleProvider
from mmsvault.tallying import keep_tallies
from tests.integration.archive import Archive, minio_bucket, notice, opened, picture, words

pytestmark = pytest.mark.timeout(400)  # some twenty programs one after another
GUIDE = (Path(__file__).parents[2] / "docs/backup.md").read_text()
BLOCKS = dict(re.findall(r"^```sh (\S+)\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL))


class Operator:
    """Somebody with the guide in front of them, in `folder`."""

    def __init__(self, folder: Path, env: dict[str, str]) -> None:
        self.folder = folder
        binaries = Path(sys.executable).parent
        servers = max(Path("/usr/lib/postgresql").glob("*/bin"))
        given = {name: value for name, value in os.environ.items() if not name.startswith("MMSVAULT_")}
        path = f"{binaries}:{servers}:{os.environ['PATH']}"
        self.env = {**given, "PATH": path, **env}

    def does(self, *names: str, then: str = "") -> str:
        """Carry out blocks of the guide, and return what is said."""
        done = self._carry_out(*names, then=then)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def fails(self, *names: str) -> str:
        """Carry out blocks of the guide that do not succeed, and return what is said of that."""
        done = self._carry_out(*names)
        assert done.returncode != 0, done.stdout
        return done.stderr

    def _carry_out(self, *names: str, then: str = "") -> "subprocess.CompletedProcess[str]":
        script = "set -eu\n" + "\n".join(BLOCKS[name] for name in names) + then
        return subprocess.run(
            ["/bin/bash", "-c", script],
            cwd=self.folder,
            env=self.env,
            capture_output=True,
            text=True,
            check=False,
        )


@pytest.fixture(scope="module")
def vault(tmp_path_factory: pytest.TempPathFactory, postgresql: str) -> Iterator[tuple[Archive, Operator]]:
    """A vault with a whole message, one that is held and one that waits, and a person; and its operator."""
    folder = tmp_path_factory.mktemp("backup")
    for name in ("lived", "restored"):
        with psycopg.connect(postgresql, autocommit=True) as connection:
            connection.execute(f"DROP DATABASE IF EXISTS {name}")
            connection.execute(f"CREATE DATABASE {name}")
    urls = {name: _database(postgresql, name) for name in ("lived", "restored")}
    with (
        minio_bucket(folder) as env,
        SampleProvider() as provider,
        opened(env, bucket="mms-vault", catalog=urls["lived"], provider=provider) as archive,
    ):
        archive.receive("whole", picture(), words())
        archive.receive("held", picture(1))
        # Once it is due, verify looks at less of it; so it is not while this runs.
        in_an_hour = refused(503, retry_after="3600")
        archive.take(notice("waits", provider.offer(picture(2), answers=(in_an_hour,))))
        archive.take_bytes(b"no postback")
        hold(archive.vault, "sinch-held", held=True)
        people.add(
            archive.vault.catalog, "anna", role=Role.EXPORTER, scope="keyword:storm", password="p" * 12
        )
        keep_tallies(archive.vault)
        (folder / "passphrase.txt").write_text("one that nobody guesses\n")
        backup = {
            "MMSVAULT_BACKUP_S3_ENDPOINT": env["MMSVAULT_S3_ENDPOINT"],
            "MMSVAULT_BACKUP_S3_ACCESS_KEY": env["MMSVAULT_S3_ACCESS_KEY"],
            "MMSVAULT_BACKUP_S3_SECRET_KEY": env["MMSVAULT_S3_SECRET_KEY"],
            "MMSVAULT_DATABASE_URL": urls["lived"],
            "RESTORED_DATABASE_URL": urls["restored"],
            "RESTORED_DATA_DIR": str(folder / "restored"),
        }
        yield archive, Operator(folder, {**env, **backup})


def _database(url: str, name: str) -> str:
    return make_url(url).set(database=name).render_as_string(hide_password=False)


def test_what_is_restored_says_the_same_as_the_vault(vault: tuple[Archive, Operator]) -> None:
    archive, operator = vault
    before = operator.does("backup", "check", then="mmsvault search '' --json")
    assert " 0 problems." in before
    said = operator.does("restore", then="mmsvault user list --json\nmmsvault search '' --json")
    assert before.endswith(said[said.index('{\n  "total"') :])
    assert json.loads(said[said.index('{\n  "total"') :])["total"] == 3
    assert "anna (exporter) can log in again." in said
    assert " 0 problems." in said
    assert '"name": "anna"' in said
    assert archive.problems() == {}
    refused_again = operator.fails("restore")
    assert "The vault here is not empty" in refused_again
