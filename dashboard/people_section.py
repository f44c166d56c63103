"""Who may come in, with which role and scope: admins add, change, log out and remove people here."""

from collections.abc import Callable

import streamlit as st

from dashboard import locally, notices, wording
from dashboard.searched import whose
from dashboard.visiting import Visit, visit
from mmsvault.catalog import people, second_factors, sessions
from mmsvault.catalog.people import Person, Role
from mmsvault.catalog.permissions import Action
from mmsvault.catalog.views import scope_of
from mmsvault.errors import NotFoundError, RefusedError, RejectedInputError
from mmsvault.message import utc_now

MAY = {
    Role.VIEWER: "Viewer: looks and searches",
    Role.EXPORTER: "Exporter: and exports",
    Role.MANAGER: "Manager: and tags, holds, deletes, keeps the vault running",
    Role.ADMIN: "Admin: and lets people in, reads the trail",
}
SCOPE_HELP = "What they see: `keyword:storm number:28444` is either of the two; empty is everything."
_PASSWORD = "one-time password"  # noqa: S105 - where the page has it


def show_people() -> None:
    """Show everybody, and the way to let somebody in."""
    st.header("People")
    with notices.spoken():
        visitor = visit(Action.MANAGE_PEOPLE)
        _said()
        idle = visitor.room.settings.session_idle
        known = sessions.counted(visitor.room.catalog, now=utc_now(), idle=idle)
        for one in people.list_all(visitor.room.catalog):
            with st.container(border=True, key=f"person-{one.name}"):
                _show(visitor, one, known.get(one.name, 0))
        with st.expander("Let somebody in", icon=":material/person_add:", key="add somebody"):
            _add(visitor)


def _said() -> None:
    """Say the password that was just made, until it is taken, and what did not work."""
    if made := st.session_state.get(_PASSWORD):
        with st.container(border=True, key="made-password"):
            st.text(
                f"The one-time password of {made[0]}. It is shown here only, and nobody can look it up again:"
            )
            st.code(made[1], language=None)
            st.text("It is good for one login, at which they choose their own.")
            if st.button("I have taken it", key="taken", type="primary"):
                del st.session_state[_PASSWORD]
                st.rerun()
    notices.say_kept()


def _show(visitor: Visit, one: Person, logins: int) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.text(f"{one.name}, {one.role}" + (" (you)" if one.name == visitor.person.name else ""))
        names = f" ({names})" if (names := whose(visitor, one.scope)) else ""
        st.text(f"sees {one.scope or 'everything'}{names}")
        st.text(f"logged in on {locally.plural(logins, 'browser')}" if logins else "not logged in")
        if one.is_one_time and visitor.room.settings.has_passwords:
            st.text("has not chosen a password yet")
        if one.has_second_factor and visitor.room.settings.has_passwords:
            st.text("has a second factor")
        st.space("stretch")
        with st.popover("Change", icon=":material/edit:"):
            _change(visitor, one, logins)


def _change(visitor: Visit, one: Person, logins: int) -> None:
    role = st.selectbox(
        "Role",
        list(Role),
        index=list(Role).index(one.role),
        format_func=MAY.__getitem__,
        key=f"role {one.name}",
    )
    scope = st.text_input(
        "Sees", one.scope, key=f"scope {one.name}", help=SCOPE_HELP, placeholder="everything"
    )
    with st.container(horizontal=True):
        st.button(
            "Save",
            key=f"save {one.name}",
            type="primary",
            on_click=_do,
            args=(_set_role, one.name, role, scope),
        )
        if visitor.room.settings.has_passwords:
            st.button("New password", key=f"password {one.name}", on_click=_do, args=(_reset, one.name))
            st.button(
                "Reset second factor",
                key=f"factor {one.name}",
                disabled=not one.has_second_factor,
                on_click=_do,
                args=(_reset_second_factor, one.name),
            )
        st.button(
            "Log out everywhere",
            key=f"end {one.name}",
            disabled=not logins,
            on_click=_do,
            args=(_end, one.name),
        )
    sure = st.checkbox(f"Remove {one.name} for good", key=f"sure {one.name}")
    st.button("Remove", key=f"remove {one.name}", disabled=not sure, on_click=_do, args=(_remove, one.name))


def _add(visitor: Visit) -> None:
    name = st.text_input("Name", key="new name", placeholder="anna or anna@example.org", max_chars=100)
    role = st.selectbox("Role", list(Role), format_func=MAY.__getitem__, key="new role")
    scope = st.text_input("Sees", key="new scope", help=SCOPE_HELP, placeholder="everything")
    if not visitor.room.settings.has_passwords:
        st.caption("Your login provider must call them by this name.")
    st.button(
        "Let in", key="add", type="primary", on_click=_do, args=(_let_in, name.strip(), role, scope.strip())
    )


def _do(deed: Callable[..., None], *given: object) -> None:
    """Do it, unless whoever presses the button may not any more, and say why it could not be done."""
    with notices.spoken():
        try:
            deed(visit(Action.MANAGE_PEOPLE), *given)
        except (RejectedInputError, RefusedError, NotFoundError) as error:
            said = str(error)
            notices.say_next(said[:1].upper() + said[1:])


def _let_in(visitor: Visit, name: str, role: Role, scope: str) -> None:
    scope_of(scope, region=visitor.room.settings.default_region)
    subject = visitor.room.settings.names_are_subjects
    password = people.add(visitor.room.catalog, name, role=role, scope=scope, is_subject=subject)
    visitor.note("added a person", subject=name, details=f"{role}, sees {scope or 'everything'}")
    _keep_password(visitor, name, password)


def _set_role(visitor: Visit, name: str, role: Role, scope: str) -> None:
    scope_of(scope, region=visitor.room.settings.default_region)
    people.change(visitor.room.catalog, name, role=role, scope=scope.strip())
    visitor.note("changed a person", subject=name, details=f"{role}, sees {scope or 'everything'}")


def _reset(visitor: Visit, name: str) -> None:
    password = people.set_password(visitor.room.catalog, name)
    visitor.note("reset a password", subject=name)
    _keep_password(visitor, name, password)


def _reset_second_factor(visitor: Visit, name: str) -> None:
    if second_factors.remove(visitor.room.catalog, name):
        sessions.end_all(visitor.room.catalog, name)
        visitor.note("reset a second factor", subject=name)


def _end(visitor: Visit, name: str) -> None:
    ended = sessions.end_all(visitor.room.catalog, name)
    visitor.note("logged out a person", subject=name, details=wording.plural(ended, "session"))


def _remove(visitor: Visit, name: str) -> None:
    people.remove(visitor.room.catalog, name)
    visitor.note("removed a person", subject=name)


def _keep_password(visitor: Visit, name: str, password: str) -> None:
    if visitor.room.settings.has_passwords:
        st.session_state[_PASSWORD] = (name, password)
