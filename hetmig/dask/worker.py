"""The plugin of each Dask worker: what a marked function's call does in the worker's thread."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import threading
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, TypeVar

from distributed import Reschedule, Worker, WorkerPlugin

from hetmig.dask import wire
from hetmig.dask.host import Host
from hetmig.dask.record import PLUGIN, Settings, State, fresh_record
from hetmig.dask.shipping import Hosted, mark_of
from hetmig.errors import RemoteTraceback, TaskFailed
from hetmig.node.background import spawn
from hetmig.node.protocol import Message, want
from hetmig.state import image

__all__ = ["Migration"]

_log = logging.getLogger("hetmig")
T = TypeVar("T")
_BACK_SECONDS = 0.5
_LOOK_SECONDS = 0.005
_OF_DASK = "distributed._signals"
"""Its handler ends a worker without nanny, whatever it does."""
_RUNS = ("executing", "long-running", "cancelled")


class Migration(WorkerPlugin):  # type: ignore[misc]
    """Runs marked functions in runners, and sends them away before the worker ends."""

    name = PLUGIN
    idempotent = True

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    async def setup(self, worker: Worker) -> None:
        """Be at hand on a worker that starts."""
        self._worker = worker
        if threading.current_thread() is threading.main_thread():
            self._take_signals(worker)
        self._host = Host(worker, self.settings)
        for function in (self.depart, self.empty, self.stage, self.fetch, self.drop, self.forget):
            worker.handlers[wire.PREFIX + function.__name__] = wire.handler(function)

    def _take_signals(self, worker: Worker) -> None:
        loop = asyncio.get_running_loop()

        def ignore(signum: int, frame: object) -> None:
            # Ctrl-C, and SIGTERM to a group, reach this process besides its nanny.  It is the nanny
            # who ends us, and this worker would be gone before its tasks are.
            pass

        def close(signum: int, frame: object) -> None:
            signal.signal(signum, before[signal.Signals(signum)])  # another one ends it at once
            loop.call_soon_threadsafe(spawn, worker.close_gracefully(restart=False))

        before = {signum: signal.getsignal(signum) for signum in (signal.SIGINT, signal.SIGTERM)}
        for signum, handler in before.items():
            if worker.nanny:
                signal.signal(signum, ignore)
            elif getattr(handler, "__module__", "") == _OF_DASK:  # as of `dask worker --no-nanny`
                signal.signal(signum, close)

    async def teardown(self, worker: Worker) -> None:
        """The worker closes: what still runs goes elsewhere first."""
        grace = self.settings.grace
        try:
            async with asyncio.timeout(2 * grace):
                for key, reason in (await self._host.empty(grace)).items():
                    _log.warning("%s can't leave, and is started again: %s", key, reason)
                await self._host.rescue()
        except OSError as error:
            _log.info("no scheduler is there to take tasks from the worker: %r", error)
        except Exception as error:  # whatever it is, the worker has to end
            _log.warning("tasks can't leave the worker, and are started again: %r", error)
        finally:
            await self._host.close()

    def transition(self, key: Any, start: str, finish: str, **more: Any) -> None:
        """A task changes its state on this worker."""
        if finish == "executing":
            task = self._worker.state.tasks[key]
            function = getattr(task.run_spec, "func", None)
            if function is not None and mark_of(function) is not None:
                # A copy: with the scheduler in this very process, it has the same object.
                task.run_spec = task.run_spec.copy()
                task.run_spec.func = Hosted(function)
        elif finish in ("cancelled", "released", "forgotten", "resumed"):
            self._host.cancel(key)
        if finish in ("memory", "error", "released", "forgotten"):
            self._host.heard(key, finish)

    # In the worker's thread -------------------------------------------------------------------

    def run(
        self,
        key: Any,
        function: Callable[..., Any],
        mark: Mapping[str, Any],
        args: Any,
        kwargs: dict[str, Any],
    ) -> Any:
        """Run a call to its end, here and as if it were here; raises Reschedule if it moves."""
        host = self._host
        if mark.get("needs") and not self._worker.state.tasks[key].resource_restrictions:
            _log.warning("the needs of %s are not looked at: use hetmig.dask.submit, or give "
                         "resources= to client.submit", key)  # fmt: skip
        try:
            run_id, told = self._wait(host.begin(key))
            program = self._wait(host.found(key, run_id, told))
            if program is None:
                frozen = image.freeze_call(function, args, kwargs)
                record = fresh_record(str(key), mark)
                state = State(frozen.manifest(record), frozen.frames)
                program = self._wait(host.staged(state))
            message = self._wait(host.finished(key, run_id, told, program))
        except OSError:
            if not host.closed:
                raise
            raise Reschedule from None  # the worker closes: the scheduler knows
        finally:
            with contextlib.suppress(RuntimeError):  # the worker's loop has ended
                host.loop.call_soon_threadsafe(host.begun, key)
        return _outcome(message)

    def _wait(self, work: Coroutine[Any, Any, T]) -> T:
        if self._host.closed:
            work.close()
            raise Reschedule
        return asyncio.run_coroutine_threadsafe(work, self._host.loop).result()

    # What is asked of this worker -------------------------------------------------------------

    async def depart(self, key: Any, to: str | None) -> dict[str, Any]:
        """Send a task away; the record of its move."""
        return await self._host.depart(key, to, self.settings.patience)

    async def empty(self) -> dict[str, str]:
        """Send all tasks away; which stay, and why."""
        here = set(self._host.runs)
        stays = await self._host.empty(self.settings.patience)
        await self._threads_are_back({key for key in here if str(key) not in stays})
        return stays

    async def _threads_are_back(self, left: set[Any]) -> None:
        """Of tasks that have left, too: a worker that closes before is warned about by Dask."""
        tasks = self._worker.state.tasks
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_BACK_SECONDS):
                while any(key in tasks and tasks[key].state in _RUNS for key in left):
                    await asyncio.sleep(_LOOK_SECONDS)

    async def stage(self, key: Any, name: str, source: str, manifest: str, frames: Any) -> None:
        """Put a task together that another worker brings."""
        await self._host.stage(key, name, State.of_wire(manifest, frames), source)

    def fetch(self, name: str) -> dict[str, Any] | None:
        """Give away what was brought here."""
        held = self._host.held.get(name)
        return None if held is None else held.state.wire()

    def drop(self, name: str) -> None:
        """Forget what was brought here."""
        self._host.drop(name)

    async def forget(self, series: str) -> None:
        """Remove the checkpoints of a task that is over."""
        await asyncio.to_thread(self._host.forget, series)


def _outcome(message: Message) -> Any:
    header = message.header
    frozen = image.Image(
        want(header, "kind", str), message.payload, portable=want(header, "portable", bool)
    )
    value = image.thaw(frozen)
    if header["ok"]:
        return value
    error = value if isinstance(value, Exception) else TaskFailed(f"the task ended by {value!r}")
    error.__cause__ = RemoteTraceback(header["traceback"])
    raise error
