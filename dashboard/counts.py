"""The live counts: what came in and what is left to do, in one line."""

from dataclasses import dataclass
from datetime import timedelta

import streamlit as st

from mmsvault.catalog.queries import Counts
from mmsvault.catalog.views import View
from mmsvault.message import utc_now

AT_RISK = timedelta(days=1)
"""A waiting file whose deadline is nearer than this is at risk."""


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
            "at-risk", "At risk", counts.at_risk, "bad", "waiting files that the provider deletes in a day"
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


def show_counts(view: View) -> int:
    """Show the counts, and return how many messages there are in all."""
    counts = view.counts(at_risk_before=utc_now() + AT_RISK)
    numbers = counted(counts)
    # Only numbers and our own words go into this markup.
    st.html(
        f"<style>{_STYLE}</style><div class='mms-counts' role='list'>"
        + "".join(
            f"<div class='{number.tone if number.value else 'quiet'}' role='listitem'"
            f" title='{number.meaning}'><span>{number.label}</span>"
            f" <b data-count='{number.name}'>{number.value:,}</b></div>"
            for number in numbers
        )
        + "</div>"
    )
    return sum(counts.messages.values())


_STYLE = """
.mms-counts { display: flex; flex-wrap: wrap; gap: .25rem 1.4rem; margin: 0; padding: 0; }
.mms-counts div { display: flex; gap: .4rem; align-items: baseline; font-size: .85rem; line-height: 1.5; }
.mms-counts span { opacity: .7; }
.mms-counts b { font-weight: 600; font-variant-numeric: tabular-nums; }
.mms-counts .busy b { color: light-dark(#9a6200, #f2b544); }
.mms-counts .bad b { color: light-dark(#b3261e, #ff8a80); }
"""
