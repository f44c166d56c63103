"""Something that is done now and then, from a thread of its own."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import structlog

log = structlog.get_logger(__name__)

SECONDS_TO_END = 1.0


@contextmanager
def repeated(what: Callable[[], None], *, name: str, every_seconds: float) -> Iterator[None]:
    """Do it again and again until the end of the block. What it raises is logged, and ends nothing."""
    ended = threading.Event()

    def run() -> None:
        while not ended.is_set():
            try:
                what()
            except Exception:
                log.exception("what is done now and then failed", what=name)
            ended.wait(every_seconds)

    thread = threading.Thread(target=run, name=name, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(SECONDS_TO_END)
