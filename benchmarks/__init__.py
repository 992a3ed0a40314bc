"""What hetmig costs, measured beside plain Python, raw pickle and raw pyzmq in the same run."""
