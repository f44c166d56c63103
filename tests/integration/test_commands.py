"""What the commands that look after the archive answer; the bucket is needed by none of these."""

import json
import zipfile
from pathlib import Path

import pytest

from mmsvault import cli
from mmsvault.catalog import upkeep
from mmsvault.catalog.connection import migrate, open_catalog
from mmsvault.embedded import supervisor
from mmsvault.message import utc_now
from mmsvault.settings import Settings
from mmsvault.vault import Vault
from tests.integration.test_catalog import message

Said = pytest.CaptureFixture[str]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a vault that has one message, waiting for its file."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MMSVAULT_DATA_DIR", str(tmp_path))
    catalog = open_catalog(f"sqlite:///{tmp_path / 'catalog.sqlite'}")
    migrate(catalog)
    upkeep.enter(catalog, [message()], now=utc_now())
    catalog.dispose()
    Vault(Settings.load()).bucket.make()
    return tmp_path


def call(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    """Run a command in this process and return its exit code."""
    monkeypatch.setattr("sys.argv", ["mmsvault", *arguments])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return int(ended.value.code or 0)


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("delete", ""), 2, "every message"),
        (("delete", "keyword:nothing-like-it", "--yes"), 0, "0 messages deleted"),
        (("delete", "state:pending"), 2, "1 messages would be deleted; say --yes"),
        (("retire",), 0, "kept for ever"),
        (("erase", "1408*"), 2, "one whole number"),
        (("verify", "--sample", "some"), 2, "--sample takes"),
        (("verify", "--since", "yesterday"), 2, "--since"),
        (("replay", "nowhere", "--provider", "nobody"), 2, "There is no provider"),
        (("replay", "nowhere"), 1, "no such file"),
        (("requeue", "from:"), 2, "value is missing"),
        (("requeue", "sinch-1"), 0, "1 files of 1 messages are due now"),
        (("requeue", "sinch-1", "--stored"), 0, "1 files of 1 messages are due now"),
        (("search", "(408) 555-0123 storm"), 0, "1 of 1 messages"),
        (("search", "0199", "--json"), 0, '"total": 1'),
        (("search", "storm -0199"), 0, "No message matches."),
        (("search", '"0199"'), 0, "No message matches."),
        (("search", "storm AND old"), 0, "AND and NOT are read as words."),
        (("search", "keywrod:storm"), 2, "Did you mean:\n  keyword:storm"),
        (("search", "is:starred"), 2, "There are no stars in this version yet"),
        (("hold", "keyword:nothing-like-it"), 0, "0 messages are held"),
        (("verify",), 0, "0 objects checked, 0 problems"),  # it is about to be fetched
        (("rebuild",), 0, "0 messages in the bucket"),
    ],
)
def test_every_answer_is_a_plain_sentence_and_an_exit_code(
    monkeypatch: pytest.MonkeyPatch, capsys: Said, *, arguments: tuple[str, ...], code: int, said: str
) -> None:
    assert call(monkeypatch, *arguments) == code
    answer = capsys.readouterr()
    assert said in answer.out + answer.err
    assert "Traceback" not in answer.err


def test_a_broken_catalog_is_set_aside_and_made_anew(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: Said
) -> None:
    (folder / "catalog.sqlite").write_bytes(b"\xff" * 9999)
    assert call(monkeypatch, "search") == 1
    assert "`mmsvault rebuild` makes it anew" in capsys.readouterr().err
    assert call(monkeypatch, "rebuild", "--json") == 0
    answer = capsys.readouterr()
    assert json.loads(answer.out) == {"messages": 0, "problems": [], "people": [], "removed_people": []}
    assert "catalog.sqlite.broken-" in answer.err
    assert [path.read_bytes() for path in folder.glob("catalog.sqlite.broken-*")] == [b"\xff" * 9999]


def test_a_broken_catalog_of_a_running_vault_is_left_alone(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: Said
) -> None:
    (folder / "catalog.sqlite").write_bytes(b"\xff" * 9999)
    with supervisor.alone(Settings.load()):
        assert call(monkeypatch, "rebuild") == 1
    assert "End the vault first" in capsys.readouterr().err
    assert not list(folder.glob("catalog.sqlite.broken-*"))


def test_an_output_that_ends_in_a_slash_is_a_folder_that_is_made(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nothing = ("export", "--query", "keyword:nothing-like-it", "--output")
    assert call(monkeypatch, *nothing, "exports/deep/") == 0
    assert sorted(found.suffix for found in (folder / "exports/deep").iterdir()) == [".json", ".zip"]
    assert call(monkeypatch, *nothing, "exports") == 0, "a folder that is there needs no slash"
    assert sorted(found.suffix for found in (folder / "exports").iterdir()) == ["", ".json", ".zip"]


def test_an_export_over_a_file_is_refused_unless_it_is_to_be_replaced(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: Said
) -> None:
    (folder / "out.zip").write_bytes(b"somebody's own")
    wanted = ("export", "--query", "keyword:nothing-like-it", "--output", "out.zip")
    assert call(monkeypatch, *wanted) == 2
    assert "out.zip exists already. Choose another name, or add --replace." in capsys.readouterr().err
    assert (folder / "out.zip").read_bytes() == b"somebody's own"
    assert call(monkeypatch, *wanted, "--replace") == 0
    assert zipfile.is_zipfile(folder / "out.zip")


def test_nothing_is_erased_where_the_receipt_cannot_be_written(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: Said
) -> None:
    (folder / "receipt.json").write_bytes(b"of another erasure")
    for receipt, said in (("receipt.json", "exists already"), ("nowhere/receipt.json", "cannot be written")):
        assert call(monkeypatch, "erase", "14085550123", "--yes", "--receipt", receipt) == 2
        assert said in capsys.readouterr().err
    assert (folder / "receipt.json").read_bytes() == b"of another erasure"
    assert upkeep.count(Vault(Settings.load()).catalog) == 1
