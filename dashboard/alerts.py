"""What is wrong, on top of every page: the conditions that alerts tell of as well.

Files at risk are said to whoever may see them; the rest to those who can do something about it.
"""

import html
from dataclasses import dataclass

import streamlit as st

from dashboard import locally
from dashboard.reading_room import reading_room
from dashboard.visiting import Visit, visit
from mmsvault import health
from mmsvault.catalog.permissions import Action
from mmsvault.catalog.totals import AT_RISK
from mmsvault.catalog.views import View, scope_of
from mmsvault.errors import VaultError
from mmsvault.health import Health
from mmsvault.message import utc_now
from mmsvault.ops.conditions import Finding, Severity, judge
from mmsvault.ops.gather import gather

LOOKED_EVERY_SECONDS = 15
KEPT_SECONDS = 10
MOST_IN_A_LINE = 3
WAITING = "./?q=state%3Apending"
OPERATIONS, QUARANTINE = "operations", "quarantine"
ALERTS, DEADLINES = "alerts", "nearest-deadlines"
"""Where the page of operations has them."""


@dataclass(frozen=True)
class Alert:
    """What is wrong, in our own words, and the page that says more."""

    said: str
    address: str
    link: str


def show_alerts(*, over_the_page: bool = False) -> None:
    """Show what is wrong now, and go on looking.

    Over the page they take one line of what is free under the header, so that nothing on it moves.
    """
    st.fragment(_show, run_every=LOOKED_EVERY_SECONDS)(over_the_page)


def _show(over_the_page: bool) -> None:
    try:
        found = alerts(visit())
    except VaultError:  # the page itself says so
        return
    if over_the_page:
        found = in_one_line(found)
    if found:
        lines = "".join(
            f"<p><span>{html.escape(one.said)}</span> "
            f"<a href='{one.address}' target='_self'>{one.link}</a></p>"
            for one in found
        )
        kind = "mms-alerts over" if over_the_page else "mms-alerts"
        st.html(f"<style>{_STYLE}</style><div class='{kind}' role='alert'>{lines}</div>")


def in_one_line(found: list[Alert]) -> list[Alert]:
    """Return as many as one line has room for, the last of them for all the others."""
    if len(found) <= MOST_IN_A_LINE:
        return found
    others = len(found) - MOST_IN_A_LINE + 1
    return [
        *found[: MOST_IN_A_LINE - 1],
        Alert(f"{others} more alerts.", f"{OPERATIONS}#{ALERTS}", "See all"),
    ]


def alerts(visitor: Visit) -> list[Alert]:
    """Return what this visitor is to know. Raises UnavailableError."""
    found = []
    where = f"{OPERATIONS}#{DEADLINES}" if visitor.may(Action.REQUEUE) else WAITING
    found += [Alert(said, where, "See which") for said in at_risk_in_words(*_at_risk(visitor.person.scope))]
    if visitor.may(Action.REPLAY) or visitor.may(Action.OPERATE):
        wrong = [one for one in findings() if one.stands and concerns(visitor, one)]
        wrong.sort(key=lambda one: one.condition.severity is not Severity.PAGE)
        found += [of_finding(one) for one in wrong]
    return found


def at_risk_in_words(late: int, near: int) -> list[str]:
    """Return what is said of missing files: `late` past their deadlines, `near` with under a day left."""
    said = []
    if late:
        files = locally.plural(late, "file is", "files are")
        their = "its deadline" if late == 1 else "their deadlines"
        said.append(f"{files} still missing past {their}: the provider may have deleted {_them(late)}.")
    if near:
        files = locally.plural(near, "file is", "files are")
        said.append(f"{files} still missing with less than a day until the provider deletes {_them(near)}.")
    return said


def _them(files: int) -> str:
    return "it" if files == 1 else "them"


def concerns(visitor: Visit, finding: Finding) -> bool:
    """Return whether this visitor is to know of it, who may hear of files at risk in another way."""
    if finding.condition.id == "at_risk":
        return False
    return visitor.may(Action.REPLAY if finding.condition.page == QUARANTINE else Action.OPERATE)


def of_finding(finding: Finding) -> Alert:
    """Return what is said of it above a page."""
    said = f"{finding.answer.sentence} {finding.answer.details}".strip()
    page = finding.condition.page
    address = f"{page}#{ALERTS}" if page == OPERATIONS else page
    return Alert(said, address, "Correct and replay" if page == QUARANTINE else "What to do")


@st.cache_data(ttl=KEPT_SECONDS, show_spinner=False)
def _at_risk(scope: str) -> tuple[int, int]:
    """Return how many missing files are past their deadline, and how many have less than a day left."""
    room = reading_room()
    view = View(room.catalog, scope_of(scope, region=room.settings.default_region))
    now = utc_now()
    late = view.at_risk(before=now)
    return late, view.at_risk(before=now + AT_RISK) - late


@st.cache_resource(ttl=KEPT_SECONDS, show_spinner=False)  # nobody changes it, and it has functions in it
def findings() -> list[Finding]:
    """Return what is so of every condition that is known, asked once for everybody who looks."""
    return list(judge(gather(reading_room().vault)))


@st.cache_data(ttl=KEPT_SECONDS, show_spinner=False)
def how_it_is() -> Health:
    """Return how servers and programs are, asked once for everybody who looks."""
    return health.look(reading_room().vault)


_STYLE = """
.mms-alerts { display: grid; gap: 6px; }
.mms-alerts p { margin: 0; padding: .55rem .8rem; border-radius: 8px; font-size: .9rem; line-height: 1.4;
  border-left: 4px solid light-dark(#b3261e, #ff8a80);
  background: color-mix(in srgb, light-dark(#b3261e, #ff8a80) 12%, transparent); }
.mms-alerts a { color: inherit; font-weight: 600; text-decoration: underline; }
[data-testid="stMainBlockContainer"]:has(.mms-alerts.over) { position: relative; }
[data-testid="stLayoutWrapper"]:has(.mms-alerts.over) {
  position: absolute; top: calc(3.75rem + 3px); left: 1rem; right: 1rem; width: auto; }
.mms-alerts.over { display: flex; gap: 6px; }
.mms-alerts.over p { flex: 0 1 auto; min-width: 0; display: flex; gap: .5rem; padding: .1rem .6rem;
  font-size: .8rem; white-space: nowrap; }
.mms-alerts.over span { overflow: hidden; text-overflow: ellipsis; }
@media (min-width: 864px) {
  [data-testid="stLayoutWrapper"]:has(.mms-alerts.over) { left: 5rem; right: 5rem; } }
"""
