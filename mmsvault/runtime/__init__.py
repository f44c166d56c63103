"""What every program of a vault on one machine needs to run: its port, and words for why it ended.

`ports` finds out who has a port, `failures` says in plain words why a program ended and what helps.
It imports the settings and the errors only.
"""
