"""Every promise of the documentation has tests that there are, and that a plain run has."""

import re

import pytest

from tests import named_tests
from tests.named_tests import PAGES, ROOT, left_out, marks_of, named_in, not_run, page, rows

GUARANTEES = page("guarantees")
AREAS = "Receive, Keep, Fetch, Look and search, Export, Privacy, Security, Operate, Upgrade".split(", ")
WITHOUT_PROMISES = {
    *("README", "guarantees", "threat-model"),  # lists of the others
    *("capacity", "performance", "performance-media", "hosts", "dashboard", "metrics", "testing"),  # measured
    "adding-a-provider",  # for developers
}
NAMED = sorted({one for name in PAGES for one in named_in(page(name))})


@pytest.mark.parametrize(("path", "name"), NAMED)
def test_every_test_that_a_page_names_is_there_and_part_of_a_plain_run(path: str, name: str) -> None:
    assert name in marks_of(ROOT / path)
    assert not marks_of(ROOT / path)[name] & left_out()


def test_marks_of_tests_and_of_whole_files_are_seen() -> None:
    assert {"faults", "soak", "hosts", "long"} <= left_out()
    marked = marks_of(ROOT / "tests/flow/test_hosts.py")
    assert "hosts" in marked["test_two_workers_do_nearly_twice_as_much_as_one_where_the_provider_is_slow"]
    assert "skipif" in min(marks_of(ROOT / "tests/flow/test_local_users.py").values())


def test_every_promise_says_where_it_is_made_and_names_a_test() -> None:
    promises = rows(GUARANTEES)
    assert len(promises) > 90
    assert [row for row in promises if len(row) != 3 or ".md)" not in row[1] or not named_in(row[2])] == []


def test_every_area_and_every_page_with_promises_is_there() -> None:
    assert re.findall(r"^## (.+)$", GUARANTEES, re.MULTILINE) == AREAS
    places = " ".join(row[1] for row in rows(GUARANTEES))
    pages = {found.stem for found in (ROOT / "docs").glob("*.md")} - WITHOUT_PROMISES
    assert {name for name in pages if f"]({name}.md)" not in places} == set()


def test_everything_one_can_rely_on_by_the_readme_has_a_row() -> None:
    readme = (ROOT / "README.md").read_text()
    claims = readme.partition("## What you can rely on")[2].partition("\n## ")[0].count("\n- **")
    assert claims == 9
    assert sum("README.md)" in row[1] for row in rows(GUARANTEES)) >= 3 * claims


def test_a_named_test_that_did_not_run_is_told() -> None:
    passed = {f"{path}::{name}[case]" for path, name in NAMED}
    assert not_run(passed) == []
    path, name = NAMED[0]
    assert not_run(passed - {f"{path}::{name}[case]"}) == [f"{path}::{name}"]
    assert named_tests.named_in("no test") == []
