"""No queue at all: a loop over the messages that it is told on stdin, one a line."""

import json
import sys

from tests.benchmarks.peers import steps

for line in sys.stdin:
    steps.archive(*json.loads(line))
