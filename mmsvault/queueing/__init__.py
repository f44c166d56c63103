"""Redis: how a receipt is kept, which jobs there are, and how a worker runs them.

`connection` opens Redis and learns what it can promise, `jobs` names the jobs and the job class
that runs nothing else, `durable` puts receipts into the queue and waits for the disk, `spool` holds
them while the queue is away, `intake` does both for the receiver, `leftovers` finds jobs that
nobody works on, `hands` has jobs that only wait stand aside, `workers` is RQ's worker with a heartbeat.
"""
