"""Redis: how a receipt is kept, which jobs there are, and how a worker runs them.

`connection` opens Redis and learns what it can promise, `jobs` names the jobs and the job class
that runs nothing else, `intake` keeps receipts, `workers` is RQ's worker with a heartbeat.
"""
