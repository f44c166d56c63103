"""Which messages wait for their provider, and what is noted of it; with a vault of which nothing is real."""

import io
from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from mmsvault import archiving
from mmsvault.errors import FetchError, TransientFetchError
from mmsvault.message import MediaItem, MediaState, Message

NOW = datetime(2026, 11, 24, tzinfo=UTC)
HOST, OTHER = "m.example:80", "other.example:80"


class Hosts:
    """Hosts, of which some are not to be asked."""

    def __init__(self, away: Collection[str]) -> None:
        self.away = away
        self.noted: list[tuple[str, str]] = []

    def may_ask(self, host: str) -> bool:
        return host not in self.away

    def note_answer(self, host: str) -> None:
        self.noted.append((host, "answer"))

    def note_failure(self, host: str, error: FetchError) -> None:
        self.noted.append((host, error.reason))


class Fetcher:
    """Downloads nothing; some addresses are at crowded hosts."""

    def __init__(self, crowded: Collection[str], failure: FetchError | None = None) -> None:
        self.crowded = crowded
        self.failure = failure
        self.given: dict[str, object] = {}

    def is_crowded(self, url: str) -> bool:
        return url in self.crowded

    def fetch(self, _url: str, _into: object, **given: object) -> str:
        self.given = given
        if self.failure:
            raise self.failure
        return "fetched"


@pytest.fixture
def made_due(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    found: list[str] = []
    monkeypatch.setattr(archiving, "utc_now", lambda: NOW)
    monkeypatch.setattr(archiving.upkeep, "make_due", lambda _catalog, one, **_: found.append(one))
    return found


def vault(
    *, away: Collection[str] = (), crowded: Collection[str] = (), failure: FetchError | None = None
) -> Any:
    return SimpleNamespace(hosts=Hosts(away), fetcher=Fetcher(crowded, failure), catalog=None)


def message(
    *urls: str, left: timedelta = timedelta(days=20), state: MediaState = MediaState.PENDING
) -> Message:
    made = Message(
        id="sinch-1", provider="sinch", tracking_id="1", sender="1", to=("2",), received_at=NOW,
        deadline_at=NOW, recorded_at=NOW - timedelta(days=90), prefix="x/",
        media=tuple(
            MediaItem(
                position=position, url=url, state=state,
                next_attempt_at=NOW if state is MediaState.PENDING else None,
            )
            for position, url in enumerate(urls or ("http://m.example/a",))
        ),
    )  # fmt: skip
    # Its last attempts fall before its deadline.
    return made.model_copy(update={"deadline_at": made.deadline_at + (NOW + left - made.give_up_at)})


HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.mark.parametrize(
    ("left", "waits"), [(HOUR, True), (HOUR - timedelta(seconds=1), False), (20 * DAY, True)]
)
def test_a_host_that_is_away_is_waited_for_until_an_hour_before_the_end(
    made_due: list[str], left: timedelta, *, waits: bool
) -> None:
    sent = message(left=left)
    assert sent.give_up_at == NOW + left
    assert archiving.is_put_off(vault(away=[HOST]), sent) is waits
    assert made_due == (["sinch-1"] if waits else [])


def test_one_host_that_is_away_puts_the_message_off(made_due: list[str]) -> None:
    sent = message("http://m.example/a", "http://other.example/b")
    assert archiving.is_put_off(vault(away=[OTHER]), sent)
    assert archiving.is_put_off(vault(away=[HOST]), sent)
    assert not archiving.is_put_off(vault(), sent)
    assert made_due == ["sinch-1"] * 2


def test_a_host_whose_file_is_here_is_not_asked(made_due: list[str]) -> None:
    assert not archiving.is_put_off(vault(away=[HOST]), message(state=MediaState.STORED))
    assert made_due == []


@pytest.mark.parametrize(("left", "waits"), [(DAY, True), (DAY - timedelta(seconds=1), False)])
def test_a_crowded_host_is_waited_for_until_a_day_before_the_end(
    made_due: list[str], left: timedelta, *, waits: bool
) -> None:
    sent = message("http://other.example/b", "http://m.example/a", left=left)
    assert archiving.is_put_off(vault(crowded=["http://m.example/a"]), sent) is waits
    assert made_due == []


def test_a_crowded_host_from_which_nothing_is_missing_is_none(made_due: list[str]) -> None:
    sent = message(state=MediaState.STORED)
    assert not archiving.is_put_off(vault(crowded=["http://m.example/a"]), sent)
    assert made_due == []


@pytest.mark.parametrize("is_urgent", [True, False])
def test_what_comes_of_a_download_is_noted_of_its_host(*, is_urgent: bool) -> None:
    good, failure = vault(), TransientFetchError("The provider answered 500.", status=500)
    url, into = "http://m.example/a", io.BytesIO()
    assert archiving.fetch(good, url, into, is_urgent=is_urgent) == "fetched"  # type: ignore[comparison-overlap]
    assert good.hosts.noted == [(HOST, "answer")]
    assert good.fetcher.given["is_urgent"] is is_urgent
    assert callable(good.fetcher.given["stand_aside"])
    bad = vault(failure=failure)
    with pytest.raises(TransientFetchError):
        archiving.fetch(bad, url, into, is_urgent=is_urgent)
    assert bad.hosts.noted == [(HOST, failure.reason)]
