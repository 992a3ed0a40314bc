"""Files that tasks have left open on this machine, and what may be done with them from elsewhere.

Whoever knows a handle, and asks for the task and in the name of the owner that it was made for, may
do with that very file what the task opened it for; nobody can open another one.  All methods may be
called in threads.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hetmig.errors import FileLost, NotMigratable, ProtocolError, QuotaExceeded
from hetmig.node.protocol import Buffer, nbytes, want
from hetmig.redirection.os_errors import described

__all__ = ["LOCAL", "HeldFiles", "Who"]

MOST_PER_TASK = 256
MOST_BYTES = 4 << 20
"""Of one question or answer."""
_LARGEST = (1 << 63) - 1
_WRITABLE = os.O_WRONLY | os.O_RDWR
_TOLD = os.O_APPEND | _WRITABLE | getattr(os, "O_BINARY", 0)

LOCAL = frozenset({"keep", "reclaim"})
"""What only a process of this node may ask for."""

Told = tuple[dict[str, Any], Sequence[Buffer]]


@dataclass(frozen=True)
class Who:
    """Who asks: the task, its owner, and which incarnation of it."""

    task: str
    owner: str
    epoch: int = 0
    pid: int = 0
    """Its process, if that is on this node."""
    runs: bool = True
    """Whether it is the one that runs, and not about to."""


@dataclass
class _Held:
    task: str
    owner: str
    descriptor: int
    flags: int
    epoch: int
    last: tuple[int, dict[str, Any]] = (0, {})
    """Number and answer of the newest write at the end: it may be asked for twice."""
    lock: threading.Lock = field(default_factory=threading.Lock)


class HeldFiles:
    """The open files of one node."""

    def __init__(self, most_per_task: int = MOST_PER_TASK) -> None:
        self._held: dict[str, _Held] = {}
        self._most = most_per_task
        self._operations: dict[str, Callable[[_Held, dict[str, Any], Sequence[Buffer]], Told]] = {
            "attach": self._attach,
            "size": self._attach,
            "read": self._read,
            "write": self._write,
            "append": self._append,
            "truncate": self._truncate,
        }

    @property
    def tasks(self) -> set[str]:
        """The tasks that have files here."""
        return {held.task for held in list(self._held.values())}

    def owner(self, task: str) -> str:
        """Whose task it is; "" if it has no file here."""
        return next((held.owner for held in list(self._held.values()) if held.task == task), "")

    def count(self, task: str) -> int:
        """How many files a task has here."""
        return sum(held.task == task for held in list(self._held.values()))

    def do(self, who: Who, header: dict[str, Any], payload: Sequence[Buffer]) -> Told:
        """Carry out an operation.  Raises OSError, FileLost, QuotaExceeded or ProtocolError."""
        op = want(header, "op", str)
        if op == "keep":
            return {"handle": self._keep(who, header)}, ()
        handle = want(header, "handle", str)
        held = self._held.get(handle)
        if held is None and op == "close":
            return {}, ()
        if held is None or (held.task, held.owner) != (who.task, who.owner):
            raise FileLost("the node does not have this file open for the task: open it again")
        if who.epoch < held.epoch:
            raise FileLost("the task was restarted elsewhere, and has its files there")
        if who.runs:
            held.epoch = who.epoch
        with held.lock:
            if op == "reclaim":
                return {"at": [os.getpid(), held.descriptor]}, ()
            if op == "close":
                self._close(handle)
                return {}, ()
            if op not in self._operations:
                raise ProtocolError(f"{op!r} is nothing that is done with files")
            return self._operations[op](held, header, payload)

    def drop(self, tasks: Iterable[str]) -> None:
        """These tasks have come to their end."""
        gone = set(tasks)
        for handle, held in list(self._held.items()):
            if held.task in gone:
                with held.lock, contextlib.suppress(OSError):
                    self._close(handle)

    def close(self) -> None:
        """Close all."""
        self.drop(self.tasks)

    # ------------------------------------------------------------------------------------------

    def _keep(self, who: Who, header: dict[str, Any]) -> str:
        """Open once more what a process of this node has open."""
        if self.count(who.task) >= self._most:
            raise QuotaExceeded(
                f"the task has {self._most} files open here: close some", cap=self._most
            )
        flags = want(header, "flags", int) & _TOLD | getattr(os, "O_CLOEXEC", 0)
        path = Path("/proc", str(who.pid), "fd", str(want(header, "fd", int)))
        name = str(path) if path.exists() else want(header, "path", str)
        descriptor = os.open(name, flags)
        try:
            status = os.fstat(descriptor)
            if [status.st_dev, status.st_ino] != want(header, "identity", list):
                raise FileNotFoundError(2, "its name leads to another file now", header["path"])
            if not stat.S_ISREG(status.st_mode):
                raise NotMigratable("it is no regular file; close it before a move")
        except BaseException:
            os.close(descriptor)
            raise
        handle = secrets.token_hex(16)
        self._held[handle] = _Held(who.task, who.owner, descriptor, flags, who.epoch)
        return handle

    def _close(self, handle: str) -> None:
        held = self._held.pop(handle, None)
        if held is not None:
            os.close(held.descriptor)

    def _attach(self, held: _Held, header: dict[str, Any], payload: Sequence[Buffer]) -> Told:
        return {"size": os.fstat(held.descriptor).st_size}, ()

    def _read(self, held: _Held, header: dict[str, Any], payload: Sequence[Buffer]) -> Told:
        at, size = _place(header, "at"), _place(header, "size")
        if size > MOST_BYTES:
            raise ProtocolError(f"{size} bytes at once; {MOST_BYTES} are allowed")
        return {}, [_pread(held.descriptor, size, at)]

    def _write(self, held: _Held, header: dict[str, Any], payload: Sequence[Buffer]) -> Told:
        at, data = _place(header, "at"), _data(payload)
        return self._written(held, data, at), ()

    def _append(self, held: _Held, header: dict[str, Any], payload: Sequence[Buffer]) -> Told:
        number, data = want(header, "n", int), _data(payload)
        if number == held.last[0]:
            return held.last[1], ()
        told = self._written(held, data, None)
        told["end"] = os.lseek(held.descriptor, 0, os.SEEK_END)
        held.last = number, told
        return told, ()

    def _written(self, held: _Held, data: memoryview, at: int | None) -> dict[str, Any]:
        """Write all of it; what could not be is told with how much could."""
        told: dict[str, Any] = {"written": 0}
        while data:
            try:
                if at is None:
                    count = os.write(held.descriptor, data)
                else:
                    count = _pwrite(held.descriptor, data, at + told["written"])
            except OSError as error:
                return {**told, "error": described(error)}
            told["written"] += count
            data = data[count:]
        return told

    def _truncate(self, held: _Held, header: dict[str, Any], payload: Sequence[Buffer]) -> Told:
        os.ftruncate(held.descriptor, _place(header, "size"))
        return {}, ()


def _place(header: dict[str, Any], name: str) -> int:
    value: int = want(header, name, int)
    if not 0 <= value <= _LARGEST:
        raise OSError(22, os.strerror(22))
    return value


def _data(payload: Sequence[Buffer]) -> memoryview:
    if len(payload) != 1 or nbytes(payload[0]) > MOST_BYTES:
        raise ProtocolError(f"what is to be written is one frame of at most {MOST_BYTES} bytes")
    return memoryview(payload[0])


def _pread_by_seeking(descriptor: int, size: int, at: int) -> bytes:
    os.lseek(descriptor, at, os.SEEK_SET)
    return os.read(descriptor, size)


def _pwrite_by_seeking(descriptor: int, data: memoryview, at: int) -> int:
    os.lseek(descriptor, at, os.SEEK_SET)
    return os.write(descriptor, data)


# Windows has no reading at a place; each file is used by one thread at a time
_pread = getattr(os, "pread", _pread_by_seeking)
_pwrite = getattr(os, "pwrite", _pwrite_by_seeking)
