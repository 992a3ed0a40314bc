"""A warm copy of a running task at another node, which takes over when the task's node is lost."""
