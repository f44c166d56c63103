"""What happens to what is kept, after it was archived.

    mentions    where else a number stands that is erased: what is cleared, and what a person must see to

Belongs here: rules by which messages and what people wrote about them leave the archive. Does not: the
commands and pages that ask for it. May import what stands above `mmsvault.lifecycle` in the reading order
of `mmsvault`.
"""
