import io

import pytest
import typer

from mmsvault import cli
from mmsvault.cli import commands
from mmsvault.cli.arguments import keep_values
from mmsvault.core import streams

LINE = typer.main.get_command(commands())


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("search -keyword:x", "search -- -keyword:x"),
        ("search -has:media --json", "search --json -- -has:media"),
        ("search --limit 3 -keyword:x", "search --limit 3 -- -keyword:x"),
        ("search --limit=3 -keyword:x", "search --limit=3 -- -keyword:x"),
        ("search --saved -odd -keyword:x", "search --saved -odd -- -keyword:x"),
        ("searches save mine -from:1408*", "searches save -- mine -from:1408*"),
        ("search -- -keyword:x", "search -- -keyword:x"),
        ("hold -keyword:x --release", "hold --release -- -keyword:x"),
        ("search keyword:x --json", "search keyword:x --json"),
        ("search -h", "search -h"),
        ("search --jsn -x", "search --jsn -- -x"),
        ("search -json", "search -json"),
        ("status -x", "status -x"),
        ("nothing -x", "nothing -x"),
        ("--version", "--version"),
        ("", ""),
    ],
)
def test_a_value_that_begins_with_a_dash_is_no_option(given: str, kept: str) -> None:
    assert keep_values(LINE, given.split()) == kept.split()


def ended(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr("sys.argv", ["mmsvault", *words])
    with pytest.raises(SystemExit) as exited:
        cli.main()
    return int(exited.value.code or 0)


def all_commands(group: object = LINE, *above: str) -> list[tuple[str, ...]]:
    found = []
    for name, command in group.commands.items():  # type: ignore[attr-defined]
        found += all_commands(command, *above, name) if hasattr(command, "commands") else [(*above, name)]
    return [above, *found]


@pytest.mark.parametrize("option", ["-h", "--help"])
def test_every_command_explains_itself(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], option: str
) -> None:
    for words in all_commands():
        assert ended(monkeypatch, *words, option) == 0, words
        assert "Usage: mmsvault" in capsys.readouterr().out


def test_it_says_its_version(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert ended(monkeypatch, "--version") == 0
    assert capsys.readouterr().out.startswith("MMS Vault ")


def test_ctrl_c_at_any_moment_is_a_word_and_130(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    for place in ("mmsvault.cli.answering.opened_vault", "mmsvault.cli.commands"):
        with monkeypatch.context() as patched:
            patched.setattr(place, interrupted)
            assert ended(patched, "search") == 130
        assert capsys.readouterr().err.startswith("Ended by Ctrl-C.")


def test_a_shell_is_told_which_commands_there_are(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in (("_MMSVAULT_COMPLETE", "complete_bash"), ("COMP_CWORD", "1")):
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("COMP_WORDS", "mmsvault sea")
    assert ended(monkeypatch) == 0
    assert capsys.readouterr().out.split() == ["search", "searches"]


def test_an_answer_that_its_stream_cannot_show_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(io.BytesIO(), encoding="latin-1"))
    assert streams.takes("é")
    assert not streams.takes("Ż")
