"""Operations, for managers: what comes in and becomes of it, what waits, and how everything is.

Who sees a part of the archive sees the flow and the waiting files of that part; the whole is for
those who see everything.
"""

import html
import re
from collections.abc import Sequence
from urllib.parse import urlencode

import streamlit as st

from dashboard import alerts, callers, locally, notices, retrying, wording
from dashboard.alerts import how_it_is
from dashboard.anchors import anchor
from dashboard.callers import Names
from dashboard.drawn import hours
from dashboard.reading_room import reading_room
from dashboard.visiting import Visit, visit
from mmsvault.catalog import quarantine, verdicts
from mmsvault.catalog.flow import Hour
from mmsvault.catalog.permissions import Action
from mmsvault.catalog.totals import AT_RISK, Counts
from mmsvault.catalog.verdicts import Extent, Verdict
from mmsvault.catalog.views import View, scope_of
from mmsvault.health import Answer, Health
from mmsvault.integrity import remembering
from mmsvault.message import MediaState, Message, MessageState, utc_now
from mmsvault.ops.conditions import CONDITIONS, Finding

HOURS = 24
FRESH_EVERY_SECONDS = 10
FLOW_KEPT_SECONDS = 8
WAITING_SHOWN = 20
SERIES = (("archived", "done"), ("waiting", "busy"), ("lost", "bad"))


def operations_page() -> None:
    """Show the page."""
    with notices.spoken():
        visitor = visit(Action.REQUEUE)
        st.title("Operations")
        if visitor.may(Action.OPERATE):
            st.fragment(_watched, run_every=FRESH_EVERY_SECONDS)()
        st.fragment(_flow, run_every=FRESH_EVERY_SECONDS)()
        if visitor.may(Action.OPERATE):
            st.fragment(_health, run_every=FRESH_EVERY_SECONDS)()
        st.fragment(_waiting, run_every=FRESH_EVERY_SECONDS)()
        if visitor.may(Action.OPERATE):
            st.fragment(_verified)()
            st.fragment(_quarantine, run_every=FRESH_EVERY_SECONDS)()


def _flow() -> None:
    with notices.spoken():
        visitor = visit(Action.REQUEUE)
        found, counts = _come_in(visitor.person.scope)
        # Only numbers and our own words go into this markup.
        cards = "".join(
            f"<div><span>{label}</span><b>{value}</b><small>{told}</small></div>"
            for label, value, told in figures(found, counts)
        )
        st.html(f"<style>{_STYLE}</style><div class='mms-figures'>{cards}</div>")
        st.header(f"The last {HOURS} hours")
        bars = [_bar(hour) for hour in found]
        hours(
            bars,
            series=SERIES,
            label=f"Messages by the hour they came in, the last {HOURS} hours",
            key="flow",
        )
        if others := in_words(found):
            st.caption(others)


@st.cache_data(ttl=FLOW_KEPT_SECONDS, show_spinner=False)
def _come_in(scope: str) -> tuple[list[Hour], Counts]:
    room, now = reading_room(), utc_now()
    view = View(room.catalog, scope_of(scope, region=room.settings.default_region))
    return view.by_hour(hours=HOURS, now=now), view.counts(at_risk_before=now + AT_RISK)


def figures(found: Sequence[Hour], counts: Counts) -> list[tuple[str, str, str]]:
    """Return label, number and meaning of what is counted."""
    received = sum(sum(hour.messages.values()) for hour in found)
    return [
        ("Received", locally.number(received), f"messages in {HOURS} hours"),
        ("Waiting", locally.number(counts.media["pending"]), "files still to come"),
        ("At risk", locally.number(counts.at_risk), "expire within 24 hours or have expired"),
        ("Lost", locally.number(counts.media["lost"]), "could not be downloaded"),
        ("Archived", locally.number(counts.media["stored"]), "files in the bucket"),
        ("Stored", locally.size(counts.bytes), "of originals"),
    ]


def _bar(hour: Hour) -> dict[str, str | int]:
    return {
        "at": hour.at.isoformat(),
        "archived": hour.messages[MessageState.ARCHIVED],
        "waiting": hour.messages[MessageState.PENDING],
        "lost": hour.messages[MessageState.LOST] + hour.messages[MessageState.PARTIAL],
    }


