"""Quarantine: postbacks that were not understood, why, and the ways to correct and replay them.

The raw body is never changed. What a person writes in its place is read instead, and kept beside it.
"""

from datetime import datetime
from typing import Any

import streamlit as st
from redis.exceptions import RedisError

from dashboard import locally, notices, raw, wording
from dashboard.anchors import anchor, message_address
from dashboard.visiting import Visit, visit
from mmsvault import auditing, quarantine, replaying
from mmsvault.catalog import quarantine as index
from mmsvault.catalog import upkeep
from mmsvault.catalog.permissions import Action
from mmsvault.catalog.quarantine import Quarantined
from mmsvault.errors import NotFoundError, NotUnderstoodError, RejectedInputError
from mmsvault.message import Message, Receipt
from mmsvault.postbacks import OtherNotice
from mmsvault.queueing.connection import connect_to_answer, unavailable
from mmsvault.queueing.durable import DurableQueue
from mmsvault.queueing.jobs import open_queue

SHOWN_AT_ONCE = 20
PATIENCE_SECONDS = 10
MOST_EDITED_BYTES = 1 << 18
CAME_OF = {
    "message": "Understood: it is a message now.",
    "duplicate": "Understood: its message is in the archive already.",
    "other": "Understood: it is a notice of another kind, which is counted.",
    "quarantined": "Not understood. The reason is below.",
    "waiting": "It is queued and waits for a worker. Reload this page in a moment.",
}
_SHOWN, _CAME_OF = "entries of quarantine", "what came of quarantine"


def quarantine_page() -> None:
    """Show the page."""
    with notices.spoken():
        visitor = visit(Action.REPLAY)
        st.title("Quarantine")
        st.html(f"<style>{_STYLE}</style>")
        st.caption(
            "Postbacks that could not be read. Their files are not downloaded until you correct or replay "
            "them. The raw body always stays as it was received."
        )
        _say_what_came()
        waiting = index.waiting(visitor.room.catalog)
        if not waiting.count:
            st.info("Quarantine is empty: every postback was understood.")
            return
        shown = st.session_state.get(_SHOWN, SHOWN_AT_ONCE)
        found = index.newest(visitor.room.catalog, limit=shown)
        st.text(f"{locally.plural(waiting.count, 'postback')} in quarantine, newest first.")
        for one in found:
            with st.container(border=True, key=f"quarantined {one.folder}"):
                _show(one)
        if waiting.count > len(found):
            st.button(f"Show {SHOWN_AT_ONCE} more", key="more", on_click=_show_more, args=(shown,))
        st.caption("To replay all of them at once, run `mmsvault replay quarantine/`.")


def _show_more(shown: int) -> None:
    st.session_state[_SHOWN] = shown + SHOWN_AT_ONCE


def _say_what_came() -> None:
    said, message_id = st.session_state.pop(_CAME_OF, ("", ""))
    if not said:
        return
    with st.container(border=True, horizontal=True, vertical_alignment="center", key="came of it"):
        st.text(said)
        if message_id:
            anchor("Open message", message_address(message_id))


def _show(one: Quarantined) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        again = f", received {one.times:,} times that day" if one.times > 1 else ""
        st.text(f"{locally.moment(one.received_at)}, from {one.source or 'an unknown address'}{again}")
        st.space("stretch")
        st.button(
            "Set aside",
            key=f"set aside {one.folder}",
            icon=":material/archive:",
            on_click=_set_aside,
            args=(one.folder,),
            help="For what will never be a message: it is kept, and no longer counted or reported.",
        )
        st.button(
            "Replay",
            key=f"replay {one.folder}",
            icon=":material/replay:",
            on_click=_replay,
            args=(one.folder,),
            help="Reads the raw body again, unchanged: for example after an update.",
        )
    st.text(one.reason)
    folded = st.expander("Raw body and correction", key=f"body {one.folder}", on_change="rerun")
    if folded.open:
        with folded, notices.spoken():
            _show_body(visit(Action.REPLAY), one.folder)


def _show_body(visitor: Visit, folder: str) -> None:
    vault = visitor.room.vault
    about = quarantine.describe(vault, folder)
    headers = {str(name).lower(): str(value) for name, value in about.get("headers", {}).items()}
    st.text(f"Content type: {headers.pop('content-type', '') or 'not given'}")
    body = replaying.body(vault, folder, most_bytes=MOST_EDITED_BYTES + 1)
    raw.show_body(body[: raw.BYTES_READ])
    corrections = about.get("corrections", ())
    for given in corrections:
        st.text(_correction_said(given))
    if len(body) > MOST_EDITED_BYTES:
        st.text("This body is too large to correct here. Write the corrected body to a file and run:")
        st.code(f"mmsvault replay {folder} --body FILE", language=None)
    else:
        newest = replaying.corrected_body(vault, folder, corrections)
        _offer_correction(visitor, folder, body if newest is None else newest)
    if headers:
        st.caption("Other headers")
        st.code("\n".join(f"{name}: {value}" for name, value in sorted(headers.items())), language=None)
    st.caption(folder)


def _correction_said(given: dict[str, Any]) -> str:
    at = locally.moment(datetime.fromisoformat(given["at"]))
    reason = f" It was not understood either: {given['reason']}" if given.get("reason") else ""
    return f"Corrected by {given['by']}, {at}.{reason}"


