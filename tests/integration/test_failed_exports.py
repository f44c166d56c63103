"""An export that fails leaves nothing that could be taken for one."""

import zipfile
from pathlib import Path
from uuid import uuid4

import pytest

from mmsvault.errors import DamagedError
from mmsvault.exporting import delivering, register, working
from mmsvault.exporting.outputs import to_file
from mmsvault.exporting.planning import Choice
from mmsvault.exporting.register import State
from mmsvault.message import utc_now
from tests.integration.archive import Archive
from tests.integration.exports import kept, order


def damage_one_of_two(archive: Archive) -> None:
    kept(archive.vault, "whole", b"x" * 1000)
    message = kept(archive.vault, "damaged", b"x" * 1000, minutes=-1)
    archive.overwrite(message.media[0].key, b"y" * 1000)


def test_a_file_that_fails_is_not_there_and_keeps_the_one_before(archive: Archive, tmp_path: Path) -> None:
    damage_one_of_two(archive)
    path = tmp_path / "made" / "case.zip"
    path.parent.mkdir()
    for before in (b"", b"the one before"):
        if before:
            path.write_bytes(before)
        with pytest.raises(DamagedError):
            delivering.to_one_file(
                archive.vault, order(archive.vault), path, progress=lambda *_: None, replace=bool(before)
            )
        assert [one.name for one in path.parent.iterdir()] == ["case.zip"] * bool(before)
        assert not before or path.read_bytes() == before


def test_an_export_to_the_bucket_that_fails_leaves_no_object(archive: Archive) -> None:
    damage_one_of_two(archive)
    for volume_bytes in (0, 1):  # in its first volume, and in its second one
        asked = register.enter(
            archive.vault.catalog,
            Choice(query="", region="US", volume_bytes=volume_bytes),
            name="case",
            made_by="tests",
            made_at=utc_now(),
            identity=uuid4().hex,
        )
        assert asked
        working.export(archive.vault, asked.id)
        assert register.find(archive.vault.catalog, asked.id).state is State.FAILED
        assert archive.keys(asked.prefix) == set()


def test_a_file_that_was_whole_before_it_failed_gets_no_name(tmp_path: Path) -> None:
    path = tmp_path / "case.zip"

    def write() -> None:
        with to_file(path) as output:
            with zipfile.ZipFile(output, "w") as made:  # type: ignore[call-overload]  # it is only written to
                made.writestr("a", b"a")
            raise ValueError("too late")

    with pytest.raises(ValueError, match="too late"):
        write()
    assert list(tmp_path.iterdir()) == []
