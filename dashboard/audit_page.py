"""The audit log, for admins: who looked, exported, changed or logged in; filtered, checked, and as CSV."""

import csv
import io
from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from html import escape

import streamlit as st

from dashboard import locally, notices
from dashboard.visiting import Visit, visit
from mmsvault import audit_chain, auditing
from mmsvault.catalog import trail
from mmsvault.catalog.permissions import Action
from mmsvault.catalog.trail import Asked, Entry
from mmsvault.exporting.tables import safe

SHOWN = 200
TAKEN = 10_000
PROBLEMS_SHOWN = 20
COLUMNS = ("number", "at", "who", "source", "action", "subject", "details", "hash", "messages")
HEADS = ("Time", "Person", "From", "Action", "Subject", "Details")
_STYLE = """
.mms-audit { width: 100%; border-collapse: collapse; font-size: .875rem; }
.mms-audit :is(th, td) { text-align: left; vertical-align: top; padding: .35rem .75rem .35rem 0;
  border-bottom: 1px solid light-dark(#d5d3cf, #45423e); overflow-wrap: anywhere; }
.mms-audit :is(th, td):first-child { white-space: nowrap; width: 1%; padding-right: 1.5rem; }
@media (max-width: 700px) {
  .mms-audit thead { position: absolute; clip-path: inset(50%); width: 1px; height: 1px; overflow: hidden; }
  .mms-audit :is(table, tbody, tr, td) { display: block; border: 0; padding: 0; }
  .mms-audit tr { padding: .6rem 0; border-bottom: 1px solid light-dark(#d5d3cf, #45423e); }
  .mms-audit td { display: grid; grid-template-columns: 5.5rem 1fr; }
  .mms-audit td:first-child { width: auto; }
  .mms-audit td::before { content: attr(data-head); color: light-dark(#5c5b59, #b8b7b4); }
  .mms-audit td:empty { display: none; }
}
"""


def audit_page() -> None:
    """Show the page, to admins only."""
    with notices.spoken():
        visitor = visit(Action.READ_TRAIL)
        st.title("Audit")
        _check_button(visitor)
        asked = _asked(visitor)
        found = trail.asked_for(visitor.room.catalog, asked, limit=TAKEN)
        show_entries(found[:SHOWN])
        if len(found) > SHOWN:
            st.caption(f"These are the newest {SHOWN}. The CSV file has up to {locally.number(TAKEN)}.")
        st.download_button(
            f"Download {locally.plural(len(found), 'entry', 'entries')} (CSV)",
            as_csv(found),
            file_name="audit.csv",
            mime="text/csv",
            icon=":material/download:",
            on_click=visitor.note,
            args=("exported the trail",),
        )


def as_csv(found: Sequence[Entry]) -> bytes:
    """Return entries as CSV that no spreadsheet takes for formulas."""
    text = io.StringIO()
    rows = csv.writer(text)
    rows.writerow(COLUMNS)
    for entry in found:
        told = {**entry.as_json(), "messages": " ".join(entry.messages)}
        rows.writerow([safe(str(told[name])) for name in COLUMNS])
    return text.getvalue().encode("utf-8-sig")


def show_entries(found: Sequence[Entry], *, none: str = "No entry of the audit log matches.") -> None:
    """Show entries as a table, which becomes a list where there is little room."""
    if not found:
        st.info(none)
        return
    heads = "".join(f'<th scope="col">{head}</th>' for head in HEADS)
    rows = "".join(f"<tr>{_cells(entry)}</tr>" for entry in found)
    table = f"<table class='mms-audit'><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>"
    st.html(f"<style>{_STYLE}</style>{table}")


def _cells(entry: Entry) -> str:
    told = (
        locally.second(entry.at),
        entry.who,
        entry.source,
        entry.action,
        entry.subject,
        _details(entry),
    )
    return "".join(
        f'<td data-head="{head}">{escape(text)}</td>' for head, text in zip(HEADS, told, strict=True)
    )


def _details(entry: Entry) -> str:
    """Return the details, with how many messages an entry names that its subject does not name."""
    named = [] if entry.messages == (entry.subject,) else entry.messages
    count = f"names {locally.plural(len(named), 'message')}" if named else ""
    return "; ".join(part for part in (entry.details, count) if part)


def _asked(visitor: Visit) -> Asked:
    """Ask which entries to show."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        who = st.text_input("Person", key="who", bind="query-params", placeholder="Anybody")
        action = st.selectbox("Action", auditing.ACTIONS, index=None, key="did", placeholder="Any action")
        number = st.text_input(
            "Number",
            key="number",
            bind="query-params",
            placeholder="A whole number",
            help="Entries about messages from or to this number, also where the messages are deleted.",
        )
        message = st.text_input("Message", key="message", bind="query-params", placeholder="An id")
        words = st.text_input("Subject or details", key="words", bind="query-params", placeholder="Any words")
        since = st.date_input("Since", value=None, key="since", bind="query-params")
        until = st.date_input("Until", value=None, key="until", bind="query-params")
    return auditing.asked(
        visitor.room.settings,
        who=who.strip(),
        action=action or "",
        words=words.strip(),
        message=message.strip(),
        number=number.strip(),
        since=_begin_of(since),
        until=_begin_of(until and until + timedelta(days=1)),
    )


def _begin_of(day: date | None) -> datetime | None:
    return datetime.combine(day, time(), locally.zone()) if day else None


def _check_button(visitor: Visit) -> None:
    """Offer to check that no entry was changed or removed."""
    if not st.button(
        "Check the audit log",
        key="check",
        icon=":material/verified_user:",
        help="Compares every entry with its hash and with the copy in the bucket.",
    ):
        return
    visit(Action.READ_TRAIL)
    with st.spinner("The entries are compared with their copies."):
        found = audit_chain.compare(visitor.room.vault)
    problems = found.problems
    visitor.note("checked the trail", details=f"{len(problems):,} problems")
    if not problems:
        st.success(f"{locally.plural(found.entries, 'entry', 'entries')} checked, none changed or missing.")
    else:
        st.error(f"{locally.plural(len(problems), 'problem')} found. `mmsvault audit verify` lists them all.")
        st.text("\n".join(f"{one.key}: {one.problem}" for one in problems[:PROBLEMS_SHOWN]))
    for one in found.findings:
        if one.is_note:
            st.text(one.problem)
