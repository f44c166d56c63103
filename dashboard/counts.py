"""The live counts: what came in and what is left to do, in one line."""

from dataclasses import dataclass

from mmsvault.catalog.totals import Counts


@dataclass(frozen=True)
class Count:
    """One number. `tone` is quiet, busy or bad; it colours a number that is not zero."""

    name: str
    label: str
    value: int
    tone: str
    meaning: str


def counted(counts: Counts) -> list[Count]:
    """Return the numbers in their order on the page."""
    states, receipts = counts.messages, counts.receipts
    numbers = [
        Count("messages", "Messages", sum(states.values()), "quiet", "all messages of the archive"),
        Count("archived", "Archived", states["archived"], "quiet", "messages whose files are all here"),
        Count("pending", "Waiting", states["pending"], "busy", "messages with files still to download"),
        Count(
            "at-risk",
            "At risk",
            counts.at_risk,
            "bad",
            "waiting files that the provider deletes within 24 hours, or may have deleted",
        ),
        Count("partial", "In part", states["partial"], "bad", "messages of which some files are lost"),
        Count("lost", "Lost", states["lost"], "bad", "messages of which every file is lost"),
        Count("receipts", "Receipts", receipts["total"], "quiet", "postbacks received"),
        Count(
            "duplicates", "Duplicates", receipts["duplicates"], "quiet", "repeats of a message already here"
        ),
        Count("other", "Other notices", receipts["other"], "quiet", "postbacks that are no message"),
        Count("quarantined", "Quarantined", receipts["quarantined"], "bad", "postbacks not understood"),
    ]
    rare = {"other", "quarantined"}
    return [number for number in numbers if number.value or number.name not in rare]
