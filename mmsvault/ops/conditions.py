"""The one list of what an operator must know of: what is asked, what is said, and what to do next.

Alerts, the dashboard, `doctor`, `status`, the Prometheus rules (`deploy/prometheus/alerts.yml`) and the
table of the operator guide are made from it; `make rules` writes the last two. To add a condition, add an
entry to CONDITIONS, and its facts to `facts` and `gather`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from mmsvault.ops.facts import Facts
from mmsvault.queueing.jobs import ARCHIVE_QUEUE
from mmsvault.settings.sources import PREFIX

SWEPT_WITHIN = timedelta(minutes=10)
RECEIVER_SEEN_WITHIN = timedelta(minutes=2)
QUEUE_AGE = timedelta(minutes=10)
VERIFIED_WITHIN = timedelta(days=8)
BACKUP_WITHIN = timedelta(days=8)
LONGEST_REASON = 500
NAMES_SHOWN = 5


class Severity(StrEnum):
    """`page`: somebody should act now. `ticket`: tomorrow morning is soon enough."""

    PAGE = "page"
    TICKET = "ticket"


@dataclass(frozen=True)
class Answer:
    """What a question found. `level` 0 is well, anything else a number that says how much.

    `sentence` says what is so, or that it is over. `newest` is higher when something was added, whatever
    the level. `advice` stands in for that of the condition where it can be more exact.
    """

    level: int
    sentence: str
    details: str = ""
    newest: int = 0
    advice: str = ""


@dataclass(frozen=True)
class Rule:
    """An alert rule of Prometheus. `summary` may use `{{ $value }}`."""

    name: str
    expression: str
    summary: str
    description: str
    hold: timedelta = timedelta()


@dataclass(frozen=True)
class Condition:
    """Something that an operator must know of.

    `question` is what is asked; `ask` returns its answer, None where the facts do not tell. `next_step` is
    what to do. `check` is what `doctor` calls it. It must be so for `hold` before anybody is told. `host`:
    it is about one machine. `grows`: more of it is news, and it never ends by itself; it is history, and
    nothing is wrong now.
    """

    id: str
    severity: Severity
    question: str
    ask: Callable[[Facts], Answer | None]
    next_step: str
    meaning: str
    rule: Rule
    check: str
    page: str = "operations"
    hold: timedelta = timedelta()
    host: bool = False
    grows: bool = False


@dataclass(frozen=True)
class Finding:
    """A condition and what its question found."""

    condition: Condition
    answer: Answer

    @property
    def stands(self) -> bool:
        """Whether something is wrong now."""
        return bool(self.answer.level) and not self.condition.grows

    @property
    def next_step(self) -> str:
        """What to do."""
        return self.answer.advice or self.condition.next_step


def judge(facts: Facts) -> Iterator[Finding]:
    """Give what is found of every condition that the facts tell of, well or not."""
    for condition in CONDITIONS:
        answer = condition.ask(facts)
        if answer is not None:
            yield Finding(condition, answer)


def _count(number: int, one: str, several: str) -> str:
    return f"1 {one}" if number == 1 else f"{number:,} {several}"


def _at_risk(facts: Facts) -> Answer | None:
    if facts.archive is None:
        return None
    number = facts.archive.counts.at_risk
    late = min(facts.archive.late, number)
    said = []
    if near := number - late:
        files = _count(near, "file has", "files have")
        said.append(f"{files} under a day until the provider deletes {'it' if near == 1 else 'them'}.")
    if late:
        files = _count(late, "missing file is past its deadline", "missing files are past their deadlines")
        said.append(f"{files}: the provider may have deleted {'it' if late == 1 else 'them'}.")
    return Answer(number, " ".join(said) or "No file is at risk.")


def _lost_in_all(number: int) -> str:
    return f"{_count(number, 'file is', 'files are')} lost in all." if number else "No file is lost."


def _lost(facts: Facts) -> Answer | None:
    if facts.archive is None:
        return None
    number = facts.archive.counts.media["lost"]
    return Answer(number, _lost_in_all(number))


def _not_allowed(facts: Facts) -> Answer | None:
    if facts.archive is None:
        return None
    number = facts.archive.not_allowed
    said = f"The provider refuses {_count(number, 'file', 'files')} to this server (401 or 403)."
    return Answer(number, said if number else "The provider refuses no file to this server.")


def _quarantine(facts: Facts) -> Answer | None:
    if facts.archive is None:
        return None
    waiting = facts.archive.quarantine
    newest, link = waiting.newest, facts.settings.page("quarantine")
    if newest is None:
        return Answer(0, "No postback is in quarantine.")
    one = waiting.count == 1
    where = f"at {link}" if link else "on the dashboard's page /quarantine"
    reason = " ".join(newest.reason.split())[:LONGEST_REASON]
    return Answer(
        waiting.count,
        f"{_count(waiting.count, 'postback was', 'postbacks were')} not understood: see Quarantine.",
        details=f"{'Its' if one else 'Their'} files are not downloaded. The newest came on "
        f"{newest.received_at:%Y-%m-%d at %H:%M:%S} UTC: {reason}",
        newest=int(newest.kept_at.timestamp() * 1000),
        advice=f"Correct and replay {'it' if one else 'them'} {where}. "
        f"Or run `mmsvault replay {newest.folder}` for the newest, `mmsvault replay quarantine/` for all.",
    )


def _verify(facts: Facts) -> Answer | None:
    if facts.archive is None:
        return None
    failing = None
    for verdict in facts.archive.verdicts:
        if verdict.problems:
            failing = verdict
            break
        if verdict.extent == "everything":
            break
    if failing is None:
        return Answer(0, "verify found no problem.")
    problems = _count(failing.problems, "problem", "problems")
    return Answer(failing.problems, f"verify found {problems} at {failing.ended_at:%Y-%m-%d %H:%M} UTC.")


def _verify_late(facts: Facts) -> Answer | None:
    if facts.archive is None or not facts.archive.verdicts:
        return None
    last = max(verdict.ended_at for verdict in facts.archive.verdicts)
    days = (facts.now - last).days if facts.now - last > VERIFIED_WITHIN else 0
    return Answer(
        days,
        f"The archive was not checked since {last:%Y-%m-%d}."
        if days
        else f"The archive was checked at {last:%Y-%m-%d %H:%M} UTC.",
    )


def _away(server: str, name: str, so: str) -> Callable[[Facts], Answer | None]:
    def ask(facts: Facts) -> Answer | None:
        if server not in facts.servers:
            return None
        reason = facts.servers[server]
        said = f"{name} does not answer: {so}." if reason else f"{name} answers."
        return Answer(int(bool(reason)), said, details=reason)

    return ask


def _keeps_nothing(facts: Facts) -> Answer | None:
    if facts.host is None or facts.host.keeps_nothing is None:
        return None
    reason = facts.host.keeps_nothing
    said = "Postbacks are answered with 503: neither the queue nor the spool keeps them."
    return Answer(int(bool(reason)), said if reason else "The receiver keeps postbacks.", details=reason)


def _spool(facts: Facts) -> Answer | None:
    if facts.host is None:
        return None
    number = facts.host.spooled
    receipts = _count(number, "receipt waits", "receipts wait")
    said = f"The spool is in use: {receipts} for the queue on this host."
    return Answer(number, said if number else "The spool is empty: every receipt is in the queue.")


def _disk(*, is_full: bool) -> Callable[[Facts], Answer | None]:
    def ask(facts: Facts) -> Answer | None:
        settings, host = facts.settings, facts.host
        least = settings.alert_disk_full_bytes if is_full else settings.alert_disk_low_bytes
        if host is None or not least:
            return None
        free = f"{host.free_bytes / (1 << 30):,.1f} GiB of {host.disk_bytes / (1 << 30):,.1f} are free"
        state = "full" if is_full else "nearly full"
        is_short = host.free_bytes < least
        said = f"The disk of the data directory is {state}: {free}."
        # Its level is the same however little is left, so that it is told once.
        return Answer(int(is_short), said if is_short else f"The disk has room: {free}.")

    return ask


def _no_receiver(facts: Facts) -> Answer | None:
    if facts.queue is None or facts.queue.receiver_seen_at is None:
        return None
    at = facts.queue.receiver_seen_at
    is_gone = facts.now - at > RECEIVER_SEEN_WITHIN
    said = f"No receiver is alive since {at:%Y-%m-%d %H:%M} UTC: nobody answers the provider."
    return Answer(int(is_gone), said if is_gone else "A receiver is alive.")


def _no_worker(facts: Facts) -> Answer | None:
    if facts.queue is None:
        return None
    alive = facts.queue.workers.get(ARCHIVE_QUEUE, 0)
    said = "No worker is running: postbacks are kept, and nothing is fetched."
    return Answer(int(not alive), said if not alive else "A worker is running.")


def _no_sweep(facts: Facts) -> Answer | None:
    if facts.queue is None:
        return None
    at = facts.queue.swept_at
    if at is not None and facts.now - at <= SWEPT_WITHIN:
        return Answer(0, "The sweep runs.")
    since = f" since {at:%Y-%m-%d %H:%M} UTC" if at else ""
    return Answer(1, f"No sweep has run{since}: what is due a second time is not fetched.")


def _queue_old(facts: Facts) -> Answer | None:
    if facts.queue is None:
        return None
    minutes = int(facts.queue.oldest / timedelta(minutes=1)) if facts.queue.oldest > QUEUE_AGE else 0
    said = f"A postback has waited for {minutes:,} minutes."
    return Answer(minutes, said if minutes else "No postback waits for long.")


def _refused(facts: Facts) -> Answer | None:
    least = facts.settings.alert_refused
    if facts.queue is None or not least:
        return None
    refused = facts.queue.refused
    number = sum(refused.values())
    if number < least:
        return Answer(0, f"{_count(number, 'postback was', 'postbacks were')} refused in the last hour.")
    reasons = ", ".join(f"{reason} {count:,}" for reason, count in sorted(refused.items()))
    return Answer(
        number,
        f"{number:,} postbacks were refused in the last hour: wrong token, signature or network.",
        details=f"By what was wrong: {reasons}.",
    )


def _silent(facts: Facts) -> Answer | None:
    if facts.archive is None or facts.archive.silences is None:
        return None
    silences = facts.archive.silences
    if not silences:
        return Answer(0, "No source is silent for longer than usual.")
    names = ", ".join(
        f"{one.name} for {_count(one.hours, 'hour', 'hours')}" for one in silences[:NAMES_SHOWN]
    )
    more = f", and {len(silences) - NAMES_SHOWN:,} more" if len(silences) > NAMES_SHOWN else ""
    return Answer(
        len(silences),
        f"{_count(len(silences), 'source is', 'sources are')} silent for longer than usual.",
        details=f"No message came to {names}{more}.",
        newest=len(silences),
    )


def _backup(facts: Facts) -> Answer | None:
    setting = facts.settings.alert_backup_days
    if facts.archive is None or setting == 0:
        return None
    at = facts.archive.backup_finished_at
    if at is None:
        return None if setting is None else Answer(1, "No backup was made yet.")
    within = BACKUP_WITHIN if setting is None else timedelta(days=setting)
    age = facts.now - at
    if age <= within:
        return Answer(0, f"The last backup is of {at:%Y-%m-%d %H:%M} UTC.")
    return Answer(max(1, age.days), f"The last backup is old: it is of {at:%Y-%m-%d %H:%M} UTC.")


def _gauge(condition_id: str) -> str:
    return f'max(mmsvault_condition{{condition="{condition_id}"}}) > 0'


_SHORTLY = timedelta(minutes=2)
_SERVER_DOWN = Rule(
    "ServerDown",
    "max by (server) (mmsvault_server_up) == 0",
    "The {{ $labels.server }} does not answer",
    "Receipts are kept meanwhile, and workers wait with their job in hand.",
    hold=_SHORTLY,
)
_SERVER_DOWN_MEANING = (
    "Catalog, queue or bucket does not answer the sweep. Nothing is lost meanwhile; the clock of the "
    "deadlines runs."
)

CONDITIONS: tuple[Condition, ...] = (
    Condition(
        "not_kept",
        Severity.PAGE,
        "Can the receiver keep no postback?",
        _keeps_nothing,
        "Bring the queue back, or make room on the receiver's disk. The provider sends again for 25 minutes, "
        "then the messages are gone.",
        "Neither queue nor spool takes receipts, and the provider gets 503. `GET /readyz` of the receiver "
        "says why: usually the disk of its `DATA_DIR` is full. You have 25 minutes.",
        Rule(
            "PostbacksNotKept",
            'sum(increase(mmsvault_postbacks_total{status="503"}[5m])) > 0',
            "Postbacks were answered with 503",
            "Neither queue nor spool keeps receipts. The provider sends again for 25 minutes, then they are "
            "gone.",
        ),
        check="receiver",
        host=True,
    ),
    Condition(
        "no_receiver",
        Severity.PAGE,
        "Is no receiver alive?",
        _no_receiver,
        "Start `mmsvault receiver`, anywhere: it needs MMSVAULT_POSTBACK_TOKEN, a disk, and not even the "
        "queue. The provider sends again for 25 minutes, then its messages are gone.",
        "No receiver says that it is alive. Start one, anywhere: it needs `MMSVAULT_POSTBACK_TOKEN`, a "
        "disk, and not even the queue.",
        Rule(
            "ReceiverDown",
            "absent(mmsvault_receiver_keeps)",
            "No receiver answers",
            "The provider sends again for 25 minutes, then its messages are gone.",
            hold=_SHORTLY,
        ),
        check="receiver",
    ),
    Condition(
        "spool",
        Severity.PAGE,
        "Do receipts wait in a receiver's spool?",
        _spool,
        "Bring the queue back: the spool drains by itself, in order. Watch the disk until then.",
        "The queue has been away for five minutes. Bring it back; spools drain by themselves, in order. "
        "Watch the disk.",
        Rule(
            "SpoolUsed",
            'max(mmsvault_receiver_keeps{place="spool"}) == 1',
            "A receiver keeps postbacks in its spool",
            "The queue has not answered for five minutes. Nothing is lost while the spool's disk lasts.",
            hold=timedelta(minutes=5),
        ),
        check="spool",
        hold=timedelta(minutes=5),
        host=True,
    ),
    Condition(
        "disk_full",
        Severity.PAGE,
        "Is a disk as good as full?",
        _disk(is_full=True),
        "Make room now: downloads, the spool and an embedded bucket stand there, and postbacks are refused "
        "once it is full.",
        "A disk of a data directory has less than `MMSVAULT_ALERT_DISK_FULL_BYTES`. Make room: once it is "
        "full the spool takes no receipts, and an embedded bucket no files.",
        Rule(
            "DiskFull",
            _gauge("disk_full"),
            "The disk of a data directory is full",
            "Make room: once nothing is left the spool takes no receipts, and an embedded bucket no files.",
        ),
        check="folder",
        host=True,
    ),
    Condition(
        "disk_low",
        Severity.TICKET,
        "Is a disk nearly full?",
        _disk(is_full=False),
        "Make room, or give the data directory a larger disk.",
        "A disk of a data directory has less than `MMSVAULT_ALERT_DISK_LOW_BYTES`. Make room, or move the "
        "data directory to a larger disk.",
        Rule(
            "DiskLow",
            _gauge("disk_low"),
            "The disk of a data directory is nearly full",
            "Make room, or give the data directory a larger disk.",
        ),
        check="folder",
        host=True,
    ),
    Condition(
        "at_risk",
        Severity.PAGE,
        "Have files under a day until the provider deletes them?",
        _at_risk,
        "`mmsvault search state:pending` lists their messages, `mmsvault show ID` says why each is not here.",
        "Files have under a day left. `mmsvault search state:pending`, `mmsvault show ID` for the reason of "
        "each; most often the provider fails, or `FETCH_HOSTS` refuses. Set it right and they are fetched; "
        "`mmsvault requeue QUERY` does so at once.",
        Rule(
            "FilesAtRisk",
            "max(mmsvault_files_at_risk) > 0",
            "{{ $value }} files have under a day until the provider deletes them",
            "`mmsvault search state:pending` lists their messages; `mmsvault show ID` says why each is not "
            "here.",
            hold=timedelta(minutes=1),
        ),
        check="at risk",
    ),
    Condition(
        "lost",
        Severity.PAGE,
        "Were files lost?",
        _lost,
        "`mmsvault search 'state:lost OR state:partial'` lists their messages; "
        "`mmsvault requeue QUERY` tries once more.",
        "The deadline passed. The reason stands with the file. Ask the provider with the tracking id: if it "
        "still has it, `mmsvault requeue ID`.",
        Rule(
            "FileLost",
            'max(mmsvault_files{state="lost"}) - max(mmsvault_files{state="lost"} offset 15m) > 0',
            "{{ $value }} files were lost in the last 15 minutes",
            "`mmsvault search 'state:lost OR state:partial'` lists their messages, with the reasons.",
        ),
        check="lost",
        grows=True,
    ),
    Condition(
        "not_allowed",
        Severity.PAGE,
        "Does the provider refuse files to this server?",
        _not_allowed,
        "They are asked for until their deadline. Ask the provider what lets this server have them; "
        "`mmsvault requeue state:pending` then fetches them at once.",
        "The provider answers 401 or 403. The files are asked for until their deadline, after a day every "
        "six hours. Ask the provider what lets this server have them, then `mmsvault requeue "
        "state:pending`.",
        Rule(
            "FilesNotAllowed",
            "max(mmsvault_files_not_allowed) > 0",
            "The provider refuses {{ $value }} files to this server (401 or 403)",
            "They are asked for until their deadline. Ask the provider what lets this server have them.",
            hold=timedelta(minutes=5),
        ),
        check="refused files",
    ),
    Condition(
        "verify",
        Severity.PAGE,
        "Did verify find problems?",
        _verify,
        "`mmsvault verify --repair` mends what can be mended, and says what is left.",
        "`verify` found objects missing or changed. `mmsvault verify --repair` [mends what can be "
        "mended](keeping.md#verify---repair); restore the rest from the backup by key. Find out who or what "
        "did it.",
        Rule(
            "ArchiveDamaged",
            "max(mmsvault_verify_problems) > 0",
            "verify found {{ $value }} problems",
            "`mmsvault verify --repair` mends what can be mended, and says what is left.",
        ),
        check="verify",
    ),
    Condition(
        "verify_late",
        Severity.TICKET,
        "Was the archive not checked for a week?",
        _verify_late,
        "Run `mmsvault verify` every week, or `--sample 2/7` and so on every night.",
        "Nobody has checked for a week. Run `mmsvault verify`.",
        Rule(
            "VerifyLate",
            "time() - max(mmsvault_verify_timestamp_seconds) > 8 * 86400",
            "The archive was not checked for a week",
            "Run `mmsvault verify`, or a part of it every night with `--sample 2/7`.",
        ),
        check="verify",
    ),
    Condition(
        "queue_away",
        Severity.PAGE,
        "Is the queue (Redis) away?",
        _away("queue", "The queue", "postbacks are kept in the receivers' spools"),
        "Start the server, or look at its log; `mmsvault doctor` says what it answers.",
        _SERVER_DOWN_MEANING,
        _SERVER_DOWN,
        check="queue",
        hold=_SHORTLY,
    ),
    Condition(
        "catalog_away",
        Severity.PAGE,
        "Is the catalog (PostgreSQL, SQLite) away?",
        _away("catalog", "The catalog", "workers wait with their job in hand"),
        "Start the server, or look at its log; `mmsvault doctor` says what it answers.",
        _SERVER_DOWN_MEANING,
        _SERVER_DOWN,
        check="catalog",
        hold=_SHORTLY,
    ),
    Condition(
        "bucket_away",
        Severity.PAGE,
        "Is the bucket (S3) away?",
        _away("bucket", "The bucket", "workers wait with their job in hand"),
        "Start the server, or look at its log; `mmsvault doctor` says what it answers.",
        _SERVER_DOWN_MEANING,
        _SERVER_DOWN,
        check="bucket",
        hold=_SHORTLY,
    ),
    Condition(
        "no_sweep",
        Severity.PAGE,
        "Has no sweep ended for ten minutes?",
        _no_sweep,
        "Start `mmsvault sweep`; if it runs, its log says what it waits for.",
        "`mmsvault sweep` has ended, or hangs, or its lock is held by a host that is gone (for a minute at "
        "the most). Its log says.",
        Rule(
            "SweepDown",
            "absent(mmsvault_sweep_timestamp_seconds) "
            "or time() - max(mmsvault_sweep_timestamp_seconds) > 600",
            "The sweep has not ended a round for ten minutes",
            "Without it no attempt that failed is made again. Is `mmsvault sweep` running?",
            hold=_SHORTLY,
        ),
        check="workers: sweep",
        hold=_SHORTLY,
    ),
    Condition(
        "no_worker",
        Severity.PAGE,
        "Is no worker running?",
        _no_worker,
        "Start `mmsvault worker`; if one ended, its log says why.",
        "No worker has said for half a minute that it is alive. Start some; their log says why they ended.",
        Rule(
            "NoWorkers",
            'max(mmsvault_workers{queue="archive"}) < 1',
            "No worker is alive",
            "Postbacks are kept, and nothing is fetched.",
            hold=_SHORTLY,
        ),
        check="workers: archive",
        hold=_SHORTLY,
    ),
    Condition(
        "queue_old",
        Severity.TICKET,
        "Does a postback wait for long?",
        _queue_old,
        "More comes in than the workers fetch, or they wait for a server or a slow provider. Start more of "
        "them; docs/capacity.md says how many.",
        "More comes in than is fetched, or every worker waits for a server or for a slow provider. The "
        'dashboard\'s "Mean time of a step" tells which: `download` is the provider, `store` the bucket, '
        "`record` and `finish` the catalog. [Start more workers](capacity.md).",
        Rule(
            "QueueOld",
            'max(mmsvault_queue_age_seconds{queue="archive"}) > 600',
            "A postback has waited for {{ $value | humanizeDuration }}",
            "More comes in than the workers fetch. Start more of them; docs/capacity.md says how many.",
            hold=timedelta(minutes=5),
        ),
        check="queue age",
        hold=timedelta(minutes=5),
    ),
    Condition(
        "postbacks_refused",
        Severity.TICKET,
        "Are postbacks refused for a wrong token or signature?",
        _refused,
        "Compare the address, token and secret at the provider with yours. After a change, keep the old "
        f"token in {PREFIX}POSTBACK_TOKENS_OLD for a while; the provider's messages are gone otherwise.",
        "Somebody guesses, or the provider still has an old address or secret: compare both; keep the old "
        "token in `MMSVAULT_POSTBACK_TOKENS_OLD` for a while. `MMSVAULT_ALERT_REFUSED` says from how many "
        "an hour.",
        Rule(
            "WrongTokens",
            "sum(increase(mmsvault_postbacks_refused_total[1h])) > 4",
            "Postbacks come with a wrong token or signature",
            "Somebody guesses, or the provider has an old address or secret.",
        ),
        check="refused postbacks",
    ),
    Condition(
        "source_silent",
        Severity.TICKET,
        "Is a source silent for longer than usual?",
        _silent,
        "Send a message to the number yourself. If it does not arrive, look at the provider's account and "
        "at the postback address there.",
        "A number of yours had no message for longer than is usual for it, or for "
        "`MMSVAULT_ALERT_SILENT_HOURS`. Send one yourself: if it does not arrive, look at the provider's "
        "account and the address there. A public holiday is a harmless cause; "
        "`MMSVAULT_ALERT_SILENT_BY_HABIT=false` turns the habit off.",
        Rule(
            "SourceSilent",
            _gauge("source_silent"),
            "{{ $value }} sources are silent for longer than usual",
            "Send a message to the number yourself. If it does not arrive, look at the provider's account.",
        ),
        check="sources",
    ),
    Condition(
        "backup_old",
        Severity.TICKET,
        "Is the last backup old?",
        _backup,
        "Run `mmsvault backup`, or look why its timer did not.",
        "The last backup is older than `MMSVAULT_ALERT_BACKUP_DAYS` (8 days where nothing is set and one "
        "was made). Look why the nightly one did not run, and [make one](backup.md).",
        Rule(
            "BackupOld",
            _gauge("backup_old"),
            "The last backup is old",
            "Run the backup, or look why its timer did not.",
        ),
        check="backup",
    ),
    Condition(
        "quarantine",
        Severity.TICKET,
        "Are postbacks in quarantine, not understood?",
        _quarantine,
        "Correct and replay them on the dashboard's page /quarantine, or run `mmsvault replay quarantine/`.",
        "Postbacks wait in quarantine, and their files are not downloaded. The dashboard's page "
        "*Quarantine* (`/quarantine`) shows each with its reason: correct the body there, *Check*, then "
        "*Replay corrected body*. If it is a new form of postback, [teach the "
        "parser](adding-a-provider.md), then `mmsvault replay quarantine/`. See "
        "[replay](keeping.md#replay).",
        Rule(
            "PostbacksNotUnderstood",
            "max(mmsvault_quarantine_waiting) > 0",
            "{{ $value }} postbacks are in quarantine, not understood",
            "Their files are not downloaded. Correct and replay them on the dashboard's page /quarantine, or "
            "run `mmsvault replay quarantine/`.",
        ),
        check="quarantine",
        page="quarantine",
    ),
)

BY_ID = {condition.id: condition for condition in CONDITIONS}

_PROVIDER_FAILS = Rule(
    "ProviderFails",
    'sum(rate(mmsvault_attempts_total{outcome!="stored"}[15m])) > 0.5 * '
    "sum(rate(mmsvault_attempts_total[15m])) and sum(rate(mmsvault_attempts_total[15m])) > 0.05",
    "More than half of the attempts at files fail",
    'The panel "Attempts by reason" says why. Files are tried until their deadline.',
    hold=timedelta(minutes=15),
)
_PROVIDER_FAILS_MEANING = (
    'More than half of the attempts fail. "Attempts by outcome and reason" tells how. 5xx and time-outs '
    "pass; 401 and 403 want a word with the provider; `refused` is your own settings."
)
RULES_OF_RATES = ((Severity.TICKET, _PROVIDER_FAILS, _PROVIDER_FAILS_MEANING),)
"""What only Prometheus tells: a rate needs counts of some time ago. With the meaning for the guide."""
