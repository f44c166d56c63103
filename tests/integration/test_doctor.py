"""What `doctor` finds wrong, and what it says to do: on servers that are away, or not as they should be."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from mmsvault.catalog import verdicts
from mmsvault.catalog.verdicts import Extent, Verdict
from mmsvault.diagnosis import Finding, State, examine
from mmsvault.message import utc_now
from mmsvault.queueing import figures
from mmsvault.settings import Settings
from mmsvault.steps import Counts
from mmsvault.vault import Vault
from tests.house import House
from tests.integration.archive import embedded_bucket
from tests.servers import free_port, redis_server


def all_found(folder: Path, **settings: Any) -> list[Finding]:
    """Return what is found in a vault whose programs have ports that nobody else has."""
    ports = {"receiver_port": free_port(), "dashboard_port": free_port()}
    vault = Vault(Settings.load(data_dir=folder / "vault", **{**ports, **settings}))
    try:
        return list(examine(vault))
    finally:
        vault.close()


def found(folder: Path, **settings: Any) -> dict[str, Finding]:
    return {finding.check: finding for finding in all_found(folder, **settings)}


@contextmanager
def answering(status: int, body: bytes) -> Iterator[int]:
    """Give the port of a program that answers every question like this."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


@pytest.mark.parametrize("program", ["receiver", "dashboard"])
def test_a_program_is_asked_at_its_port_and_what_it_answers_is_told(tmp_path: Path, program: str) -> None:
    with answering(200, b"ready") as port:
        well = found(tmp_path, **{f"{program}_port": port})[program]
    with answering(503, b"no queue") as port:
        ill = found(tmp_path, **{f"{program}_port": port})[program]
    away = found(tmp_path)[program]
    assert (well.state, ill.state, away.state) == (State.OK, State.WRONG, State.ADVICE)
    assert "no queue" in ill.said
    assert f"Start `mmsvault {program}`" in away.advice


def test_a_vault_that_does_not_run_is_told_to_start(tmp_path: Path) -> None:
    findings = found(tmp_path)
    for check in ("queue", "bucket"):
        assert findings[check].state is State.WRONG
        assert "Start `mmsvault up`" in findings[check].advice
    assert findings["catalog"].state is State.OK
    assert "RETENTION_DAYS" in findings["retention"].advice
    assert "ALERT_WEBHOOK" in findings["alerts"].advice


def test_a_redis_that_forgets_is_named_with_what_to_set(tmp_path: Path) -> None:
    with redis_server(tmp_path, "--appendonly", "no") as url:
        finding = found(tmp_path, redis_url=url)["MMSVAULT_REDIS_URL"]
    assert finding.state is State.WRONG
    assert "set `appendonly yes`" in finding.said


def test_what_runs_is_well_and_what_does_not_is_missed(tmp_path: Path) -> None:
    with embedded_bucket(tmp_path), redis_server(tmp_path) as url:
        assert "is its disk mounted?" in found(tmp_path, redis_url=url)["bucket"].said
        vault = Vault(Settings.load(data_dir=tmp_path / "vault", redis_url=url))
        vault.bucket.make()
        before = found(tmp_path, redis_url=url)
        for name in ("archive", "sweep"):
            figures.tell(vault.redis, Counts(), queue_name=name, worker="tests", now=utc_now())
        vault.redis.set(figures.SWEPT, utc_now().isoformat())
        vault.close()
        after = found(tmp_path, redis_url=url)
    assert before["queue"].state is before["bucket"].state is State.OK
    assert before["workers: archive"].state is State.WRONG
    assert "mmsvault worker --queue archive" in before["workers: archive"].advice
    assert after["workers: archive"].state is after["workers: sweep"].state is State.OK
    assert after["workers: exports"].state is State.WRONG


def test_settings_that_can_not_be_meant_are_found(tmp_path: Path) -> None:
    nobody = free_port()
    everything = all_found(
        tmp_path,
        postback_token="short",
        fetch_hosts="nowhere.invalid",
        fetch_private_networks="10.0.0.0/8",
        dashboard_host="0.0.0.0",
        alert_webhook=f"http://127.0.0.1:{nobody}/hook",
        alert_email="ops@example.org",
        smtp_url=f"smtp://127.0.0.1:{nobody}",
        tracing_url=f"http://127.0.0.1:{nobody}",
    )
    findings = {finding.check: finding for finding in everything}
    for check in ("token", "MMSVAULT_ALERT_WEBHOOK", "MMSVAULT_SMTP_URL", "MMSVAULT_TRACING_URL"):
        assert findings[check].state is State.WRONG, check
        assert findings[check].advice
    assert any("cookie is sent without TLS" in finding.said for finding in everything)
    assert findings["fetching"].state is State.WRONG


def test_a_verify_that_failed_stays_wrong_until_one_is_clean(tmp_path: Path) -> None:
    vault = Vault(Settings.load(data_dir=tmp_path / "vault"))
    found(tmp_path)
    long_ago = utc_now() - timedelta(days=30)
    for at, problems, state in (
        (utc_now(), 2, State.WRONG),
        (utc_now(), 0, State.OK),
        (long_ago, 0, State.ADVICE),
    ):
        verdicts.keep(vault.catalog, Verdict(Extent.EVERYTHING, at, at, 9, problems, ()))
        assert found(tmp_path)["verify"].state is state
    vault.close()


def test_the_command_answers_in_json_and_exits_1(tmp_path: Path) -> None:
    done = House(tmp_path, {"MMSVAULT_RETENTION_DAY": "3"}).call("doctor", "--json")
    assert done.returncode == 1
    (finding,) = json.loads(done.stdout)["findings"]
    assert finding["check"] == "MMSVAULT_RETENTION_DAY"
    assert "did you mean MMSVAULT_RETENTION_DAYS" in finding["said"]
    assert done.stderr == ""
