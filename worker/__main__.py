"""`python -m worker [archive|exports|sweep|workers]`: one worker of a queue, the sweep, or all of them.

The sandbox's children load this module again, so it loads nothing until it is run.
"""

if __name__ == "__main__":
    import sys
    from functools import partial

    from mmsvault.queueing.jobs import ARCHIVE_QUEUE
    from mmsvault.starting import start
    from worker import crew, working

    job = sys.argv[1] if len(sys.argv) > 1 else ARCHIVE_QUEUE
    start(crew.run if job == crew.ALL else partial(working.run, job=job))
