"""What can be mended is mended: from the provider, the original, the catalog or the bucket.

An original that is right is never touched. A wrong one is set aside, in `damaged/` beside it, only
when the right bytes have come. What belongs to nothing is left where it is, for a person to look at.
"""

import hashlib
import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import Any

from mmsvault import archiving, layout, leases, previewing
from mmsvault.catalog import counting, queries, upkeep
from mmsvault.errors import (
    FetchError,
    NewerRecordError,
    NotFoundError,
    OvertakenError,
    RecordError,
    RefusedError,
)
from mmsvault.integrity.checking import DAMAGED, Kind, Problem, check, check_in_detail
from mmsvault.integrity.rebuilding import enter_folder
from mmsvault.integrity.sampling import Sample, everything
from mmsvault.integrity.verifying import Progress, Report, verify
from mmsvault.leases import Lease
from mmsvault.media import sniffing
from mmsvault.message import Attempt, MediaItem, Message, utc_now
from mmsvault.settling import Tried, finish
from mmsvault.vault import Vault

DONE = {
    Kind.ORIGINAL: "fetched again from the provider",
    Kind.VIEW: "made again from the original",
    Kind.RECORD: "written again from the catalog",
    Kind.HOLD: "held again",
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
    """Check the archive, mend what can be mended if asked to, and report what is wrong afterwards."""
    report = Report()
    for message_id, checked in verify(vault, sample=sample, since=since, progress=progress):
        report.checked += checked.objects
        if checked.problems and message_id and repair:
            done, left = mend(vault, message_id, checked.problems)
            report.repaired += done
            report.problems += left
        elif checked.problems and repair and checked.problems[0].kind is Kind.COUNTS:
            counting.recount(vault.catalog)
            report.repaired += [(one.key, f"counted again: {one.problem}") for one in checked.problems]
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
    done: list[tuple[str, str]] = []
    reasons: dict[str, str] = {}
    tried: list[Tried] = []
    brought_back = [problem for problem in problems if _brought_back(vault, message, problem)]
    done += [(problem.key, "brought back from an older version in the bucket") for problem in brought_back]
    left = [problem for problem in problems if problem not in brought_back]
    for problem in sorted(left, key=lambda problem: list(Kind).index(problem.kind)):
        try:
            match problem.kind:
                case Kind.HOLD:
                    vault.bucket.hold(problem.key, held=True)
                case Kind.ORIGINAL:
                    tried.append(_fetch_again(vault, message, _item(message, problem)))
                case Kind.VIEW:
                    _make_again(vault, message, _item(message, problem), problem.key)
                case Kind.RECORD:
                    _check_record(vault, message)  # it is written below, when all else is done
            if problem.kind in DONE:
                done.append((problem.key, DONE[problem.kind]))
            else:
                reasons[problem.key] = NOT_DONE[problem.kind]
        except (FetchError, RefusedError) as error:
            reasons[problem.key] = str(error)
    if tried or any(problem.kind is Kind.RECORD and problem.key not in reasons for problem in left):
        finish(vault, message, lease, tried)
    return done, reasons


def _brought_back(vault: Vault, message: Message, problem: Problem) -> bool:
    """Return whether the bucket had the right bytes in an older version, which is the newest again."""
    sha256 = {item.key: item.sha256 for item in message.media if problem.kind is Kind.ORIGINAL}
    if problem.kind is Kind.EVIDENCE:
        sha256 = {one.key: one.sha256 for item in message.media for one in item.earlier}
    if problem.kind is Kind.POSTBACK:
        sha256 = {f"{message.prefix}{entry.name}": entry.sha256 for entry in message.postbacks}
    return problem.key in sha256 and vault.bucket.bring_back(problem.key, sha256[problem.key])


def _item(message: Message, problem: Problem) -> MediaItem:
    return next(item for item in message.media if item.position == problem.position)


def _fetch_again(vault: Vault, message: Message, item: MediaItem) -> Tried:
    """Put the right bytes in the place of an original. Raises FetchError or RefusedError."""
    began_at, began = utc_now(), time.monotonic()
    with archiving.temporary_file(vault) as file:
        fetched = vault.fetcher.fetch(item.url, file)
        if fetched.sha256 != item.sha256:
            raise RefusedError("what the provider gives now is not the file that was archived")
        _set_aside(vault, message, item)
        stored = archiving.store(vault, message, item, fetched, Path(file.name), doubt=item.doubt)
    attempt = Attempt(
        position=item.position,
        at=began_at,
        duration_ms=round((time.monotonic() - began) * 1000),
        outcome=stored.state.value,
        status=fetched.status,
        headers=fetched.headers,
    )
    return Tried(stored, attempt)


def _set_aside(vault: Vault, message: Message, item: MediaItem) -> None:
    """Keep a wrong original beside the right one that takes its place."""
    with archiving.temporary_file(vault) as file, suppress(NotFoundError):
        size, _ = _copy(vault, item.key, file)
        file.seek(0)
        name = f"{utc_now():%Y%m%dT%H%M%SZ}-{item.key.rpartition('/')[2]}"
        vault.bucket.put(f"{message.prefix}{DAMAGED}{name}", file, size=size, content_type=sniffing.OCTETS)


def _make_again(vault: Vault, message: Message, item: MediaItem, key: str) -> None:
    """Make a thumbnail or preview from the original. Raises RefusedError where that cannot be."""
    with archiving.temporary_file(vault) as file:
        try:
            _, sha256 = _copy(vault, item.key, file)
        except NotFoundError:
            sha256 = ""
        if sha256 != item.sha256:
            raise RefusedError("its original is not right either")
        if key == item.preview_key:
            made = previewing.make_preview(vault, message, item)
            if made.preview_key != key:
                raise RefusedError(made.reason or "this version makes none of such a file")
            return
        facts = vault.sandbox.inspect(Path(file.name), item.declared_type)
        if key not in archiving.keep_views(vault, message, item, facts).values():
            raise RefusedError(facts.reason or "this version makes none of such a file")


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
