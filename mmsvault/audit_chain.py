"""The trail's two copies, in the catalog and in the bucket, compared entry by entry.

Where both have another entry of the same number (a catalog from a backup went on by itself) the trail has
two branches, and both are kept.
"""

import itertools
import json
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from mmsvault import layout
from mmsvault.catalog import trail
from mmsvault.catalog.trail import Entry
from mmsvault.vault import Vault

CATALOG = "catalog"
"""What a finding names in place of a key."""
JOINED = "joined the trail"
"""Says that a second branch is known; the subject is the hash that this one ends with."""


@dataclass(frozen=True)
class Finding:
    """What is wrong with the trail at `key` (or `catalog`), in plain words.

    A `note` is for people to know, and nothing that is wrong now.
    """

    key: str
    problem: str
    is_note: bool = False


@dataclass(slots=True)
class Link:
    """An entry's place in the chain, and on which sides it is."""

    number: int
    hash: str
    previous: str
    is_here: bool = False
    is_there: bool = False


@dataclass
class Comparison:
    """What a look at both sides came to, and what each of them lacks: `auditing.mend` writes that.

    `entries` are those of the catalog.

    `open_forks` are the ends of branches that nobody has said to know of, `not_indexed` entries that nobody
    finds who asks by message or number.
    """

    entries: int = 0
    findings: list[Finding] = field(default_factory=list)
    missing_here: list[Link] = field(default_factory=list)
    missing_there: list[Link] = field(default_factory=list)
    open_forks: list[Link] = field(default_factory=list)
    not_indexed: list[Link] = field(default_factory=list)

    @property
    def problems(self) -> list[Finding]:
        """The findings that are no notes."""
        return [one for one in self.findings if not one.is_note]


def compare(vault: Vault) -> Comparison:
    """Compare the trail in the catalog with the one in the bucket, entry by entry."""
    came_of = Comparison()
    chain = _Chain()
    read = {found.key for found in vault.bucket.list(layout.TRAIL)}
    for key in sorted(read):
        chain.add_batch(vault, key, came_of.findings)
    said_kept = _add_catalog(vault, chain, came_of)
    if not all(link.is_there for link in said_kept):  # perhaps written since the bucket was listed
        late = [found.key for found in vault.bucket.list(layout.TRAIL) if found.key not in read]
        for read_late in itertools.chain.from_iterable(entries_of(vault, key) for key in late):
            if read_late and read_late.hash in chain.links:
                chain.links[read_late.hash].is_there = True
    came_of.missing_here = [link for link in chain.links.values() if not link.is_here]
    came_of.missing_there = [link for link in said_kept if not link.is_there]
    for key, links, text in (
        (CATALOG, came_of.missing_here, "missing in the catalog, and in the bucket"),
        (layout.TRAIL, came_of.missing_there, "missing in the bucket, and in the catalog"),
    ):
        came_of.findings += [Finding(key, f"{_span(*span)} {text}") for span in _spans(links)]
    chain.look_at(came_of)
    return came_of


def _add_catalog(vault: Vault, chain: "_Chain", came_of: Comparison) -> list[Link]:
    """Add what the catalog has, and return the links of those entries that are said to be in the bucket."""
    said_kept = []
    here = trail.with_place(vault.catalog)
    while page := list(itertools.islice(here, trail.PAGE)):
        for entry, is_kept in page:
            link = chain.add(entry)
            link.is_here = True
            if entry.true_hash() != entry.hash:
                came_of.findings.append(Finding(CATALOG, f"entry {entry.number} of the trail was changed"))
            if is_kept:
                said_kept.append(link)
        came_of.entries += len(page)
        lacking = trail.not_found_by(vault.catalog, [entry for entry, _ in page])
        came_of.not_indexed += [chain.links[entry.hash] for entry in lacking]
    for first, last in _spans(came_of.not_indexed):
        text = "not found when somebody asks by message or number"
        came_of.findings.append(Finding(CATALOG, f"{_span(first, last)} {text}"))
    return said_kept


