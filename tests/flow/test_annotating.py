"""Tags, notes and saved searches by the command line of a running vault."""

import json
from datetime import UTC, datetime

from mmsvault.sample import media
from mmsvault.sample.notices import Notice
from mmsvault.sample.provider import SampleProvider
from tests.flow.test_archive import archived
from tests.house import House
from tests.servers import until


def test_tags_and_notes_reach_the_record_in_the_bucket(house: House, provider: SampleProvider) -> None:
    told = Notice(
        tracking_id="annotated",
        sender="14085557777",
        to="28444",
        keyword="Störm",
        timestamp=datetime.now(UTC),
        urls=(provider.offer(media.text("Umbrella at the old harbor 港口")),),
    )
    assert provider.send(house.postbacks, told) == 200
    message = archived(house, "sinch-annotated")
    assert house.json("search", "from:4085557777 harb 港 keyword:storm")["messages"] == [message]
    tagged = house.json("tag", "from:4085557777", "--add", "Reviewed", "--add", "to do")
    assert tagged == {"messages": 1}
    assert house.json("tag", "tag:reviewed", "--remove", "To Do") == {"messages": 1}
    assert house.json("note", "sinch-annotated", "ask Zoë") == {"id": "sinch-annotated", "note": "ask Zoë"}
    assert house.json("search", "tag:REVIEWED")["messages"][0]["tags"] == ["Reviewed"]
    with house.vault() as vault:

        def record() -> dict[str, object]:
            kept = json.loads(vault.bucket.read(f"{prefix}message.json"))
            return {name: kept[name] for name in ("tags", "note", "state")}

        prefix = message["media"][0]["key"].rpartition("/")[0] + "/"
        wanted = {"tags": ["Reviewed"], "note": "ask Zoë", "state": "archived"}
        until(lambda: record() == wanted, what="the record saying so")


def test_senders_and_keywords_are_listed_and_searches_saved(house: House) -> None:
    senders = house.json("senders", "--order", "key")["senders"]
    assert "14085557777" in [one["key"] for one in senders]
    assert "storm" in [one["key"] for one in house.json("keywords")["keywords"]]
    assert house.call("senders", "--order", "size").returncode == 2
    assert house.call("searches", "save", "storms", "keyword:storm").returncode == 0
    assert house.json("searches", "list") == {"searches": [{"name": "storms", "query": "keyword:storm"}]}
    found = house.json("search", "--saved", "storms")
    assert [one["id"] for one in found["messages"]] == ["sinch-annotated"]
    wrong = house.call("searches", "save", "bad", "colour:red")
    assert wrong.returncode == 2
    assert "no field colour" in wrong.stderr
    assert house.call("searches", "remove", "storms").returncode == 0


def test_a_mistake_in_a_query_is_pointed_at_without_a_stack_trace(house: House) -> None:
    for query in ('a "b', "x" * 10_000):
        done = house.call("search", query)
        assert done.returncode == 2, query
        assert "Traceback" not in done.stderr
        assert "^" in done.stderr
