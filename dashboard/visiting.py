"""Who visits: found out anew at every request and every run of a page, so that a log-out holds at once.

A visitor is known by the session cookie, or, where the settings leave login to a proxy, by the name
that the proxy gives with its secret. Pages have no other way to the catalog than a visit's `view`.
"""

import dataclasses
import hmac
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from dashboard.reading_room import ReadingRoom, reading_room
from mmsvault.catalog import people, permissions, queries, sessions, trail
from mmsvault.catalog.language import Query
from mmsvault.catalog.people import Person
from mmsvault.catalog.permissions import Action
from mmsvault.catalog.views import View, scope_of
from mmsvault.clients import client_address
from mmsvault.errors import ForbiddenError, NotFoundError
from mmsvault.message import Message, utc_now

COOKIE = "mmsvault_session"
SECRET_HEADER = "x-mmsvault-proxy-secret"  # noqa: S105 - its name


@dataclass(frozen=True)
class Visit:
    """A person in the reading room, and what they may see of the catalog. `source` is their address."""

    person: Person
    source: str
    room: ReadingRoom
    view: View

    def may(self, action: Action) -> bool:
        """Return whether this person may do this at all."""
        return permissions.allows(self.person, action)

    def message(self, action: Action, message_id: str) -> Message:
        """Return a message to do this to. Raises ForbiddenError, and NotFoundError outside of the scope."""
        permissions.require(self.person, action)
        return self.view.load(message_id)

    def messages(self, action: Action, query: Query) -> Iterator[str]:
        """Give the ids of those of the query's messages that this may be done to. Raises ForbiddenError."""
        asked = permissions.permitted(self.person, action, query, view=self.view)
        return queries.ids(self.room.catalog, asked)

    def note(
        self,
        action: str,
        *,
        subject: str = "",
        details: str = "",
        messages: Sequence[str] = (),
        numbers: Collection[str] = (),
    ) -> None:
        """Enter into the trail what this person does, to which messages (ids), about which more numbers."""
        trail.append(
            self.room.catalog,
            action,
            who=self.person.name,
            source=self.source,
            subject=subject,
            details=details,
            messages=messages,
            numbers=numbers,
        )


def recognise(room: ReadingRoom, headers: Mapping[str, str], *, is_activity: bool = False) -> Person | None:
    """Return who sends these headers; None for nobody that is known here. Raises UnavailableError.

    `is_activity` is whether a person does this, rather than a page that is open and looks for news. Whoever
    is named by a proxy or a provider needs no password of ours, and so none to replace.
    """
    settings = room.settings
    if settings.proxy_login_header:
        found = _named_by_proxy(room, headers)
    else:
        token = token_of(headers.get("cookie", ""))
        found = sessions.find(
            room.catalog, token, now=utc_now(), idle=settings.session_idle, is_activity=is_activity
        )
    if found and not settings.has_passwords:
        return dataclasses.replace(found, is_one_time=False)
    if found and found.role in settings.second_factor_roles and not found.has_second_factor:
        return dataclasses.replace(found, must_set_up=True)
    return found


def _named_by_proxy(room: ReadingRoom, headers: Mapping[str, str]) -> Person | None:
    proxy = room.settings.proxy_login_header.lower()
    told = headers.get(SECRET_HEADER, "").encode()
    if not hmac.compare_digest(told, room.settings.proxy_secret.encode()):
        return None
    try:
        return people.find(room.catalog, headers.get(proxy, ""))
    except NotFoundError:
        return None


def token_of(cookies: str, name: str = COOKIE) -> str:
    """Return the session's token in a Cookie header, or what another cookie holds; else nothing."""
    try:
        found = SimpleCookie(cookies).get(name)
    except CookieError:
        return ""
    return found.value if found else ""


def visit_of(room: ReadingRoom, person: Person, *, source: str) -> Visit:
    """Return the visit of a person. Raises SearchError for a scope that cannot be read: nothing is seen."""
    scope = scope_of(person.scope, region=room.settings.default_region)
    return Visit(person, source, room, View(room.catalog, scope))


def visit(action: Action = Action.LOOK) -> Visit:
    """Return who is at this page now, if they may do this. Raises ForbiddenError, UnavailableError."""
    room = reading_room()
    headers = {name.lower(): value for name, value in st.context.headers.items()}
    running = get_script_run_ctx(suppress_warning=True)
    # A part of a page that runs by itself is mostly a page that is open and looks for news.
    person = recognise(room, headers, is_activity=running is None or not running.fragment_ids_this_run)
    if person is None or not person.is_ready:
        raise ForbiddenError("Your session has ended.", is_signed_out=True)
    peer = st.context.ip_address or "127.0.0.1"  # Streamlit says nothing of its own machine
    source = client_address(peer, headers.get("x-forwarded-for", ""), room.settings.trusted_proxies)
    found = visit_of(room, person, source=source)
    permissions.require(person, action)
    return found
