import os
import stat
import tempfile
from pathlib import Path

import pytest

from mmsvault.catalog.connection import migrate, open_catalog
from mmsvault.embedded.servers import quoted
from mmsvault.errors import ConfigurationError
from mmsvault.queueing.connection import connect_to_answer
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


ODD = "a?b#c%41\"d'e \\ f é\ng:h;i$(x)&j"


def test_the_catalog_of_a_folder_with_an_odd_name_is_in_that_folder(tmp_path: Path) -> None:
    settings = Settings.load(data_dir=tmp_path / ODD)
    engine = open_catalog(settings.effective_database_url)
    migrate(engine)
    engine.dispose()
    assert settings.catalog_file == tmp_path / ODD / "catalog.sqlite"
    assert (tmp_path / ODD / "catalog.sqlite").stat().st_size
    assert [path.name for path in tmp_path.iterdir()] == [ODD]


def test_the_queue_of_a_folder_with_an_odd_name_is_asked_there(tmp_path: Path) -> None:
    settings = Settings.load(data_dir=tmp_path / ODD)
    options = connect_to_answer(settings.effective_redis_url).connection_pool.connection_kwargs
    assert options["path"] == str(queue_socket(tmp_path / ODD))


def test_paths_in_the_queues_configuration_have_no_byte_of_a_meaning_of_its_own() -> None:
    assert quoted(Path("/data/vault-1/queue.sock")) == '"/data/vault-1/queue.sock"'
    assert quoted(Path('/a "b"\\\n%')) == '"/a\\x20\\x22b\\x22\\x5c\\x0a\\x25"'
    assert quoted(Path("/é")) == '"/\\xc3\\xa9"'


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("/".join(["x" * 100] * 5), "choose a shorter one"),
        ("x" * 300, "a name in its path is too long"),
        (os.fsdecode(b"\xff"), "not in UTF-8"),
        ("a\0b", "zero byte"),
    ],
)
def test_a_folder_that_cannot_be_used_is_refused_with_the_setting_and_a_remedy(
    tmp_path: Path, name: str, reason: str
) -> None:
    with pytest.raises(ConfigurationError, match=reason) as refused:
        Settings.load(data_dir=tmp_path / name)
    assert refused.value.setting == "MMSVAULT_DATA_DIR"
    assert list(tmp_path.iterdir()) == []


def test_a_temporary_folder_that_is_too_long_for_the_socket_is_refused_with_a_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / ("t" * 90)))
    with pytest.raises(ConfigurationError, match="set TMPDIR"):
        queue_socket(tmp_path / ("x" * 100))


def test_a_sqlite_url_whose_file_would_be_another_than_it_says_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="write %3F for a question mark"):
        open_catalog(f"sqlite:///{tmp_path}/a?b.sqlite")
    named = Settings.load(data_dir=tmp_path, database_url=f"sqlite:///{tmp_path}/a%3Fb.sqlite").catalog_file
    assert named == tmp_path / "a?b.sqlite"
