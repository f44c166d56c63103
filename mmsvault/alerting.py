"""Who is told when files are at risk or lost, postbacks not understood or the archive damaged.

A webhook is told, and people by e-mail.

Each way of telling is told once when something begins and once when it is over, and reminded in
between. What it was told is kept in the catalog once it was sent, so a way that is away is told
later, and another sweep does not tell again.
"""

import smtplib
import socket
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from urllib.parse import unquote, urlsplit

import httpx
import structlog

from mmsvault.attempts import REASONS_NOT_ALLOWED
from mmsvault.catalog import quarantine, totals, upkeep, verdicts
from mmsvault.catalog.totals import AT_RISK
from mmsvault.errors import VaultError, plain_reason
from mmsvault.message import utc_now
from mmsvault.settings import Settings
from mmsvault.vault import Vault

log = structlog.get_logger(__name__)

SECONDS_TO_TELL = 10
MORE_AFTER = timedelta(minutes=15)
"""What is newer than the last message about it is told after this, all of it together."""
LONGEST_REASON = 500
AGAIN_AFTER = timedelta(minutes=1)
"""A way of telling that failed is tried again after this."""


@dataclass(frozen=True)
class Alert:
    """What is so now. `level` 0 is well; anything else is a number that an operator should know of.

    `grows`: a higher level is told as well, and it never ends by itself. `newest`: a number that is higher
    when something was added, whatever the level; that is told as well, not too often. `details` are what
    there is to say besides, `link` leads to the page that shows it, where one is known.
    """

    name: str
    level: int
    summary: str
    advice: str
    grows: bool = False
    newest: int = 0
    details: str = ""
    link: str = ""


@dataclass(frozen=True)
class Told:
    """One message to an operator. `state` is `begun`, `more`, `reminder` or `over`."""

    alert: str
    state: str
    level: int
    summary: str
    advice: str
    at: str
    host: str
    details: str = ""
    link: str = ""


class NotToldError(VaultError):
    """Nobody could be told this way just now."""


Way = Callable[[Told], None]
"""Tells an operator. Raises NotToldError."""


