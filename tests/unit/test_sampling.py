import pytest

from mmsvault.errors import RejectedInputError
from mmsvault.integrity.sampling import parse

IDS = [f"sinch-{number}" for number in range(4000)]


def share(text: str, *, stored_bytes: int = 1 << 30) -> float:
    chosen = parse(text, stored_bytes=lambda: stored_bytes)
    return sum(chosen(one) for one in IDS) / len(IDS)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", 1),
        ("100%", 1),
        ("0%", 0),
        ("25%", 0.25),
        ("12.5%", 0.125),
        ("1/4", 0.25),
        ("256M", 0.25),
        ("2G", 1),
    ],
)
def test_a_sample_takes_about_its_share(text: str, expected: float) -> None:
    assert share(text) == pytest.approx(expected, abs=0.06)


def test_the_parts_of_a_whole_are_always_the_same_and_together_all_of_it() -> None:
    parts = [{one for one in IDS if parse(f"{n}/3", stored_bytes=lambda: 0)(one)} for n in (1, 2, 3)]
    assert sum(map(len, parts)) == len(IDS)
    assert set().union(*parts) == set(IDS)


def test_a_size_of_an_empty_archive_is_no_error() -> None:
    assert share("10G", stored_bytes=0) == 1


@pytest.mark.parametrize("text", ["0/3", "4/3", "1/0", "half", "-5%", "5 %%", "1/2/3"])
def test_what_is_no_sample_is_refused(text: str) -> None:
    with pytest.raises(RejectedInputError, match="--sample takes"):
        parse(text, stored_bytes=lambda: 1)
