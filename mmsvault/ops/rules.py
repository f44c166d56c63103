"""What is written from the list of conditions: Prometheus's rules, and the operator guide's table.

`python -m mmsvault.ops.rules` in a checkout (`make rules`) writes both.
"""

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from mmsvault.ops.conditions import CONDITIONS, RULES_OF_RATES, Rule, Severity

ROOT = Path(__file__).parents[2]
RULES = ROOT / "deploy/prometheus/alerts.yml"
GUIDE = ROOT / "docs/operator-guide.md"
GUIDE_BEGINS, GUIDE_ENDS = "## When an alert comes", "## When something is broken"
GUIDE_INTRODUCTION = (
    "The first column is the alert of Prometheus, the second what the webhook, `doctor` and `status --json` "
    "call it.\n`page`: act now; `ticket`: in the morning. Operations on the dashboard shows them all."
)
GUIDE_HEAD = ("| alert | condition | severity | what it means, and what to do |", "|---|---|---|---|")


def prometheus_rules() -> str:
    """Return the file of alert rules, as YAML."""
    lines = [
        "# What an operator is woken for (page) or told in the morning (ticket).",
        "# docs/operator-guide.md says what to do. Written by `make rules` from mmsvault/ops/conditions.py.",
        "groups:",
        "  - name: mms-vault",
        "    rules:",
    ]
    for severity, rule, _ in _rules():
        lines += [f"      - alert: {rule.name}", f"        expr: {json.dumps(rule.expression)}"]
        if rule.hold:
            lines.append(f"        for: {_duration(rule.hold)}")
        lines += [
            f"        labels: {{severity: {severity}}}",
            "        annotations:",
            f"          summary: {json.dumps(rule.summary)}",
            f"          description: {json.dumps(rule.description)}",
        ]
    return "\n".join(lines) + "\n"


def guide_section() -> str:
    """Return the operator guide's section about alerts."""
    rows = []
    for severity, rule, meaning in _rules():
        ids = ", ".join(f"`{one.id}`" for one in CONDITIONS if one.rule is rule)
        rows.append(f"| {rule.name} | {ids or 'Prometheus only'} | {severity} | {meaning} |")
    return "\n".join((GUIDE_BEGINS, "", GUIDE_INTRODUCTION, "", *GUIDE_HEAD, *rows, "", ""))


def with_guide_section(guide: str) -> str:
    """Return the guide with the section of now."""
    before, _, rest = guide.partition(GUIDE_BEGINS)
    return before + guide_section() + GUIDE_ENDS + rest.partition(GUIDE_ENDS)[2]


def _rules() -> Iterator[tuple[Severity, Rule, str]]:
    seen: set[str] = set()
    for condition in CONDITIONS:
        if condition.rule.name not in seen:
            seen.add(condition.rule.name)
            yield condition.severity, condition.rule, condition.meaning
    yield from RULES_OF_RATES


def _duration(hold: timedelta) -> str:
    return f"{int(hold / timedelta(minutes=1))}m"


if __name__ == "__main__":
    RULES.write_text(prometheus_rules())
    GUIDE.write_text(with_guide_section(GUIDE.read_text()))
