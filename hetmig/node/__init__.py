"""Who runs what, where, exactly once?  Only this package knows sockets, processes and disks."""
