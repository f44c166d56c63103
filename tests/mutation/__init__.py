"""`make mutate`: put small faults into the product, one at a time, and see which ones the tests catch.

`mutants` lists the faults of a module, by the operators of cosmic-ray and those in `operators`; `selection`
says which modules and tests; `workspace` is a copy of the project that a mutant is put into; `contained`
runs its tests and ends whatever they started; `trials` does that for many mutants; `report` writes
docs/testing.md.
"""
