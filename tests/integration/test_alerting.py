"""Who is told what, and how often: a real catalog, a real web server and a real mail server."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar

import pytest
from aiosmtpd.smtp import AuthResult, LoginPassword

from mmsvault import quarantine, replaying
from mmsvault.attempts import REASONS_NOT_ALLOWED
from mmsvault.catalog import quarantine as index
from mmsvault.catalog import upkeep, verdicts, writes
from mmsvault.catalog.connection import migrate
from mmsvault.catalog.verdicts import Extent, Verdict
from mmsvault.message import MediaItem, MediaState, Receipt, utc_now
from mmsvault.message import Message as VaultMessage
from mmsvault.ops import alerts, gather
from mmsvault.ops.alerts import Alerter
from mmsvault.ops.catalog_ledger import CatalogLedger
from mmsvault.ops.channels import NotToldError, Told, mail
from mmsvault.ops.facts import Facts
from mmsvault.settings import Settings
from mmsvault.vault import Vault
from tests.operators import Hook, hook, mail_server, said

__all__ = ["hook"]


@contextmanager
def opened(folder: Path, **settings: Any) -> Iterator[Vault]:
    vault = Vault(Settings.load(data_dir=folder / "vault", **settings))
    migrate(vault.catalog)
    try:
        yield vault
    finally:
        vault.close()


def record(
    vault: Vault, name: str, *, hours_left: float, state: MediaState = MediaState.PENDING, reason: str = ""
) -> None:
    now = utc_now()
    item = MediaItem(position=0, url="http://m.example/a", state=state, next_attempt_at=now, reason=reason)
    message = VaultMessage(
        id=name, provider="sinch", tracking_id=name, sender="1", to=("2",), received_at=now, recorded_at=now,
        deadline_at=now + timedelta(hours=hours_left), prefix=f"messages/{name}/", media=(item,),
    )  # fmt: skip
    writes.record(vault.catalog, message, Receipt.of(name.encode(), provider="sinch"))


def alerter_of(vault: Vault) -> Alerter:
    """Return one that looks at the catalog alone, and remembers there what it told."""

    def facts() -> Facts:
        now = alerts_clock()
        return Facts(vault.settings, now, archive=gather.archive_facts(vault, now=now))

    return Alerter(vault.settings, facts, [CatalogLedger(vault.catalog)])


def alerts_clock() -> datetime:
    return utc_now() + Clock.ahead


class Clock:
    """How far the tests' clock is ahead of the real one."""

    ahead: ClassVar[timedelta] = timedelta()


def test_files_that_the_provider_refuses_are_told_until_it_gives_them(tmp_path: Path, hook: str) -> None:
    with opened(tmp_path, alert_webhook=hook) as vault:
        alerter = alerter_of(vault)
        record(vault, "busy", hours_left=700, reason="The provider answered 503.")
        alerter.look()
        assert said() == []
        for name, reason in zip(("password", "forbidden"), REASONS_NOT_ALLOWED, strict=True):
            record(vault, name, hours_left=700, reason=reason)
        alerter.look()
        alerter.look()
        assert said() == [("not_allowed", "begun", 2)]
        assert "refuses 2 files" in Hook.posted[0]["text"]
        upkeep.bury(vault.catalog, dict.fromkeys(("password", "forbidden"), utc_now()))
        alerter.look()
        assert said()[1:] == [("not_allowed", "over", 0)]


def test_files_at_risk_are_told_once_and_again_when_they_are_safe(tmp_path: Path, hook: str) -> None:
    with opened(tmp_path, alert_webhook=hook) as vault:
        alerter = alerter_of(vault)
        record(vault, "in-time", hours_left=700)
        alerter.look()
        assert said() == []
        record(vault, "urgent", hours_left=3)
        alerter.look()
        alerter.look()
        alerter_of(vault).look()  # another sweep, after a restart
        assert said() == [("at_risk", "begun", 1)]
        assert "1 file has under a day" in Hook.posted[0]["text"]
        upkeep.bury(vault.catalog, {"urgent": utc_now()})
        alerter.look()
        assert said()[1:] == [("at_risk", "over", 0)]


