"""What another user of the machine gets of a vault: nothing."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from mmsvault.sample import media
from mmsvault.sample.provider import SampleProvider
from tests.flow.test_archive import archived, notice
from tests.house import House
from tests.servers import listens

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes another user")


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that everybody may reach and change."""
    folder = Path(tempfile.mkdtemp(dir="/tmp"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def test_nobody_else_reads_a_file_of_a_vault_whatever_its_folder_was(
    open_folder: Path, provider: SampleProvider
) -> None:
    house = House(open_folder, {"MMSVAULT_WORKERS": "1"})
    vault = open_folder / "vault"
    (vault / "tmp").mkdir(parents=True)
    (vault / "catalog.sqlite").touch()
    for path in (vault, vault / "tmp", vault / "catalog.sqlite"):
        path.chmod(0o777)
    before = os.umask(0)
    try:
        with house.up():
            provider.send(house.postbacks, notice("private", provider.offer(media.drawing(0))))
            archived(house, "sinch-private")
            house.json("status")
            assert readable_by_nobody(vault) == [str(vault)], "its name alone"
    finally:
        os.umask(before)
    vault.chmod(0o755)  # what lies in it is closed by itself
    assert readable_by_nobody(vault) == [str(vault)]


def readable_by_nobody(folder: Path) -> list[str]:
    """Return what the user `nobody` may list, read or write, by walking it as that user."""
    walk = ["find", str(folder), "(", "-readable", "-o", "-writable", ")", "-o", "-path", str(folder)]
    done = subprocess.run(walk, user="nobody", cwd="/", capture_output=True, text=True, check=False)
    return done.stdout.splitlines()


def test_the_queue_listens_where_no_other_user_can_stand_in_its_place(open_folder: Path) -> None:
    house = House(open_folder, {"MMSVAULT_WORKERS": "1"})
    with house.up():
        socket = open_folder / "vault/redis/queue.sock"
        assert house.settings.effective_redis_url.startswith("unix://")
        assert socket.is_socket()
        assert str(socket) not in readable_by_nobody(socket.parent)
        assert not listens(house.settings.generated.redis_port)
