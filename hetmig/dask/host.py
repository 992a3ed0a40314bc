"""The programs on one Dask worker: begun, found again, kept in checkpoints, sent away."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
import time
from collections.abc import Coroutine, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import zmq.asyncio
from distributed import Reschedule, Worker

from hetmig.dask import wire
from hetmig.dask.program import Program
from hetmig.dask.record import Move, Settings, State, move_of
from hetmig.dask.saving import Series
from hetmig.errors import HetmigError, MigrationRefused, NotMigratable, VersionMismatch
from hetmig.node import sockets
from hetmig.node.background import spawn
from hetmig.node.pool import Pool
from hetmig.node.protocol import Message
from hetmig.state.manifest import make_manifest

__all__ = ["Held", "Host"]

_log = logging.getLogger("hetmig")
_TRIES = 5
"""So often a task that every destination refuses is taken to its next safe point."""
_SHORTEST_EVERY = 0.05
_LOOK_SECONDS = 5.0
_OF_END = ("ok", "traceback", "kind", "portable")


@dataclass
class Held:
    """A task that has been brought here, and waits until Dask runs it: here, or elsewhere."""

    key: Any
    state: State
    program: Program


class Run:
    """One time that a task runs on this worker."""

    def __init__(self, key: Any, run_id: int, program: Program, series: Series) -> None:
        self.key = key
        self.run_id = run_id
        self.program = program
        self.series = series
        self.saving = asyncio.Lock()
        self.leaving = False
        """Whether it stands still to be taken away, or has been."""


class Host:
    """What one worker has of hetmig: runners, and the tasks in them."""

    def __init__(self, worker: Worker, settings: Settings) -> None:
        self.settings = settings
        self.worker = worker
        self.loop = asyncio.get_running_loop()
        self.runs: dict[Any, Run] = {}
        self.held: dict[str, Held] = {}
        """By the name that its source has given to this very state."""
        self.outcomes: dict[Any, Run] = {}
        """What has ended, until Dask has heard of it."""
        self.closed = False
        self._results: set[Any] = set()
        self._beginning: dict[Any, asyncio.Event] = {}
        self._context = zmq.asyncio.Context()
        self._gatekeeper = sockets.Gatekeeper(self._context)
        name = str(worker.address if worker.name is None else worker.name)
        place = {"name": name, "endpoint": worker.address, "key": ""}
        # The nanny is who ends us; SIGTERM for a whole group is not for the runners.
        about = {"node": name, "place": place, "sturdy": True, "locks": None}
        self._pool = Pool(
            self._context, self._gatekeeper, command=[sys.executable], spare=1, about=about
        )

    async def close(self) -> None:
        """End everything here, at once."""
        self.closed = True
        for run in list(self.runs.values()):
            run.program.leave(Reschedule())
        await self._pool.close()
        await self._gatekeeper.close()
        self._context.destroy(linger=0)

    # Beginning --------------------------------------------------------------------------------

    async def begin(self, key: Any) -> tuple[int, dict[str, Any]]:
        """Ask the scheduler for the right to run a task, and for what is there of it."""
        task = self.worker.state.tasks.get(key)
        if self.closed or task is None:
            raise Reschedule
        self._beginning[key] = asyncio.Event()
        told = await wire.call(self.worker.scheduler, "begin", key=key, run_id=task.run_id,
                               worker=self.worker.address)  # fmt: skip
        if told.get("fenced"):
            raise Reschedule
        return task.run_id, told

    async def found(self, key: Any, run_id: int, told: Mapping[str, Any]) -> Program | None:
        """What is to be gone on with, put together; None if the task begins."""
        if (held := told["held"]) is not None:
            program = await self._taken(key, run_id, held)
            if program is not None:
                return program
        if told["epoch"] == 1:
            return None
        series = Series(self.settings, told["series"], told["epoch"])
        state = await asyncio.to_thread(series.newest)
        if state is None:
            _log.warning("%s begins anew: no checkpoint is left of it", key)
            return None
        return await Program.staged(self._pool, state)

    async def staged(self, state: State) -> Program:
        """A task that begins."""
        return await Program.staged(self._pool, state)

    async def finished(
        self, key: Any, run_id: int, told: Mapping[str, Any], program: Program
    ) -> Message:
        """Let it run; how it ended.  Raises Reschedule when it has gone."""
        run = Run(key, run_id, program, Series(self.settings, told["series"], told["epoch"]))
        if not self._is_wanted(key, run_id):
            program.leave(Reschedule())
            raise Reschedule
        if program.is_over:  # it has ended on a worker that closed then
            return program.ended.result()
        self.runs[key] = run
        program.own_copy = lambda state: self._keep(run, state)
        program.ask_for_copy = lambda: self._copy(run, self.settings.patience)
        program.start()
        self.begun(key)
        every = program.about.get("every") or self.settings.every
        clock = None
        if every is not None and run.series.is_kept:
            clock = spawn(self._again_and_again(run, max(float(every), _SHORTEST_EVERY)))
        try:
            message = await asyncio.shield(program.ended)
            self.outcomes[key] = run
            await asyncio.to_thread(run.series.forget)
            return message
        finally:
            if clock is not None:
                clock.cancel()
            if self.runs.get(key) is run:
                del self.runs[key]

    def begun(self, key: Any) -> None:
        """It runs, or will not."""
        if (event := self._beginning.pop(key, None)) is not None:
            event.set()

    def _is_wanted(self, key: Any, run_id: int) -> bool:
        task = self.worker.state.tasks.get(key)
        if task is None or self.closed:
            return False
        return task.state in ("executing", "long-running") and task.run_id == run_id

    def cancel(self, key: Any) -> None:
        """Dask does not want the task to run here any more."""
        if (run := self.runs.get(key)) is not None and not run.leaving:
            run.program.leave(Reschedule())

    def forget(self, series: str) -> None:
        """Remove the checkpoints of a task that is over."""
        Series(self.settings, series, 0).forget()

    async def _taken(self, key: Any, run_id: int, held: Mapping[str, Any]) -> Program | None:
        """What was brought here, or to another worker from which it is fetched now."""
        name, holder = held["name"], held["worker"]
        if (mine := self.held.pop(name, None)) is not None:
            if mine.program.is_good:
                return mine.program
            return await Program.staged(self._pool, mine.state)
        if holder == self.worker.address:
            return None
        try:
            rpc = self.worker.rpc(holder)
            told = await wire.call(rpc, "fetch", name=name)
            if told is None:
                return None
            program = await Program.staged(self._pool, State.of_wire(**told))
            await wire.call(rpc, "drop", name=name)
        except OSError as error:
            _log.warning("%s was at %s, which is gone: %s", key, holder, error)
            return None
        except (MigrationRefused, VersionMismatch):
            # another Python perhaps; where it is, it has been put together already
            about = {"key": key, "run_id": run_id, "worker": self.worker.address}
            await wire.call(self.worker.scheduler, "moved", **about, held=dict(held))
            raise Reschedule from None
        return program

    # What others bring ------------------------------------------------------------------------

    async def stage(self, key: Any, name: str, state: State, source: str) -> None:
        """Another worker brings a task.  Raises HetmigError with the refusal."""
        if self.closed or self.worker.status.name != "running":
            raise MigrationRefused(f"the worker {self.worker.address} is about to close")
        self.held[name] = Held(key, state, await Program.staged(self._pool, state))
        spawn(self._drop_unwanted(key, name, source))

    async def _drop_unwanted(self, key: Any, name: str, source: str) -> None:
        """Its source may be killed before it has said that it has let go."""
        about = {"key": key, "name": name, "source": source}
        while name in self.held and not self.closed:
            with contextlib.suppress(OSError):
                if not await wire.call(self.worker.scheduler, "wanted", **about):
                    self.drop(name)
            await asyncio.sleep(_LOOK_SECONDS)

    def drop(self, name: str) -> None:
        """A task that waits here is not needed any more."""
        if (held := self.held.pop(name, None)) is not None:
            held.program.leave(Reschedule())

    # Checkpoints ------------------------------------------------------------------------------

    async def _again_and_again(self, run: Run, every: float) -> None:
        while not run.program.is_over:
            await asyncio.sleep(every)
            await self._copy(run, min(self.settings.patience, max(every, 1.0)))

    async def _copy(self, run: Run, timeout: float) -> None:
        if run.program.moving.locked():
            return
        try:
            async with run.program.moving:
                _, state = await run.program.frozen(timeout, stop=False)
            await self._keep(run, state)
        except HetmigError as error:
            if not error.data.get("ended"):
                _log.warning("no checkpoint of %s: %s", run.key, error)

    async def _keep(self, run: Run, state: State) -> str:
        async with run.saving:
            return await asyncio.to_thread(run.series.write, state, self.worker.address)

    # Leaving ----------------------------------------------------------------------------------

    async def beginning(self, key: Any, timeout: float) -> Run:
        """The task, which may be about to begin.  Raises NotMigratable."""
        if key not in self.runs and (event := self._beginning.get(key)) is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(timeout):
                    await event.wait()
        if (run := self.runs.get(key)) is None:
            raise NotMigratable("the task does not run on that worker", ended=1)
        return run

    async def empty(self, timeout: float) -> dict[str, str]:
        """Send away everything that is here; the keys of what stays, and why."""
        stays: dict[str, str] = {}

        async def attempt(key: Any, sending: Coroutine[Any, Any, object]) -> None:
            try:
                await sending
            except HetmigError as error:
                if not error.data.get("ended"):
                    stays[str(key)] = str(error)

        here = {*self.runs, *self._beginning} - self.outcomes.keys()
        work = [attempt(key, self.depart(key, None, timeout)) for key in here]
        work += [attempt(one.key, self._pass_on(name)) for name, one in self.held.items()]
        await asyncio.gather(*work)
        return stays

    async def rescue(self) -> None:
        """The worker closes: what has ended on it must not be lost, or Dask does it again."""
        ours = self.results()
        for key, run in list(self.outcomes.items()):
            try:
                await self._tell_elsewhere(key, run)
            except HetmigError as error:
                if not error.data.get("ended"):
                    _log.warning("the result of %s is lost, and it is run again: %s", key, error)
        about = {"keys": ours, "worker": self.worker.address}
        await wire.call(self.worker.scheduler, "rescue", **about)

    def results(self) -> list[Any]:
        """The keys of all results of ours that this worker has."""
        return [key for key in self._results if key in self.worker.data]

    async def _tell_elsewhere(self, key: Any, run: Run) -> None:
        """Dask has dropped what waits for the task's end here: it ends on another worker."""
        message = run.program.ended.result()
        outcome = {name: message.header[name] for name in _OF_END}
        manifest = make_manifest("value", [], len(message.payload), dict(run.program.about))
        state = State({**manifest, "outcome": outcome}, message.payload)
        held = await self._brought(key, state, None)
        if held is None:
            raise MigrationRefused("no other worker can take it")
        about = {"key": key, "run_id": run.run_id, "worker": self.worker.address}
        await wire.call(self.worker.scheduler, "moved", **about, held=held)

    def heard(self, key: Any, finish: str) -> None:
        """Dask has heard of the end of a task."""
        if self.outcomes.pop(key, None) is not None and finish == "memory":
            self._results.add(key)
        elif finish in ("released", "forgotten"):
            self._results.discard(key)

    async def depart(self, key: Any, to: str | None, timeout: float) -> dict[str, Any]:
        """Send a running task to a worker, or to where the scheduler wants it; a `Move`.

        Where nobody takes it, it goes to the store, if there is one.
        Raises NotMigratable, or MigrationRefused; it goes on here then.
        """
        run = await self.beginning(key, timeout)
        until = time.monotonic() + timeout
        async with run.program.moving:
            for left in reversed(range(_TRIES)):
                try:
                    return asdict(await self._depart(run, to, until - time.monotonic()))
                except MigrationRefused:
                    if not left or time.monotonic() > until:
                        raise
        raise AssertionError

    async def _depart(self, run: Run, to: str | None, timeout: float) -> Move:
        frozen, state = await run.program.frozen(max(timeout, 0.1), stop=True)
        state.about["hops"] = run.program.about["hops"] + 1
        run.leaving = True
        try:
            held = await self._brought(run.key, state, to)
            if held is None:
                await self._keep(run, state)
        except BaseException as error:
            described = error if isinstance(error, HetmigError) else NotMigratable(repr(error))
            run.leaving = False
            run.program.go_on(described)
            raise
        move = move_of(frozen, run.key, self.worker.address, held["worker"] if held else "",
                       state.nbytes)  # fmt: skip
        try:
            # From here on it may be another's, whatever becomes of the answer.
            await wire.call(self.worker.scheduler, "moved", key=run.key, run_id=run.run_id,
                            worker=self.worker.address, held=held, move=asdict(move))  # fmt: skip
        finally:
            run.program.leave(Reschedule())
        return move

    async def _pass_on(self, name: str) -> None:
        held = self.held[name]
        where = await self._brought(held.key, held.state, None, name)
        await wire.call(self.worker.scheduler, "passed", key=held.key, name=name, held=where)
        self.drop(name)

    async def _brought(
        self, key: Any, state: State, to: str | None, name: str | None = None
    ) -> dict[str, Any] | None:
        """Bring a state to another worker, where it is put together; where, None: to no one.

        Raises MigrationRefused with what they said.
        """
        name = name or f"{state.about['id']}-{state.about['hops']}-{time.monotonic_ns()}"
        refused: dict[str, str] = {}
        while True:
            asked = {"key": key, "worker": self.worker.address, "to": to, "but": list(refused)}
            destination = await wire.call(self.worker.scheduler, "destination", **asked)
            if destination is None:
                break
            try:
                rpc = self.worker.rpc(destination)
                about = {"key": key, "name": name, "source": self.worker.address}
                await wire.call(rpc, "stage", **about, **state.wire())
                return {"worker": destination, "name": name}
            except Exception as error:  # whatever is wrong with that worker
                refused[destination] = str(error) or repr(error)
                if to is not None:
                    break
        if refused:
            where, why = refused.popitem()
            raise MigrationRefused(f"{where} did not take it: {why}")
        if self.settings.checkpoints is None or name in self.held:
            raise MigrationRefused(
                "no other worker can take it; start one, or give a place that outlives them: "
                "hetmig.dask.install(client, checkpoints=...)"
            )
        return None
