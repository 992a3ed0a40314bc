"""Bytes from strangers, changed at random and by the million: `python -m tests.fuzz --help`."""