def in_words(found: Sequence[Hour]) -> str:
    """Return what else came in."""
    names = {
        "duplicate": ("repeat", "repeats"),
        "other": ("other notice", "other notices"),
        "quarantined": ("postback not understood", "postbacks not understood"),
        "deleted": ("message deleted since", "messages deleted since"),
    }
    counted = {name: sum(hour.others[name] for hour in found) for name in names}
    said = [locally.plural(count, *names[name]) for name, count in counted.items() if count]
    return f"Also {', '.join(said)}." if said else ""


def _waiting() -> None:
    with notices.spoken():
        visitor = visit(Action.REQUEUE)
        st.header("Nearest deadlines", anchor=alerts.DEADLINES)
        found = visitor.view.waiting(limit=WAITING_SHOWN)
        if not found:
            st.info("Nothing waits: every file that was announced is here, or was given up with its reason.")
        names = callers.known(visitor.view, found)
        for message in found:
            with st.container(border=True, key=f"waiting-{message.id}"):
                _show_waiting(message, names)
        if len(found) == WAITING_SHOWN:
            st.caption(f"The {WAITING_SHOWN} nearest are shown; `state:pending` in the gallery finds all.")


def _show_waiting(message: Message, names: Names) -> None:
    now = utc_now()
    with st.container(horizontal=True, vertical_alignment="center"):
        sender = callers.called(message.sender, names) or "An unknown sender"
        keyword = f", {message.keyword}" if message.keyword else ""
        passed = "passed " if message.deadline_at <= now else ""
        st.text(f"{sender}{keyword}: deadline {passed}{wording.until(message.deadline_at, now)}")
        st.space("stretch")
        anchor("Open", f"message?{urlencode({'id': message.id})}", name=f"Open the message of {sender}")
        retrying.offer(message.id, "Try now")
    for item in message.media:
        if item.state is not MediaState.PENDING:
            continue
        tried = locally.plural(item.attempts, "attempt") if item.attempts else "not tried yet"
        after = wording.until(item.next_attempt_at, now) if item.next_attempt_at else "now"
        after = "any moment" if after == "now" or after.endswith("ago") else after
        reason = f": {item.reason}" if item.reason else ""
        st.text(f"File {item.position + 1}, {tried}, the next {after}{reason}")


def _watched() -> None:
    with notices.spoken():
        visit(Action.OPERATE)
        found = alerts.findings()
        wrong = [one for one in found if one.stands]
        if wrong:
            st.header("Alerts", anchor=alerts.ALERTS)
            lines = "".join(_line(one) for one in wrong)
            st.html(f"<style>{_STYLE}</style><div role='list' class='mms-health told'>{lines}</div>")
        others = [one for one in found if not one.stands]
        unknown = len(CONDITIONS) - len(found)
        known = f"; nothing is known of {unknown}" if unknown else ""
        with st.expander(f"{len(others)} of {len(CONDITIONS)} things that are watched are well{known}"):
            lines = "".join(_line(one) for one in others)
            st.html(f"<style>{_STYLE}</style><div role='list' class='mms-health told'>{lines}</div>")


def _line(one: Finding) -> str:
    said = f"{one.answer.sentence} {one.answer.details}".strip()
    kind, first, then = (
        ("wrong", said, one.next_step) if one.stands else ("good", one.condition.question, said)
    )
    # Commands stand between backticks in our own words; what is not ours is escaped before.
    shown = re.sub(r"`([^`]*)`", r"<code>\1</code>", html.escape(then))
    return f"<div role='listitem' class='{kind}'><b>{html.escape(first)}</b><span>{shown}</span></div>"


def _health() -> None:
    with notices.spoken():
        visit(Action.OPERATE)
        st.header("Servers and programs")
        found, low_bytes = how_it_is(), reading_room().settings.alert_disk_low_bytes
        lines = "".join(
            f"<div role='listitem' class='{'good' if one.ok else 'wrong'}'><b>{html.escape(one.name)}</b>"
            f"<span>{'' if one.ok else 'Wrong: '}{html.escape(one.said)}</span></div>"
            for one in (*found.servers, *programs(found, low_bytes=low_bytes))
        )
        st.html(f"<style>{_STYLE}</style><div role='list' class='mms-health'>{lines}</div>")


