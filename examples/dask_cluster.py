"""A Dask cluster shrinks under a task that runs: it goes on elsewhere, and nothing is done twice.

    python examples/dask_cluster.py

Needs `pip install "hetmig[dask]"`.  Two workers; the one with the task is taken away by
`scale(1)`, as an adaptive cluster or a spot machine would be.  Dask alone begins such a task anew.
"""

import sys
import tempfile
import time
from pathlib import Path

from distributed import Client, LocalCluster

import hetmig.dask

STEPS = 300


def walk(steps, begun):
    """Add up numbers, slowly; with the worker on which each was added."""
    total, stations = 0, []
    for number in range(steps):
        total += number
        if not stations or stations[-1] != hetmig.here():
            stations.append(hetmig.here())
        begun.touch()
        time.sleep(0.01)
    return total, stations


def main():
    """Start a cluster, a task, and make the cluster smaller."""
    with (
        tempfile.TemporaryDirectory() as directory,
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address="127.0.0.1:0") as cluster,
        Client(cluster) as client,
    ):
        hetmig.dask.install(client)
        begun = Path(directory, "begun")
        future = hetmig.dask.submit(
            client, walk, STEPS, begun, workers=[1], allow_other_workers=True
        )
        while not begun.exists():
            time.sleep(0.05)
        cluster.scale(1)
        total, stations = future.result()
        journey = [event["action"] for event in events(client)]
    print(f"{total}, on the workers {' and '.join(stations)}: {', '.join(journey)}")
    print("the same result" if total == sum(range(STEPS)) else "ANOTHER RESULT")
    return 0 if total == sum(range(STEPS)) and len(stations) == 2 else 1


def events(client):
    """What has become of tasks so far."""
    return [event for _, event in client.get_events("hetmig")]


if __name__ == "__main__":
    sys.exit(main())
