"""How long to wait before a part that ended is started again: not at all, then longer and longer."""

from time import monotonic

FIRST_SECONDS = 0.5
LONGEST_SECONDS = 30.0
RECEIVER_SECONDS = 2.0
"""The longest pause of the receiver: meanwhile nobody keeps postbacks."""
STEADY_SECONDS = 60.0
"""A part that ran for this long and then ended is started again at once."""


class Pauses:
    """The pauses of one part, none of them longer than `longest_seconds`."""

    def __init__(self, *, longest_seconds: float = LONGEST_SECONDS) -> None:
        self._longest = longest_seconds
        self._began = 0.0
        self._next = 0.0

    def started(self) -> None:
        """Take note that the part was started just now."""
        self._began = monotonic()

    def ended(self) -> float:
        """Return for how many seconds to wait now that it has ended."""
        pause = 0.0 if monotonic() - self._began > STEADY_SECONDS else self._next
        self._next = min(max(pause * 2, FIRST_SECONDS), self._longest)
        return pause
