"""Which role may do what, and to which messages. Whoever offers or does something asks here.

In a page, by the visit, found out anew at each run so that a changed role or scope holds at once:

    visitor = visit()
    if visitor.may(Action.HOLD):                                # whether to show the button
        ...
    message = visitor.message(Action.HOLD, message_id)          # when it is pressed: raises ForbiddenError,
    disposition.hold(visitor.room.vault, message.id, held=True) # and NotFoundError outside of the scope
    visitor.note("held", subject=message.id)

    for message_id in list(visitor.messages(Action.TAG, query)):  # all that a query finds in the scope
        annotate(visitor.room.vault, message_id, tag=["seen"])

What is of no message (quarantine, people, the trail) is for those who see everything.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from mmsvault.catalog.language import Query
from mmsvault.catalog.people import Person, Role
from mmsvault.catalog.views import View
from mmsvault.errors import ForbiddenError


class Action(StrEnum):
    """What a person may want to do, in the words that follow "may"."""

    LOOK = "look at messages"
    DOWNLOAD = "download files"
    EXPORT = "export messages"
    TAG = "tag messages"
    NOTE = "write notes"
    HOLD = "hold messages and release them"
    DELETE = "delete messages"
    REQUEUE = "have files fetched again"
    NAME = "give senders names"
    OPERATE = "see how the vault runs"
    REPLAY = "replay postbacks"
    ERASE = "erase a number"
    READ_TRAIL = "read the trail"
    MANAGE_PEOPLE = "let people in and out"
    SEE_SETTINGS = "see the settings"
    SEE_SERVER = "see the server's own numbers"


@dataclass(frozen=True)
class Rule:
    """The least role that an action needs; `whole`: and to see everything, for it is of no one message."""

    role: Role
    whole: bool = False


RULES: Mapping[Action, Rule] = {
    Action.LOOK: Rule(Role.VIEWER),
    Action.DOWNLOAD: Rule(Role.VIEWER),
    Action.EXPORT: Rule(Role.EXPORTER),
    Action.TAG: Rule(Role.MANAGER),
    Action.NOTE: Rule(Role.MANAGER),
    Action.HOLD: Rule(Role.MANAGER),
    Action.DELETE: Rule(Role.MANAGER),
    Action.REQUEUE: Rule(Role.MANAGER),
    Action.NAME: Rule(Role.MANAGER),
    Action.OPERATE: Rule(Role.MANAGER, whole=True),
    Action.REPLAY: Rule(Role.MANAGER, whole=True),  # nobody knows yet what a quarantined postback is about
    Action.ERASE: Rule(Role.ADMIN, whole=True),
    Action.READ_TRAIL: Rule(Role.ADMIN, whole=True),
    Action.MANAGE_PEOPLE: Rule(Role.ADMIN, whole=True),
    Action.SEE_SETTINGS: Rule(Role.ADMIN, whole=True),
    Action.SEE_SERVER: Rule(Role.ADMIN),
}


def allows(person: Person, action: Action) -> bool:
    """Return whether the person may do this at all; to which messages, `permitted` says."""
    return _problem(person, action) == ""


def require(person: Person, action: Action) -> None:
    """Raise ForbiddenError, which says what is missing, unless the person may do this at all."""
    problem = _problem(person, action)
    if problem:
        raise ForbiddenError(problem)


def permitted(person: Person, action: Action, query: Query, *, view: View) -> Query:
    """Return the query for those of its messages that the person may do this to.

    `view` is the person's own. Raises ForbiddenError.
    """
    require(person, action)
    return view.narrowed(query)


def _problem(person: Person, action: Action) -> str:
    rule = RULES[action]
    if person.is_one_time:
        return "Set a password of your own first."
    if person.must_set_up:
        return "Set up your second factor first."
    if not person.role.includes(rule.role):
        return f"To {action} needs the role {rule.role}; yours is {person.role}."
    if rule.whole and person.scope:
        return f"To {action} is for those who see everything; you see {person.scope}."
    return ""
