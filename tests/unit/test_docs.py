"""What an operator can set, call or watch is documented."""

from pathlib import Path

import pytest
import typer

from mmsvault.cli import commands
from mmsvault.settings import PREFIX, Settings

DOCS = Path(__file__).parents[2] / "docs"
SETTINGS, COMMANDS, METRICS = (DOCS / f"{name}.md" for name in ("settings", "commands", "metrics"))


@pytest.mark.parametrize("name", list(Settings.model_fields))
def test_every_setting_is_documented_with_its_meaning(name: str) -> None:
    rows = [
        line for line in SETTINGS.read_text().splitlines() if line.startswith(f"| `{PREFIX}{name.upper()}`")
    ]
    assert len(rows) == 1
    assert str(Settings.model_fields[name].description) in rows[0]


@pytest.mark.parametrize("name", sorted(typer.main.get_command(commands()).commands))  # type: ignore[attr-defined]
def test_every_command_is_documented(name: str) -> None:
    assert f"| `mmsvault {name}" in COMMANDS.read_text()
