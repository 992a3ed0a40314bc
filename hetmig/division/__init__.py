"""Process division: a running loop hands out part of its remaining iterations.

`loop` is the loop's iterator, which serves requests between two iterations; `parts` makes of the
loop's frame a frame that executes some of the iterations; `merging` puts results together.  None
of it knows nodes: what runs the parts is a `crew.Crew`.
"""
