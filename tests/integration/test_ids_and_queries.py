"""Every command that is about messages takes their ids and queries alike."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from mmsvault.cli import commands
from mmsvault.errors import NotFoundError, RejectedInputError
from mmsvault.sample.provider import SampleProvider
from tests.integration import archive as archives
from tests.integration.archive import Archive, words

Run = Callable[..., Any]


@pytest.fixture
def held(tmp_path: Path, provider: SampleProvider, monkeypatch: pytest.MonkeyPatch) -> Iterator[Archive]:
    """An archive of three messages, which the commands of this process are about."""
    own = {
        "MMSVAULT_DATA_DIR": str(tmp_path / "vault"),
        "MMSVAULT_DATABASE_URL": f"sqlite:///{tmp_path / 'catalog.sqlite'}",
    }
    for name, value in own.items():
        monkeypatch.setenv(name, value)
    with archives.opened(
        own, bucket="mms-vault", catalog=own["MMSVAULT_DATABASE_URL"], provider=provider
    ) as made:
        for name in ("one", "two", "three"):
            made.receive(name, words(f"text of {name}"), keyword=name, sender="14085550123")
        yield made


@pytest.fixture
def run(held: Archive) -> Run:  # noqa: ARG001 - the commands are about it
    def answer(*arguments: str) -> Any:
        done = CliRunner().invoke(commands(), [*arguments, "--json"], catch_exceptions=False)
        return json.loads(done.stdout)

    return answer


BY_MANY: dict[str, tuple[Callable[[str], tuple[str, ...]], Callable[[Any], int]]] = {
    "tag": (lambda which: ("tag", which, "--add", "seen"), lambda told: told["messages"]),
    "hold": (lambda which: ("hold", which), lambda told: told["messages"]),
    "requeue": (lambda which: ("requeue", which, "--stored"), lambda told: told["messages"]),
    "search": (lambda which: ("search", which), lambda told: told["total"]),
    "delete": (lambda which: ("delete", which, "--yes"), lambda told: told["deleted"]),
}


@pytest.mark.parametrize("command", BY_MANY)
def test_a_command_for_many_takes_an_id_several_ids_and_a_query(run: Run, command: str) -> None:
    call, count = BY_MANY[command]
    assert count(run(*call("sinch-one sinch-two"))) == 2
    # Of what is deleted nothing is left to be chosen again.
    for one in ("sinch-three",) if command == "delete" else ("sinch-one", "keyword:two"):
        assert count(run(*call(one))) == 1


def test_an_export_takes_an_id(run: Run, tmp_path: Path) -> None:
    told = run("export", "--query", "sinch-two", "--output", str(tmp_path / "out.zip"))
    assert told["messages"] == 1


@pytest.mark.parametrize("which", ["sinch-two", "keyword:two"])
def test_a_command_for_one_takes_an_id_and_a_query(run: Run, which: str) -> None:
    assert run("show", which)["id"] == "sinch-two"
    assert run("note", which, "look again") == {"id": "sinch-two", "note": "look again"}
    assert run("note", which)["note"] == "look again"


def test_a_sender_is_named_by_number_or_by_a_message(run: Run) -> None:
    assert run("name", "sinch-one", "Anna") == {"number": "14085550123", "name": "Anna"}
    assert run("name", "+1 408 555 0123")["name"] == "Anna"


def test_one_that_is_none_or_several_is_refused_and_says_why(run: Run) -> None:
    with pytest.raises(RejectedInputError, match="More than one message matches"):
        run("show", "number:14085550123")
    with pytest.raises(NotFoundError, match="No message has the id"):
        run("note", "sinch-four", "x")