def test_an_alert_that_lasts_is_said_again_after_a_while(
    tmp_path: Path, hook: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened(tmp_path, alert_webhook=hook, alert_reminder_hours=6) as vault:
        alerter = alerter_of(vault)
        record(vault, "urgent", hours_left=20)
        alerter.look()
        for hours, states in ((5, ["begun"]), (7, ["begun", "reminder"]), (8, ["begun", "reminder"])):
            monkeypatch.setattr(Clock, "ahead", timedelta(hours=hours))
            alerter.look()
            assert [state for _, state, _ in said()] == states, hours


def test_every_loss_and_a_verify_that_fails_are_told(tmp_path: Path, hook: str) -> None:
    with opened(tmp_path, alert_webhook=hook) as vault:
        alerter = alerter_of(vault)
        for name in ("first", "second"):
            record(vault, name, hours_left=700, state=MediaState.LOST)
            alerter.look()
            alerter.look()
        assert said() == [("lost", "more", 1), ("lost", "more", 2)]
        for extent, problems in ((Extent.EVERYTHING, 3), (Extent.PART, 0), (Extent.EVERYTHING, 0)):
            verdicts.keep(vault.catalog, Verdict(extent, utc_now(), utc_now(), 9, problems, ()))
            alerter.look()
        assert said()[2:] == [("verify", "begun", 3), ("verify", "over", 0)]


def test_a_way_that_is_away_is_told_later_and_the_other_at_once(
    tmp_path: Path, hook: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (
        mail_server() as (letters, port),
        opened(
            tmp_path,
            alert_webhook=hook,
            alert_email="ops@example.org, night@example.org",
            smtp_url=f"smtp://127.0.0.1:{port}",
        ) as vault,
    ):
        Hook.status = 503
        record(vault, "urgent", hours_left=3)
        alerter = alerter_of(vault)
        alerter.look()
        assert said() == []
        (letter,) = letters.received
        assert letter["To"] == "ops@example.org, night@example.org"
        assert letter["Subject"] == "MMS Vault: 1 file has under a day until the provider deletes it."
        assert "mmsvault search state:pending" in str(letter.get_payload())
        Hook.status = 200
        alerter.look()
        assert said() == [], "not at every sweep"
        monkeypatch.setattr(Clock, "ahead", timedelta(minutes=2))
        alerter.look()
        assert said() == [("at_risk", "begun", 1)]
        assert len(letters.received) == 1


TOLD = Told("verify", "begun", 1, "verify found 1 problem.", "Look.", "2026-11-24T12:00:00+00:00", "host")


def test_a_password_is_not_sent_in_the_open_and_a_server_that_is_away_is_said(tmp_path: Path) -> None:
    def accept(_server: Any, _session: Any, _envelope: Any, _mechanism: str, data: Any) -> AuthResult:
        assert isinstance(data, LoginPassword)
        return AuthResult(success=True)

    with mail_server(authenticator=accept, auth_require_tls=False) as (letters, port):
        settings = Settings.load(
            data_dir=tmp_path, alert_email="ops@example.org", smtp_url=f"smtp://me:secret@127.0.0.1:{port}"
        )
        with pytest.raises(NotToldError, match="a password is not sent without"):
            mail(settings, TOLD)
        assert letters.received == []
    with pytest.raises(NotToldError, match="The mail server did not take it"):
        mail(settings, TOLD)


def refuse(vault: Vault, body: bytes, reason: str) -> str:
    """Put a postback into quarantine, and return its folder."""
    quarantine.keep(vault, Receipt.of(body, provider="sinch", source="203.0.113.7"), reason)
    return index.newest(vault.catalog, limit=1)[0].folder


def test_quarantine_is_told_at_once_with_count_reason_and_the_way_to_replay(
    tmp_path: Path, hook: str
) -> None:
    with (
        mail_server() as (letters, port),
        opened(
            tmp_path,
            alert_webhook=hook,
            alert_email="ops@example.org",
            smtp_url=f"smtp://127.0.0.1:{port}",
            dashboard_public_url="https://gallery.example.org/",
        ) as vault,
    ):
        vault.bucket.make()
        alerter = alerter_of(vault)
        alerter.look()
        assert said() == []
        folder = refuse(vault, b"torn", "The postback\nhas no code.")
        alerter.look()
        alerter.look()
        assert said() == [("quarantine", "begun", 1)]
        (posted,) = Hook.posted
        assert posted["summary"] == "1 postback was not understood: see Quarantine."
        assert posted["link"] == "https://gallery.example.org/quarantine"
        assert "UTC: The postback has no code." in posted["details"]
        for part in (posted["summary"], posted["details"], posted["link"], f"mmsvault replay {folder}"):
            assert part in posted["text"]
        (letter,) = letters.received
        assert letter["Subject"] == f"MMS Vault: {posted['summary']}"
        text = bytes(letter.get_payload(decode=True)).decode()
        for part in ("The postback has no code.", "https://gallery.example.org/quarantine", folder):
            assert part in text
        index.leave(vault.catalog, [folder])
        alerter.look()
        assert said()[1:] == [("quarantine", "over", 0)]
        assert Hook.posted[-1]["text"] == "MMS Vault: No postback is in quarantine."


def test_more_in_quarantine_is_told_together_and_the_same_body_again_is_not(
    tmp_path: Path, hook: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened(tmp_path, alert_webhook=hook) as vault:
        vault.bucket.make()
        alerter = alerter_of(vault)
        folder = refuse(vault, b"one", "No code.")
        alerter.look()
        for body in (b"two", b"three"):
            refuse(vault, body, "No tracking id.")
            alerter.look()
        assert said() == [("quarantine", "begun", 1)], "not for each of them"
        monkeypatch.setattr(Clock, "ahead", alerts.MORE_AFTER)
        alerter.look()
        assert said()[1:] == [("quarantine", "more", 3)]
        assert "No tracking id." in Hook.posted[-1]["text"]
        refuse(vault, b"one", "No code.")
        (receipt,) = replaying.receipts(vault, [folder], provider="sinch")
        assert isinstance(receipt, Receipt)
        quarantine.keep(vault, receipt, "Still no code.")
        monkeypatch.setattr(Clock, "ahead", 2 * alerts.MORE_AFTER)
        alerter.look()
        assert len(said()) == 2, "nothing new came"
        index.leave(vault.catalog, [folder])
        refuse(vault, b"four", "No code.")
        monkeypatch.setattr(Clock, "ahead", 3 * alerts.MORE_AFTER)
        alerter.look()
        assert said()[2:] == [("quarantine", "more", 3)], "as many as before, and one of them new"


def test_without_a_public_address_the_alert_names_the_page_and_the_command(tmp_path: Path, hook: str) -> None:
    with opened(tmp_path, alert_webhook=hook) as vault:
        vault.bucket.make()
        refuse(vault, b"torn", "x" * 5000)
        alerter_of(vault).look()
        assert Hook.posted[0]["link"] == ""
        assert "on the dashboard's page /quarantine" in Hook.posted[0]["advice"]
        assert len(Hook.posted[0]["details"]) < 600
