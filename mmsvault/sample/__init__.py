"""A sample provider on loopback: it draws and records its own media and sends real postbacks.

`scenes` draws, `media` makes the files, `notices` writes postbacks in every dialect, `faults` are
what it may answer instead of a file, `provider` serves and sends, `campaign` says who sent what.
`python -m mmsvault.sample` is the demo's sender; the tests use the same provider.
"""
