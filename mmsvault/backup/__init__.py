"""The vault copied elsewhere while it runs, and brought back from there into an empty one.

A backup is content-addressed: each different file is kept once, under its hash, and a snapshot lists which
key of the bucket has which. Nothing that is there is written over, so a run that is cut off spoils nothing.

    place         where a backup is: a folder, or a prefix of a bucket
    encryption    files as they are, or as age (X25519) writes them
    repository    the files and snapshots at a place
    index         what was copied already, in an SQLite file of this machine
    copy          a backup made
    restoration   a backup brought back
    secrets       what a vault made for itself in its DATA_DIR
    content_types what a file is by its name
"""
