"""What must travel, and in which form?  Only this package turns objects into bytes."""
