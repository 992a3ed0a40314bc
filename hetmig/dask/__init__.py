"""Dask's clusters, with tasks that survive their worker: `pip install "hetmig[dask]"`.

    hetmig.dask.install(client)                 once for each cluster
    hetmig.dask.submit(client, function, *args) a Dask Future, as of client.submit
    hetmig.dask.portable(function)              for client.submit, map and delayed, where workers
                                                have other versions of Python
    hetmig.dask.move(future, worker)            a Move: the running task goes on there

Functions marked with `@hetmig.migratable` can be given to `client.submit`, `client.map` and
`dask.delayed` as they are.
"""

from __future__ import annotations

from hetmig.errors import HetmigError

try:
    from hetmig.dask.client import install, move, submit
    from hetmig.dask.record import Move
    from hetmig.dask.shipping import portable
except ModuleNotFoundError as error:
    if str(error.name).partition(".")[0] not in ("dask", "distributed"):
        raise
    raise HetmigError('Dask is not installed here: pip install "hetmig[dask]"') from None

__all__ = ["Move", "install", "move", "portable", "submit"]
