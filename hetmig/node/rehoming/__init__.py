"""The home of a task, its record that is, moves to another node; who has to know is told."""
