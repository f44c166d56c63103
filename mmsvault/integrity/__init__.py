"""Whether the archive is whole, and how it is made whole again.

`sampling` says which messages have their bytes read, `checking` compares one message's folder with
what the catalog says, `verifying` does so for all of them and the other way round, `rebuilding`
makes the catalog again from the bucket, `repairing` mends what can be mended.
"""
