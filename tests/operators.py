"""Whom alerts are sent to: a chat service and a mail server on loopback, which keep what they get."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import EmailMessage, Message
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any, ClassVar

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Message as MessageHandler

from tests.servers import free_port


class Hook(BaseHTTPRequestHandler):
    """A chat service: keeps what is posted, or answers as it is told to."""

    posted: ClassVar[list[dict[str, Any]]] = []
    status: ClassVar[int] = 200

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.send_response(Hook.status)
        self.end_headers()
        if Hook.status == 200:
            Hook.posted.append(json.loads(body))

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


class Letters(MessageHandler):
    def __init__(self) -> None:
        super().__init__(EmailMessage)
        self.received: list[Message] = []

    def handle_message(self, message: Message) -> None:
        self.received.append(message)


@pytest.fixture
def hook() -> Iterator[str]:
    Hook.posted.clear()
    Hook.status = 200
    server = HTTPServer(("127.0.0.1", 0), Hook)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/hook"
    server.shutdown()
    thread.join()
    server.server_close()


@contextmanager
def mail_server(**options: Any) -> Iterator[tuple[Letters, int]]:
    letters = Letters()
    controller = Controller(letters, hostname="127.0.0.1", port=free_port(), **options)
    controller.start()
    try:
        yield letters, controller.port
    finally:
        controller.stop()


def said() -> list[tuple[str, str, int]]:
    return [(one["alert"], one["state"], one["level"]) for one in Hook.posted]
