"""What a person reads in a text or a card finds its message."""

from pathlib import Path

import pytest
from sqlalchemy import Engine

from mmsvault.catalog import language, totals, upkeep
from mmsvault.media.inspecting import inspect
from mmsvault.message import utc_now
from tests.integration.test_catalog import message

MEDIA = Path(__file__).parents[1] / "cases" / "media"


@pytest.mark.parametrize(
    ("name", "queries"),
    [
        ("t-nul-end", ["there"]),
        ("t-ucs2", ["wörld", "world", '"hello world"']),
        ("t-noct-latin1", ["köln", "grusse OR grüße"]),
        ("t-onebad", ["münchen", '"und mehr" OR mehr', "schöne"]),
        ("t-cesu8", ["später", "😆"]),
        ("v-android-custom", ["15550127", "annie", "boat"]),
        ("v-group-label", ["15550110", "ann@example.org", "www.example.org/a", '"boat phone"']),
        ("v-noend-two", ["15550115", "15550116", "bob"]),
        ("v2-profile-mixed", ["änn", "15550120"]),
    ],
)
def test_every_text_and_card_of_the_cases_is_found(catalog: Engine, name: str, queries: list[str]) -> None:
    facts = inspect(str(MEDIA / name), "", 1000)
    one = message()
    item = one.media[0].model_copy(update={"text": facts.text, "content_type": facts.content_type})
    upkeep.enter(catalog, [one.model_copy(update={"media": (item,)})], now=utc_now())
    for query in queries:
        assert totals.total(catalog, language.parse(query)).messages == 1, query
