"""A Dask cluster that scales: what it starts and ends are stock `dask worker` processes.

It is to this machine what dask-jobqueue is to a queue: SIGTERM ends a worker, as it ends a job.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Iterator
from typing import Any

import dask
from distributed.deploy.spec import ProcessInterface, SpecCluster

from tests.adapters.dask.cluster import Cluster


class Outside(ProcessInterface):  # type: ignore[misc]
    """The scheduler, which others have started."""

    def __init__(self, address: str) -> None:
        super().__init__()
        self.address = address


class Job(ProcessInterface):  # type: ignore[misc]
    """A `dask worker`."""

    def __init__(self, scheduler: str, name: str, made: Cluster, threads: int) -> None:
        super().__init__()
        self.name, self.made, self.threads = name, made, threads

    async def start(self) -> None:
        """Start it, without waiting for it."""
        self.made.launch(self.name, threads=self.threads)
        await super().start()

    async def close(self) -> None:
        """End it, if it is still there."""
        process = self.made.processes[self.name]
        process.send_signal(signal.SIGTERM)
        await asyncio.to_thread(process.wait, 60)
        await super().close()


class Scaled(SpecCluster):  # type: ignore[misc]
    """Workers s0, s1 ... for a scheduler that runs."""

    def _new_worker_name(self, worker_number: int) -> str:
        return f"s{worker_number}"


@contextlib.contextmanager
def scaled(made: Cluster, threads: int = 2) -> Iterator[Any]:
    """What `scale` and `adapt` are called of; the scheduler ends with it."""
    address = made.client.scheduler.address
    options = {"made": made, "threads": threads}
    with (
        dask.config.set({"distributed.deploy.lost-worker-timeout": "1s"}),
        Scaled(
            workers={},
            scheduler={"cls": Outside, "options": {"address": address}},
            worker={"cls": Job, "options": options},
        ) as found,
    ):
        yield found
