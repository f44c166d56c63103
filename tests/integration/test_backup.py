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
        self.env = {**given, "PATH": path, "RCLONE_CONFIG": "/dev/null", **env}

    def does(self, *names: str, then: str = "") -> str:
        """Carry out blocks of the guide, and return what is said."""
        script = "set -eu\n" + "\n".join(BLOCKS[name] for name in names) + then
        done = subprocess.run(
            ["/bin/bash", "-c", script],
            cwd=self.folder,
            env=self.env,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def vault(tmp_path_factory: pytest.TempPathFactory, postgresql: str) -> Iterator[tuple[Archive, Operator]]:
    """A vault with a whole message, one that is held and one that waits, and a person; and its operator."""
    folder = tmp_path_factory.mktemp("backup")
    for name in ("lived", "restored", "restored_empty"):
        with psycopg.connect(postgresql, autocommit=True) as connection:
            connection.execute(f"DROP DATABASE IF EXISTS {name}")
            connection.execute(f"CREATE DATABASE {name}")
    urls = {name: _database(postgresql, name) for name in ("lived", "restored", "restored_empty")}
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
        backup = {
            "BACKUP_ENDPOINT": env["MMSVAULT_S3_ENDPOINT"],
            "BACKUP_ACCESS_KEY": env["MMSVAULT_S3_ACCESS_KEY"],
            "BACKUP_SECRET_KEY": env["MMSVAULT_S3_SECRET_KEY"],
            "MMSVAULT_DATABASE_URL": urls["lived"],
            "RESTORED_DATABASE_URL": urls["restored"],
            "EMPTY_DATABASE_URL": urls["restored_empty"],
        }
        yield archive, Operator(folder, {**env, **backup})


def _database(url: str, name: str) -> str:
    return make_url(url).set(database=name).render_as_string(hide_password=False)


def test_what_is_restored_says_the_same_as_the_vault_and_with_the_dump_people_come_back_too(
    vault: tuple[Archive, Operator],
) -> None:
    archive, operator = vault
    before = operator.does("setup", "backup", "check", then="mmsvault search '' --json")
    into_an_empty_catalog = 'MMSVAULT_DATABASE_URL="$EMPTY_DATABASE_URL"\n' + BLOCKS["rebuild"]
    said = operator.does("setup", "restore", then=into_an_empty_catalog)
    found = said[said.index("{") :]
    assert before.endswith(found)
    assert json.loads(found)["total"] == 3
    assert "3 messages in the bucket: 3 new." in said
    assert " 0 problems." in said
    assert archive.problems() == {}
    with_the_dump = operator.does(
        "setup", "restore", "restore-catalog", "rebuild", then="mmsvault user list --json"
    )
    assert f"3 messages in the bucket: 3 same.\n{said[said.index('objects checked') - 3 :]}" in with_the_dump
    assert "anna" in with_the_dump


def test_what_was_removed_by_mistake_is_still_in_the_backup(vault: tuple[Archive, Operator]) -> None:
    archive, operator = vault
    key = archive.load("sinch-whole").media[0].key
    archive.lose(key)
    kept = operator.does("setup", "backup", then="rclone lsf -R --files-only backup:mms-vault-backup/changed")
    assert key in kept
