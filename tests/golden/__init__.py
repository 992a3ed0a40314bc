"""Parcels written by each version and architecture: all later code must load them.

README.md says the rule.  `python -m tests.golden` writes those that are not there yet.
"""
