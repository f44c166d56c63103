"""The S3 server as such, and the bucket on it.

`talking` opens a client and says the server's errors in plain words, `versions` are those of objects,
`locking` is Object Lock: retention and legal holds, `objects` is the bucket, `linking` makes links to it
for browsers.
"""
