"""What `mmsvault up` says when it is ready, which a journal may keep."""

import sys
from pathlib import Path

import pytest

from mmsvault.cli import main, welcoming
from mmsvault.settings import Settings

TOKEN = "a-token-of-the-tests"


@pytest.mark.parametrize("is_terminal", [True, False])
def test_the_token_is_printed_on_a_terminal_only(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, *, is_terminal: bool
) -> None:
    settings = Settings.load(data_dir=tmp_path, postback_token=TOKEN)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: is_terminal)
    for _ in range(2):
        welcoming.welcome(settings, is_demo=False)
    said = capsys.readouterr().out
    assert said.count("postback URL") == 2
    assert said.count(TOKEN) == (2 if is_terminal else 0)


def test_a_command_prints_the_address_for_the_provider_whole(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("MMSVAULT_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("MMSVAULT_POSTBACK_TOKEN", TOKEN)
    monkeypatch.setattr(sys, "argv", ["mmsvault", "postback-url"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert not ended.value.code
    assert capsys.readouterr().out.strip().endswith(f"/postbacks/sinch/{TOKEN}")
