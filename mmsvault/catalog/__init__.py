"""The catalog: an SQL index over the bucket, for finding and for knowing what is left to do.

It can be made again from the bucket; nothing is only here. `tables` says what is kept, `connection`
opens SQLite or PostgreSQL, `places` orders messages in time, `words` takes text apart, `documents`
makes the tokens that a message is found by, `language` reads a search query (`numbers` as people write
them), `filters` turns it into SQL, `queries` answers, `entering` makes rows of messages, `writes`
changes. `tallies` keeps counts by sender, keyword, hour and deadline, `counting` lists and checks them,
`searches` has the saved ones, `quarantine` what was not understood; `leaving` finds what is to go,
`scrubbing` what deletions leave, `number_text` finds a number in any text, `number_mentions` where the
catalog names one. `people` may look with a role, at what `views` let through of a scope; `permissions` says
which role may do what. `migrations` bring an older catalog to the newest form (`forms` is it), `copying`
brings one into another database.
"""
