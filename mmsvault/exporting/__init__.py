"""Archives that leave the house: BagIt bags in ZIP files that open anywhere and prove themselves.

Reading order: `periods` are the days and months of scheduled exports; `planning` says which messages
go into which volume; `outputs` is where a volume's bytes go, to appear whole or not at all; `reading`
brings the objects from the bucket; `bags` writes one bag (BagIt 1.0, RFC 8493) as a ZIP file; `tables`
are its lists for people and programs, `gallery` its offline page, `letters` its messages as e-mail,
`sheets` as printed pages; `signing` signs it; `packing` puts messages into bags, checked byte by byte,
and writes the set manifest. `delivering` writes to files while somebody waits; `register` and `working`
to the bucket, as jobs, whose passwords are under `sealing`; `schedule` keeps which messages scheduled
ones hold. `opening` reads a bag that anybody may have written, `verifying` proves it, and `sets` all
volumes of a set.
"""
