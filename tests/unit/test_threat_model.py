"""The threat model names a test for every attack that something holds against.

That these tests exist and run is shown in test_guarantees.py.
"""

from tests.named_tests import page


def test_every_attack_that_something_holds_against_has_a_test() -> None:
    holding, _, _ = page("threat-model").partition("## What does not hold")
    rows = [
        line
        for line in holding.splitlines()
        if line.startswith("| ") and line != "| attack | what holds | test |"
    ]
    attacks = [row for row in rows if row.count(" | ") == 2]
    assert len(attacks) > 30
    assert [row for row in attacks if "::test_" not in row] == []
