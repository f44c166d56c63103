"""The S3 server as such: knows nothing of messages.

`talking` opens a client and says the server's errors in plain words, `locking` is Object Lock:
retention, legal holds, and versions that come back.
"""
