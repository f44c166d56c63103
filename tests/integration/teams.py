"""An archive of two teams: what one of them sees, and what comes in for the other.

Whoever sees the team `storm` only is asked before and after something of the other team is there, and
must be answered the same.
"""

import hashlib
from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import Engine

from mmsvault.catalog import names, searches, trail, writes
from mmsvault.message import Attempt, MediaItem, MediaState, Message, RawPostback, Receipt, utc_now
from tests.integration.searchable import message

SCOPES = ("keyword:storm", "keyword:storm keyword:pier", "keyword:storm number:14085550133")
"""Answered by an index over a column, and by the index over words."""
WIDE = "keyword:storm keyword:foreignword keyword:none"
"""A scope that has the messages of both teams in it."""
OWN_SENDER, SHARED_SENDER, FOREIGN_SENDER = "14085550111", "14085550122", "14085550777"
OWN_NUMBERS = (OWN_SENDER, SHARED_SENDER)
FOREIGN_NUMBERS = (FOREIGN_SENDER, "14085550788")
LOOKS = "00ff00ff00ff00ff"
"""How the pictures of both teams look to a machine: alike."""
BODY = b"a picture of both teams"
BEGAN_AT = utc_now().replace(minute=30, second=0, microsecond=0) - timedelta(hours=3)
"""When the own messages came in; those of the other team came before, in between and afterwards."""


def stored(prefix: str, place: int, *, body: bytes = BODY, **more: object) -> MediaItem:
    given = {
        "position": place,
        "url": f"http://m.example/{place}",
        "state": MediaState.STORED,
        "content_type": "image/png",
        "size": len(body),
        "sha256": hashlib.sha256(body).hexdigest(),
        "key": f"{prefix}{place:02d}.png",
        "thumbnail_key": f"{prefix}thumbs/{place:02d}.webp",
        "perceptual_hash": LOOKS,
        **more,
    }
    return MediaItem.model_validate(given)


def waiting(place: int, *, state: MediaState = MediaState.PENDING, reason: str = "") -> MediaItem:
    later = utc_now() + timedelta(days=9, hours=12) if state is MediaState.PENDING else None
    return MediaItem(
        position=place, url=f"http://m.example/{place}", state=state, next_attempt_at=later, reason=reason
    )


def sent(name: str, hours: float, sender: str, keyword: str, **more: object) -> Message:
    at = BEGAN_AT + timedelta(hours=hours)
    return message(
        name,
        sender=sender,
        keyword=keyword,
        received_at=at,
        recorded_at=at,
        deadline_at=utc_now() + timedelta(days=20, hours=12),
        **more,
    )


def with_files(one: Message, *items: MediaItem) -> Message:
    postback = RawPostback(
        name="postback.xml", sha256="0" * 64, received_at=one.received_at, source="203.0.113.7", headers={}
    )
    return one.model_copy(update={"media": items, "postbacks": (postback,)})


def own_messages() -> list[Message]:
    first = sent("own-first", 0, OWN_SENDER, "storm", subject="the old harbor", tags=("seen",))
    second = sent("own-second", 1, SHARED_SENDER, "Storm", subject="a pier", to=("28444",))
    return [
        with_files(
            first, stored(first.prefix, 0), stored(first.prefix, 1, content_type="text/plain", text="tide")
        ),
        with_files(second, stored(second.prefix, 0), waiting(1)),
    ]


def foreign_messages() -> list[Message]:
    """Return messages of the other team: alike in all that may be confused, and with much to give away."""
    early = sent(
        *("foreign-early", -1.5, FOREIGN_SENDER, "foreignword"),
        subject="the foreignsubject of a harbor",
        tags=("foreigntag", "seen"),
        note="foreignnote",
        hold=True,
        operator_id="31003",
    )
    between = sent(
        *("foreign-between", 0.5, SHARED_SENDER, "foreignword"),
        subject="foreignsubject",
        to=("28444", FOREIGN_NUMBERS[1]),
    )
    late = sent("foreign-late", 2, OWN_SENDER, "", subject="the foreignsubject of a pier")
    late = late.model_copy(update={"deadline_at": utc_now() + timedelta(hours=2)})
    tried = Attempt(
        position=0, at=early.received_at, duration_ms=5, outcome="pending", reason="foreignreason", status=503
    )
    odd = b"foreign bytes of quite another size"
    early = early.model_copy(update={"attempts": (tried,)})
    return [
        with_files(
            early,
            stored(early.prefix, 0, body=odd, text="foreigntext harbor"),
            stored(early.prefix, 1),
            waiting(2),
        ),
        with_files(
            between, stored(between.prefix, 0), waiting(1, state=MediaState.LOST, reason="foreignreason")
        ),
        with_files(late, waiting(0), waiting(1), stored(late.prefix, 2)),
    ]


def receive(catalog: Engine, several: Sequence[Message]) -> None:
    """Enter messages as workers do: with their receipts, and with what came of their files."""
    now = utc_now()
    for one in several:
        receipt = Receipt.of(one.id.encode(), provider="sinch").model_copy(
            update={"received_at": one.received_at}
        )
        bare = one.model_copy(update={"postbacks": (), "attempts": ()})
        assert writes.record(catalog, bare, receipt)
        assert writes.take_lease(catalog, one.id, token="t", now=now, span=timedelta(minutes=1))
        done = writes.save_attempts(catalog, one.id, items=one.media, tried=one.attempts, token="t", now=now)
        assert done
        assert writes.settle(catalog, done, token="t") is None


def name_everybody(catalog: Engine) -> None:
    """Give the senders of both teams names, and save searches of both."""
    for number in (*OWN_NUMBERS, *FOREIGN_NUMBERS):
        names.give(catalog, number, f"Person {number[-3:]}", named_at=utc_now())
    searches.save(catalog, "storms", "keyword:storm", saved_by="anna", scope=SCOPES[0])


def search_and_be_noted(catalog: Engine) -> None:
    """Have the other team save a search and do something that is in the audit log."""
    searches.save(
        catalog, "foreign search", f"from:{FOREIGN_SENDER}", saved_by="ben", scope="keyword:foreignword"
    )
    searches.save(catalog, "search of all", "foreignword", saved_by="root")
    trail.append(
        catalog, "looked at", who="ben", subject="sinch-foreign-early", messages=("sinch-foreign-early",)
    )
