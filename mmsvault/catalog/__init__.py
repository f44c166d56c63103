"""The catalog: an SQL index over the bucket, for finding and for knowing what is left to do.

It can be made again from the bucket; nothing is only here. `tables` says what is kept, `connection`
opens SQLite or PostgreSQL, `writes` changes it, `language` reads a search query, `filters` turns it
into SQL, `queries` answers. `migrations` bring an older catalog to the newest form.
"""
