"""A message's way can be followed: every line of the log and every span says which message it is about."""

import json
import signal
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from mmsvault.message import Receipt
from mmsvault.queueing.durable import DurableQueue
from mmsvault.queueing.jobs import open_queue
from mmsvault.sample import media
from mmsvault.sample.notices import lower_case_xml
from mmsvault.sample.provider import SampleProvider
from tests.flow.site import Site
from tests.flow.test_archive import notice
from tests.servers import end, until

Span = dict[str, Any]


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
            site.start("worker", "worker archive")
            queue = DurableQueue(open_queue(vault.redis))
            until(lambda: vault.redis.zcard("mmsvault:workers:archive"), what="the worker being ready")
            held = provider.offer(media.photograph(0), held=True)
            urls = (held, provider.offer(media.text("words")))
            receipt = Receipt.of(lower_case_xml(notice("followed", *urls)), provider="sinch")
            queue.keep([receipt.model_dump(mode="json")])
            offer = provider.offered(held)
            assert offer.half_sent.wait(30)
            site.signal("bucket", signal.SIGKILL)
            site.running.pop("bucket").wait()
            assert offer.held
            offer.held.set()
            log = folder / "worker.log"
            until(lambda: "waiting for a server" in log.read_text(), what="the worker waiting")
            site.start_server("bucket")
            site.archived("sinch-followed")
            end(site.running["worker"])
        yield spans, [json.loads(line) for line in log.read_text().splitlines()]


def test_every_line_about_a_message_says_which(followed: tuple[list[Span], list[Span]]) -> None:
    _, lines = followed
    about_it = [line for line in lines if line.get("receipt")]
    events = {line["event"] for line in about_it}
    assert {"waiting for a server, with the job in hand", "message"} <= events
    assert {line.get("message") for line in about_it} == {"sinch-followed"}
    theirs = [line for line in lines if line.get("logger") == "urllib3.connectionpool"]
    assert theirs, "libraries say that the bucket is away"
    assert all(line.get("message") == "sinch-followed" for line in theirs), "in the threads of downloads too"


def test_every_step_is_a_span_of_its_message(followed: tuple[list[Span], list[Span]]) -> None:
    spans, _ = followed
    assert {span["program"] for span in spans} == {"mms-vault-archive"}
    last = max((span for span in spans if span["name"] == "receipt"), key=spans.index)
    steps = [span for span in spans if span["trace"] == last["trace"]]
    names = sorted(span["name"] for span in steps)
    for name in ("record", "message", "download", "inspect", "store", "finish"):
        assert name in names, names
    ids = {span["id"] for span in steps}
    assert last["parent"] == b""
    assert all(span["parent"] in ids for span in steps if span is not last)
    assert {span["mmsvault.message"] for span in spans if "mmsvault.message" in span} == {"sinch-followed"}
    assert last["mmsvault.message"] == "sinch-followed"
