"""State that belongs to the process, but means something to the program: carried if it changed.

A program that seeds `random`, raises its recursion limit, configures `logging` or goes to another
directory has state outside of every variable.  A runner notes these when a task begins;
what differs when it leaves goes along and is put back at the destination.
"""

from __future__ import annotations

import contextlib
import itertools
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from hetmig.state import random_numbers, registry, reporting

__all__ = ["Ambient", "present", "put_back"]


@dataclass(frozen=True)
class _Kind:
    """One kind of state: the module it lives in, and how to read and to set it."""

    module: str
    read: Callable[[Any], Any]
    write: Callable[[Any, Any], object]
    glance: Callable[[Any], Any] | None = None
    """Reads, in less time, what differs where the state does; None: nothing is quicker."""


def _numpy_random(random: Any) -> tuple[Any, ...]:
    name, keys, *rest = random.get_state(legacy=True)
    return (name, keys.tolist(), *rest)


def _next_task(tasks: Any) -> int:
    """The number in the name of the next asyncio task: `count(5)`."""
    return int(repr(tasks._task_name_counter.__self__)[6:-1])


def _count_tasks(tasks: Any, number: int) -> None:
    tasks._task_name_counter = itertools.count(number).__next__


def _register(module: Any, known: Any) -> None:
    for registration in known.values():
        module.learn(registration)


def _directory(module: Any) -> str:
    try:
        return str(module.getcwd())
    except OSError:  # it was removed
        return ""


def _change_directory(module: Any, path: str) -> None:
    with contextlib.suppress(OSError):  # this machine has no such place
        module.chdir(path)


_KINDS = {
    "random numbers": _Kind(
        "random",
        lambda module: module.getstate(),
        lambda module, state: module.setstate(state),
        random_numbers.glance,
    ),
    "numpy's random numbers": _Kind(
        "numpy.random", _numpy_random, lambda module, state: module.set_state(state)
    ),
    "names of asyncio's tasks": _Kind("asyncio.tasks", _next_task, _count_tasks),
    "recursion limit": _Kind(
        "sys",
        lambda module: module.getrecursionlimit(),
        lambda module, limit: module.setrecursionlimit(limit),
    ),
    "working directory": _Kind("os", _directory, _change_directory),
    "logging": _Kind("logging", reporting.logging_state, reporting.set_logging_state),
    "registered types": _Kind(registry.__name__, lambda module: module.registrations(), _register),
    "warnings": _Kind("warnings", reporting.warnings_state, reporting.set_warnings_state),
}


def _glances() -> dict[str, Any]:
    """All kinds whose module the program has imported: how to tell whether they change."""
    loaded = sys.modules
    return {
        name: (kind.glance or kind.read)(loaded[kind.module])
        for name, kind in _KINDS.items()
        if kind.module in loaded
    }


def present() -> dict[str, Any]:
    """The state of all those kinds, as it is now."""
    return {name: _state(name, seen) for name, seen in _glances().items()}


class Ambient:
    """What the process was like when the task began here.  Make one before the task starts."""

    def __init__(self, arrived: Mapping[str, Any] | None = None) -> None:
        """`arrived` is what came along from the source: it goes on travelling."""
        self._arrived = dict(arrived or {})
        self._before = _glances()

    def changed(self) -> dict[str, Any]:
        """What must travel: whatever has changed here, or had changed before.

        Raises NotMigratable, naming the logger, for a handler of `logging` that can't travel.
        """
        found = {
            name: _state(name, seen)
            for name, seen in _glances().items()
            # a module imported meanwhile: its state may be anything, so it travels
            if name in self._arrived or name not in self._before or self._before[name] != seen
        }
        if "logging" in found:
            reporting.require_portable_handlers(found["logging"])
        return found


def _state(name: str, seen: Any) -> Any:
    """The state of this kind, of which a glance has seen that."""
    kind = _KINDS[name]
    return seen if kind.glance is None else kind.read(sys.modules[kind.module])


def put_back(state: Mapping[str, Any]) -> None:
    """Set what `Ambient.changed` found at the source; imports the modules it belongs to."""
    for name, value in state.items():
        kind = _KINDS[name]
        __import__(kind.module)
        kind.write(sys.modules[kind.module], value)
