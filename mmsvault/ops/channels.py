"""The ways to an operator: a webhook, and mail. What is sent holds no number in full, caption or secret."""

import smtplib
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from email.message import EmailMessage
from urllib.parse import unquote, urlsplit

import httpx

from mmsvault.errors import VaultError, plain_reason
from mmsvault.settings import Settings

SECONDS_TO_TELL = 10


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
    severity: str = ""


class NotToldError(VaultError):
    """Nobody could be told this way just now."""


Channel = Callable[[Told], None]
"""Tells an operator. Raises NotToldError."""


def channels(settings: Settings) -> dict[str, Channel]:
    """Return how operators are told, by name."""
    found: dict[str, Channel] = {}
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
