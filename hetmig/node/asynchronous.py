"""asyncio in a runner: the one written in Python, on an event loop that can move.

CPython has asyncio's tasks and futures twice, in C and in Python.  Those in C can't be put back, so
in a runner asyncio is imported without them: all its names then mean the Python ones.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import importlib.util
import sys
import time
from collections.abc import Callable, Coroutine, Sequence
from types import FrameType, ModuleType
from typing import Any

from hetmig.errors import NotMigratable

__all__ = ["Requests", "connect", "install", "result_of", "wake"]

_PACKAGE, _IN_C = "asyncio", "_asyncio"
_LOOPS = "hetmig.state.event_loop"
"""The module with the loop, which imports asyncio."""

Spec = importlib.machinery.ModuleSpec


class _Finder(importlib.abc.MetaPathFinder):
    """Finds asyncio as others do, but not its part in C."""

    def __init__(self, imported: Callable[[], object]) -> None:
        self._imported = imported

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> Spec | None:
        if name == _IN_C:
            raise ModuleNotFoundError("asyncio is used without its part in C here", name=name)
        if name != _PACKAGE:
            return None
        others = [finder for finder in sys.meta_path if finder is not self]
        for finder in others:
            spec = finder.find_spec(name, path, target)
            if spec is not None and spec.loader is not None:
                spec.loader = _Loader(spec.loader, self._imported)
                return spec
        return None


class _Loader(importlib.abc.Loader):
    """Loads a package as its own loader does, and says so."""

    def __init__(self, own: Any, loaded: Callable[[], object]) -> None:
        self._own = own
        self._loaded = loaded

    def create_module(self, spec: Spec) -> ModuleType | None:
        made: ModuleType | None = self._own.create_module(spec)
        return made

    def exec_module(self, module: ModuleType) -> None:
        if module.__spec__ is not None:
            module.__spec__.loader = self._own
        module.__loader__ = self._own
        self._own.exec_module(module)
        self._loaded()


def install() -> None:
    """Prepare this process for asyncio programs that move, before anybody imports asyncio."""
    if _PACKAGE not in sys.modules:
        sys.meta_path.insert(0, _Finder(_imported))


def _imported() -> None:
    from hetmig.state import event_loop

    event_loop.become_default()


def connect(wanted: Callable[[], bool], move: Callable[[str], None]) -> None:
    """`wanted()` says whether somebody wants the task to move; `move(to)` moves it."""
    from hetmig.state import event_loop

    event_loop.install(wanted, move)


def wake() -> None:
    """Let the event loop look whether its task is wanted.  Any thread may call."""
    if (loops := _loops()) is not None:
        loops.wake()


def _loops() -> Any:
    return sys.modules.get(_LOOPS)


class Requests:
    """Says why a request could not be met, where an event loop is in between.

    Once the time is up, the last thing that was in the way is mostly that some callback runs.
    """

    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        """A request has come."""
        self._began = time.monotonic()
        self._between: NotMigratable | None = None

    def note(self, frame: FrameType, refusal: NotMigratable) -> None:
        """The task could not be taken at this place."""
        if frame.f_globals.get("__name__") == _LOOPS and frame.f_code.co_name == "run_forever":
            self._between = refusal

    def explained(self, reason: NotMigratable) -> NotMigratable:
        """The reason that helps, in place of the last one."""
        loop = _loops() and _loops().latest()
        if not loop:
            return reason
        seconds, who = loop.busy()
        if self._between is None and seconds >= time.monotonic() - self._began:
            about = f"{who} has not awaited for {seconds:.1f} s"
            return NotMigratable(f"{about} ({reason.reason})", frame=reason.frame)
        return self._between or reason


def result_of(main: Coroutine[Any, Any, Any]) -> object:
    """Run a task's `async def` to its end."""
    import asyncio

    return asyncio.run(main)
