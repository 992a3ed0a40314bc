"""Checkpoints of tasks on Dask workers: written, found again, forgotten.  All of it blocks."""

from __future__ import annotations

import json
import logging
import time

from hetmig.dask.record import Settings, State
from hetmig.errors import HetmigError, NoCheckpoint, VersionMismatch
from hetmig.state.checkpoint import (
    KEEP,
    Name,
    derived,
    forget,
    load,
    prune,
    seal_checkpoint,
    take_out_written,
)
from hetmig.state.stores import store_at

__all__ = ["Series"]

_log = logging.getLogger("hetmig")


class Series:
    """The checkpoints of one task; `epoch` counts the workers it has been begun on."""

    def __init__(self, settings: Settings, series: str, epoch: int) -> None:
        self._place = settings.checkpoints
        self._series = series
        self._epoch = epoch
        self._number = 0
        self._key = derived(bytes.fromhex(settings.secret), series)
        self._over = False

    @property
    def is_kept(self) -> bool:
        """Whether there is a place for them."""
        return self._place is not None

    def write(self, state: State, worker: str) -> str:
        """Keep one; where.  Raises HetmigError."""
        if self._place is None:
            raise HetmigError(
                "there is no place for checkpoints: hetmig.dask.install(client, checkpoints=...)"
            )
        self._number += 1
        name = Name(self._series, self._epoch, self._number)
        entry = {"series": name.series, "epoch": name.epoch, "number": name.number}
        entry.update(time=time.time(), node=worker, pinned_because="")
        store = store_at(self._place)
        manifest = json.loads(json.dumps(state.manifest))
        store.write(str(name), seal_checkpoint(manifest, state.frames, self._key, entry))
        if self._over:
            store.remove(str(name))
        else:
            prune(store, self._series, KEEP)
        return store.where(str(name))

    def newest(self) -> State | None:
        """The newest good one; None if there is none.  Raises VersionMismatch."""
        if self._place is None:
            return None
        try:
            loaded = load(self._place, lambda series, known_as: self._key, self._series)
        except NoCheckpoint:
            return None
        except VersionMismatch:
            raise
        except HetmigError as error:
            _log.warning("the checkpoints of a task can't be used, it begins anew: %s", error)
            return None
        parcel, _ = take_out_written(loaded.parcel)
        return State(dict(parcel.manifest), list(parcel.frames))

    def forget(self) -> None:
        """The task is over."""
        self._over = True
        if self._place is not None:
            try:
                forget(self._place, self._series)
            except HetmigError as error:
                _log.error("old checkpoints of a task stay: %s", error)