def _offer_correction(visitor: Visit, folder: str, body: bytes) -> None:
    key = f"correction {folder}"
    with st.form(f"correct {folder}", border=False, enter_to_submit=False):
        written = st.text_area(
            "Corrected body",
            raw.editable(body),
            key=key,
            height=280,
            max_chars=MOST_EDITED_BYTES,
            help="Kept as UTF-8. Control characters are left out.",
        )
        with st.container(horizontal=True):
            checked = st.form_submit_button("Check", key=f"check {folder}", icon=":material/fact_check:")
            st.form_submit_button(
                "Replay corrected body",
                key=f"replay corrected {folder}",
                type="primary",
                icon=":material/replay:",
                on_click=_replay_corrected,
                args=(folder, key),
            )
    if checked:
        with st.container(border=True, key=f"checked {folder}"), notices.spoken():
            _show_check(visitor, _corrected(visitor, folder, written))


def _show_check(visitor: Visit, corrected: Receipt) -> None:
    """Show what would come of it; nothing is kept."""
    try:
        announced = replaying.check(visitor.room.vault, corrected)
    except NotUnderstoodError as error:
        st.text(f"Not understood: {error}")
        return
    if isinstance(announced, OtherNotice):
        st.text(f"Understood as a notice with the code {announced.code}. It is counted, and has no files.")
        return
    known = upkeep.folders(visitor.room.catalog, [announced.id])
    is_here = " It is in the archive already; new files are added to it." if known else ""
    st.text(f"Understood as a message.{is_here}")
    st.text("\n".join(_in_words(announced)))
    if announced.media:
        st.code("\n".join(item.url for item in announced.media), language=None, wrap_lines=True)


def _in_words(announced: Message) -> list[str]:
    told = {
        "From": wording.number(announced.sender),
        "To": ", ".join(wording.number(one) for one in announced.to),
        "Keyword": announced.keyword,
        "Subject": announced.subject,
        "Received": locally.moment(announced.received_at),
        "Tracking id": announced.tracking_id,
        "Files": locally.number(len(announced.media)),
    }
    return [f"{name}: {value or 'none'}" for name, value in told.items()]


def _corrected(visitor: Visit, folder: str, written: str) -> Receipt:
    """Return the receipt with what a person wrote. Raises RejectedInputError, NotFoundError."""
    receipt = _receipt(visitor, folder)
    return replaying.correct(receipt, written.encode(errors="replace"), by=visitor.person.name)


def _receipt(visitor: Visit, folder: str) -> Receipt:
    vault = visitor.room.vault
    for found in replaying.receipts(vault, [folder], provider="sinch"):
        if isinstance(found, Receipt) and found.quarantined_as == folder:
            return found
    raise NotFoundError(f"{folder} is not in quarantine.")


def _replay_corrected(folder: str, key: str) -> None:
    with notices.spoken():
        visitor = visit(Action.REPLAY)
        try:
            corrected = _corrected(visitor, folder, str(st.session_state.get(key, "")))
        except RejectedInputError as error:
            _say_next(str(error))
            return
        except NotFoundError:
            _say_next("It is not in quarantine any more.")
            return
        auditing.note_correction(
            visitor.room.vault, corrected, who=visitor.person.name, source=visitor.source
        )
        _send(visitor, corrected)


def _set_aside(folder: str) -> None:
    with notices.spoken():
        visitor = visit(Action.REPLAY)
        try:
            quarantine.set_aside(visitor.room.vault, folder, by=visitor.person.name)
        except NotFoundError:
            _say_next("It is not in quarantine any more.")
            return
        visitor.note("set aside a postback", subject=folder)
        _say_next(f"Set aside. To read it again, run `mmsvault replay {folder}`.")


def _replay(folder: str) -> None:
    with notices.spoken():
        visitor = visit(Action.REPLAY)
        try:
            receipt = _receipt(visitor, folder)
        except NotFoundError:
            _say_next("It is not in quarantine any more.")
            return
        visitor.note("replayed", subject=folder)
        _send(visitor, receipt)


def _send(visitor: Visit, receipt: Receipt) -> None:
    """Put the receipt into the queue, and say what came of it within some seconds."""
    vault = visitor.room.vault
    try:
        with connect_to_answer(vault.settings.effective_redis_url) as connection:
            queue = DurableQueue(open_queue(connection), replicas=vault.settings.effective_redis_replicas)
            replaying.replay(vault, queue, receipt)
    except RedisError as error:
        raise unavailable(error) from error
    counted = replaying.outcomes(vault, [receipt.id], wait_seconds=PATIENCE_SECONDS)
    outcome = next((name for name, count in counted.items() if count), "waiting")
    message_id = ""
    if outcome in ("message", "duplicate"):
        announced = replaying.check(vault, receipt)
        message_id = announced.id if isinstance(announced, Message) else ""
    _say_next(CAME_OF[outcome], message_id)


def _say_next(said: str, message_id: str = "") -> None:
    st.session_state[_CAME_OF] = (said, message_id)


_STYLE = "[class*='st-key-quarantined'] textarea { font-family: monospace; font-size: .85rem; }"
