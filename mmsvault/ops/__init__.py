"""Operating the vault: what can be wrong, how that is found out, and who is told.

`conditions` is the one list of what an operator must know: alerts, the dashboard, `doctor`, `status`,
the Prometheus rules and the table of the operator guide are made from it. `facts` is what its questions
are asked of, `gather` finds the facts out, `alerts` sends what has changed over `channels`, and
`ledgers` remember what was sent. Nothing here changes the archive.
"""
