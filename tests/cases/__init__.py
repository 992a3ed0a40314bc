"""Program shapes as importable case modules: each `case_*` is called without arguments.

A case returns a value that can be compared, and does the same on every run.  `point(value)` is a
place where the harness also lets the program move itself; outside the harness it returns `value`.
"""
