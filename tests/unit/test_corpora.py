"""The hostile texts are as many as the counts in docs/security.md need, and each is what it is called."""

import pytest

from tests import corpora


def test_there_are_enough_strings_and_none_is_there_twice() -> None:
    strings = corpora.naughty_strings()
    assert len(strings) >= 515
    assert len(set(strings)) == len(strings)


@pytest.mark.parametrize(
    "kind",
    [
        "<script>alert(1)",
        "onerror=",
        "javascript:",
        "DROP TABLE",
        "$(",
        "../",
        "\x1b[",
        "\u202e",
        "\0",
        "=1+1",
    ],
)
def test_each_kind_of_string_is_there(kind: str) -> None:
    assert any(kind in text for text in corpora.naughty_strings())


def test_json_that_must_be_taken_or_refused_is_what_it_is_called() -> None:
    cases = corpora.odd_json()
    verdicts = {name: corpora.is_json(data) for name, data in cases.items()}
    taken = [verdict for name, verdict in verdicts.items() if name.startswith("taken")]
    refused = [verdict for name, verdict in verdicts.items() if name.startswith("refused")]
    assert len(cases) >= 318
    assert (len(taken), set(taken)) == (74, {True})
    assert (len(refused), set(refused)) == (257, {False})
