"""A vault on one machine: Redis and the bucket as child processes, and the supervisor of `up`.

`servers` says how the two are started, `tether` ties a child's life to its parent's, `supervisor`
starts the parts, restarts those that end, and ends them in order; `borrowing` runs the servers alone,
for a command.
"""
