"""Settings, for admins: the address for the provider, a test of it, what is set, and who may come in."""

import html
import re

import streamlit as st

from dashboard import locally, notices, wording
from dashboard.drawn import address
from dashboard.people_section import show_people
from dashboard.visiting import Visit, visit
from mmsvault import rehearsal
from mmsvault.catalog.permissions import Action
from mmsvault.settings import Settings
from mmsvault.settings.secrets import is_secret
from mmsvault.settings.sources import Origin

HIDDEN = "•" * 8
_PASSWORD = re.compile(r"(?<=://)([^:/@]*):[^@]*(?=@)")


def settings_page() -> None:
    """Show the page."""
    with notices.spoken():
        visitor = visit(Action.SEE_SETTINGS)
        st.title("Settings")
        _postbacks(visitor)
        if visitor.may(Action.MANAGE_PEOPLE):
            show_people()
        _what_is_set(visitor.room.settings)


def _postbacks(visitor: Visit) -> None:
    settings = visitor.room.settings
    st.header("Postbacks")
    st.text("Give your provider this address; whoever has it can post to your vault.")
    whole = rehearsal.address(settings)
    address(whole, hidden=whole.replace(settings.effective_token, HIDDEN), label="Address for postbacks")
    if not settings.receiver_public_url:
        st.caption(
            "It is the receiver's own address. Set `MMSVAULT_RECEIVER_PUBLIC_URL` to the public name that "
            "your proxy gives it, with TLS, and it stands here."
        )
    st.fragment(_rehearsal)()


def _rehearsal() -> None:
    with notices.spoken():
        visitor = visit(Action.SEE_SETTINGS)
        pressed = st.button("Send a test postback", key="test", icon=":material/send:", type="primary")
        st.caption(
            "It goes the provider's way: over HTTP to the receiver, through the queue and a worker into the "
            "archive. It has no file, so it does not try whether your provider's files can be fetched."
        )
        if pressed:
            visitor.note("sent a test")
            _show_steps(visitor)
        if left := rehearsal.tests(visitor.room.vault):
            st.button(
                f"Remove {locally.plural(left, 'test message')}",
                key="remove tests",
                icon=":material/delete:",
                on_click=_remove_tests,
            )


def _show_steps(visitor: Visit) -> None:
    passed = True
    with st.status("The test postback is on its way", expanded=True) as status:
        for step in rehearsal.rehearse(visitor.room.vault, who=visitor.person.name):
            passed = passed and step.ok
            st.text(f"{'✓' if step.ok else '✗'} {step.name}: {step.said}")
        label = "Everything works, from the receiver to the archive" if passed else "It did not arrive"
        status.update(label=label, state="complete" if passed else "error", expanded=True)


def _remove_tests() -> None:
    with notices.spoken():
        visitor = visit(Action.SEE_SETTINGS)
        removed = rehearsal.remove(visitor.room.vault)
        visitor.note(
            "deleted", subject=f"from:{rehearsal.SENDER}", details=wording.plural(removed, "test message")
        )


def _what_is_set(settings: Settings) -> None:
    st.header("What is set")
    st.text(
        "Settings are read at the start, from the environment or a file .env; docs/settings.md explains each."
    )
    lines = {name: (shown(settings, name), settings.origin(name)) for name in type(settings).model_fields}
    _table({name: line for name, line in lines.items() if line[1] is not Origin.DEFAULT})
    with st.expander("Defaults"):
        _table({name: line for name, line in lines.items() if line[1] is Origin.DEFAULT})


def shown(settings: Settings, name: str) -> str:
    """Return a setting's value for a page, without what is secret of it."""
    value = settings.effective_token if name == "postback_token" else getattr(settings, name)
    text = ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)
    if isinstance(value, dict):
        text = ", ".join(f"{key}={days}" for key, days in value.items())
    if text and is_secret(name):
        return HIDDEN
    return _PASSWORD.sub(rf"\1:{HIDDEN}", text)


def _table(lines: dict[str, tuple[str, Origin]]) -> None:
    rows = "".join(
        f"<tr><th scope='row'>{name.upper()}</th><td>{html.escape(value) or '<i>empty</i>'}</td>"
        f"<td>{came_from.value}</td></tr>"
        for name, (value, came_from) in lines.items()
    )
    head = "<tr><th scope='col'>Setting</th><th scope='col'>Value</th><th scope='col'>From</th></tr>"
    table = f"<table class='mms-settings'><thead>{head}</thead><tbody>{rows}</tbody></table>"
    st.html(f"<style>{_STYLE}</style>{table}")


_STYLE = """
.mms-settings { width: 100%; border-collapse: collapse; font-size: .85rem; line-height: 1.4; }
.mms-settings th, .mms-settings td { padding: .4rem .75rem .4rem 0; text-align: left; vertical-align: top;
  font-weight: 400; overflow-wrap: anywhere;
  border-bottom: 1px solid color-mix(in srgb, currentColor 15%, transparent); }
.mms-settings thead th { font-weight: 600; }
.mms-settings tbody th { width: 34%; }
.mms-settings td:last-child { width: 22%; }
@media (max-width: 640px) {
  .mms-settings thead { display: none; }
  .mms-settings tr { display: block; padding: .4rem 0;
    border-bottom: 1px solid color-mix(in srgb, currentColor 15%, transparent); }
  .mms-settings tbody th, .mms-settings td, .mms-settings td:last-child { display: block; width: auto;
    padding: 0; border: 0; }
  .mms-settings tbody th { font-weight: 600; }
}
"""