def programs(found: Health, *, low_bytes: int) -> list[Answer]:
    """Return how workers, sweep, spool and disk are, in words."""
    told = []
    for name, line in found.queues.items():
        workers = locally.plural(line.workers, "worker") if line.workers else "no worker"
        jobs = f"{locally.number(line.waiting)} waiting, {locally.number(line.in_hand)} in hand"
        failed = f", {locally.number(line.failed)} failed and coming again" if line.failed else ""
        told.append(Answer(f"Queue {name}", line.workers > 0, f"{workers}; {jobs}{failed}"))
    ago = wording.until(found.swept_at, utc_now()).replace("now", "just now") if found.swept_at else ""
    swept = f"ran {ago}" if ago else "has not run"
    told.append(Answer("Sweep", found.sweeps, swept))
    spooled = f"{locally.plural(found.spooled, 'receipt')} on this host"
    told.append(Answer("Spool", not found.spooled, spooled if found.spooled else "empty"))
    free = f"{locally.size(found.free_bytes)} free of {locally.size(found.disk_bytes)}"
    told.append(Answer("Disk of the data directory", found.free_bytes >= low_bytes, free))
    return told


def _verified() -> None:
    with notices.spoken():
        visitor = visit(Action.OPERATE)
        st.header("Last verify")
        pressed = st.button(
            "Verify a sample now",
            key="verify",
            icon=":material/fact_check:",
            help=f"Reads every byte of {remembering.SAMPLE_MESSAGES} messages here and there.",
        )
        if pressed:
            with st.spinner("Looking at some messages, every byte of them"):
                verdict = remembering.verify_a_sample(visitor.room.vault)
            visitor.note("verified a sample", details=f"{verdict.problems:,} problems")
        _show_verdicts(visitor)


def _show_verdicts(visitor: Visit) -> None:
    found = verdicts.latest(visitor.room.catalog)
    if not any(one.extent is Extent.EVERYTHING for one in found):
        st.info("The whole archive was not verified yet. Run this by night, or as often as you like:")
        st.code("mmsvault verify", language=None)
    for one in found:
        st.text(said(one))
        if one.problems:
            st.code("\n".join(f"{key}: {problem}" for key, problem in one.first), language=None)
            st.caption("`mmsvault verify --repair` mends what can be mended.")


def _quarantine() -> None:
    with notices.spoken():
        visitor = visit(Action.REPLAY)
        st.header("Quarantine")
        waiting = quarantine.waiting(visitor.room.catalog)
        if waiting.newest is None:
            st.info("Quarantine is empty: every postback was understood.")
            return
        with st.container(horizontal=True, vertical_alignment="center", key="in quarantine"):
            st.text(f"{locally.plural(waiting.count, 'postback')} not understood")
            st.space("stretch")
            anchor("Correct and replay", "quarantine")
        st.text(f"Newest, {locally.moment(waiting.newest.received_at)}: {waiting.newest.reason}")


def said(one: Verdict) -> str:
    """Return a verdict in words."""
    extent = "Everything" if one.extent is Extent.EVERYTHING else "A part"
    found = locally.plural(one.problems, "problem") if one.problems else "all as it was archived"
    objects = locally.plural(one.checked, "object")
    return f"{extent}, {locally.moment(one.ended_at)}: {objects} looked at, {found}."


_STYLE = """
.mms-figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(9.5rem, 1fr)); gap: .75rem; }
.mms-figures div { padding: .7rem .9rem; border-radius: 8px; line-height: 1.35;
  background: color-mix(in srgb, currentColor 5%, transparent); }
.mms-figures span, .mms-figures b, .mms-figures small { display: block; font-size: .85rem; }
.mms-figures b { font-size: 1.5rem; font-weight: 600; font-variant-numeric: tabular-nums; }
.mms-health div { display: grid; grid-template-columns: 1rem minmax(7rem, 15rem) 1fr; gap: 0 .75rem;
  align-items: baseline; margin: 0; padding: .45rem 0; font-size: .9rem; }
.mms-health div::before { content: ""; width: .65rem; height: .65rem; border-radius: 50%;
  background: light-dark(#1f7a3d, #6fd08c); align-self: center; }
.mms-health.told div::before { align-self: start; margin-top: .35rem; }
.mms-health .wrong::before { background: light-dark(#b3261e, #ff8a80); border-radius: 0; }
.mms-health .wrong span { font-weight: 600; }
.mms-health.told div { grid-template-columns: 1rem minmax(7rem, 1fr) 1fr; }
.mms-health.told .wrong span { font-weight: 400; }
@media (max-width: 640px) {
  .mms-health div, .mms-health.told div { grid-template-columns: 1rem 1fr; }
  .mms-health span { grid-column: 2; }
}
"""
