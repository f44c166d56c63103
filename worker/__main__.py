"""`python -m worker [archive|exports|sweep]`: one worker of a queue, or the sweep, until SIGTERM.

The sandbox's children load this module again, so it loads nothing until it is run.
"""

if __name__ == "__main__":
    import sys
    from functools import partial

    from mmsvault.queueing.jobs import ARCHIVE_QUEUE
    from mmsvault.starting import start
    from worker.working import run

    start(partial(run, job=sys.argv[1] if len(sys.argv) > 1 else ARCHIVE_QUEUE))
