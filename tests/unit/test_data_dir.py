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
