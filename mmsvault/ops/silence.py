"""Whether a source of messages is silent for longer than it ever is.

Its habit are its regular hours: those of the week in which it had messages in more than half of the last
weeks. Where it misses several of them in a row, or is silent for twice its longest pause, something is
wrong: nights and weekends without messages are no regular hours, and are not missed. Neither are hours in
which the vault itself was off: it could not have had any message.
"""

from collections.abc import Container, Sequence
from itertools import pairwise

from mmsvault.catalog.source_activity import FEWEST_HOURS

WEEK_HOURS = 7 * 24
WEEKS_LOOKED_AT = 4
FEWEST_WEEKS = 2
"""Of history; a source that is known for less has no habit yet."""
MISSED_HOURS = 3
"""So many regular hours in a row without a message are too many."""
TIMES_THE_LONGEST_PAUSE = 2


def silent_hours(active: Sequence[int], *, now_hour: int) -> int:
    """Return for how many whole hours nothing came; `active` are the hours with messages, in order."""
    return max(0, now_hour - active[-1] - 1) if active else 0


def watched_silence(active: Sequence[int], *, now_hour: int, watched: Container[int]) -> list[int]:
    """Return the whole hours since the last of `active` in which a message would have been seen."""
    return [hour for hour in range(active[-1] + 1, now_hour) if hour in watched] if active else []


def is_unusual(active: Sequence[int], *, now_hour: int, watched: Container[int]) -> bool:
    """Return whether the silence since the last of `active` is longer than is usual.

    Hours are counted since 1970, in order; `now_hour` is the one that is not over yet, and in those that are
    `watched` the vault ran.
    """
    if len(active) < FEWEST_HOURS or active[-1] - active[0] < FEWEST_WEEKS * WEEK_HOURS:
        return False
    silent = watched_silence(active, now_hour=now_hour, watched=watched)
    longest = max(later - earlier - 1 for earlier, later in pairwise(active))
    if len(silent) > max(TIMES_THE_LONGEST_PAUSE * longest, MISSED_HOURS):
        return True
    known = frozenset(active)
    missed = sum(_is_regular(hour, known, first=active[0]) for hour in silent)
    return missed >= MISSED_HOURS


def _is_regular(hour: int, known: frozenset[int], *, first: int) -> bool:
    weeks = [hour - WEEK_HOURS * back for back in range(1, WEEKS_LOOKED_AT + 1)]
    looked_at = [one for one in weeks if one >= first]
    return len(looked_at) >= FEWEST_WEEKS and sum(one in known for one in looked_at) * 2 > len(looked_at)
