"""Fetching a file that a stranger's postback names.

`address` reads what a postback or a redirect names, `guard` says where a connection may go, at every
redirect again, `limits` for how long and how slowly. `client` asks, `head` puts the head of the answer in
order, `download` reads, bounds and hashes what comes, `encodings` unpacks it where it must be, and
`downloads` has those that take long stand aside.
"""

from mmsvault.fetching.download import Fetched, Fetcher
from mmsvault.fetching.guard import is_allowed

__all__ = ["Fetched", "Fetcher", "is_allowed"]
