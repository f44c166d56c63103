"""What `mmsvault up` says when it is ready, which a journal may keep."""

import sys
from pathlib import Path

import pytest

from mmsvault.cli import main, supervising, welcoming
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


@pytest.mark.parametrize("other", ["", "somewhere-else"])
def test_a_demo_has_a_folder_of_its_own_and_the_first_start_after_it_prints_its_own_login(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, *, other: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MMSVAULT_FETCH_PRIVATE_NETWORKS", "")
    monkeypatch.setenv("MMSVAULT_DATA_DIR", other)
    used = []

    def greet(settings: Settings, *_: object, is_demo: bool = False) -> int:
        used.append(settings.data_dir)
        welcoming.welcome(settings, is_demo=is_demo)
        return 0

    monkeypatch.setattr(supervising, "_supervised", greet)
    with pytest.raises(SystemExit):
        supervising.demo()
    assert "as demo with" in capsys.readouterr().out
    monkeypatch.setenv("MMSVAULT_DATA_DIR", other)  # another process: what the demo has set is gone
    with pytest.raises(SystemExit):
        supervising.up()
    said = capsys.readouterr().out
    if other:  # it was asked for: the demo's login is the one that there is
        assert used == [Path(other), Path(other)]
        assert "log in        as demo with" in said
    else:
        assert used == [Path("var/demo"), Path("var")]
        assert "log in        as admin with" in said
