"""What a task itself says to hetmig: take me there, this is how far I am, where am I?"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from threading import Thread
from typing import Any, TypeVar, overload

from hetmig.errors import HetmigError, NotInTask
from hetmig.state.threads import IGNORABLE

__all__ = ["checkpoint", "here", "ignorable", "migratable", "migrate", "progress"]

F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T", bound=Thread)


def migrate(to: str) -> Any:
    """Go on at another node, given by name or `tcp://HOST:PORT`: this call returns there.

    In a program that runs under asyncio write `await hetmig.migrate(to)`: the call gives a future,
    and the whole program moves, with all its tasks, as soon as the one that called awaits.

    Raises, here, if that is not possible: NotMigratable or MigrationRefused with the reason,
    NodeUnreachable if no such node answers, NotInTask outside a task; all are HetmigErrors.  Call
    it from the task's own code, not through C (`map(hetmig.migrate, ...)`).
    """
    runtime = _runtime()
    # Only a program that has imported asyncio has loaded that module.
    loops = sys.modules.get("hetmig.state.event_loop")
    if loops is not None and (loop := loops.running()) is not None:
        return loop.ask_to_move(to)
    return runtime.migrate(to, sys._getframe(1), sys._getframe(0))


def move(to: str) -> None:
    """`migrate` for the event loop itself, between two callbacks."""
    _runtime().migrate(to, sys._getframe(1), sys._getframe(0))


def checkpoint(to: str | None = None, *, wait: bool = False) -> None:
    """Keep a copy of the task as it is now, from which `hetmig resume` can start it again.

    The task goes on as soon as the copy is made; its node writes it, to the directory or URL `to`,
    or where the node keeps its checkpoints.  With `wait` the call returns when that is done.  In a
    program that runs under asyncio, the copy is made as soon as the caller awaits.

    Raises NotMigratable if the task can't be captured, NotInTask outside a task; with `wait`,
    CheckpointFailed if the copy could not be written.
    """
    runtime = _runtime()
    loops = sys.modules.get("hetmig.state.event_loop")
    if loops is not None and loops.running() is not None:
        if wait:
            raise HetmigError("under asyncio a checkpoint can't be waited for: leave out wait=True")
        runtime.ask_for_checkpoint(to)
        return
    error = runtime.checkpoint(to, wait, sys._getframe(1), sys._getframe(0))
    if error is not None:
        raise error


def progress(done: float, total: float | None = None, note: str = "") -> None:
    """Tell the submitter how far the task is.  Cheap: only some reports per second are sent.

    Outside a task it does nothing, so that the same function runs without hetmig.
    """
    try:
        runtime = _runtime()
    except NotInTask:
        return
    runtime.telling.progress(done, total, note)


def here() -> str | None:
    """The name of the node this code runs on; None outside a task."""
    try:
        return str(_runtime().node)
    except NotInTask:
        return None


def ignorable(thread: T) -> T:
    """Declare that a task can do without this thread, and return it.

    Only the main thread of a task moves; other live threads are in its way, and `migrate` refuses.
    An ignorable one is left behind: it ends with the process that the task leaves, without notice,
    wherever it is.  At the destination the `Thread` object says that the thread has ended.
    """
    vars(thread)[IGNORABLE] = True
    return thread


@overload
def migratable(function: F) -> F: ...
@overload
def migratable(
    *,
    every: float | None = None,
    needs: Mapping[str, Any] | None = None,
    files: str | None = None,
) -> Callable[[F], F]: ...
def migratable(
    function: Any = None,
    *,
    every: float | None = None,
    needs: Mapping[str, Any] | None = None,
    files: str | None = None,
) -> Any:
    """Mark a function as meant to move.  It stays the very same function, bytecode included.

    With `every`, the task's node takes a checkpoint of it every so many seconds.  With `needs` it
    runs only where all of that is: `{"arch": "aarch64", "gpu": 1, "data": "s3://bucket"}`.
    `files` is the policy of all files that the task opens, as of `hetmig.files`.
    """
    if function is None:
        return lambda function: migratable_with(function, every, needs, files)
    return migratable_with(function, every, needs, files)


def migratable_with(
    function: F,
    every: float | None,
    needs: Mapping[str, Any] | None = None,
    files: str | None = None,
) -> F:
    """Set the mark.  Raises ValueError for a time or a policy that is none, HetmigError for a
    need.
    """
    if files is not None:
        from hetmig.redirection.opening import checked as checked_policy

        checked_policy(files)
    if every is not None and not every > 0:
        raise ValueError(f"every={every!r} is no time between two checkpoints")
    mark: dict[str, Any] = {"every": every, "files": files}
    if needs is not None:
        from hetmig.node.placement.needs import checked

        mark["needs"] = checked(needs)
    function.__hetmig__ = mark  # type: ignore[attr-defined]
    return function


def _runtime() -> Any:
    # Only a runner imports that module: a client never becomes a task.
    module = sys.modules.get("hetmig.node.runtime")
    if module is None:
        raise NotInTask("this is not a task: submit the function, or use `hetmig run`")
    return module.current()
