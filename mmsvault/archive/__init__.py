"""How work on messages is spread over time: `retries` brings what is due back into the queue.

Nothing is fetched here: that is `mmsvault.archiving`. This package may import what stands above it in the
reading order of `mmsvault`, and the sweep imports it.
"""
