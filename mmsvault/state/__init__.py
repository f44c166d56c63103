"""What people made that no message tells: who may log in, saved searches, the register of exports.

The catalog works with it; the bucket keeps it as well, under `state/`, so that it outlives the catalog.
Each object there is the whole account, sealed with the vault's secret, and never written over.

    record       one account: what is in it, read strictly
    rows         the account of a catalog, and one merged into a catalog
    generations  the accounts in the bucket: sealed, opened, listed, removed
    keeper       when an account is written, and when it comes back

Sender names have objects of their own (`mmsvault.naming`), sessions and counts of tries are not kept.
May import what stands above `mmsvault.state` in the reading order of `mmsvault`.
"""
