"""Runners that outlive their node: none of them may go on when its task is restarted.

A runner whose node was killed ends by itself, as soon as another of its threads can run; in C code
that lets none run, that may take long.  So each holds a lock on a file of its own for as long as it
lives (https://docs.python.org/3/library/fcntl.html#fcntl.lockf), and the next node with the same
journal kills whoever still holds one before it starts anything.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import signal
import time
from pathlib import Path
from typing import Any, BinaryIO

from hetmig.errors import JournalError

__all__ = ["claim", "directory", "end"]

_SECONDS = 10.0
_PAUSE = 0.01


def directory(state: Path | None) -> str | None:
    """Where the runners of a node with this journal have their locks."""
    return None if state is None else str(state / "runners")


def claim(locks: str) -> BinaryIO:
    """Say that this process is a runner; the lock lasts as long as the process."""
    path = Path(locks)
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    file = open(path / str(os.getpid()), "ab", buffering=0)  # noqa: SIM115
    _lock(file)
    return file


def end(state: Path | None) -> None:
    """Kill the runners which are left of an earlier node.  Raises JournalError if one survives."""
    locks = directory(state)
    if locks is None or not os.path.isdir(locks):
        return
    until = time.monotonic() + _SECONDS
    for path in Path(locks).iterdir():
        if path.name.isdecimal():
            _end(path, until)
        with contextlib.suppress(OSError):
            path.unlink()


def _end(path: Path, until: float) -> None:
    with open(path, "ab", buffering=0) as file:
        while not _is_free(file):
            if time.monotonic() > until:
                raise JournalError(
                    f"process {path.name} still runs a task of this node, and can't be killed: "
                    "end it, then start the node again"
                )
            with contextlib.suppress(OSError):
                os.kill(int(path.name), getattr(signal, "SIGKILL", signal.SIGTERM))
            time.sleep(_PAUSE)


def _is_free(file: BinaryIO) -> bool:
    try:
        _lock(file)
    except OSError:
        return False
    return True


def _lock(file: BinaryIO) -> None:
    """Raises OSError if another process has it."""
    if os.name == "nt":
        windows: Any = importlib.import_module("msvcrt")
        windows.locking(file.fileno(), windows.LK_NBLCK, 1)
    else:
        # Of this process alone: a child that the task forks does not hold it.
        fcntl: Any = importlib.import_module("fcntl")
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
