"""Stock RQ: `python -m tests.benchmarks.peers.with_rq Worker|SimpleWorker QUEUE`."""

import os
import sys

import rq
from redis import Redis

from tests.benchmarks.peers import steps  # noqa: F401 - loaded once, before the worker forks

connection = Redis.from_url(os.environ["BENCH_REDIS"])
getattr(rq, sys.argv[1])([sys.argv[2]], connection=connection).work(logging_level="WARNING")
