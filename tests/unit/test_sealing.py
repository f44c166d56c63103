"""The password of an export between the page and the worker."""

from pathlib import Path

import pytest

from mmsvault.errors import RejectedInputError
from mmsvault.exporting.sealing import seal, unseal
from mmsvault.settings import Settings

PASSWORD = "höher 🐟 than the pier"


def settings(folder: Path, secret: str) -> Settings:
    return Settings.load(data_dir=folder, s3_endpoint="s3.example", s3_access_key="a", s3_secret_key=secret)


def test_every_program_of_the_vault_opens_the_seal(tmp_path: Path) -> None:
    sealed = seal(settings(tmp_path / "dashboard", "one"), PASSWORD, identity="1")
    assert PASSWORD not in sealed
    assert unseal(settings(tmp_path / "worker", "one"), sealed, identity="1") == PASSWORD


def test_two_seals_of_one_password_are_not_alike(tmp_path: Path) -> None:
    own = settings(tmp_path, "one")
    assert seal(own, PASSWORD, identity="1") != seal(own, PASSWORD, identity="1")


@pytest.mark.parametrize(("secret", "identity"), [("another", "1"), ("one", "2")])
def test_another_vault_and_another_export_do_not_open_it(tmp_path: Path, secret: str, identity: str) -> None:
    sealed = seal(settings(tmp_path, "one"), PASSWORD, identity="1")
    with pytest.raises(RejectedInputError, match="Ask for the export again"):
        unseal(settings(tmp_path, secret), sealed, identity=identity)


@pytest.mark.parametrize("sealed", ["", "no base64", "QUJD", "A" * 100])
def test_what_is_no_seal_is_refused(tmp_path: Path, sealed: str) -> None:
    with pytest.raises(RejectedInputError):
        unseal(settings(tmp_path, "one"), sealed, identity="1")
