"""The case modules over ordered pairs of targets: frozen at one, thawed at the other.

`site` runs in each interpreter, `sites` starts it and talks with it, `pairs` sends every frozen
program to every other site and counts, `page` makes docs/portability.md of it.
"""
