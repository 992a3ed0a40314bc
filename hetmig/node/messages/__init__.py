"""Messages to tasks: accepted at the node where the task is, received by it, replied to."""
