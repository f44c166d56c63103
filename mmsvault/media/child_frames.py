"""How the worker and a decoder's child talk: JSON and bytes after it, each with its length in front.

The reader does not believe the lengths, and waits no longer than it was told to.
"""

import json
import socket
import struct
import time
from collections.abc import Mapping
from typing import Any

MOST_JSON_BYTES = 1 << 20
MOST_RAW_BYTES = 4 << 20
"""Bytes of the largest thumbnail; one of 320 px takes some 20 KB."""

_LENGTHS = struct.Struct("!II")


class FrameError(Exception):
    """What came over the connection is no frame, or the other side is gone."""


def send(connection: socket.socket, told: Mapping[str, Any], raw: bytes = b"") -> None:
    """Send JSON and bytes. Raises OSError, also where the connection's own time limit has passed."""
    written = json.dumps(told).encode()
    connection.sendall(_LENGTHS.pack(len(written), len(raw)) + written + raw)


def receive(connection: socket.socket, *, until: float | None = None) -> tuple[bytes, bytes]:
    """Return the JSON, which nobody has looked at yet, and the bytes of the next frame.

    `until` is the moment of `time.monotonic` at which TimeoutError is raised. Raises FrameError.
    """
    json_length, raw_length = _LENGTHS.unpack(_read(connection, _LENGTHS.size, until))
    if json_length > MOST_JSON_BYTES or raw_length > MOST_RAW_BYTES:
        raise FrameError(f"a frame of {json_length:,} and {raw_length:,} bytes")
    whole = _read(connection, json_length + raw_length, until)
    return whole[:json_length], whole[json_length:]


def _read(connection: socket.socket, count: int, until: float | None) -> bytes:
    parts, missing = [], count
    while missing:
        if until is not None:
            left = until - time.monotonic()
            if left <= 0:
                raise TimeoutError
            connection.settimeout(left)
        try:
            part = connection.recv(missing)
        except TimeoutError:
            raise
        except OSError as error:
            raise FrameError("the connection broke") from error
        if not part:
            raise FrameError(f"the connection ended {missing:,} bytes too early")
        parts.append(part)
        missing -= len(part)
    return b"".join(parts)
