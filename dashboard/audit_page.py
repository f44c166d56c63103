"""The trail, for admins: who looked, exported, changed or logged in; filtered, and taken along as CSV."""

import csv
import io
from collections.abc import Sequence

import streamlit as st

from dashboard import locally, notices
from dashboard.visiting import visit
from mmsvault import auditing
from mmsvault.catalog import trail
from mmsvault.catalog.permissions import Action
from mmsvault.catalog.trail import Entry
from mmsvault.exporting.tables import safe

SHOWN = 200
TAKEN = 10_000
A_SCREENFUL = 12
COLUMNS = ("number", "at", "who", "source", "action", "subject", "details", "hash")


def audit_page() -> None:
    """Show the page, to admins only."""
    with notices.spoken():
        visitor = visit(Action.READ_TRAIL)
        st.title("Audit")
        with st.container(horizontal=True, vertical_alignment="bottom"):
            who = st.text_input("Who", key="who", bind="query-params", placeholder="anybody")
            action = st.selectbox("Did", auditing.ACTIONS, index=None, key="did", placeholder="anything")
            words = st.text_input("To what", key="words", bind="query-params", placeholder="message, search")
        asked = {"who": who.strip(), "action": action or "", "words": words.strip()}
        found = trail.latest(visitor.room.catalog, limit=TAKEN, **asked)
        _show(found[:SHOWN])
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
        told = entry.as_json()
        rows.writerow([safe(str(told[name])) for name in COLUMNS])
    return text.getvalue().encode("utf-8-sig")


def _show(found: Sequence[Entry]) -> None:
    rows = [
        {
            "At": locally.in_zone(entry.at, locally.zone()),
            "Who": entry.who,
            "From": entry.source,
            "Did": entry.action,
            "To what": entry.subject,
            "Details": entry.details,
        }
        for entry in found
    ]
    if rows:
        st.dataframe(
            rows,
            hide_index=True,
            height="content" if len(rows) < A_SCREENFUL else 460,
            column_config={"At": st.column_config.DatetimeColumn(format="localized")},
        )
    else:
        st.info("Nothing in the trail fits.")
