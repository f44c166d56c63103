"""When a file that could not be had is tried again, and when it counts as lost.

Pauses double up to an hour, with jitter, so that a provider that was away is not met by everything
at once. Near the deadline they get shorter again: half of what is left, so that the last attempts
fall into the last minute. No answer ends the attempts before the deadline: a provider's store may lag
behind its postbacks, and what it refuses a person may set right. A refusal that has lasted for a day is
asked about less often.
"""

import random
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from http import HTTPStatus

from mmsvault.errors import FetchError, NotReadyError, PermanentFetchError, RefusedFetchError
from mmsvault.message import Attempt, MediaItem, MediaState, Message

FIRST_PAUSE = timedelta(seconds=5)
LONGEST_PAUSE = timedelta(hours=1)
LONGEST_ASKED_PAUSE = timedelta(hours=6)
"""A provider may ask for a longer pause (Retry-After) than our own, up to this."""
LAST_PAUSE = timedelta(seconds=10)
"""No attempt is planned within this of the end."""

BEFORE_THE_END = timedelta(minutes=10)
"""What the settings refuse is tried once more this long before the end, unless they change."""

RARE_PAUSE = timedelta(hours=6)
RARE_AFTER = timedelta(days=1)
"""What has not been ready, or answered with one of RARE_STATUSES, for so long is asked about every
RARE_PAUSE."""
NOT_ALLOWED = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)
"""A person has to set something right: operators are told of these."""
RARE_STATUSES = (HTTPStatus.NOT_FOUND, HTTPStatus.GONE, *NOT_ALLOWED)

_MEANINGS: Mapping[int, str] = {
    HTTPStatus.NOT_FOUND: "The provider says that it has no such file (404)",
    HTTPStatus.GONE: "The provider says that the file is gone (410)",
    HTTPStatus.UNAUTHORIZED: "The provider wants a password for the file (401)",
    HTTPStatus.FORBIDDEN: "The provider does not let this server have the file (403)",
}
REASONS_NOT_ALLOWED = tuple(f"{_MEANINGS[status]}." for status in NOT_ALLOWED)


def missed(message: Message, item: MediaItem, error: FetchError, *, now: datetime) -> MediaItem:
    """Return the file as it stands after a failed attempt: to be tried again, or lost, and why.

    One that is stored already stays so.
    """
    tries = item.attempts + 1
    meaning = _MEANINGS.get(error.status or 0)
    reason = f"{meaning}." if meaning else error.reason
    next_at = None if isinstance(error, PermanentFetchError) else _next(message, item, error, tries, now=now)
    if next_at is None and not isinstance(error, PermanentFetchError):
        reason += " It was tried until its deadline."
    changes: dict[str, object] = {"attempts": tries, "next_attempt_at": next_at}
    if item.state is not MediaState.STORED:  # what is here stays here, whatever the provider says now
        changes |= {"reason": reason, "state": MediaState.PENDING if next_at else MediaState.LOST}
    return item.model_copy(update=changes)


def _next(
    message: Message, item: MediaItem, error: FetchError, tries: int, *, now: datetime
) -> datetime | None:
    asked = error.retry_after
    lasts = error.status in RARE_STATUSES or isinstance(error, NotReadyError)
    since = same_answer_since(message.attempts, item.position, error.status, now=now) if lasts else None
    if since and now - since >= RARE_AFTER:
        asked = max(asked or RARE_PAUSE, RARE_PAUSE)
    next_at = next_attempt_at(tries, now=now, give_up_at=message.give_up_at, asked=asked)
    if next_at and isinstance(error, RefusedFetchError):
        return max(next_at, message.give_up_at - BEFORE_THE_END)
    return next_at


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
) -> datetime:
    """Return since when every attempt at the file has met `status`, this one at `now` included."""
    since = now
    for attempt in sorted(attempts, key=lambda one: one.at):
        if attempt.position == position:
            since = min(since, attempt.at) if attempt.status == status else now
    return since
