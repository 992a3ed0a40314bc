"""What a user says to hetmig on a Dask cluster: install, submit, move."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable
from typing import Any

from distributed import Client, Future

from hetmig.dask import wire
from hetmig.dask.record import Move, Settings
from hetmig.dask.scheduler import Direction
from hetmig.dask.shipping import portable, resources_for, shipped_argument
from hetmig.dask.worker import Migration
from hetmig.errors import HetmigError
from hetmig.state.stores import is_url

__all__ = ["install", "move", "submit"]


def install(
    client: Client,
    *,
    checkpoints: str | os.PathLike[str] | None = None,
    every: float | None = None,
    patience: float = 10.0,
    grace: float = 4.0,
) -> None:
    """Make a cluster's workers, those to come included, run marked functions so that they move.

    `checkpoints` is a directory that all workers share, or a URL: what is kept there outlives a
    worker that is killed.  `every` (s) is for tasks whose mark does not say.  `patience` (s) is
    what finding a safe point may take; `grace` the same in a worker that closes.
    A second call does nothing; one with other settings raises HetmigError.
    """
    place = None if checkpoints is None else os.fspath(checkpoints)
    if place is not None and not is_url(place):
        place = os.path.abspath(place)
    if every is not None and not every > 0:
        raise ValueError(f"every={every!r} is no time between two checkpoints")
    if every is not None and place is None:
        raise HetmigError("every= needs a place: install(client, checkpoints=DIRECTORY_OR_URL)")
    settings = Settings(place, every, float(patience), float(grace))
    client.sync(_install, client, settings)


async def _install(client: Client, settings: Settings) -> None:
    await client.register_plugin(Direction(settings))
    told = await wire.call(client.scheduler, "told")
    if told != settings.told:
        raise HetmigError(
            f"hetmig is installed on this cluster already, with other settings: {told}; "
            "restart the cluster to change them"
        )
    secret = await wire.call(client.scheduler, "secret")
    await client.register_plugin(Migration(dataclasses.replace(settings, secret=secret)))


def submit(client: Client, function: Callable[..., Any], *args: Any, **options: Any) -> Future:
    """As `client.submit`, whose Future it returns; the function needs no mark.

    It travels in the form for every version of Python, and so do arguments that hold code.  What
    its mark needs (`@hetmig.migratable(needs=...)`) becomes resources of Dask.
    """
    shipped = portable(function)
    if shipped.mark.get("needs"):
        needed = resources_for(shipped.mark["needs"])
        options["resources"] = {**needed, **(options.get("resources") or {})}
    return client.submit(shipped, *map(shipped_argument, args), **options)


def move(future: Future, worker: str) -> Move:
    """Move the running task of a future to a worker, given by address or name; when it is there.

    Raises NotMigratable or MigrationRefused with the reason; the task then goes on where it is.
    """
    client = future.client
    return Move(**client.sync(wire.call, client.scheduler, "move", key=future.key, to=worker))
