"""A message's way can be followed: every line of the log and every span says which message it is about."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from mmsvault.message import Receipt
from mmsvault.sample import media
from mmsvault.sample.provider import SampleProvider
from tests.flow.site import Site
from tests.flow.test_archive import notice
from tests.servers import end, until

Span = dict[str, Any]
WITHOUT_TRACING = """
import sys
from mmsvault.settings import Settings
from receiver.app import create_app
print(type(create_app(Settings.load()).state.intake).__name__, "opentelemetry.exporter" in sys.modules)
"""


@contextmanager
def collector() -> Iterator[tuple[str, list[Span]]]:
    """Run an OTLP receiver, and give its address and the spans that come in."""
    spans: list[Span] = []

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            assert self.path == "/v1/traces"
            body = self.rfile.read(int(self.headers["content-length"]))
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                about = {one.key: one.value.string_value for one in resource.resource.attributes}
                spans.extend(
                    {
                        "name": span.name,
                        "trace": span.trace_id,
                        "id": span.span_id,
                        "parent": span.parent_span_id,
                        "began": span.start_time_unix_nano,
                        "ended": span.end_time_unix_nano,
                        "program": about["service.name"],
                        **{one.key: one.value.string_value for one in span.attributes},
                    }
                    for scope in resource.scope_spans
                    for span in scope.spans
                )
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Receiver)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", spans
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(scope="module")
def followed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[list[Span], list[Span]]]:
    """Archive a message of two files while the bucket goes away, and give the spans and the log's lines."""
    folder = tmp_path_factory.mktemp("followed")
    with collector() as (url, spans), SampleProvider() as provider:
        with ExitStack() as stack:
            site = stack.enter_context(Site(folder, {"MMSVAULT_TRACING_URL": url}))
            site.start_real_servers()
            vault = stack.enter_context(site.vault())
            receiver = site.receiver_part()
            site.start("worker", "worker archive")
            until(lambda: vault.redis.zcard("mmsvault:workers:archive"), what="the worker being ready")
            held = provider.offer(media.photograph(0), held=True)
            urls = (held, provider.offer(media.text("words")))
            assert provider.send(site.postbacks, notice("followed", *urls)) == 200
            offer = provider.offered(held)
            until(offer.half_sent.is_set, what="the file being half sent")
            site.signal("bucket", signal.SIGKILL)
            site.running.pop("bucket").wait()
            assert offer.held
            offer.held.set()
            log = folder / "worker.log"
            until(lambda: "waiting for a server" in log.read_text(), what="the worker waiting")
            site.start_server("bucket")
            site.archived("sinch-followed")
            for part in (site.running["worker"], receiver):
                end(part)  # which sends the last spans
        yield spans, [json.loads(line) for line in log.read_text().splitlines()]


def test_every_line_about_a_message_says_which(followed: tuple[list[Span], list[Span]]) -> None:
    _, lines = followed
    about_it = [line for line in lines if line.get("receipt")]
    events = {line["event"] for line in about_it}
    assert {"waiting for a server, with the job in hand", "message"} <= events
    assert {line.get("message") for line in about_it} == {"sinch-followed"}
    assert not [line for line in lines if line.get("logger", "").startswith("urllib3")], (
        "its retries are silent"
    )


def test_one_trace_goes_from_the_postback_to_the_archived_message(
    followed: tuple[list[Span], list[Span]],
) -> None:
    spans, lines = followed
    (first,) = (span for span in spans if span["program"] == "mms-vault-receiver")
    assert first["name"] == "postback"
    assert first["parent"] == b""
    assert {span["trace"] for span in spans} == {first["trace"]}
    assert {span["program"] for span in spans if span is not first} == {"mms-vault-archive"}
    tries = [span for span in spans if span["name"] == "receipt"]
    assert len(tries) > 1, "one before the bucket was away, one after"
    assert all(span["parent"] == first["id"] for span in tries)
    ids = {span["id"] for span in spans}
    assert all(span["parent"] in ids for span in spans if span is not first)
    names = {span["name"] for span in spans}
    assert names >= {"record", "message", "download", "inspect", "store", "finish"}
    assert {span["mmsvault.message"] for span in spans if "mmsvault.message" in span} == {"sinch-followed"}
    assert tries[-1]["mmsvault.message"] == "sinch-followed"
    assert {line["receipt"] for line in lines if line.get("receipt")} == {first["mmsvault.receipt"]}


def test_a_span_begins_when_its_postback_came_in_and_the_others_later(
    followed: tuple[list[Span], list[Span]],
) -> None:
    spans, _ = followed
    first, *later = sorted(spans, key=lambda span: span["began"])
    assert first["name"] == "postback"
    assert first["began"] < first["ended"] < min(span["ended"] for span in later)


def test_where_nothing_is_traced_a_receipt_carries_nothing_and_nothing_is_loaded(tmp_path: Path) -> None:
    found = subprocess.run(
        [sys.executable, "-c", WITHOUT_TRACING],
        env={**os.environ, "MMSVAULT_DATA_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.stdout.split() == ["Intake", "False"], found.stderr
    assert "trace" not in Receipt.of(b"", provider="sinch").model_dump(mode="json")
