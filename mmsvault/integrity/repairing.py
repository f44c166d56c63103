"""What can be mended is mended: from the provider, the original, the catalog or the bucket.

An original that is right is never touched. A wrong one is set aside, in `damaged/` beside it, only
when the right bytes have come. What belongs to nothing is left where it is, for a person to look at.
"""

import hashlib
import time
from collections.abc import Sequence
from contextlib import nullcontext, suppress
from datetime import date
from pathlib import Path
from typing import Any

from mmsvault import archiving, auditing, layout, leases, previewing
from mmsvault.catalog import counting, queries, upkeep, writes
from mmsvault.errors import (
    FetchError,
    NewerRecordError,
    NotFoundError,
    OvertakenError,
    RecordError,
    RefusedError,
)
from mmsvault.integrity.checking import DAMAGED, Kind, Problem, check, check_in_detail, digest
from mmsvault.integrity.rebuilding import enter_folder
from mmsvault.integrity.sampling import Sample, everything
from mmsvault.integrity.verifying import Progress, Report, trail_problems, verify
from mmsvault.layout import TRAIL
from mmsvault.leases import Lease
from mmsvault.media import sniffing
from mmsvault.message import Attempt, MediaItem, Message, utc_now
from mmsvault.settling import settle
from mmsvault.vault import Vault

REPAIR = "verify --repair"
REPAIRED_ELSEWHERE = (
    "Another `verify --repair` is at work on this archive; nothing was done. Try again when it has ended"
    f" (one that was killed counts as ended after {leases.SPAN.seconds} s)."
)
DONE = {
    Kind.ORIGINAL: "fetched again from the provider",
    Kind.VIEW: "made again from the original",
    Kind.RECORD: "written again from the catalog",
    Kind.HOLD: "held again",
    Kind.BARE_VIEW: "its size and SHA-256 are recorded as of now",
}
NOT_DONE = {
    Kind.POSTBACK: "the provider sends it no more; a copy of the bucket may have it",
    Kind.EVIDENCE: "it came once and comes no more; a copy of the bucket may have it",
    Kind.UNKNOWN: "it is left for you to look at",
}

Mended = tuple[list[tuple[str, str]], dict[str, str]]
"""(key, what was done) of what was mended, and by key why something was not."""


def verify_and_repair(
    vault: Vault,
    *,
    sample: Sample = everything,
    since: date | None = None,
    repair: bool = False,
    progress: Progress = lambda _: None,
) -> Report:
    """Check the archive, mend what can be mended if asked to, and report what is wrong afterwards.

    Raises RefusedError where another program is mending it.
    """
    alone = (
        leases.one_at_a_time(vault.catalog, REPAIR, otherwise=REPAIRED_ELSEWHERE) if repair else nullcontext()
    )
    with alone:
        return _verify_and_repair(vault, sample=sample, since=since, repair=repair, progress=progress)


def _verify_and_repair(
    vault: Vault, *, sample: Sample, since: date | None, repair: bool, progress: Progress
) -> Report:
    report = Report()
    for message_id, checked in verify(vault, sample=sample, since=since, progress=progress):
        report.checked += checked.objects
        if message_id and repair and (checked.problems or checked.bare):
            done, left = mend(vault, message_id, (*checked.problems, *checked.bare))
            report.repaired += done
            report.problems += left
        elif checked.problems and repair and checked.problems[0].kind is Kind.COUNTS:
            counting.recount(vault.catalog)
            report.repaired += [(one.key, f"counted again: {one.problem}") for one in checked.problems]
        elif checked.problems and repair and checked.problems[0].kind is Kind.TRAIL:
            report.repaired += [(TRAIL, what) for what in auditing.mend(vault)]
            report.problems += trail_problems(vault)
        else:
            report.problems += checked.problems
    return report


def mend(
    vault: Vault, message_id: str, problems: Sequence[Problem]
) -> tuple[list[tuple[str, str]], list[Problem]]:
    """Mend one message, and look again: return what was done, and what is wrong still and why."""
    done, reasons = _mend(vault, message_id, problems)
    stands = upkeep.standings(vault.catalog, [message_id], now=utc_now()).get(message_id)
    mended = {key for key, _ in done}
    left = (
        check(vault.bucket, stands, read=True).problems
        if stands
        else [problem for problem in problems if problem.key not in mended]
    )
    return done, [_with_reason(problem, reasons) for problem in left]


def _with_reason(problem: Problem, reasons: dict[str, str]) -> Problem:
    reason = reasons.get(problem.key)
    text = f"{problem.problem}; not mended: {reason}" if reason else problem.problem
    return Problem(problem.key, text, problem.kind, problem.position)


