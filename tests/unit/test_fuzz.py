"""The targets of `make fuzz`, for a moment: what is kept, and a few hundred inputs that come of it."""

from contextlib import suppress
from itertools import islice

import pytest

from tests.fuzz.mutations import mutations
from tests.fuzz.steps import TooManyStepsError, at_most
from tests.fuzz.targets import CORPUS, TARGETS, check, kept

INPUTS = 200
SEED = 18


@pytest.mark.parametrize("name", TARGETS)
def test_every_promise_holds_for_what_is_kept_and_what_comes_of_it(name: str) -> None:
    inputs = kept(name)
    assert inputs, "a target begins with some inputs"
    for data in (b"", *inputs, *islice(mutations(inputs, seed=SEED), INPUTS)):
        try:
            check(name, data)
        except BaseException as error:
            error.add_note(f"for the target {name}, of the input {data!r}")
            raise


def test_every_kept_input_belongs_to_a_target() -> None:
    assert {path.name for path in CORPUS.iterdir()} == set(TARGETS)


def test_the_same_seed_gives_the_same_inputs() -> None:
    one, same, other = (list(islice(mutations([b"a b"], seed=seed), 50)) for seed in (1, 1, 2))
    assert one == same != other


def test_too_much_work_is_noticed_and_cannot_be_caught() -> None:
    def work() -> None:
        for _ in range(1000):
            with suppress(Exception):  # what a careless reader does
                len("")

    with at_most(10_000):
        work()
    with pytest.raises(TooManyStepsError), at_most(500):
        work()
