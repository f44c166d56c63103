import os
import stat
import tempfile
from pathlib import Path

import pytest

from mmsvault.errors import ConfigurationError
from mmsvault.settings import Settings
from mmsvault.settings.data_dir import MAX_SOCKET_PATH_BYTES, prepare_data_dir, queue_socket

NOBODY = 65534
AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files to others")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_folder_that_was_open_is_closed(tmp_path: Path) -> None:
    folder = tmp_path / "vault"
    folder.mkdir()
    folder.chmod(0o777)
    Settings.load(data_dir=folder)
    assert mode(folder) == 0o700


def test_a_folder_behind_a_link_is_closed_with_what_lies_on_another_disk(tmp_path: Path) -> None:
    disk, folder, link = tmp_path / "disk", tmp_path / "vault", tmp_path / "link"
    for place in (disk, folder):
        place.mkdir()
        place.chmod(0o777)
    link.symlink_to(folder)
    (folder / "bucket").symlink_to(disk)
    (folder / "gone").symlink_to(tmp_path / "nowhere")
    prepare_data_dir(link)
    assert (mode(folder), mode(disk)) == (0o700, 0o700)


def test_a_link_to_what_is_not_the_vaults_is_left_alone(tmp_path: Path) -> None:
    certificates, folder = tmp_path / "certificates", tmp_path / "vault"
    certificates.mkdir(mode=0o755)
    certificates.chmod(0o755)
    folder.mkdir()
    (folder / "certificates").symlink_to(certificates)
    prepare_data_dir(folder)
    assert mode(certificates) == 0o755


@AS_ROOT
@pytest.mark.parametrize("kind", ["file", "folder", "link"])
def test_what_another_user_has_put_into_the_folder_is_refused_by_name(tmp_path: Path, kind: str) -> None:
    folder = tmp_path / "vault"
    folder.mkdir()
    folder.chmod(0o777)
    planted = folder / "catalog.sqlite"
    if kind == "file":
        planted.touch()
    elif kind == "folder":
        planted.mkdir()
    else:
        planted.symlink_to(tmp_path / "elsewhere")
    os.chown(planted, NOBODY, NOBODY, follow_symlinks=False)
    with pytest.raises(ConfigurationError, match=r"MMSVAULT_DATA_DIR: another user .*'catalog.sqlite'"):
        prepare_data_dir(folder)
    assert mode(folder) == 0o700


@AS_ROOT
def test_a_folder_of_somebody_else_that_everybody_may_change_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "vault"
    folder.mkdir()
    folder.chmod(0o777)
    os.chown(folder, NOBODY, NOBODY)
    with pytest.raises(ConfigurationError, match=r"MMSVAULT_DATA_DIR: every user .*chmod 700"):
        prepare_data_dir(folder)


@AS_ROOT
def test_what_lies_in_a_folder_of_somebody_else_is_closed(tmp_path: Path) -> None:
    folder = tmp_path / "vault"
    folder.mkdir()
    folder.chmod(0o775)
    os.chown(folder, NOBODY, NOBODY)
    catalog = folder / "catalog.sqlite"
    catalog.touch()
    catalog.chmod(0o644)
    prepare_data_dir(folder)
    assert (mode(catalog), mode(folder)) == (0o600, 0o775)


def test_the_socket_of_the_queue_is_in_the_data_directory() -> None:
    short = Path(tempfile.mkdtemp(dir="/tmp"))
    assert queue_socket(short) == short / "redis" / "queue.sock"
    short.rmdir()


def test_a_path_too_long_for_a_socket_has_one_in_a_closed_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    short = Path(tempfile.mkdtemp(dir="/tmp"))
    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(short))
    long = tmp_path / ("x" * MAX_SOCKET_PATH_BYTES)
    long.mkdir()
    socket = queue_socket(long)
    assert socket == queue_socket(long)
    assert len(os.fsencode(socket)) <= MAX_SOCKET_PATH_BYTES
    assert mode(socket.parent) == 0o700
    socket.parent.chmod(0o755)
    with pytest.raises(ConfigurationError, match="too long for a socket"):
        queue_socket(long)
    socket.parent.rmdir()
    short.rmdir()
