"""Fetching a file that a stranger's postback names.

`guard` says where a connection may go, at every redirect again, and for how long; `download` reads,
bounds and hashes what comes.
"""

from mmsvault.fetching.download import Fetched, Fetcher
from mmsvault.fetching.guard import is_allowed

__all__ = ["Fetched", "Fetcher", "is_allowed"]
