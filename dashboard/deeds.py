"""What people do to messages from the gallery and the message page: tag, hold, release, delete.

Every deed is for those whose role allows it, within their scope, and in the trail. What a page hands
over is not believed: it is looked up again in the visitor's view.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from dashboard import wording
from dashboard.filters import Filters
from dashboard.visiting import Visit
from mmsvault import annotating, disposition
from mmsvault.catalog import permissions, upkeep
from mmsvault.catalog.permissions import Action
from mmsvault.catalog.selections import MOST_MESSAGES
from mmsvault.errors import NotFoundError, RefusedError
from mmsvault.message import tag_of

ACTIONS = {
    "export": Action.EXPORT,
    "tag": Action.TAG,
    "hold": Action.HOLD,
    "release": Action.HOLD,
    "delete": Action.DELETE,
}
"""What each deed of the gallery needs."""
_NAMED = 3


@dataclass(frozen=True)
class Choice:
    """Messages that somebody chose: by their ids, or all that filters find (`ids` is None then).

    No ids at all are no messages, never all of them.
    """

    ids: tuple[str, ...] | None = None
    filters: Filters = field(default_factory=Filters)

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> "Choice":
        """Take the choice out of what the gallery hands over."""
        ids = given.get("ids")
        if isinstance(ids, list):
            return cls(ids=tuple(str(identity) for identity in ids[:MOST_MESSAGES]))
        filters = given.get("filters")
        if not isinstance(filters, Mapping):
            return cls(ids=())
        return cls(filters=Filters.of(filters))

    def in_words(self) -> str:
        """Return the choice for the trail."""
        if self.ids is None:
            return self.filters.words() or "everything"
        if not self.ids:
            return "nothing"
        more = len(self.ids) - _NAMED
        return " ".join(self.ids[:_NAMED]) + (f" and {wording.plural(more, 'other')}" if more > 0 else "")


@dataclass(frozen=True)
class Weight:
    """What a choice comes to. Sizes in bytes."""

    messages: int
    files: int
    bytes: int
    held: int


def found(visit: Visit, action: Action, choice: Choice) -> list[str]:
    """Return the ids of the chosen messages that this visitor may do something to.

    Raises ForbiddenError and SearchError.
    """
    if choice.ids is not None:
        permissions.require(visit.person, action)
        return [identity for identity in choice.ids if visit.view.holds(identity)]
    return list(visit.messages(action, choice.filters.query(region=visit.room.settings.default_region)))


def weigh(visit: Visit, ids: Sequence[str]) -> Weight:
    """Return what these messages come to, before something is done to them."""
    messages = files = size = held = 0
    for batch in upkeep.batches(ids):
        for message in visit.view.load_all(batch):
            messages += 1
            files += len(message.media)
            size += sum(item.size or 0 for item in message.media)
            held += message.hold
    return Weight(messages, files, size, held)


def tag(visit: Visit, choice: Choice, *, add: Sequence[str], remove: Sequence[str]) -> int:
    """Add tags to the messages and take tags away; return how many messages that were.

    Raises RejectedInputError for a tag that is too long.
    """
    added = [tag_of(name) for name in add if name.strip()]
    removed = [name.strip() for name in remove if name.strip()]
    ids = found(visit, Action.TAG, choice)
    done = 0
    for identity in ids:
        with suppress(NotFoundError):  # somebody deleted it since
            annotating.annotate(visit.room.vault, identity, tag=added, untag=removed)
            done += 1
    said = ", ".join([*(f"+{name}" for name in added), *(f"-{name}" for name in removed)])
    details = f"{said}: {wording.plural(done, 'message')}"
    visit.note("tagged", subject=choice.in_words(), details=details, messages=ids)
    return done


def write_note(visit: Visit, message_id: str, text: str) -> None:
    """Set the note of a message. Raises RejectedInputError for one that is too long."""
    for identity in found(visit, Action.NOTE, Choice(ids=(message_id,))):
        annotating.annotate(visit.room.vault, identity, note=text)
        visit.note("wrote a note", subject=identity, messages=(identity,))


def hold(visit: Visit, choice: Choice, *, held: bool) -> int:
    """Hold the messages or release them; return how many that changed."""
    ids = found(visit, Action.HOLD, choice)
    changed = 0
    for identity in ids:
        with suppress(NotFoundError):  # somebody deleted it since
            changed += disposition.hold(visit.room.vault, identity, held=held)
    action = "held" if held else "released"
    details = wording.plural(changed, "message")
    visit.note(action, subject=choice.in_words(), details=details, messages=ids)
    return changed


def delete(visit: Visit, ids: Sequence[str], *, subject: str) -> Iterator[tuple[str, str]]:
    """Delete the messages for good, one by one; give each id with why it was not deleted, if it was not."""
    permissions.require(visit.person, Action.DELETE)
    seen = [identity for identity in ids if visit.view.holds(identity)]
    visit.note("began to delete", subject=subject, details=wording.plural(len(ids), "message"), messages=seen)
    for identity in ids:
        yield identity, _deleted(visit, identity)


def _deleted(visit: Visit, identity: str) -> str:
    """Delete one message; return why not, if it was not."""
    if not visit.view.holds(identity):
        return "it is not here any more"
    try:
        numbers = disposition.delete(visit.room.vault, identity)
        visit.room.shelf.forget(identity)
    except RefusedError as error:
        return str(error)
    except NotFoundError:
        return "it is not here any more"
    visit.note("deleted", subject=identity, messages=(identity,), numbers=numbers)
    return ""
