import pytest

from tests import advisories
from tests.advisories import Answer, read

LISTED: list[dict[str, object]] = [
    {"name": "sound", "version": "1", "vulns": []},
    {"name": "flawed", "version": "2", "vulns": [{"id": "CVE-1", "fix_versions": ["3"]}]},
    {"name": "unheard-of", "skip_reason": "Dependency not found"},
]


def test_flaws_and_packages_that_were_not_looked_up_are_told_apart() -> None:
    assert read(LISTED) == Answer(2, ("unheard-of",), ("flawed 2: CVE-1, mended in 3",))


@pytest.mark.parametrize(
    ("answers", "code", "said"),
    [
        ([read(LISTED)], advisories.FOUND, "1 flaws known"),
        ([None, read(LISTED[:1])], 0, "pypi: 1 packages"),
        ([None, read(LISTED[2:])], advisories.NOT_ASKED, "NOTHING WAS CHECKED"),
    ],
)
def test_no_answer_is_never_taken_for_a_good_one(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    answers: list[Answer | None],
    code: int,
    said: str,
) -> None:
    monkeypatch.setattr(advisories, "asked", lambda _service: answers.pop(0))
    assert advisories.main() == code
    assert said in capsys.readouterr().out
