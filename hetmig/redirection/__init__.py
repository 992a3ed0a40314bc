"""Files and streams that go on working when their task has moved: I/O redirection.

Python's own io layers stay what they are.  Only the raw layer below them differs: it is the file
itself where it was opened, and asks for it over the nodes' links elsewhere.
"""