def _mend(vault: Vault, message_id: str, problems: Sequence[Problem]) -> Mended:
    first = problems[0]
    if first.kind is Kind.DELETED:
        try:
            for folder in sorted({layout.folder_of(problem.key) for problem in problems}):
                vault.bucket.erase(folder)
        except RefusedError as error:
            return [], {problem.key: str(error) for problem in problems}
        return [(problem.key, "removed what a deleted message left behind") for problem in problems], {}
    if first.kind is Kind.NO_ROW:
        reason = enter_folder(vault, first.key)
        return ([], {first.key: reason}) if reason else ([(first.key, "entered into the catalog")], {})
    with suppress(OvertakenError), leases.hold(vault.catalog, message_id) as lease:
        if lease:
            return _mend_held(vault, queries.load(vault.catalog, message_id), lease, problems)
    return [], dict.fromkeys((problem.key for problem in problems), "a worker has it in hand")


def _mend_held(vault: Vault, message: Message, lease: Lease, problems: Sequence[Problem]) -> Mended:
    """Mend the objects of a message that nobody else works on."""
    if problems[0].kind is Kind.NOTHING_THERE:
        problems = check_in_detail(vault.bucket, upkeep.Standing(message, unfinished=False))
    else:
        problems = _still_there(vault, message, problems)
    done: list[tuple[str, str]] = []
    reasons: dict[str, str] = {}
    brought_back = [problem for problem in problems if _brought_back(vault, message, problem)]
    done += [(problem.key, "brought back from an older version in the bucket") for problem in brought_back]
    left = [problem for problem in problems if problem not in brought_back]
    work = _Work(vault, message)
    for problem in sorted(left, key=lambda problem: list(Kind).index(problem.kind)):
        try:
            work.mend(problem)
            if problem.kind in DONE:
                done.append((problem.key, DONE[problem.kind]))
            else:
                reasons[problem.key] = NOT_DONE[problem.kind]
        except (FetchError, RefusedError) as error:
            reasons[problem.key] = str(error)
    if work.is_changed or any(one.kind is Kind.RECORD and one.key not in reasons for one in left):
        work.save(lease)
    return done, reasons


def _still_there(vault: Vault, message: Message, problems: Sequence[Problem]) -> Sequence[Problem]:
    """Return those that are so now, when nobody else works on the message: it may have been mended since."""
    now = check(vault.bucket, upkeep.Standing(message, unfinished=False), read=True)
    found = {(one.key, one.kind) for one in (*now.problems, *now.bare)}
    return [one for one in problems if (one.key, one.kind) in found]


