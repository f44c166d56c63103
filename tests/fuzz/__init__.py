"""Fuzzing: what strangers write is given to what reads it, and every promise about the answer is checked.

`targets` has a function for each reader, `mutations` makes inputs of the kept ones in `corpus`. The
everyday tests run a few hundred seeded inputs (`tests/unit/test_fuzz.py`); `make fuzz` goes on for as
long as you like, guided by coverage where atheris runs. An input that broke a promise stays in the corpus.
"""
