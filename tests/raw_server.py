"""A server on loopback that answers with bytes as they are given: heads that no HTTP library would write."""

import re
import socket
import ssl
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Self

Answer = bytes | Callable[[socket.socket], None]
"""What is sent for one request, or what sends it."""


class RawServer:
    """Answers each path with the answers that were given for it, the last one again and again.

    Use as a context manager. `requests` has what was asked, by path.
    """

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self._tls = tls
        self.requests: dict[str, list[str]] = defaultdict(list)
        self.connections = 0
        self._answers: dict[str, list[Answer]] = {}
        self._ended = threading.Event()
        self._listening = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port: int = self._listening.getsockname()[1]
        self._thread = threading.Thread(target=self._accept, name="raw-server", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        with suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self._thread.join()

    def answer(self, *answers: Answer, path: str = "/a") -> str:
        """Return the address that has these answers."""
        self._answers[path] = list(answers)
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}{path}"

    def trickle(self, head: bytes, *, pause_seconds: float = 0.05) -> Answer:
        """Return an answer that sends 20 bytes now and then, about 400 a second, until the server ends."""

        def send(connection: socket.socket) -> None:
            connection.sendall(head)
            while not self._ended.wait(pause_seconds):
                connection.sendall(bytes(20))

        return send

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, suppress(OSError):
            if self._tls is None:
                self._answer_all(connection)
                return
            with self._tls.wrap_socket(connection, server_side=True) as secure:
                self._answer_all(secure)

    def _answer_all(self, connection: socket.socket) -> None:
        received = b""
        while not self._ended.is_set():
            while b"\r\n\r\n" not in received:
                came = connection.recv(1 << 16)
                if not came:
                    return
                received += came
            request, _, received = received.partition(b"\r\n\r\n")
            text = request.decode("latin-1")
            path = text.split(" ", 2)[1]
            self.requests[path].append(text)
            answers = self._answers.get(path) or [b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"]
            answer = answers.pop(0) if len(answers) > 1 else answers[0]
            if isinstance(answer, bytes):
                connection.sendall(answer)
            else:
                answer(connection)
            if not _goes_on(answer):
                connection.shutdown(socket.SHUT_WR)
                while connection.recv(1 << 16):  # until the other side has read it all
                    pass
                return


def _goes_on(answer: Answer) -> bool:
    """Return whether another request may come after an answer: it says how long it is, and is so long."""
    if not isinstance(answer, bytes):
        return False
    head, _, body = answer.partition(b"\r\n\r\n")
    return re.search(rb"content-length: %d\b" % len(body), head.lower()) is not None


def answer(
    body: bytes, *fields: str | bytes, status: str = "HTTP/1.1 200 OK", length: bool = True, end: str = "\r\n"
) -> bytes:
    """Return an answer with these header lines."""
    told = [f"Content-Length: {len(body)}"] if length else []
    return lines([status, *fields, *told, ""], end=end) + body


def lines(given: Iterable[str | bytes], *, end: str = "\r\n") -> bytes:
    """Return lines as bytes, each with its end."""
    return b"".join(
        (one if isinstance(one, bytes) else one.encode("latin-1")) + end.encode() for one in given
    )


def chunked(body: bytes, *, last: bool = True) -> bytes:
    """Return a body in two chunks."""
    half = len(body) // 2
    pieces = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in (body[:half], body[half:]))
    return pieces + (b"0\r\n\r\n" if last else b"")
