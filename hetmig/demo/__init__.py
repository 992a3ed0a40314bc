"""`hetmig demo`: a real job moves between two nodes, and you watch it."""
