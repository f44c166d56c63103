"""`python -m mmsvault.sample`: send the demo's week of messages to the running vault, and serve its files.

One line is printed for each message once it is archived. Messages that are in the catalog from an
earlier run are not sent again.
"""

import sys
import threading
from dataclasses import replace

from mmsvault.catalog import queries
from mmsvault.errors import NotFoundError
from mmsvault.message import Message, MessageState, utc_now
from mmsvault.postbacks import message_id
from mmsvault.sample.campaign import Sent, other_notice, week
from mmsvault.sample.provider import SampleProvider
from mmsvault.settings import Settings
from mmsvault.starting import start
from mmsvault.terminal import visible_line
from mmsvault.vault import Vault

PROVIDER = "sinch"
ASKED_EVERY_SECONDS = 0.25
PATIENCE_SECONDS = 120


def run(settings: Settings) -> None:
    """Send what the vault does not have yet, then go on serving until the process is ended."""
    vault = Vault(settings)
    url = f"http://{settings.receiver_host}:{settings.receiver_port}/postbacks/{PROVIDER}"
    url += f"/{settings.effective_token}"
    with SampleProvider() as provider:
        sent = [send(provider, url, each) for each in week(utc_now()) if find(vault, each) is None]
        if sent:
            provider.send(url, other_notice())
        for each in sent:
            say(vault, each)
        say_all(vault, fresh=len(sent))
        vault.close()
        threading.Event().wait()


def send(provider: SampleProvider, url: str, sent: Sent) -> Sent:
    """Offer the files and post the notice that names them."""
    urls = tuple(
        provider.offer(file, failures=sent.failures if place == 0 else ())
        for place, file in enumerate(sent.files)
    )
    provider.send(url, replace(sent.notice, urls=urls), dialect=sent.dialect, pause_seconds=2)
    return sent


def find(vault: Vault, sent: Sent) -> Message | None:
    """Return the message as it stands in the archive, None where it is not there."""
    try:
        return queries.load(vault.catalog, message_id(PROVIDER, sent.notice.tracking_id))
    except NotFoundError:
        return None


def say(vault: Vault, sent: Sent) -> None:
    """Wait until the message is archived, and print its line."""
    message = settled(vault, sent)
    if message is None:
        sys.stdout.write(f"{sent.notice.tracking_id} is not archived yet\n")
        return
    kinds = ", ".join(item.content_type for item in message.media) or "no files"
    keyword = f" keyword {message.keyword}" if message.keyword else ""
    line = f"{message.state.value} {message.id} from {message.sender}{keyword}: {kinds}"
    sys.stdout.write(f"{visible_line(line)}\n")
    sys.stdout.flush()


def settled(vault: Vault, sent: Sent) -> Message | None:
    """Return the message once nothing of it is pending, None when patience ends before that."""
    for _ in range(round(PATIENCE_SECONDS / ASKED_EVERY_SECONDS)):
        message = find(vault, sent)
        if message and message.state is not MessageState.PENDING:
            return message
        threading.Event().wait(ASKED_EVERY_SECONDS)
    return None


def say_all(vault: Vault, *, fresh: int) -> None:
    """Print what came of it and where it is to be seen."""
    host, port = vault.settings.dashboard_host, vault.settings.dashboard_port
    news = f"{fresh} sample messages sent" if fresh else "the sample messages of an earlier run are here"
    sys.stdout.write(f"{news}; look at them on http://{host}:{port}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    start(run)