class _Chain:
    """The entries of both sides by their hash, and which follow which."""

    def __init__(self) -> None:
        self.links: dict[str, Link] = {}
        self._joined: set[str] = set()
        self._following: dict[str, list[Link]] = defaultdict(list)

    def add_batch(self, vault: Vault, key: str, findings: list[Finding]) -> None:
        """Add what an object of the bucket has, and say what is wrong with it."""
        for entry in entries_of(vault, key):
            if entry is None:
                findings.append(Finding(key, "this cannot be read"))
            elif entry.true_hash() != entry.hash:
                findings.append(Finding(key, f"entry {entry.number} was changed here"))
            else:
                self.add(entry).is_there = True

    def add(self, entry: Entry) -> Link:
        """Add an entry, unless it is there already, and return its place."""
        if entry.action == JOINED:
            self._joined.add(entry.subject)
        link = Link(entry.number, sys.intern(entry.hash), sys.intern(entry.previous))
        return self.links.setdefault(entry.hash, link)

    def look_at(self, came_of: Comparison) -> None:
        """Say where the chain has gaps and forks."""
        in_order = sorted(self.links.values(), key=lambda link: (link.number, link.hash))
        numbers = {link.number for link in in_order}
        expected = 1
        for number in sorted(numbers):
            if number > expected:
                text = f"{_span(expected, number - 1)} missing on both sides"
                came_of.findings.append(Finding(CATALOG, text))
            expected = number + 1
        for link in in_order:
            before = self.links.get(link.previous)
            is_first = link.number == 1 and link.previous == trail.FIRST
            if is_first or (before and before.number == link.number - 1):
                self._following[link.previous].append(link)
            elif link.number - 1 in numbers or link.number == 1:
                text = f"entry {link.number} of the trail does not follow the one before"
                came_of.findings.append(Finding(CATALOG if link.is_here else layout.TRAIL, text))
        for branches in list(self._following.values()):
            if len(branches) > 1:
                self._tell_of_fork(branches, came_of)

    def _tell_of_fork(self, branches: Sequence[Link], came_of: Comparison) -> None:
        ends = [self._end(branch) for branch in branches]
        longest = max(ends, key=lambda end: (end.number, end.hash))
        unknown = [end for end in ends if end is not longest and end.hash not in self._joined]
        told = [
            f"entries {first.number} to {last.number} in the {'catalog' if first.is_here else 'bucket only'}"
            for first, last in zip(branches, ends, strict=True)
        ]
        place = f"after entry {branches[0].number - 1}" if branches[0].number > 1 else "at its beginning"
        kept = "" if unknown else " (known, all of it is kept)"
        text = f"the trail forks {place}{kept}: {'; '.join(told)}"
        came_of.findings.append(Finding(CATALOG, text, is_note=not unknown))
        came_of.open_forks += unknown

    def _end(self, link: Link) -> Link:
        """Return the last entry of the longest branch that begins with this one."""
        last, level = link, [link]
        while level:
            last = level[0]
            level = [after for one in level for after in self._following.get(one.hash, ())]
        return last


def entries_of(vault: Vault, key: str) -> Iterator[Entry | None]:
    """Give the entries of a batch in the bucket; None for what cannot be read."""
    for line in vault.bucket.read(key).splitlines():
        try:
            yield Entry.from_json(json.loads(line))
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
            yield None


def _spans(links: Iterable[Link]) -> list[tuple[int, int]]:
    """Return first and last number of entries whose numbers follow each other."""
    spans: list[tuple[int, int]] = []
    for number in sorted({link.number for link in links}):
        if spans and number == spans[-1][1] + 1:
            spans[-1] = (spans[-1][0], number)
        else:
            spans.append((number, number))
    return spans


def _span(first: int, last: int) -> str:
    if first == last:
        return f"entry {first} of the trail is"
    return f"entries {first} to {last} of the trail are"
