"""The scheduler's plugin: who runs a task, where its state is, and who is to get it.

No state passes through here, only the name of the worker that has it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from distributed import Scheduler, SchedulerPlugin, Status

from hetmig.dask import wire
from hetmig.dask.record import PLUGIN, Settings
from hetmig.errors import AlreadyThere, HetmigError, MigrationRefused, NotMigratable

__all__ = ["Direction"]

_log = logging.getLogger("hetmig")
_RESCUE_SECONDS = 1.0
_LOOK_SECONDS = 0.005
_GRACEFUL = "worker-close-gracefully"
"""How a worker's question begins which closes whatever the answer is."""


@dataclass
class _Known:
    """A task that has begun somewhere."""

    series: str = field(default_factory=lambda: secrets.token_hex(8))
    epoch: int = 0
    """So often it was begun."""
    run_id: int | None = None
    held: dict[str, Any] | None = None
    """Worker and name of the state with which it goes on."""


class Direction(SchedulerPlugin):  # type: ignore[misc]
    """One for a cluster."""

    name = PLUGIN
    idempotent = True

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._known: dict[Any, _Known] = {}
        self._results: set[Any] = set()
        """The keys of what running programs have ended with."""

    async def start(self, scheduler: Scheduler) -> None:
        """Be at hand on the scheduler."""
        self._scheduler = scheduler
        of_workers = (self.begin, self.destination, self.moved, self.passed, self.wanted)
        for function in (*of_workers, self.rescue, self.move, self.told, self.secret):
            scheduler.handlers[wire.PREFIX + function.__name__] = wire.handler(function)
        self._retire = scheduler.handlers["retire_workers"]
        scheduler.handlers["retire_workers"] = self.retire_workers

    def transition(self, key: Any, start: str, finish: str, *args: Any, **kwargs: Any) -> None:
        """A task changes its state: what is over is forgotten."""
        if start == "memory":
            self._results.discard(key)
        if finish in ("memory", "erred", "forgotten"):
            known = self._known.pop(key, None)
            if known is not None and finish == "memory":
                self._results.add(key)
            if known is not None and known.held is not None:
                self._in_background(self._drop, known.held)
            if known is not None and finish != "memory" and self.settings.checkpoints:
                self._in_background(self._forget, known.series)

    def _in_background(self, function: Any, *args: Any) -> None:
        self._scheduler._ongoing_background_tasks.call_soon(function, *args)

    async def _forget(self, series: str) -> None:
        """Have a worker remove checkpoints, as the place is theirs."""
        for state in list(self._scheduler.running)[:1]:
            with contextlib.suppress(OSError):
                await wire.call(self._scheduler.rpc(state.address), "forget", series=series)

    async def _drop(self, held: dict[str, Any]) -> None:
        if held["worker"] in self._scheduler.workers:
            with contextlib.suppress(OSError):
                await wire.call(self._scheduler.rpc(held["worker"]), "drop", name=held["name"])

    def told(self) -> dict[str, Any]:
        """What `install` was told."""
        return self.settings.told

    def secret(self) -> str:
        """What all of this cluster's workers authenticate checkpoints with."""
        return self.settings.secret

    # Questions of workers ---------------------------------------------------------------------

    def begin(self, key: Any, run_id: int, worker: str) -> dict[str, Any]:
        """May that worker run the task, and with what does it go on?"""
        if not self._is_run(key, run_id, worker):
            return {"fenced": True}
        known = self._known.setdefault(key, _Known())
        known.epoch += 1
        known.run_id = run_id
        how = "goes on" if known.held is not None else "begins" if known.epoch == 1 else "resumes"
        self._scheduler.log_event(PLUGIN, {"action": how, "key": key, "worker": worker})
        return {"series": known.series, "epoch": known.epoch, "held": known.held}

    def destination(self, key: Any, worker: str, to: str | None, but: Sequence[str]) -> str | None:
        """The worker for a task that leaves another; `but` have refused."""
        scheduler = self._scheduler
        if (task := scheduler.tasks.get(key)) is None:
            raise NotMigratable("nobody wants the task any more", ended=1)
        able = self._able(task, {worker, *but})
        if to is not None:
            if to not in [state.address for state in able]:
                state = scheduler.workers.get(to)
                if state not in scheduler.running:
                    why = "it is closed" if state is None else f"it is {state.status.name}"
                else:
                    why = "workers= or resources= of the task allow other workers only"
                raise MigrationRefused(f"{to} can't take it: {why}")
            return to
        best = min(able, key=lambda state: len(state.processing) / state.nthreads, default=None)
        return None if best is None else str(best.address)

    def _able(self, task: Any, but: set[str]) -> list[Any]:
        """The workers that may take a task, other than these."""
        scheduler = self._scheduler
        valid = scheduler.valid_workers(task)
        able = scheduler.running if valid is None else valid & scheduler.running
        if task.loose_restrictions and not any(state.address not in but for state in able):
            able = scheduler.running
        return [state for state in able if state.address not in but]

    def moved(
        self,
        key: Any,
        run_id: int,
        worker: str,
        held: dict[str, Any] | None,
        move: dict[str, Any] | None = None,
    ) -> None:
        """A task has left; `held` says where its state is, None: among its checkpoints."""
        if not self._is_run(key, run_id, worker):
            if held is not None:
                self._in_background(self._drop, held)
            raise NotMigratable("nobody wants the task any more", ended=1)
        self._known[key].held = held
        if move is not None:
            self._scheduler.log_event(PLUGIN, {"action": "moved", **move})
        self._assign(key, worker, held)

    def passed(self, key: Any, name: str, held: dict[str, Any]) -> None:
        """A state that waited for its turn at one worker is at another now."""
        known = self._known.get(key)
        if known is None or known.held is None or known.held["name"] != name:
            self._in_background(self._drop, held)
            return
        before, known.held = known.held["worker"], held
        task = self._scheduler.tasks[key]
        if task.processing_on is not None and task.processing_on.address == before:
            self._assign(key, before, held)

    def wanted(self, key: Any, name: str, source: str) -> bool:
        """Whether a state that was brought somewhere is gone on with, or may still be."""
        known, task = self._known.get(key), self._scheduler.tasks.get(key)
        if known is None or task is None:
            return False
        if known.held is not None and known.held["name"] == name:
            return True
        return task.processing_on is not None and task.processing_on.address == source

    async def rescue(self, keys: Sequence[Any], worker: str) -> None:
        """A worker closes that has results of running programs, which nobody wants to run twice."""
        scheduler = self._scheduler
        until = time.monotonic() + _RESCUE_SECONDS
        for key in keys:
            while (task := scheduler.tasks.get(key)) is not None and task.state == "processing":
                if time.monotonic() > until:  # its news of the end are still on their way
                    break
                await asyncio.sleep(_LOOK_SECONDS)
        state = scheduler.workers.get(worker)
        has = () if state is None else [task.key for task in state.has_what or ()]
        alone = {  # some may have been brought here by another that closed
            key: [worker]
            for key in {*keys, *self._results.intersection(has)}
            if (task := scheduler.tasks.get(key)) is not None
            and [state.address for state in task.who_has or ()] == [worker]
        }
        others = [state for state in scheduler.running if state.address != worker]
        if alone and others:
            best = min(others, key=lambda state: state.nbytes)
            await scheduler.gather_on_worker(best.address, alone)

    def _is_run(self, key: Any, run_id: int, worker: str) -> bool:
        task = self._scheduler.tasks.get(key)
        at = None if task is None else task.processing_on
        return at is not None and at.address == worker and task.run_id == run_id

    def _assign(self, key: Any, worker: str, held: dict[str, Any] | None) -> None:
        """Take the task from a worker, and give it to the one that has its state."""
        with self._only_for(key, held):
            self._scheduler._reschedule(key, worker, stimulus_id=f"hetmig-moved-{time.time()}")

    @contextlib.contextmanager
    def _only_for(self, key: Any, held: dict[str, Any] | None) -> Iterator[None]:
        """Within the block no other worker is chosen; the task's own restrictions stay."""
        task = self._scheduler.tasks[key]
        state = None if held is None else self._scheduler.workers.get(held["worker"])
        if state is None or state not in self._scheduler.running:
            yield
            return
        before = task.worker_restrictions, task.host_restrictions
        task.worker_restrictions, task.host_restrictions = {state.address}, None
        try:
            yield
        finally:
            task.worker_restrictions, task.host_restrictions = before

    # Moving -----------------------------------------------------------------------------------

    async def move(self, key: Any, to: str) -> dict[str, Any]:
        """A client wants a task elsewhere."""
        scheduler = self._scheduler
        workers = scheduler.workers.values()
        address = next((w.address for w in workers if to in (w.address, str(w.name))), None)
        if address is None:
            known = ", ".join(f"{w.name} ({w.address})" for w in workers)
            raise HetmigError(f"there is no worker {to!r}; there are {known or 'none'}")
        task = scheduler.tasks.get(key)
        if task is None or task.processing_on is None:
            raise NotMigratable("the task does not run now", ended=1)
        source = task.processing_on.address
        if source == address:
            raise AlreadyThere("the task is on that very worker")
        if not await self._begun(key, source):
            raise NotMigratable(
                "the task does not run as one of hetmig's (yet): is its function marked with "
                "@hetmig.migratable, or was it given to hetmig.dask.submit?"
            )
        found: dict[str, Any] = await wire.call(scheduler.rpc(source), "depart", key=key,
                                                to=address)  # fmt: skip
        await self._begun(key, address)
        return found

    async def _begun(self, key: Any, worker: str) -> bool:
        """Whether it runs there; it may take a moment, if the worker has a thread for it."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self.settings.patience):
                while not self._is_begun(key, worker):
                    state = self._scheduler.workers.get(worker)
                    task = self._scheduler.tasks.get(key)
                    if state is None or task is None or task.processing_on is not state:
                        return False
                    if len(state.processing) > state.nthreads:
                        return False
                    await asyncio.sleep(_LOOK_SECONDS)
                return True
        return False

    def _is_begun(self, key: Any, worker: str) -> bool:
        known = self._known.get(key)
        run_id = None if known is None else known.run_id
        return run_id is not None and self._is_run(key, run_id, worker)

    # Retiring ---------------------------------------------------------------------------------

    async def retire_workers(
        self, workers: Any = None, names: Any = None, **kwargs: Any
    ) -> dict[str, Any]:
        """Dask's own, after the running tasks have left; who can't let go of one, stays."""
        scheduler = self._scheduler
        named = False
        if workers is not None and any(worker in scheduler.aliases for worker in workers):
            workers = [scheduler.aliases.get(worker, worker) for worker in workers]
            named = not kwargs.get("close_workers")
        if named:  # by `cluster.scale`, which closes them next; Dask's own passes names over
            kwargs |= {"close_workers": False, "remove": False}
        closes = named or str(kwargs.get("stimulus_id")).startswith(_GRACEFUL)
        chosen, kwargs = self._chosen(workers, names, kwargs)
        stimulus = kwargs.setdefault("stimulus_id", f"retire-workers-{time.time()}")
        for address in chosen:
            self._set_status(address, Status.closing_gracefully, stimulus, tell=not named)
        empty = await asyncio.gather(*map(self._emptied, chosen))
        leave = [address for address, is_empty in zip(chosen, empty, strict=True) if is_empty]
        if named:
            states = map(scheduler.workers.get, leave)
            leave = [state.address for state in states if state is not None and state.has_what]
        retired: dict[str, Any] = {}
        if leave and (scheduler.running or not closes):  # else nobody is there for their data
            retired = await self._retire(workers=leave, **kwargs)
        for address in chosen:
            if address not in retired and not closes:
                self._set_status(address, Status.running, stimulus)
        return retired

    def _chosen(self, workers: Any, names: Any, kwargs: Any) -> tuple[list[str], dict[str, Any]]:
        of_dask = ("close_workers", "remove", "stimulus_id")
        rest = {name: value for name, value in kwargs.items() if name not in of_dask}
        kwargs = {name: value for name, value in kwargs.items() if name in of_dask}
        if workers is not None and names is not None:
            raise TypeError("names and workers are mutually exclusive")
        if (workers is not None or names is not None) and rest:
            raise TypeError(f"{', '.join(rest)}: not together with names or workers")
        scheduler = self._scheduler
        if names is not None:
            wanted = {str(name) for name in names}
            workers = [w.address for w in scheduler.workers.values() if str(w.name) in wanted]
        elif workers is None:
            workers = scheduler.workers_to_close(**rest)
        return [address for address in workers if address in scheduler.workers], kwargs

    async def _emptied(self, address: str) -> bool:
        """Whether all has left that worker."""
        try:
            stays = await wire.call(self._scheduler.rpc(address), "empty")
        except Exception as error:  # whatever is wrong with that worker
            stays = {"its tasks": str(error) or repr(error)}
        for key, reason in stays.items():
            _log.warning("%s can't leave %s: %s", key, address, reason)
            about = {"action": "stays", "key": key, "source": address, "reason": reason}
            self._scheduler.log_event(PLUGIN, about)
        return not stays

    def _set_status(
        self, address: str, status: Status, stimulus: str, *, tell: bool = True
    ) -> None:
        scheduler = self._scheduler
        if (state := scheduler.workers.get(address)) is None or state.status == status:
            return
        scheduler.handle_worker_status_change(status, state, stimulus)
        if tell:
            told = {"op": "worker-status-change", "status": status.name, "stimulus_id": stimulus}
            scheduler.stream_comms[address].send(told)