class _Work:
    """What is mended of one message: its files as they are then, and the attempts that it took."""

    def __init__(self, vault: Vault, message: Message) -> None:
        self._vault = vault
        self._message = message
        self._items = {item.position: item for item in message.media}
        self._attempts: list[Attempt] = []

    def mend(self, problem: Problem) -> None:
        """Mend one object, as far as that is possible. Raises FetchError, RefusedError."""
        match problem.kind:
            case Kind.HOLD:
                self._vault.bucket.hold(problem.key, held=True)
            case Kind.ORIGINAL:
                self._fetch_again(self._item(problem))
            case Kind.VIEW:
                self._make_again(self._item(problem), problem.key)
            case Kind.BARE_VIEW:
                self._record_hash(self._item(problem), problem.key)
            case Kind.RECORD:
                _check_record(self._vault, self._message)  # it is written by `save`, when all else is done

    @property
    def is_changed(self) -> bool:
        """Whether the catalog has to know of anything."""
        return tuple(self._items.values()) != self._message.media or bool(self._attempts)

    def save(self, lease: Lease) -> None:
        """Write the rows and message.json. Raises OvertakenError."""
        was = {item.position: item for item in self._message.media}
        changed = [item for position, item in self._items.items() if item != was[position]]
        done = writes.save_attempts(
            self._vault.catalog,
            self._message.id,
            items=changed,
            tried=self._attempts,
            token=lease.token,
            now=utc_now(),
        )
        if done is None:
            raise OvertakenError("Another worker took the message over; what it writes counts.")
        settle(self._vault, done, lease)

    def _item(self, problem: Problem) -> MediaItem:
        return self._items[problem.position or 0]

    def _fetch_again(self, item: MediaItem) -> None:
        """Put the right bytes in the place of an original. Raises FetchError or RefusedError."""
        began_at, began = utc_now(), time.monotonic()
        with archiving.temporary_file(self._vault) as file:
            fetched = self._vault.fetcher.fetch(item.url, file)
            if fetched.sha256 != item.sha256:
                raise RefusedError("what the provider gives now is not the file that was archived")
            if _is_right(self._vault, item):
                return
            _set_aside(self._vault, self._message, item)
            stored = archiving.store(
                self._vault, self._message, item, fetched, Path(file.name), doubt=item.doubt
            )
        self._items[item.position] = stored
        self._attempts.append(
            Attempt(
                position=item.position,
                at=began_at,
                duration_ms=round((time.monotonic() - began) * 1000),
                outcome=stored.state.value,
                status=fetched.status,
                headers=fetched.headers,
            )
        )

    def _make_again(self, item: MediaItem, key: str) -> None:
        """Make a thumbnail or preview from the original. Raises RefusedError where that cannot be."""
        with archiving.temporary_file(self._vault) as file:
            try:
                _, sha256 = _copy(self._vault, item.key, file)
            except NotFoundError:
                sha256 = ""
            if sha256 != item.sha256:
                raise RefusedError("its original is not right either")
            if key == item.preview_key:
                made = previewing.make_preview(self._vault, self._message, item)
                if made.preview_key != key:
                    raise RefusedError(made.reason or "this version makes none of such a file")
                self._items[item.position] = made
                return
            facts = self._vault.sandbox.inspect(Path(file.name), item.declared_type)
            fields = archiving.keep_views(self._vault, self._message, item, facts)
            if key not in fields.values():
                raise RefusedError(facts.reason or "this version makes none of such a file")
            self._items[item.position] = item.model_copy(update=fields)

    def _record_hash(self, item: MediaItem, key: str) -> None:
        """Record size and hash of a view that can be decoded; make another one of one that cannot."""
        view = "thumbnail" if key == item.thumbnail_key else "preview"
        with archiving.temporary_file(self._vault) as file:
            size, sha256 = _copy(self._vault, key, file)
            is_shown = self._vault.sandbox.inspect(Path(file.name), "").thumbnail is not None
        if is_shown:
            fields = {f"{view}_sha256": sha256, f"{view}_size": size}
            self._items[item.position] = item.model_copy(update=fields)
        else:
            self._make_again(item, key)


def _is_right(vault: Vault, item: MediaItem) -> bool:
    """Return whether the original in the bucket is the one that was archived: then it stays as it is."""
    with suppress(NotFoundError):
        return digest(vault.bucket, item.key) == item.sha256
    return False


def _set_aside(vault: Vault, message: Message, item: MediaItem) -> None:
    """Keep a wrong original beside the right one that takes its place."""
    with archiving.temporary_file(vault) as file, suppress(NotFoundError):
        size, _ = _copy(vault, item.key, file)
        file.seek(0)
        name = f"{utc_now():%Y%m%dT%H%M%SZ}-{item.key.rpartition('/')[2]}"
        vault.bucket.put(f"{message.prefix}{DAMAGED}{name}", file, size=size, content_type=sniffing.OCTETS)


def _brought_back(vault: Vault, message: Message, problem: Problem) -> bool:
    """Return whether the bucket had the right bytes in an older version, which is the newest again."""
    sha256 = {item.key: item.sha256 for item in message.media if problem.kind is Kind.ORIGINAL}
    if problem.kind is Kind.EVIDENCE:
        sha256 = {one.key: one.sha256 for item in message.media for one in item.earlier}
    if problem.kind is Kind.POSTBACK:
        sha256 = {f"{message.prefix}{entry.name}": entry.sha256 for entry in message.postbacks}
    return problem.key in sha256 and vault.bucket.bring_back(problem.key, sha256[problem.key])


def _check_record(vault: Vault, message: Message) -> None:
    """Raise RefusedError where message.json knows more than the catalog does."""
    try:
        record = Message.from_record(vault.bucket.read(f"{message.prefix}{layout.RECORD_NAME}"))
    except NewerRecordError as error:
        raise RefusedError("it is not this version's to write") from error
    except (NotFoundError, RecordError):
        return
    if upkeep.progress(record) > upkeep.progress(message):
        raise RefusedError("it knows more than the catalog; `mmsvault rebuild` brings that in")


def _copy(vault: Vault, key: str, file: Any) -> tuple[int, str]:
    """Copy an object into a file; return its size and SHA-256."""
    size, hashed = 0, hashlib.sha256()
    for chunk in vault.bucket.chunks(key):
        size += len(chunk)
        hashed.update(chunk)
        file.write(chunk)
    file.flush()
    return size, hashed.hexdigest()
