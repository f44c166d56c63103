"""What an operator can set, call or watch is documented."""

from pathlib import Path

import pytest
import typer
from prometheus_client import generate_latest
from redis import Redis

from mmsvault.cli import commands
from mmsvault.queueing.durable import DurableQueue
from mmsvault.queueing.intake import Intake
from mmsvault.queueing.jobs import open_queue
from mmsvault.queueing.spool import Spool
from mmsvault.settings import PREFIX, Settings
from receiver.metrics import Metrics

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


def test_every_metric_is_documented(tmp_path: Path) -> None:
    queue = DurableQueue(open_queue(Redis()))
    metrics = Metrics(Intake(queue, Spool(tmp_path)))
    metrics.answered(200, seconds=0.1)
    said = generate_latest(metrics.registry).decode()
    names = {line.split()[2] for line in said.splitlines() if line.startswith("# TYPE")}
    for name in names:
        if not name.endswith("_created"):
            assert f"`{name}" in METRICS.read_text()
