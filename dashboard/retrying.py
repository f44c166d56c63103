"""The button that has what is missing of a message fetched at once, wherever such a message is shown.

Whoever presses it waits for what comes of it, for a moment: it is said only once it is so.
"""

import time

import streamlit as st

from dashboard import locally, notices, wording
from dashboard.visiting import visit
from mmsvault import disposition
from mmsvault.catalog.permissions import Action
from mmsvault.message import Attempt, MediaItem, MediaState, Message

WAITED_SECONDS = 5.0
LOOKED_EVERY_SECONDS = 0.2


def offer(message_id: str, label: str) -> None:
    """Draw the button."""
    st.button(
        label,
        key=f"try {message_id}",
        icon=":material/refresh:",
        on_click=_try,
        args=(message_id,),
        help="Fetches what is missing or in doubt before all else. Of two versions both are kept.",
    )


def _try(message_id: str) -> None:
    with notices.spoken():
        visitor = visit()
        visitor.message(Action.REQUEUE, message_id)
        before = visitor.view.load(message_id)
        files = disposition.retry_now(visitor.room.vault, message_id)
        details = wording.plural(files, "file")
        visitor.note("fetched again", subject=message_id, details=details, messages=(message_id,))
        give_up_at = time.monotonic() + WAITED_SECONDS
        after = visitor.view.load(message_id)
        while not is_tried(before, after) and time.monotonic() < give_up_at:
            time.sleep(LOOKED_EVERY_SECONDS)
            after = visitor.view.load(message_id)
        st.toast(outcome(before, after), icon=":material/refresh:")


def is_tried(before: Message, after: Message) -> bool:
    """Return whether every file that was asked for has been tried once more since."""
    return all(len(_attempts(after, item)) > len(_attempts(before, item)) for item in _asked_for(before))


def outcome(before: Message, after: Message) -> str:
    """Return what came of trying the files of a message once more."""
    fetched, failed, waiting = 0, 0, 0
    reason = ""
    for item in _asked_for(before):
        tried = _attempts(after, item)
        if len(tried) == len(_attempts(before, item)):
            waiting += 1
        elif tried[-1].outcome == MediaState.STORED:
            fetched += 1
        else:
            failed += 1
            reason = tried[-1].reason
    said = []
    if fetched:
        said.append(f"{locally.plural(fetched, 'file')} fetched.")
    if failed:
        said.append(
            f"{locally.plural(failed, 'file')} could not be fetched{f': {reason}' if reason else '.'}"
        )
    if waiting:
        said.append(f"{locally.plural(waiting, 'file')} still being fetched; this page shows the result.")
    return " ".join(said) or "No file is missing."


def _asked_for(message: Message) -> list[MediaItem]:
    return [item for item in message.media if item.state is not MediaState.STORED or item.doubt]


def _attempts(message: Message, item: MediaItem) -> list[Attempt]:
    return [one for one in message.attempts if one.position == item.position]
