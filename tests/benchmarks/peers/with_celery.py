"""Celery as its documentation advises for work that must not be lost: late acks, no prefetching."""

import os

from celery import Celery

app = Celery("peers", broker=os.environ["BENCH_REDIS"])
app.conf.update(
    task_acks_late=True,
    task_ignore_result=True,
    worker_prefetch_multiplier=1,
    broker_connection_retry_on_startup=True,
    worker_hijack_root_logger=False,
)


@app.task(name="archive")
def archive(prefix: str, url: str, postback: str) -> None:
    from tests.benchmarks.peers import steps  # noqa: PLC0415 - connections are the child's own

    steps.archive(prefix, url, postback)
