"""How long the archive itself keeps messages: by keyword and age, and for ever unless it is told.

A message's age counts from when it came in here, whatever the provider's clock said. A hold beats
every limit, and so does the bucket's own lock. The sweep carries it out, some messages at a time.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from mmsvault import disposition
from mmsvault.catalog import leaving, trail
from mmsvault.catalog.leaving import Aged
from mmsvault.errors import NotFoundError, RefusedError
from mmsvault.message import fold, utc_now
from mmsvault.settings import Settings
from mmsvault.vault import Vault

WITHOUT_KEYWORD = "none"
ITSELF = "retention"
"""Who deletes, in the trail."""


@dataclass(frozen=True)
class Policy:
    """Days that messages are kept, 0 for ever; `by_keyword` (folded) beats `days`."""

    days: int
    by_keyword: Mapping[str, int]

    @property
    def keeps_all(self) -> bool:
        """Whether nothing is ever deleted by age."""
        return not self.days and not any(self.by_keyword.values())

    def days_of(self, keyword: str) -> int:
        """Return how many days a message with this keyword is kept."""
        return self.by_keyword.get(fold(keyword), self.days)


@dataclass(frozen=True)
class Outcome:
    """What came of a message that is past its time: deleted, or kept for a `reason`."""

    message: Aged
    days: int
    reason: str = ""


def policy_of(settings: Settings) -> Policy:
    """Return what the settings say."""
    days = {_keyword(name): number for name, number in settings.keep_days_by_keyword.items()}
    return Policy(settings.keep_days, days)


def past_their_time(vault: Vault, policy: Policy, *, now: datetime, with_held: bool = True) -> Iterator[Aged]:
    """Give the messages that are older than they are kept, the oldest of a keyword first, held ones last."""
    for held in (False, True) if with_held else (False,):
        for keyword, days in policy.by_keyword.items():
            if days:
                before = now - timedelta(days=days)
                yield from leaving.aged(vault.catalog, before=before, keyword=keyword, held=held)
        if policy.days:
            before = now - timedelta(days=policy.days)
            for keyword in leaving.aged_keywords(
                vault.catalog, before=before, but_for=policy.by_keyword, held=held
            ):
                yield from leaving.aged(vault.catalog, before=before, keyword=keyword, held=held)


def retire(vault: Vault, *, dry_run: bool = False, with_held: bool = True) -> Iterator[Outcome]:
    """Delete what is past its time, and say of each message what came of it; `dry_run` only says it.

    Held messages are only told of: a sweep, which tells nobody, does without them.
    """
    policy = policy_of(vault.settings)
    for message in past_their_time(vault, policy, now=utc_now(), with_held=with_held):
        days = policy.days_of(message.keyword)
        if message.hold:
            yield Outcome(message, days, "it is held")
            continue
        try:
            if not dry_run:
                _delete(vault, message, days)
            yield Outcome(message, days)
        except RefusedError as error:
            yield Outcome(message, days, str(error))
        except NotFoundError:  # somebody else was quicker
            continue


def _delete(vault: Vault, message: Aged, days: int) -> None:
    numbers = disposition.delete(vault, message.id)
    trail.append(
        vault.catalog,
        "retired",
        who=ITSELF,
        subject=message.id,
        details=f"came in {message.recorded_at:%Y-%m-%d}, kept {days:,} days",
        messages=(message.id,),
        numbers=numbers,
    )


def _keyword(name: str) -> str:
    folded = fold(name)
    return "" if folded == WITHOUT_KEYWORD else folded
