"""How long to wait before a part that ended is started again: not at all, then longer and longer."""

from time import monotonic

FIRST_SECONDS = 0.5
LONGEST_SECONDS = 30.0
STEADY_SECONDS = 60.0
"""A part that ran for this long and then ended is started again at once."""


class Pauses:
    """The pauses of one part."""

    def __init__(self) -> None:
        self._began = 0.0
        self._next = 0.0

    def started(self) -> None:
        """Take note that the part was started just now."""
        self._began = monotonic()

    def ended(self) -> float:
        """Return for how many seconds to wait now that it has ended."""
        pause = 0.0 if monotonic() - self._began > STEADY_SECONDS else self._next
        self._next = min(max(pause * 2, FIRST_SECONDS), LONGEST_SECONDS)
        return pause