class Alerter:
    """Looks at what is so, and tells whoever the settings name; `look` is called at every sweep."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault
        self._ways = ways(vault.settings)
        self._reminder = timedelta(hours=vault.settings.alert_reminder_hours)
        self._failed_at: dict[str, datetime] = {}

    def look(self) -> None:
        """Tell what has begun, what is over, and what is due for a reminder. Raises UnavailableError."""
        if not self._ways:
            return
        now = utc_now()
        alerts, noted = list(standing(self._vault)), upkeep.noted(self._vault.catalog)
        for way, tell in self._ways.items():
            if now - self._failed_at.get(way, datetime.min.replace(tzinfo=UTC)) < AGAIN_AFTER:
                continue
            for alert in alerts:
                state = self._due(alert, noted, f"{way} {alert.name}", now)
                if state and not self._tell(way, tell, alert, state, now):
                    break

    def _due(self, alert: Alert, noted: Mapping[str, int], name: str, now: datetime) -> str:
        """Return which message is due, the empty string for none."""
        before = noted.get(f"told {name}", 0)
        if alert.grows:
            return "more" if alert.level > before else ""
        if bool(alert.level) is not bool(before):
            return "begun" if alert.level else "over"
        told_at = datetime.fromtimestamp(noted.get(f"told {name} at", 0), UTC)
        if alert.newest > noted.get(f"told {name} newest", 0) and now - told_at >= MORE_AFTER:
            return "more"
        return "reminder" if alert.level and now - told_at >= self._reminder else ""

    def _tell(self, way: str, tell: Way, alert: Alert, state: str, now: datetime) -> bool:
        told = Told(
            alert=alert.name,
            state=state,
            level=alert.level,
            summary=alert.summary,
            advice=alert.advice if alert.level else "",
            at=now.isoformat(timespec="seconds"),
            host=socket.gethostname(),
            details=alert.details if alert.level else "",
            link=alert.link if alert.level else "",
        )
        try:
            tell(told)
        except NotToldError as error:
            self._failed_at[way] = now
            log.warning("an alert could not be sent", way=way, alert=alert.name, reason=str(error))
            return False
        name = f"told {way} {alert.name}"
        numbers = {name: alert.level, f"{name} at": int(now.timestamp())}
        upkeep.note(self._vault.catalog, numbers | ({f"{name} newest": alert.newest} if alert.newest else {}))
        log.info("alert sent", way=way, alert=alert.name, state=state)
        return True


def standing(vault: Vault) -> Iterator[Alert]:
    """Give what an operator is told of, as it is now. Raises UnavailableError."""
    counts = totals.counts(vault.catalog, at_risk_before=utc_now() + AT_RISK)
    yield Alert(
        "at_risk",
        counts.at_risk,
        f"{counts.at_risk:,} files have under a day until the provider deletes them."
        if counts.at_risk
        else "No file is at risk any more.",
        "`mmsvault search state:pending` lists their messages, `mmsvault show ID` says why each is not here.",
    )
    not_allowed = totals.waiting_for(vault.catalog, REASONS_NOT_ALLOWED)
    yield Alert(
        "not_allowed",
        not_allowed,
        f"The provider refuses {not_allowed:,} files to this server (401 or 403)."
        if not_allowed
        else "The provider refuses no file to this server any more.",
        "They are asked for until their deadline. Ask the provider what lets this server have them; "
        "`mmsvault requeue state:pending` then fetches them at once.",
    )
    lost = counts.media["lost"]
    yield Alert(
        "lost",
        lost,
        f"{lost:,} files in all are lost.",
        "`mmsvault search 'state:lost OR state:partial'` lists their messages; "
        "`mmsvault requeue QUERY` tries once more.",
        grows=True,
    )
    yield of_quarantine(vault)
    failing = verdicts.failing(verdicts.latest(vault.catalog))
    yield Alert(
        "verify",
        failing.problems if failing else 0,
        f"verify found {failing.problems:,} problems at {failing.ended_at:%Y-%m-%d %H:%M} UTC."
        if failing
        else "verify found no problem.",
        "`mmsvault verify --repair` mends what can be mended, and says what is left.",
    )


def of_quarantine(vault: Vault) -> Alert:
    """Return what is so of the postbacks that were not understood."""
    waiting = quarantine.waiting(vault.catalog)
    newest, link = waiting.newest, vault.settings.page("quarantine")
    if newest is None:
        return Alert("quarantine", 0, "No postback is in quarantine any more.", "")
    one = waiting.count == 1
    count = "1 postback was" if one else f"{waiting.count:,} postbacks were"
    where = f"at {link}" if link else "on the dashboard's page /quarantine"
    reason = " ".join(newest.reason.split())[:LONGEST_REASON]
    return Alert(
        "quarantine",
        waiting.count,
        f"{count} not understood: see Quarantine.",
        f"Correct and replay {'it' if one else 'them'} {where}. "
        f"Or run `mmsvault replay {newest.folder}` for the newest, `mmsvault replay quarantine/` for all.",
        newest=int(newest.kept_at.timestamp() * 1000),
        details=f"{'Its' if one else 'Their'} files are not downloaded. The newest came on "
        f"{newest.received_at:%Y-%m-%d at %H:%M:%S} UTC: {reason}",
        link=link,
    )


def ways(settings: Settings) -> dict[str, Way]:
    """Return how operators are told, by name."""
    found: dict[str, Way] = {}
    if settings.alert_webhook:
        found["webhook"] = lambda told: post(settings.alert_webhook, told)
    if settings.alert_email:
        found["email"] = lambda told: mail(settings, told)
    return found


def post(url: str, told: Told) -> None:
    """Send it as JSON; `text` is for chat services that show that."""
    try:
        answer = httpx.post(
            url,
            json={**asdict(told), "text": f"MMS Vault: {' '.join(_said(told))}"},
            timeout=SECONDS_TO_TELL,
            trust_env=False,
        )
        answer.raise_for_status()
    except httpx.HTTPStatusError as error:  # its text has the address, which is a secret
        raise NotToldError(f"The webhook answered {error.response.status_code}.") from None
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        said = plain_reason(error, otherwise="it gave no answer")
        raise NotToldError(f"The webhook did not take it: {said}.") from error


def mail(settings: Settings, told: Told) -> None:
    """Send it as a letter in plain text."""
    letter = EmailMessage()
    letter["Subject"] = f"MMS Vault: {told.summary}"
    letter["From"] = settings.alert_sender
    letter["To"] = ", ".join(settings.alert_email)
    letter["Date"] = datetime.fromisoformat(told.at)
    letter["Auto-Submitted"] = "auto-generated"
    again = "This is a reminder.\n\n" if told.state == "reminder" else ""
    words = "\n\n".join(_said(told) or [""])
    letter.set_content(f"{words}\n\n{again}{told.host}, {told.at}\n")
    with mail_server(settings.smtp_url) as server:
        server.send_message(letter)


def _said(told: Told) -> list[str]:
    return [words for words in (told.summary, told.details, told.advice) if words]


@contextmanager
def mail_server(url: str) -> Iterator[smtplib.SMTP]:
    """Give a connection to the mail server, encrypted where it can be, logged in. Raises NotToldError.

    `smtps://` speaks TLS from the beginning; `smtp://` turns to TLS where the server offers it, and
    sends a password only then.
    """
    parts = urlsplit(url)
    host, secure = parts.hostname or "", ssl.create_default_context()
    try:
        if parts.scheme == "smtps":
            server: smtplib.SMTP = smtplib.SMTP_SSL(
                host, parts.port or 465, timeout=SECONDS_TO_TELL, context=secure
            )
        else:
            server = smtplib.SMTP(host, parts.port or 25, timeout=SECONDS_TO_TELL)
        with server:
            server.ehlo()
            if parts.scheme == "smtp" and server.has_extn("starttls"):
                server.starttls(context=secure)
                server.ehlo()
            if parts.username:
                if not isinstance(server.sock, ssl.SSLSocket):
                    raise NotToldError("The mail server offers no TLS, and a password is not sent without.")
                server.login(unquote(parts.username), unquote(parts.password or ""))
            yield server
    except (OSError, smtplib.SMTPException) as error:
        raise NotToldError(f"The mail server did not take it: {error}.") from error
