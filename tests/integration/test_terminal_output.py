"""What strangers wrote reaches no terminal as anything but text."""

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from mmsvault import auditing, naming
from mmsvault.catalog import people, queries, searches, trail, upkeep
from mmsvault.catalog.connection import migrate
from mmsvault.message import MediaState, utc_now
from mmsvault.queueing import figures
from mmsvault.settings import Settings
from mmsvault.terminal import visible
from mmsvault.vault import Vault
from tests.integration.test_catalog import message
from tests.integration.test_commands import Said, call

EVIL = "\x1b]0;owned\x07\x1b[2J\x9b1m\u202egnp\u2066\u200f\x7f\r"
MARKUP = "[red]x[/red][link=file:///etc]y[/link]"


@pytest.fixture
def vault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Vault]:
    """A vault in which every word that others chose holds escapes, direction marks and markup."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MMSVAULT_DATA_DIR", str(tmp_path))
    monkeypatch.setattr(figures, "lengths", lambda _: {"archive": 0})
    made = Vault(Settings.load())
    migrate(made.catalog)
    made.bucket.make()
    written = f"{EVIL}{MARKUP} storm"
    one = message(sender=f"1408{EVIL}", keyword=f"key{written}", subject=written)
    item = one.media[0].model_copy(
        update={
            "state": MediaState.STORED,
            "text": written,
            "content_type": f"text/{EVIL}",
            "reason": written,
            "url": f"http://x/{EVIL}",
            "key": f"{one.prefix}00{EVIL}.jpg",
            "size": 1,
            "sha256": "0" * 64,
        }
    )
    one = one.model_copy(
        update={"media": (item,), "tags": (f"tag{EVIL}",), "note": written, "to": (f"28444{EVIL}",)}
    )
    upkeep.enter(made.catalog, [one], now=utc_now())
    people.add(made.catalog, "anna", role=people.Role.VIEWER, password="long enough to be one")
    searches.save(made.catalog, f"name{written}", f'"{written}"')
    naming.name(made, "14085550123", "Anna")
    trail.append(made.catalog, "looked at", who=f"who{EVIL}", subject=written, details=written)
    yield made
    made.close()


def archive(folder: Path) -> Path:
    """An archive with names that hold escapes, and nothing else that is right."""
    path = folder / f"a{EVIL.replace('/', '')}.zip"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr(f"bag/data/{EVIL}.jpg", b"x")
        file.writestr("bag/bagit.txt", "BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n")
        file.writestr("bag/manifest-sha256.txt", f"{'0' * 64}  data/{EVIL}.jpg\n")
    return path


LOOKING = [
    ("search",),
    ("search", "--json"),
    ("search", f"from:{EVIL}"),
    ("search", f'"{EVIL}'),
    ("show", "sinch-1"),
    ("show", "sinch-1", "--json"),
    ("show", f"sinch-{EVIL}"),
    ("status",),
    ("status", "--json"),
    ("senders",),
    ("senders", "--order", EVIL),
    ("senders", "--json"),
    ("keywords",),
    ("keywords", "--json"),
    ("note", "sinch-1"),
    ("note", "sinch-1", "--json"),
    ("note", "sinch-1", EVIL),
    ("name", f"1408{EVIL}"),
    ("audit", "list"),
    ("audit", "list", "--json"),
    ("audit", "verify"),
    ("doctor",),
    ("doctor", "--json"),
]
CHANGING = [
    ("tag", "storm", "--add", f"new{EVIL}", "--json"),
    ("searches", "list"),
    ("searches", "list", "--json"),
    ("user", "list"),
    ("user", "add", EVIL),
    ("user", "remove", EVIL),
    ("user", "role", EVIL, EVIL),
    ("verify",),
    ("verify", "--json"),
    ("verify", "--sample", EVIL),
    ("rebuild",),
    ("replay", f"nowhere{EVIL}"),
    ("replay", "nowhere", "--provider", EVIL),
    ("requeue", f"state:{EVIL}"),
    ("hold", f"keyword:{EVIL}"),
    ("delete", f"keyword:{EVIL}", "--yes"),
    ("erase", f"1408{EVIL}"),
    ("retire",),
    ("export", "--output", "out.zip"),
    ("export", "--format", EVIL),
    ("export", "--output", f"folder{EVIL}/", "--query", "keyword:nothing-like-it"),
    ("verify-export", "ARCHIVE"),
    ("verify-export", "ARCHIVE", "--json"),
    ("verify-export", f"nowhere{EVIL}"),
    ("import", "ARCHIVE"),
    ("migrate", f"nowhere{EVIL}.env"),
    (EVIL,),
    ("search", f"--{EVIL}"),
    ("search", "--limit", EVIL),
    ("worker", "--queue", EVIL),
]


@pytest.mark.usefixtures("vault")
@pytest.mark.parametrize("commands", [LOOKING, CHANGING], ids=["looking", "changing"])
def test_no_command_prints_an_escape_or_a_direction_mark(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Said, *, commands: list[tuple[str, ...]]
) -> None:
    bucket = Settings.load().embedded_bucket_dir
    assert bucket
    stray = bucket / "mms-vault" / "messages" / f"stray{EVIL}"
    stray.mkdir(parents=True)
    (stray / "x").write_bytes(b"x")
    path = str(archive(tmp_path))
    for arguments in commands:
        call(monkeypatch, *(path if word == "ARCHIVE" else word for word in arguments))
        said = capsys.readouterr()
        for answer in (said.out, said.err):
            assert visible(answer) == answer, arguments
            assert "Traceback" not in answer
        if "--json" in arguments:
            json.loads(said.out)


def test_a_setting_that_holds_an_escape_is_quoted_without_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Said
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MMSVAULT_WORKERS", EVIL)
    for command in ("search", "doctor"):
        call(monkeypatch, command)
        said = capsys.readouterr()
        assert visible(said.out + said.err) == said.out + said.err


def test_markup_of_strangers_is_text(vault: Vault, monkeypatch: pytest.MonkeyPatch, capsys: Said) -> None:
    assert call(monkeypatch, "show", "sinch-1") == 0
    assert MARKUP in capsys.readouterr().out.replace("\n", "")
    assert call(monkeypatch, "note", "sinch-1") == 0
    assert MARKUP in capsys.readouterr().out
    assert queries.load(vault.catalog, "sinch-1").note.endswith("storm")


def test_json_holds_the_same_values(vault: Vault, monkeypatch: pytest.MonkeyPatch, capsys: Said) -> None:
    assert call(monkeypatch, "show", "sinch-1", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told == queries.load(vault.catalog, "sinch-1").as_json()
    assert EVIL in told["subject"]


@pytest.mark.parametrize(
    ("arguments", "action", "subject"),
    [
        (("search", "storm"), "searched", "storm"),
        (("search",), "searched", "everything"),
        (("search", "storm", "--json"), "searched", "storm"),
        (("show", "sinch-1"), "looked at", "sinch-1"),
        (("show", "sinch-1", "--json"), "looked at", "sinch-1"),
        (("note", "sinch-1"), "looked at", "sinch-1"),
    ],
)
def test_a_command_that_looks_at_messages_is_in_the_trail(
    vault: Vault, monkeypatch: pytest.MonkeyPatch, *, arguments: tuple[str, ...], action: str, subject: str
) -> None:
    assert call(monkeypatch, *arguments) == 0
    entry = trail.latest(vault.catalog, limit=1)[0]
    assert (entry.action, entry.subject, entry.who) == (action, subject, auditing.this_person())


def test_counting_and_what_does_not_exist_are_not_in_the_trail(
    vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = trail.latest(vault.catalog)
    for arguments in (("status",), ("show", "sinch-nowhere"), ("search", "from:")):
        call(monkeypatch, *arguments)
    assert trail.latest(vault.catalog) == before
