"""Names that people give to senders: found, kept in the bucket, and nothing to a scope."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, event

from dashboard import callers
from mmsvault import erasing, naming
from mmsvault.catalog import counting, language, names, queries, tallies, totals
from mmsvault.catalog.connection import migrate
from mmsvault.catalog.views import View, scope_of
from mmsvault.errors import RejectedInputError, SearchError
from mmsvault.integrity import rebuilding
from mmsvault.message import normal_number
from mmsvault.sample.provider import SampleProvider
from tests.integration.archive import Archive, embedded_bucket, opened
from tests.integration.searchable import ARCHIVE, NOON, fill

FAMILY = ("14085550123", "16505550100")


@pytest.fixture(scope="module")
def bucket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    with embedded_bucket(tmp_path_factory.mktemp("names")) as env:
        yield env


@pytest.fixture
def archive(bucket: dict[str, str], tmp_path: Path) -> Iterator[Archive]:
    with (
        SampleProvider() as provider,
        opened(
            bucket, bucket="names", catalog=f"sqlite:///{tmp_path / 'c.sqlite'}", provider=provider
        ) as made,
    ):
        yield made


def found(catalog: Engine, query: str) -> set[str]:
    page = queries.search(catalog, language.parse(query), limit=100)
    assert totals.total(catalog, language.parse(query)).messages == len(page.messages)
    return {one.tracking_id for one in page.messages}


def test_the_names_of_a_page_of_messages_are_one_question(catalog: Engine) -> None:
    fill(catalog)
    for number, name in zip(FAMILY, ("Anna Lind", "Anna Berg"), strict=True):
        names.give(catalog, number, name, named_at=NOON)
    view, asked = View(catalog), list[str]()
    event.listen(catalog, "before_cursor_execute", lambda _c, _cur, sql, *_: asked.append(sql))
    known = callers.known(view, ARCHIVE)
    questions = [sql for sql in asked if sql.startswith("SELECT")]
    assert len(questions) == 1
    assert known == dict(zip(FAMILY, ("Anna Lind", "Anna Berg"), strict=True))


def test_a_name_finds_what_its_numbers_find_by_any_of_its_words_in_a_row(catalog: Engine) -> None:
    fill(catalog)
    names.give(catalog, FAMILY[0], "Anna Lind, Zürich", named_at=NOON)
    names.give(catalog, FAMILY[1], "Anna Berg", named_at=NOON)
    lind, berg = ({one.tracking_id for one in ARCHIVE if normal_number(one.sender) == of} for of in FAMILY)
    assert found(catalog, 'from:"anna lind"') == found(catalog, "from:ZURICH") == lind
    assert found(catalog, "from:anna") == lind | berg
    assert found(catalog, "-from:anna") == found(catalog, "") - lind - berg
    assert found(catalog, "number:anna") == lind | berg | found(catalog, f"to:{FAMILY[0]}")
    assert found(catalog, "from:ann") == found(catalog, "from:lind_anna") == set()
    assert found(catalog, "from:pizza") == {"blob"}, "a sender that is called so still is"
    names.give(catalog, FAMILY[1], "", named_at=NOON)
    assert found(catalog, "from:anna") == lind


def test_a_name_widens_no_scope(catalog: Engine) -> None:
    fill(catalog)
    before = View(catalog, scope_of("from:pizza", region="US")).total(language.EVERYTHING).messages
    names.give(catalog, FAMILY[0], "Pizza", named_at=NOON)
    view = View(catalog, scope_of("from:pizza", region="US"))
    assert view.total(language.EVERYTHING).messages == before == 1
    assert view.total(language.parse("from:pizza")).messages == 1
    assert not view.holds("sinch-harbor")
    assert [one.key for one in view.senders()] == ["pizza"]


def test_a_name_that_too_many_senders_have_is_a_mistake_in_the_search(
    catalog: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(names, "MOST_FOUND", 1)
    for number in FAMILY:
        names.give(catalog, number, "Team", named_at=NOON)
    with pytest.raises(SearchError, match="say more of it"):
        found(catalog, "from:team")


def test_lists_say_the_names_and_find_by_them(catalog: Engine) -> None:
    fill(catalog)
    names.give(catalog, FAMILY[0], "Anna Lind", named_at=NOON)
    assert {one.key: one.known_as for one in counting.list_senders(catalog)}[FAMILY[0]] == "Anna Lind"
    for view in (View(catalog), View(catalog, scope_of(f"from:{FAMILY[0]}", region="US"))):
        for find in ("lind", "1408555012", "+1 (408) 555-0123", "408555012"):
            keys = [one.key for one in view.tallies(tallies.SENDERS, find=find)]
            assert FAMILY[0] in keys, find
            assert "pizza" not in keys
    keywords = View(catalog).tallies(tallies.KEYWORDS, find="STÖ")
    assert [one.key for one in keywords] == ["storm"]


def test_names_outlive_the_catalog(archive: Archive) -> None:
    vault = archive.vault
    assert naming.name(vault, "+1 408-555-0123", "  Anna\n Lind ") == "Anna Lind"
    naming.name(vault, FAMILY[1], "Berg")
    naming.name(vault, FAMILY[1], "")
    with vault.catalog.begin() as connection:
        connection.execute(names.sender_names.delete())
    names.give(vault.catalog, "28444", "of a catalog that is older", named_at=NOON)
    migrate(vault.catalog)
    assert rebuilding.rebuild(vault).problems == []
    assert names.of(vault.catalog, [*FAMILY, "28444"]) == {FAMILY[0]: "Anna Lind"}
    assert archive.problems() == {}


@pytest.mark.parametrize("given", ["x" * 101, "0815", "+1 (408)"])
def test_what_is_no_name_is_refused(archive: Archive, given: str) -> None:
    with pytest.raises(RejectedInputError):
        naming.name(archive.vault, FAMILY[0], given)


def test_who_is_erased_has_no_name_left(archive: Archive) -> None:
    naming.name(archive.vault, FAMILY[0], "Anna Lind")
    erasing.erase(archive.vault, FAMILY[0], who="tests")
    assert names.of(archive.vault.catalog, FAMILY) == {}
    assert archive.keys("names/") == set()
