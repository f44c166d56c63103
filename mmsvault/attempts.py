"""When a file that could not be had is tried again, and when it counts as lost.

Pauses double up to an hour, with jitter, so that a provider that was away is not met by everything
at once. Near the deadline they get shorter again: half of what is left, so that the last attempts
fall into the last minute. A provider's store may lag behind its postbacks, so "not found" is an
answer like any other for a day; only then, and only while the deadline is far, does it end the
attempts early.
"""

import random
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from http import HTTPStatus

from mmsvault.errors import FetchError, PermanentFetchError, RefusedFetchError
from mmsvault.message import Attempt, MediaItem, MediaState, Message

FIRST_PAUSE = timedelta(seconds=5)
LONGEST_PAUSE = timedelta(hours=1)
LONGEST_ASKED_PAUSE = timedelta(hours=6)
"""A provider may ask for a longer pause (Retry-After) than our own, up to this."""
LAST_PAUSE = timedelta(seconds=10)
"""No attempt is planned within this of the end."""

BEFORE_THE_END = timedelta(minutes=10)
"""What the settings refuse is tried once more this long before the end, unless they change."""

TIRED_AFTER_ATTEMPTS = 8
TIRED_AFTER: Mapping[int, timedelta] = {
    HTTPStatus.NOT_FOUND: timedelta(days=1),
    HTTPStatus.GONE: timedelta(days=1),
    HTTPStatus.UNAUTHORIZED: timedelta(days=3),  # a person may have to set something right first
    HTTPStatus.FORBIDDEN: timedelta(days=3),
}
"""For how long an answer must have stayed the same before it ends the attempts early."""

_MEANINGS: Mapping[int, str] = {
    HTTPStatus.NOT_FOUND: "The provider says that it has no such file (404)",
    HTTPStatus.GONE: "The provider says that the file is gone (410)",
    HTTPStatus.UNAUTHORIZED: "The provider wants a password for the file (401)",
    HTTPStatus.FORBIDDEN: "The provider does not let this server have the file (403)",
}


def missed(message: Message, item: MediaItem, error: FetchError, *, now: datetime) -> MediaItem:
    """Return the file as it stands after a failed attempt: to be tried again, or lost, and why."""
    tries = item.attempts + 1
    meaning = _MEANINGS.get(error.status or 0)
    reason = f"{meaning}." if meaning else error.reason
    next_at = None
    if not isinstance(error, PermanentFetchError):
        next_at = next_attempt_at(tries, now=now, give_up_at=message.give_up_at, asked=error.retry_after)
        if next_at and isinstance(error, RefusedFetchError):
            next_at = max(next_at, message.give_up_at - BEFORE_THE_END)
        if next_at is None:
            reason += " It was tried until its deadline."
    since = same_answer_since(message.attempts, item.position, error.status, now=now)
    if next_at and since and error.status is not None and _is_enough(tries, now - since, error.status):
        next_at = None
        reason = f"{reason.removesuffix('.')}, at every attempt since {since:%Y-%m-%d %H:%M} UTC."
    return item.model_copy(
        update={
            "state": MediaState.PENDING if next_at else MediaState.LOST,
            "reason": reason,
            "attempts": tries,
            "next_attempt_at": next_at,
        }
    )


def next_attempt_at(
    tries: int, *, now: datetime, give_up_at: datetime, asked: timedelta | None = None
) -> datetime | None:
    """Return when to try again after `tries` failures, or None when the time for it is over.

    `asked` is the pause that the provider asked for. The answer is always before `give_up_at`.
    """
    left = give_up_at - now
    if left < 2 * LAST_PAUSE:
        return None
    jitter = random.uniform(0.75, 1.25)  # noqa: S311 - no secret
    own: timedelta = min(FIRST_PAUSE * 2.0 ** min(tries - 1, 20), LONGEST_PAUSE) * jitter
    return now + min(max(own, min(asked or own, LONGEST_ASKED_PAUSE)), left / 2)


def same_answer_since(
    attempts: Iterable[Attempt], position: int, status: int | None, *, now: datetime
) -> datetime | None:
    """Return since when every attempt at the file has met `status`, this one at `now` included.

    None for an answer that never ends the attempts early.
    """
    if status not in TIRED_AFTER:
        return None
    since = now
    for attempt in sorted(attempts, key=lambda one: one.at):
        if attempt.position == position:
            since = min(since, attempt.at) if attempt.status == status else now
    return since


def _is_enough(tries: int, span: timedelta, status: int) -> bool:
    return tries >= TIRED_AFTER_ATTEMPTS and span >= TIRED_AFTER[status]
