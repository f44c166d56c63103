"""Who is told of what, and when: once when it begins, once when it is over, and reminded in between.

Several programs look at the vault, so that one that is dead is told of by another: the sweep at all of it
(the workers in its stead, when it does not), each receiver at its machine, its queue and the other
programs. What was sent stands in `ledgers`, so that none of them tells again. A channel that is away is
told later.
"""

import socket
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from time import monotonic

import structlog

from mmsvault.ops.channels import Channel, NotToldError, Told, channels
from mmsvault.ops.conditions import Finding, judge
from mmsvault.ops.facts import Facts
from mmsvault.ops.ledgers import SECONDS_TO_SEND, FileLedger, Ledger, Ledgers, Sent
from mmsvault.settings import Settings
from mmsvault.settings.secrets import HIDDEN, secret_pattern
from mmsvault.terminal import masked

log = structlog.get_logger(__name__)

MORE_AFTER = timedelta(minutes=15)
"""What is newer than the last message about it is told after this, all of it together."""
AGAIN_AFTER = timedelta(minutes=1)
"""A channel that failed is tried again after this."""
BY_ITSELF_AFTER = timedelta(hours=1)
"""A machine that cannot ask others what they told says the same thing no sooner again."""
_NEVER = datetime.min.replace(tzinfo=UTC)


class Alerter:
    """Looks at what is so, and tells whoever the settings name. `gather` returns what is known."""

    def __init__(self, settings: Settings, gather: Callable[[], Facts], shared: Sequence[Ledger]) -> None:
        self._gather = gather
        self._channels = channels(settings)
        self._secrets = secret_pattern(settings)
        self._ledgers = Ledgers(shared, FileLedger(settings.data_dir))
        self._reminder = timedelta(hours=settings.alert_reminder_hours)
        self._failed_at: dict[str, datetime] = {}
        self._since: dict[str, datetime] = {}

    def look(self) -> None:
        """Tell what has begun, what is over, and what is due for a reminder."""
        if not self._channels:
            return
        facts = self._gather()
        findings = list(self._lasting(facts))
        away = [server for server, reason in facts.servers.items() if reason]
        with self._ledgers.alone(away=away) as may_send:
            if may_send:
                self._send(findings, facts)

    def _lasting(self, facts: Facts) -> Iterator[Finding]:
        """Give what is well, and what has been wrong for as long as the condition asks."""
        for finding in judge(facts):
            name = finding.condition.id
            if not finding.answer.level:
                self._since.pop(name, None)
                yield finding
            elif facts.now - self._since.setdefault(name, facts.now) >= finding.condition.hold:
                yield finding

    def _send(self, findings: Sequence[Finding], facts: Facts) -> None:
        told, now, began = self._ledgers.read(), facts.now, monotonic()
        for name, channel in self._channels.items():
            if now - self._failed_at.get(name, _NEVER) < AGAIN_AFTER:
                continue
            for finding in findings:
                if monotonic() - began > SECONDS_TO_SEND / 2:  # the rest the next time
                    return
                key = f"{name} {finding.condition.id}"
                if finding.condition.host:
                    key = f"{key} {socket.gethostname()}"
                state = self._due(finding, told.get(key, Sent()), now)
                if state and not self._tell(
                    name, channel, key=key, told=self._message(finding, state, facts)
                ):
                    self._failed_at[name] = now
                    break
                if state:
                    answer = finding.answer
                    newest = answer.newest or told.get(key, Sent()).newest
                    self._ledgers.write(key, Sent(answer.level, int(now.timestamp()), newest))

    def _due(self, finding: Finding, sent: Sent, now: datetime) -> str:
        """Return which message is due, the empty string for none."""
        answer, since = finding.answer, now - datetime.fromtimestamp(sent.at, UTC)
        if not self._ledgers.is_shared and since < BY_ITSELF_AFTER:
            return ""
        if finding.condition.grows:
            return "more" if answer.level > sent.level else ""
        if bool(answer.level) is not bool(sent.level):
            return "begun" if answer.level else "over"
        if answer.newest > sent.newest and since >= MORE_AFTER:
            return "more"
        return "reminder" if answer.level and since >= self._reminder else ""

    def _tell(self, name: str, channel: Channel, *, key: str, told: Told) -> bool:
        try:
            channel(told)
        except NotToldError as error:
            log.warning("an alert could not be sent", way=name, alert=told.alert, reason=str(error))
            return False
        log.info("alert sent", way=name, alert=told.alert, state=told.state, key=key)
        return True

    def _message(self, finding: Finding, state: str, facts: Facts) -> Told:
        condition, answer = finding.condition, finding.answer
        is_wrong = bool(answer.level)
        # Details may quote a stranger or a server's error.
        details = masked(self._secrets.sub(HIDDEN, answer.details))
        return Told(
            alert=condition.id,
            state=state,
            level=answer.level,
            summary=answer.sentence,
            advice=finding.next_step if is_wrong else "",
            at=facts.now.isoformat(timespec="seconds"),
            host=socket.gethostname(),
            details=details if is_wrong else "",
            link=facts.settings.page(condition.page) if is_wrong else "",
            severity=condition.severity.value,
        )
