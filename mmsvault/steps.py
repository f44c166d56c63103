"""The steps of a message's way: how long each took, and a span of each where they are traced.

What a process counts is gathered here in memory; a worker tells it to Redis every few seconds, from
where the sweep tells it to Prometheus. `about` says which message a step is for, to the log and to
the trace alike. A trace goes on in another process where what is handed over carries it along.
"""

import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import datetime
from importlib.metadata import version
from typing import Any, Protocol

import structlog

from mmsvault.core.activity import mark

BOUNDS_SECONDS = (0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
"""The upper bounds that a step's durations are counted under."""
STEP, ATTEMPT, BYTES = "step", "attempt", "bytes"
SEPARATOR = "|"


class Counts:
    """Numbers that only grow, by names of several parts. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._numbers: Counter[str] = Counter()
        self._seconds: dict[str, float] = {}

    def add(self, *name: str, by: int = 1) -> None:
        """Count something."""
        with self._lock:
            self._numbers[SEPARATOR.join(name)] += by

    def add_seconds(self, step: str, seconds: float) -> None:
        """Count how long a step took."""
        bound = next((bound for bound in BOUNDS_SECONDS if seconds <= bound), float("inf"))
        with self._lock:
            self._numbers[SEPARATOR.join((STEP, step, str(bound)))] += 1
            name = SEPARATOR.join((STEP, step, "sum"))
            self._seconds[name] = self._seconds.get(name, 0.0) + seconds

    def take(self) -> tuple[Mapping[str, int], Mapping[str, float]]:
        """Return whole numbers and seconds since the last time, and begin again at nothing."""
        with self._lock:
            taken = dict(self._numbers), dict(self._seconds)
            self._numbers.clear()
            self._seconds.clear()
        return taken

    def give_back(self, numbers: Mapping[str, int], seconds: Mapping[str, float]) -> None:
        """Take in again what could not be told."""
        with self._lock:
            self._numbers.update(numbers)
            for name, value in seconds.items():
                self._seconds[name] = self._seconds.get(name, 0.0) + value


class Tracer(Protocol):
    """What makes spans; OpenTelemetry's own, which is loaded only where steps are traced."""

    def start_as_current_span(
        self, name: str, context: Any = None, *, attributes: Any, start_time: int | None = None
    ) -> AbstractContextManager[Any]:
        """Begin a span within the one that is current in `context`; `start_time` in nanoseconds."""


COUNTED = Counts()
"""What this process counts."""
_tracers: list[Tracer] = []


@contextmanager
def step(name: str) -> Iterator[None]:
    """Measure a block, or as a decorator a function: its duration is counted, and it is a span."""
    began = time.perf_counter()
    mark()
    try:
        with _span(name):
            yield
    finally:
        mark()
        COUNTED.add_seconds(name, time.perf_counter() - began)


def about(**ids: str) -> None:
    """Say which message or receipt this is about, in every line of the log and every span from now on.

    It holds within the context that it is called in; a job has one of its own.
    """
    structlog.contextvars.bind_contextvars(**ids)
    if _tracers:
        from opentelemetry import trace  # noqa: PLC0415 - see Tracer

        trace.get_current_span().set_attributes(_attributes(ids))


@contextmanager
def begun(name: str, *, at: datetime, **ids: str) -> Iterator[dict[str, str]]:
    """Begin a trace with a span that began `at` that time; give what carries it to another process.

    For those who are in `traced`.
    """
    from opentelemetry.context import Context  # noqa: PLC0415 - see Tracer
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator  # noqa: PLC0415

    carried: dict[str, str] = {}
    with _tracers[0].start_as_current_span(
        name, Context(), attributes=_attributes(ids), start_time=int(at.timestamp() * 1e9)
    ):
        TraceContextTextMapPropagator().inject(carried)
        yield carried


@contextmanager
def carried_on(carried: Mapping[str, str] | None) -> Iterator[None]:
    """Go on with the trace that another process began, where one did and steps are traced here."""
    if not (_tracers and carried):
        yield
        return
    from opentelemetry import context  # noqa: PLC0415 - see Tracer
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator  # noqa: PLC0415

    token = context.attach(TraceContextTextMapPropagator().extract(carried))
    try:
        yield
    finally:
        context.detach(token)


@contextmanager
def traced(endpoint: str, *, program: str) -> Iterator[None]:
    """Send spans to an OTLP receiver (its base URL) until the end of the block; to nowhere if empty."""
    if not endpoint:
        yield
        return
    # Loaded where it is asked for: it takes 15 MB of every worker.
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

    about_program = {"service.name": f"mms-vault-{program}", "service.version": version("mms-vault")}
    provider = TracerProvider(resource=Resource.create(about_program))
    exporter = OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces", timeout=5)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    _tracers.append(provider.get_tracer("mmsvault"))
    try:
        yield
    finally:
        _tracers.clear()
        provider.shutdown()


def _span(name: str) -> AbstractContextManager[Any]:
    if not _tracers:
        return nullcontext()
    known = structlog.contextvars.get_contextvars()
    return _tracers[0].start_as_current_span(name, attributes=_attributes(known))


def _attributes(ids: Mapping[str, Any]) -> dict[str, str]:
    return {f"mmsvault.{name}": value for name, value in ids.items() if isinstance(value, str)}
