"""What a scope hides, on each database, against a plain look at each message."""

from datetime import timedelta

import pytest
from sqlalchemy import Engine

from mmsvault.catalog import counting, entering, queries, totals, writes
from mmsvault.catalog.connection import writing
from mmsvault.catalog.filters import chosen
from mmsvault.catalog.language import EVERYTHING, Query, parse
from mmsvault.catalog.views import View, scope_of
from mmsvault.errors import NotFoundError, RejectedInputError
from mmsvault.message import Receipt, fold, normal_number
from tests.integration.searchable import ARCHIVE, NOON, expected, fill, message

SCOPES = (
    "keyword:storm",
    "keyword:none",
    "keyword:all keyword:storm",
    "number:28444",
    "from:14085559999",
    "from:4085550123 keyword:all",
    "to:14085550199 from:someone@example.com",
    "keyword:nothing",
)
QUERIES = ("", "harbor", "type:image", "-keyword:storm", "from:14085550123", "keyword:storm OR keyword:all")


@pytest.mark.parametrize("text", SCOPES)
def test_a_view_knows_what_fits_its_scope_and_nothing_else(catalog: Engine, text: str) -> None:
    fill(catalog)
    scope = scope_of(text, region="US")
    view, inside = View(catalog, scope), expected(scope)
    for query in QUERIES:
        asked = parse(query)
        page = view.search(asked, limit=100)
        wanted = expected(Query(scope.groups + asked.groups))
        assert {one.tracking_id for one in page.messages} == wanted, query
        assert view.total(asked).messages == len(wanted)
    for one in ARCHIVE:
        assert view.holds(one.id) == (one.tracking_id in inside)
        if one.tracking_id not in inside:
            with pytest.raises(NotFoundError):
                view.load(one.id)
    shown = [one for one in ARCHIVE if one.tracking_id in inside]
    assert {tally.key: tally.messages for tally in view.senders()} == _tally(
        [normal_number(one.sender) for one in shown]
    )
    assert {tally.key: tally.messages for tally in view.keywords()} == _tally(
        [fold(one.keyword) for one in shown]
    )
    counts = view.counts(at_risk_before=NOON + timedelta(days=60))
    assert sum(counts.messages.values()) == len(shown)
    assert sum(counts.media.values()) == sum(len(one.media) for one in shown)
    assert counts.receipts["other"] == counts.receipts["quarantined"] == 0


def _tally(keys: list[str]) -> dict[str, int]:
    return {key: keys.count(key) for key in keys}


def test_without_a_scope_a_view_is_the_whole_catalog(catalog: Engine) -> None:
    fill(catalog)
    view = View(catalog, scope_of("", region="US"))
    assert view.scope == EVERYTHING
    assert view.senders() == counting.list_senders(catalog)
    assert view.total(EVERYTHING).messages == totals.total(catalog, EVERYTHING).messages
    assert view.holds("sinch-harbor")


def test_postbacks_of_other_teams_are_not_counted(catalog: Engine) -> None:
    for one in ARCHIVE[:5]:
        receipt = Receipt.of(one.id.encode(), provider="sinch")
        writes.record(catalog, one, receipt)
    view = View(catalog, scope_of("keyword:storm", region="US"))
    assert view.counts(at_risk_before=NOON).receipts["total"] == 3


@pytest.mark.parametrize("text", ["harbor", "-keyword:storm", "from:1408*", "tag:x", "after:2014-01-01"])
def test_a_scope_is_made_of_whole_keywords_and_numbers_only(text: str) -> None:
    with pytest.raises(RejectedInputError):
        scope_of(text, region="US")


def test_what_is_newer_what_is_tagged_and_what_looks_the_same_stay_within_the_scope(catalog: Engine) -> None:
    pictures = {
        "one": "00ff00ff00ff00ff",
        "two": "00ff00ff00ff00fe",
        "far": "123456789abcdef0",
        "plain": "0" * 16,
    }
    with writing(catalog) as connection:
        for minute, (name, looks) in enumerate(pictures.items()):
            keyword, tag = ("storm", "Front page") if minute < 2 else ("harbor", "reviewed")
            one = message(name, "image/jpeg", minutes=minute, keyword=keyword, tags=(tag,))
            item = one.media[0].model_copy(update={"perceptual_hash": looks})
            assert entering.insert_whole(connection, one.model_copy(update={"media": (item,)}))
    everything, team = View(catalog), View(catalog, scope_of("keyword:harbor", region="US"))
    assert everything.newer(EVERYTHING, than="sinch-two") == 2
    assert everything.newer(parse("keyword:storm"), than="sinch-two") == 0
    assert team.newer(EVERYTHING, than="sinch-gone") == 2
    assert everything.tags() == ["Front page", "reviewed"]
    assert team.tags() == ["reviewed"]
    assert everything.similar(everything.load("sinch-one")) == ["sinch-two"]
    assert team.similar(everything.load("sinch-one")) == []
    assert everything.similar(everything.load("sinch-plain")) == []
    assert (everything.any(), View(catalog, scope_of("keyword:x", region="US")).any()) == (True, False)
    assert [one.id for one in team.load_all(["sinch-far", "sinch-one"])] == ["sinch-far"]


def test_chosen_messages_are_those_and_no_others_and_other_terms_still_count(catalog: Engine) -> None:
    fill(catalog)
    ids = ("sinch-harbor", "sinch-film", "sinch-nowhere")
    choices = {
        "": {"harbor", "film"},
        "type:video": {"film"},
        "keyword:storm": {"harbor"},
        "-type:video old": {"harbor"},
        "after:2030-01-01": set(),
    }
    for text, expected_ids in choices.items():
        query = Query((*parse(text).groups, chosen(ids)))
        found = queries.search(catalog, query, limit=50)
        assert {one.tracking_id for one in found.messages} == expected_ids, text
        assert totals.total(catalog, query).messages == len(expected_ids)
