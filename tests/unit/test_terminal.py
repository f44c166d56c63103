import json
import logging

import pytest
import structlog

from mmsvault.starting import write_log
from mmsvault.terminal import visible, visible_json, visible_line, visible_with_colours

EVIL = "\x1b]0;title\x07\x1b[2J\x9b31m\u202egnp.exe\u2066\u200f\u061c\x7f\r[bold]"


@pytest.mark.parametrize(
    "code", [*range(9), *range(0x0B, 0x20), *range(0x7F, 0xA0), 0x202E, 0x2069, 0x200E, 0xFEFF, 0xE0041]
)
def test_a_character_that_steers_a_terminal_or_is_not_seen_is_written_as_its_code(code: int) -> None:
    shown = visible(f"a{chr(code)}b")
    assert shown.isprintable()
    assert f"{code:x}" in shown
    assert json.loads(visible_json(json.dumps(f"a{chr(code)}b", ensure_ascii=False))) == f"a{chr(code)}b"


@pytest.mark.parametrize(
    "text",
    [
        "plain, Grüße, 港の嵐\n\tnext",
        "👩‍👩‍👧‍👦 👍🏽 ❤️‍🔥",
        "می‌خواهم",
        "क्‍ष",
        "🏴󠁧󠁢󠁳󠁣󠁴󠁿",
        "שלום مرحبا",
        "e\u0301",
        "[bold]not markup[/bold] :smile:",
    ],
)
def test_what_people_write_stays_as_it_is(text: str) -> None:
    assert visible(text) == visible_json(text) == text


def test_joiners_that_join_nothing_are_shown() -> None:
    assert visible("\u200dpay\u200cpal \u200d") == "\\u200dpay\\u200cpal \\u200d"


def test_a_line_stays_one_line() -> None:
    assert visible_line("a\nb\r\nc\td") == "a\\nb\\x0d\\nc\\td"


def test_colours_of_our_own_programs_stay_and_nothing_else() -> None:
    said = visible_with_colours("\x1b[32minfo\x1b[0m \x1b[2J\x1b]8;;x\x1b\\ \u202e")
    assert said == "\x1b[32minfo\x1b[0m \\x1b[2J\\x1b]8;;x\\x1b\\ \\u202e"


@pytest.mark.parametrize("colour", [True, False])
def test_the_log_shows_what_others_wrote_without_obeying_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *, colour: bool
) -> None:
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    if colour:
        monkeypatch.setenv("FORCE_COLOR", "1")
    else:
        monkeypatch.delenv("FORCE_COLOR", raising=False)
    try:
        write_log()
        structlog.get_logger("tests").warning("x" + EVIL, reason=EVIL, several=[EVIL])
        logging.getLogger("a.library").warning("says %s", EVIL)
    finally:
        root.handlers, root.level = handlers, level
        structlog.reset_defaults()
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    assert visible_with_colours("\n".join(lines)).replace("\\n", "\n") == "\n".join(lines)
    assert "\x1b[2J" not in "".join(lines)
    if not colour:
        assert json.loads(lines[0])["reason"] == EVIL
