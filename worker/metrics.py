"""The sweep's own address for those who watch: `/metrics` of the whole vault, and `/healthz`."""

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server
from wsgiref.types import StartResponse, WSGIEnvironment

import structlog
from prometheus_client import CollectorRegistry, make_wsgi_app

from mmsvault.errors import ConfigurationError
from mmsvault.message import utc_now
from mmsvault.ops.gather import Gatherer
from mmsvault.ops.metrics import ConditionCollector
from mmsvault.queueing.connection import connect_to_answer
from mmsvault.runtime import ports
from mmsvault.vault import Vault
from mmsvault.watching import VaultCollector

log = structlog.get_logger(__name__)

STUCK_AFTER = timedelta(minutes=10)
"""Servers that are away are met at every sweep; one that has not come round for so long hangs."""


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's name
        """Say nothing of each scrape."""


@contextmanager
def answering(
    vault: Vault, *, swept_at: Callable[[], datetime], came_round_at: Callable[[], datetime]
) -> Iterator[None]:
    """Answer on the settings' address until the end of the block; nowhere where none is set.

    Where that cannot be listened on, the log says why: the sweep is needed more than its metrics.
    """
    host, port = vault.settings.metrics_host, vault.settings.metrics_port
    if not port or not _can_listen(host, port):
        yield
        return
    with connect_to_answer(vault.settings.effective_redis_url) as connection:
        registry = CollectorRegistry(auto_describe=False)
        registry.register(VaultCollector(vault, connection, swept_at=swept_at))
        registry.register(ConditionCollector(Gatherer(vault, connection)))
        server = make_server(host, port, _application(registry, came_round_at), _Server, handler_class=_Quiet)
        thread = threading.Thread(target=server.serve_forever, name="metrics", daemon=True)
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            server.server_close()


def _can_listen(host: str, port: int) -> bool:
    try:
        ports.check(host, port, program="METRICS")
    except ConfigurationError as error:
        log.error("metrics are told nowhere", reason=str(error))  # noqa: TRY400 - it says what to do
        return False
    return True


def _application(
    registry: CollectorRegistry, came_round_at: Callable[[], datetime]
) -> Callable[[WSGIEnvironment, StartResponse], Iterable[bytes]]:
    metrics: Callable[[WSGIEnvironment, StartResponse], Iterable[bytes]] = make_wsgi_app(registry)

    def answer(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        path = environ.get("PATH_INFO")
        if path == "/metrics":
            return metrics(environ, start_response)
        status, text = "404 Not Found", "There are /metrics and /healthz."
        if path == "/healthz":
            stuck = utc_now() - came_round_at() > STUCK_AFTER
            status, text = ("503 Stuck", "The sweep hangs.") if stuck else ("200 OK", "OK")
        start_response(status, [("Content-Type", "text/plain; charset=utf-8")])
        return [text.encode()]

    return answer
