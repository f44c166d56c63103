"""What an operator can set, call or watch is documented."""

import re
from pathlib import Path

import pytest
import typer

from mmsvault.cli import commands
from mmsvault.settings import Settings
from mmsvault.settings.sources import PREFIX

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


def test_every_page_is_in_the_index_and_every_link_leads_somewhere() -> None:
    index = (DOCS / "README.md").read_text()
    pages = sorted(DOCS.glob("*.md"))
    for page in pages:
        assert page.name == "README.md" or f"]({page.name})" in index, page.name
    for page in (*pages, *DOCS.glob("decisions/*.md")):
        for target, heading in re.findall(r"\]\((?!https?:)([^)#\s]*)(?:#([^)\s]+))?\)", page.read_text()):
            found = (page.parent / target) if target else page
            assert found.exists(), f"{page.name}: {target}"
            if heading:
                assert heading in _headings(found), f"{page.name}: {target}#{heading}"


def _headings(page: Path) -> set[str]:
    """Return a page's headings as they stand in links."""
    titles = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def test_the_operator_guide_says_what_to_do_for_every_alert_and_no_other() -> None:
    rules = (DOCS.parent / "deploy/prometheus/alerts.yml").read_text()
    alerts = set(re.findall(r"- alert: (\w+)", rules))
    guide = (DOCS / "operator-guide.md").read_text().partition("## When an alert comes")[2].partition("##")[0]
    assert set(re.findall(r"^\| ([A-Z]\w+) \|", guide, re.MULTILINE)) == alerts


@pytest.mark.parametrize("page", sorted(DOCS.glob("*.md")), ids=lambda page: page.name)
def test_a_setting_that_is_named_anywhere_is_one_that_there_is(page: Path) -> None:
    named = set(re.findall(rf"\b{PREFIX}([A-Z][A-Z0-9_]*[A-Z0-9])\b", page.read_text()))
    known = {name.upper() for name in Settings.model_fields}
    assert {name for name in named - known if not name.startswith("TEST_")} == set()
