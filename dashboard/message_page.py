"""A message's own page: all of its files, what is known of it, what people say of it, its raw postbacks."""

import streamlit as st

from dashboard import callers, components, deeds, locally, notices, raw, retrying
from dashboard.deeds import Choice
from dashboard.record import record
from dashboard.visiting import Visit, visit
from dashboard.who_saw import show_who_saw
from mmsvault.catalog.permissions import Action
from mmsvault.errors import RefusedError
from mmsvault.layout import hash_in
from mmsvault.media.sniffing import OCTETS
from mmsvault.message import MediaItem, MediaState, Message, RawPostback, utc_now

FRESH_EVERY_SECONDS = 4
_NOTED = "message that was noted"


def message_page() -> None:
    """Show the message that the page's address names: `/message?id=...`."""
    message_id = st.query_params.get("id", "")
    if message_id:
        _show(message_id)
    else:
        notices.no_message_chosen()


def _show(message_id: str) -> None:
    with notices.spoken():
        visitor = visit()
        message = visitor.view.load(message_id)
        if st.session_state.get(_NOTED) != message_id:
            visitor.note("looked at", subject=message_id, messages=(message_id,))
            st.session_state[_NOTED] = message_id
        # What still waits for files changes by itself; the rest is read once.
        waits = message.due_at is not None
        st.fragment(_body, run_every=FRESH_EVERY_SECONDS if waits else None)(message_id)
        if visitor.may(Action.NOTE):
            _keeping(visitor, message)
        for postback in message.postbacks:
            _raw_postback(message, postback)
        for item in message.media:
            for key in item.evidence:
                _evidence(message, item, key)
        show_who_saw(visitor, message_id)


def _body(message_id: str) -> None:
    with notices.spoken():
        visitor = visit()
        message = visitor.view.load(message_id)
        names = callers.known(visitor.view, [message])
        components.sheet(record(message, sign=visitor.room.links.sign, now=utc_now(), names=names))
        missing = sum(item.state is not MediaState.STORED for item in message.media)
        doubtful = sum(item.state is MediaState.STORED and bool(item.doubt) for item in message.media)
        if (missing or doubtful) and visitor.may(Action.REQUEUE):
            doubts = locally.plural(doubtful, "file in doubt", "files in doubt")
            label = (
                f"Try {locally.plural(missing, 'missing file')} now" if missing else f"Fetch {doubts} again"
            )
            retrying.offer(message.id, label)


def _keeping(visitor: Visit, message: Message) -> None:
    """Let the visitor tag the message, write of it, hold it and delete it."""
    known = [*visitor.view.tags(), *message.tags]
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.multiselect(
            "Tags",
            list(dict.fromkeys(known)),
            default=list(message.tags),
            key=f"tags {message.id} {message.tags}",
            accept_new_options=True,
            on_change=_tag,
            args=(message.id, message.tags),
        )
        st.toggle(
            "On hold",
            value=message.hold,
            key=f"hold {message.id} {message.hold}",
            help="A message on hold cannot be deleted.",
            on_change=_hold,
            args=(message.id, not message.hold),
        )
        if st.button("Delete", key="delete this", icon=":material/delete:", disabled=message.hold):
            _ask_to_delete(message.id)
    written = st.text_area("Note", value=message.note, key=f"note {message.id} {hash(message.note)}")
    if written.strip() != message.note and st.button("Save note", type="primary", key="save note"):
        deeds.write_note(visitor, message.id, written)
        st.rerun()


def _tag(message_id: str, before: tuple[str, ...]) -> None:
    with notices.spoken():
        after = st.session_state[f"tags {message_id} {before}"]
        add, remove = [tag for tag in after if tag not in before], [tag for tag in before if tag not in after]
        deeds.tag(visit(), Choice(ids=(message_id,)), add=add, remove=remove)


def _hold(message_id: str, held: bool) -> None:
    with notices.spoken():
        deeds.hold(visit(), Choice(ids=(message_id,)), held=held)


@st.dialog("Delete for good?")
def _ask_to_delete(message_id: str) -> None:
    with notices.spoken():
        visitor = visit()
        weight = deeds.weigh(visitor, [message_id])
        st.text(
            f"This message with {locally.plural(weight.files, 'file')} ({locally.size(weight.bytes)}), its "
            "previews and raw postbacks will be removed from the archive. Nothing brings it back."
        )
        if st.button("Delete 1 message", type="primary", key="delete", icon=":material/delete:"):
            for _, reason in deeds.delete(visitor, [message_id], subject=message_id):
                if reason:
                    raise RefusedError(f"It was not deleted: {reason}.")
            st.switch_page("")


def _raw_postback(message: Message, postback: RawPostback) -> None:
    label = f"{'Corrected' if postback.corrects else 'Raw'} postback `{postback.name}`"
    folded = st.expander(label, key=f"raw {message.id} {postback.name}", on_change="rerun")
    if not folded.open:
        return
    with folded, notices.spoken():
        visitor = visit()
        visitor.view.load(message.id)
        key = message.prefix + postback.name
        raw.show_body(visitor.room.bucket.beginning(key, most_bytes=raw.BYTES_READ))
        st.text(f"SHA-256 {postback.sha256}, {_origin(postback)}")


def _origin(postback: RawPostback) -> str:
    if not postback.corrects:
        return f"received from {postback.source or 'an unknown address'}"
    at = f", {locally.moment(postback.corrected_at)}" if postback.corrected_at else ""
    return f"written by {postback.corrected_by or 'an unknown person'}{at}, in place of {postback.corrects}"


def _evidence(message: Message, item: MediaItem, key: str) -> None:
    """Show what else came for a file: an answer that was not it as text, an earlier version to download."""
    what = "What the provider answered for" if hash_in(key) else "An earlier version of"
    name = key.removeprefix(message.prefix)
    folded = st.expander(
        f"{what} file {item.position + 1} `{name}`", key=f"evidence {key}", on_change="rerun"
    )
    if not folded.open:
        return
    with folded, notices.spoken():
        visitor = visit()
        visitor.view.load(message.id)
        if hash_in(key):
            raw.show_body(visitor.room.bucket.beginning(key, most_bytes=raw.BYTES_READ))
            return
        version = next(one for one in item.earlier if one.key == key)
        st.text(f"{locally.size(version.size)}, SHA-256 {version.sha256}")
        st.link_button("Download", visitor.room.links.sign(key, OCTETS, download=True))
