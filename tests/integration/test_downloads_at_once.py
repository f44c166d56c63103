"""Downloads over real connections: side by side, kept alive, and never whole in memory."""

import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_network

import pytest

from mmsvault.fetching import Fetcher

FILES_AT_ONCE = 8
LARGE_BYTES = 80 << 20


class Server(ThreadingHTTPServer):
    """Counts connections; lets a file go only once as many as FILES_AT_ONCE are asked for."""

    daemon_threads = True
    connections = 0
    together = threading.Barrier(FILES_AT_ONCE)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def setup(self) -> None:
        self.server.connections += 1
        super().setup()

    def do_GET(self) -> None:
        if self.path == "/together":
            self.server.together.wait(30)
        size = LARGE_BYTES if self.path == "/large" else 1000
        self.send_response(200)
        self.send_header("content-length", str(size))
        self.end_headers()
        for _ in range(size // 1000):
            self.wfile.write(bytes(1000))
        self.wfile.write(bytes(size % 1000))

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    running = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield running
    running.shutdown()
    running.server_close()
    thread.join()


def test_files_come_side_by_side_over_connections_that_are_kept(server: Server) -> None:
    fetcher = Fetcher(max_bytes=LARGE_BYTES, hosts=(), private_networks=[ip_network("127.0.0.1/32")])

    def fetch(path: str) -> int:
        with tempfile.TemporaryFile() as file:
            return fetcher.fetch(f"http://127.0.0.1:{server.server_port}{path}", file).size

    with ThreadPoolExecutor(FILES_AT_ONCE) as side_by_side:
        assert list(side_by_side.map(fetch, ["/together"] * FILES_AT_ONCE)) == [1000] * FILES_AT_ONCE
        assert list(side_by_side.map(fetch, ["/one"] * 100)) == [1000] * 100
    fetcher.close()
    assert server.connections <= FILES_AT_ONCE


def test_a_large_file_is_never_whole_in_memory(server: Server) -> None:
    code = f"""
import resource, tempfile
from ipaddress import ip_network
from mmsvault.fetching import Fetcher

fetcher = Fetcher(max_bytes={LARGE_BYTES}, hosts=(), private_networks=[ip_network("127.0.0.1/32")])
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
with tempfile.TemporaryFile() as file:
    assert fetcher.fetch("http://127.0.0.1:{server.server_port}/large", file).size == {LARGE_BYTES}
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 20_000, "kilobytes"
