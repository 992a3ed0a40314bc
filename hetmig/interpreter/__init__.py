"""What is this frame doing, and how do I put it back?  Only this package knows CPython."""
