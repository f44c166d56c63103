"""Every question that a view answers, before and after messages outside of its scope have come in."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from sqlalchemy import Engine

from mmsvault.catalog import searches
from mmsvault.catalog.counting import ORDERS
from mmsvault.catalog.language import Query, Term, parse
from mmsvault.catalog.tallies import KEYWORDS, SENDERS
from mmsvault.catalog.views import View, scope_of
from mmsvault.errors import NotFoundError
from mmsvault.message import utc_now
from tests.integration.teams import (
    FOREIGN_NUMBERS,
    OWN_NUMBERS,
    SCOPES,
    WIDE,
    foreign_messages,
    name_everybody,
    own_messages,
    receive,
    search_and_be_noted,
)

NOW = utc_now()
QUERIES = (
    "",
    "harbor",
    "foreignsubject OR pier",
    "foreigntext",
    "-tide",
    "keyword:foreignword",
    "keyword:none OR keyword:storm",
    "from:14085550122",
    "from:14085550777",
    "from:*0777",
    "number:14085550788",
    'from:"Person 777"',
    "tag:foreigntag",
    "tag:seen",
    "carrier:verizon",
    "type:image",
    "state:pending",
    "has:hold",
    "after:2014-01-01",
)
IDS = tuple(one.id for one in (*own_messages(), *foreign_messages()))
OWN = own_messages()[0]
TALLIES = ((SENDERS, (*OWN_NUMBERS, *FOREIGN_NUMBERS)), (KEYWORDS, ("storm", "foreignword", "")))


def queries() -> list[Query]:
    everything = [parse(text) for text in QUERIES]
    return [*everything, Query(((Term("chosen", IDS[-1]), Term("chosen", IDS[0])),))]


def loaded(view: View, message_id: str) -> object:
    try:
        return view.load(message_id)
    except NotFoundError as error:
        return str(error)


def tallied(view: View) -> list[object]:
    """Return both lists in each order, whole, page by page, and as far as something is looked for."""
    told: list[object] = []
    for counted, _ in TALLIES:
        for order in ORDERS:
            whole = view.tallies(counted, order=order)
            told += [whole, [view.tallies(counted, order=order, limit=2, after=one) for one in whole]]
        told += [
            view.tallies(counted, find=find) for find in ("Person", "Person 777", "1408555", "foreign", "st")
        ]
    return told


QUESTIONS: Mapping[str, Callable[[View], Any]] = {
    "search": lambda view: [
        [view.search(one, limit=limit).messages for limit in (1, 2, 50)] for one in queries()
    ],
    "total": lambda view: [view.total(one) for one in queries()],
    "kept_total": lambda view: [view.kept_total(one) for one in queries()],
    "figures": lambda view: [view.figures(one) for one in queries()],
    "ids": lambda view: [view.ids(one, limit=limit) for one in queries() for limit in (1, 50)],
    "narrowed": lambda view: [view.total(view.narrowed(one)) for one in queries()],
    "load": lambda view: [loaded(view, identity) for identity in IDS],
    "holds": lambda view: [view.holds(identity) for identity in IDS],
    "any": lambda view: view.any(),
    "newer": lambda view: [
        view.newer(one, than=identity) for one in queries()[:3] for identity in ("", *IDS)
    ],
    "tags": lambda view: [view.tags(), view.tags(among=2)],
    "similar": lambda view: [view.similar(OWN), view.similar(OWN, among=2), view.similar(OWN, limit=1)],
    "load_all": lambda view: view.load_all(IDS),
    "senders": lambda view: view.senders(),
    "keywords": lambda view: view.keywords(),
    "names": lambda view: view.names((*OWN_NUMBERS, *FOREIGN_NUMBERS)),
    "tallies": tallied,
    "by_day": lambda view: [view.by_day(*one, days=5, today=NOW.date()) for one in TALLIES],
    "latest_pictures": lambda view: [
        view.latest_pictures(*one, each=each) for one in TALLIES for each in (1, 9)
    ],
    "by_hour": lambda view: view.by_hour(hours=9, now=NOW),
    "waiting": lambda view: [[one.id for one in view.waiting(limit=limit)] for limit in (1, 9)],
    "at_risk": lambda view: [view.at_risk(before=one.deadline_at) for one in foreign_messages()],
    "counts": lambda view: [view.counts(at_risk_before=one.deadline_at) for one in foreign_messages()],
}
"""What of a view is asked, by the names of its methods."""


def answers(view: View) -> dict[str, Any]:
    return {name: question(view) for name, question in QUESTIONS.items()}


def test_every_question_that_a_view_answers_is_asked_here() -> None:
    methods = inspect.getmembers(View, inspect.isfunction)
    assert set(QUESTIONS) == {name for name, _ in methods if not name.startswith("_")}


@pytest.mark.parametrize("text", SCOPES)
def test_what_lies_outside_of_a_scope_changes_no_answer(catalog: Engine, text: str) -> None:
    scoped = View(catalog, scope_of(text, region="US"))
    name_everybody(catalog)
    receive(catalog, own_messages())
    before = answers(scoped)
    receive(catalog, foreign_messages())
    search_and_be_noted(catalog)
    after = answers(scoped)
    assert [name for name in QUESTIONS if after[name] != before[name]] == []


def test_what_is_asked_here_would_tell_somebody_who_sees_both_teams(catalog: Engine) -> None:
    everything, wide = View(catalog), View(catalog, scope_of(WIDE, region="US"))
    name_everybody(catalog)
    receive(catalog, own_messages())
    before = [answers(everything), answers(wide)]
    receive(catalog, foreign_messages())
    after = [answers(everything), answers(wide)]
    silent = {
        name
        for name in QUESTIONS
        if all(then[name] == now[name] for then, now in zip(before, after, strict=True))
    }
    assert silent == {"any"}


def test_a_scope_without_messages_has_none_of_the_others(catalog: Engine) -> None:
    scoped = View(catalog, scope_of("keyword:nothing", region="US"))
    name_everybody(catalog)
    before = answers(scoped)
    assert not View(catalog).any()
    receive(catalog, [*own_messages(), *foreign_messages()])
    after = answers(scoped)
    assert [name for name in QUESTIONS if after[name] != before[name]] == []
    assert View(catalog).any()


def test_saved_searches_are_for_those_who_see_the_same_and_for_those_who_see_everything(
    catalog: Engine,
) -> None:
    name_everybody(catalog)
    search_and_be_noted(catalog)
    assert [one.name for one in searches.list_all(catalog, scope=SCOPES[0])] == ["storms"]
    assert [one.name for one in searches.list_all(catalog, scope=SCOPES[1])] == []
    assert len(searches.list_all(catalog)) == 3
    for act in (searches.find, searches.remove):
        for name in ("foreign search", "search of all", "no search"):
            with pytest.raises(NotFoundError, match=f"There is no saved search '{name}'"):
                act(catalog, name, scope=SCOPES[0])
    assert len(searches.list_all(catalog)) == 3
