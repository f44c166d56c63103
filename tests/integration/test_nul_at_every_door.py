"""A NUL, or half a pair of surrogates, is refused or left out on each database; none is an error of it."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import Engine

from mmsvault.catalog import (
    entering,
    language,
    names,
    people,
    queries,
    searches,
    selections,
    sessions,
    trail,
    tries,
    writes,
)
from mmsvault.catalog.connection import writing
from mmsvault.catalog.people import Role
from mmsvault.catalog.trail import Asked
from mmsvault.catalog.tries import Limit
from mmsvault.errors import VaultError
from mmsvault.exporting import register
from mmsvault.exporting.planning import Choice
from mmsvault.message import utc_now
from tests.integration.exports import described

ODD = ("a\0b", "a\ud800b")
Door = Callable[[Engine, str], object]
DOORS: dict[str, Door] = {
    "a search": lambda catalog, odd: queries.search(catalog, language.parse(odd, region="US"), limit=1),
    "a phrase": lambda catalog, odd: queries.search(
        catalog, language.parse(f'"{odd}"', region="US"), limit=1
    ),
    "a sender": lambda catalog, odd: queries.search(
        catalog, language.parse(f'from:"{odd}"', region="US"), limit=1
    ),
    "a keyword": lambda catalog, odd: queries.search(
        catalog, language.parse(f'keyword:"{odd}"', region="US"), limit=1
    ),
    "an id": queries.load,
    "a note": lambda catalog, odd: writes.annotate(catalog, "sinch-a", tag=[odd], note=odd, now=utc_now()),
    "a login": lambda catalog, odd: people.recognise(catalog, odd, odd),
    "a new person": lambda catalog, odd: people.add(catalog, odd, role=Role.VIEWER),
    "a subject": lambda catalog, odd: people.add(catalog, odd, role=Role.VIEWER, is_subject=True),
    "a session": sessions.end,
    "an entry of the audit log": lambda catalog, odd: trail.append(
        catalog, "searched", who=odd, source=odd, subject=odd, details=odd, messages=[odd], numbers=[odd]
    ),
    "a selection": lambda catalog, odd: selections.keep(catalog, "anna", [odd], now=utc_now()),
    "a question to the audit log": lambda catalog, odd: trail.asked_for(
        catalog, Asked(who=odd, words=odd, message=odd, numbers=(odd,))
    ),
    "a saved search": lambda catalog, odd: searches.save(catalog, odd, odd),
    "the name of a saved search": searches.find,
    "the id of a selection": lambda catalog, odd: selections.find(catalog, odd, owner="anna", now=utc_now()),
    "a name of a sender": lambda catalog, odd: names.give(catalog, "14085550123", odd, named_at=utc_now()),
    "an export": register.find,
    "a request for an export": lambda catalog, odd: register.enter(
        catalog, Choice(query=odd), name=odd, made_by=odd, made_at=utc_now(), identity="x"
    ),
    "a try to log in": lambda catalog, odd: tries.take(
        catalog, {f"name {odd}": Limit(free=5)}, now=utc_now() + timedelta(0)
    ),
}


@pytest.mark.parametrize("odd", ODD, ids=["NUL", "surrogate"])
@pytest.mark.parametrize("door", DOORS)
def test_no_door_lets_it_through(catalog: Engine, door: str, odd: str) -> None:
    with writing(catalog) as connection:
        entering.insert_whole(connection, described("a"))
    try:
        DOORS[door](catalog, odd)
    except VaultError as error:
        assert "\0" not in str(error).replace(odd, "")
