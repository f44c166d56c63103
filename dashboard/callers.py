"""Numbers as people know them: with the name that somebody gave them, for those who see their messages."""

from collections.abc import Iterable, Mapping

from dashboard import wording
from mmsvault.catalog.language import Query
from mmsvault.catalog.views import View
from mmsvault.message import Message, normal_number

Names = Mapping[str, str]
"""Names by number, as `normal_number` writes it."""


def known(view: View, messages: Iterable[Message]) -> Names:
    """Return the names of those who sent and got these messages."""
    return view.names({normal_number(text) for one in messages for text in (one.sender, *one.to)})


def called(text: str, names: Names) -> str:
    """Return a number with its usual spaces, behind its name where it has one."""
    name, number = names.get(normal_number(text)), wording.number(text)
    return f"{name} ({number})" if name else number


def named_in(view: View, query: Query) -> str:
    """Return whose the numbers of a search are, as far as they have names: empty where none has."""
    numbers = [number for group in query.groups for term in group for number in term.numbers]
    names = view.names(numbers)
    told = (f"{wording.number(number)} is {names[number]}" for number in numbers if number in names)
    return "; ".join(dict.fromkeys(told))
