"""The raw layer: a file of this machine, or one that another node has open for the task."""

from __future__ import annotations

import contextlib
import io
import operator
import os
import threading
import weakref
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from hetmig.errors import HetmigError
from hetmig.redirection import line as lines
from hetmig.redirection.ahead import ReadAhead
from hetmig.redirection.behind import WriteBehind
from hetmig.redirection.line import Buffer, Line

__all__ = [
    "LocalRaw",
    "Raw",
    "RemoteRaw",
    "close_late",
    "finish",
    "later",
    "name_of_file",
    "not_by_pickle",
]

living: weakref.WeakSet[Any] = weakref.WeakSet()
"""The raw layers that there are."""

_changes: dict[tuple[object, ...], int] = {}
"""How often the task has written to each file at another node: what it read ahead is old then."""
_MOST_CHANGES = 1000


_late: list[Any] = []
"""Files that were collected at a moment when nobody could be asked to close them."""


def later(file: Any) -> bool:
    """Whether a file that nobody holds any more can't be closed now, and is closed soon."""
    line = lines.current()
    if line is None or not line.is_busy:
        return False
    _late.append(file)
    return True


def not_by_pickle(file: object) -> TypeError:
    """As other files say it; without it a move could go through the middle of a method."""
    return TypeError(f"cannot pickle {type(file).__name__!r} object (hetmig.dumps can)")


def close_late() -> None:
    """Close those."""
    while _late:
        with contextlib.suppress(OSError, ValueError, HetmigError):
            _late.pop().close()


class _Movable(io.RawIOBase):
    """What both have in common, beside being raw."""

    policy: str
    path: str
    """Where it is, whatever the working directory is."""
    top: Callable[[], Any] | None = None
    """The layer above all others, if it lives."""

    def settle(self) -> None:
        """Write what the layers above still hold.  Raises OSError."""
        top = None if self.top is None else self.top()
        if top is not None and not top.closed and top.writable():
            top.flush()

    def __del__(self) -> None:
        if not later(self):
            super().__del__()

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        raise not_by_pickle(self)


class LocalRaw(_Movable, io.FileIO):
    """A file which is open in this process."""

    handle: str | None = None
    """By what this node knows it, if it is to find it when the task has left."""

    def __init__(
        self,
        name: Any,
        mode: str,
        policy: str,
        path: str,
        *,
        opener: Any = None,
        closefd: bool = True,
    ) -> None:
        super().__init__(name, mode, closefd, opener)
        self.policy, self.path = policy, path
        living.add(self)

    def close(self) -> None:
        """Close it, also for the node."""
        was_open, line = not self.closed, lines.current()
        super().close()
        handle, self.handle = self.handle, None
        if was_open and handle is not None and line is not None:
            number = line.ask({"op": "close", "handle": handle, "at_node": line.here})
            line.drop(number)

    def __hetmig_reduce__(self) -> tuple[Any, ...]:
        from hetmig.redirection import moving

        return moving.reduce_local(self)


class RemoteRaw(_Movable):
    """A file that is open at another node: what is done with it is done there."""

    policy = "home"
    is_behind = False
    """Whether writes may wait: the layer above says when they are to be there."""

    def __init__(self, told: dict[str, Any], line: Line) -> None:
        """`told` is what `told` has said."""
        super().__init__()
        self.name, self.path = told["name"], told["path"]
        self._mode: str = told["mode"]
        self.place, self.handle = told["place"], told["handle"]
        self._position: int = told["position"]
        self._number: int = told["number"]
        self._line = line
        self._identity = tuple(told["identity"])
        self._seen = self._changed()
        self._ahead = ReadAhead(self._reading)
        self._behind = WriteBehind(self._writing)
        # the layers above lock too, but not while they wait for what was written
        self._lock = threading.RLock()
        living.add(self)

    def told(self) -> dict[str, Any]:
        """All that another process needs to know of it."""
        told = {"name": self.name, "mode": self._mode, "path": self.path, "place": self.place}
        told |= {"handle": self.handle, "position": self._position, "number": self._number}
        return {**told, "identity": list(self._identity)}

    def put_back(self, at: int, unread: bytes) -> None:
        """It stands there, and these bytes were read before they were used."""
        self._position = at
        self._ahead.put(at, unread)

    # As every raw file ------------------------------------------------------------------------

    @property
    def mode(self) -> str:
        """As of the file that was opened."""
        return self._mode

    @property
    def closefd(self) -> bool:
        """As of a file that was opened by its name."""
        return True

    def readable(self) -> bool:
        """Whether it was opened for reading."""
        self._require_open()
        return "r" in self._mode or "+" in self._mode

    def writable(self) -> bool:
        """Whether it was opened for writing."""
        self._require_open()
        return "r" not in self._mode or "+" in self._mode

    def seekable(self) -> bool:
        """Yes: others are not taken."""
        self._require_open()
        return True

    def isatty(self) -> bool:
        """No: others are not taken."""
        self._require_open()
        return False

    def fileno(self) -> int:
        """Raise UnsupportedOperation: no descriptor of this process leads to it."""
        self._require_open()
        name = self.place.get("name")
        raise io.UnsupportedOperation(f"fileno: the file is open at the node {name}, not here")

    def tell(self) -> int:
        """The position."""
        self._require_open()
        self._settle()
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        """Change the position; the new one."""
        self._require_open()
        self._settle()
        if whence == os.SEEK_SET:
            position = _index(offset)
        elif whence == os.SEEK_CUR:
            position = self._position + _index(offset)
        elif whence == os.SEEK_END:
            position = self.size() + _index(offset)
        else:
            raise OSError(22, os.strerror(22))
        if position < 0:
            raise OSError(22, os.strerror(22))
        self._position = position
        return position

    def readinto(self, buffer: Any, /) -> int:
        """Read into a buffer; how many bytes."""
        if not self.readable():
            raise io.UnsupportedOperation("File not open for reading")
        with memoryview(buffer) as view, view.cast("B") as into:
            found = self._read(len(into))
            into[: len(found)] = found
        return len(found)

    def read(self, size: int | None = -1, /) -> bytes:
        """Read at most so many bytes, or all."""
        if size is None or size < 0:
            return self.readall()
        if not self.readable():
            raise io.UnsupportedOperation("File not open for reading")
        return bytes(self._read(size))

    def readall(self) -> bytes:
        """Read all that is left."""
        if not self.readable():
            raise io.UnsupportedOperation("File not open for reading")
        parts = []
        while part := self._read(1 << 20):
            parts.append(bytes(part))
        return b"".join(parts)

    def write(self, data: Any, /) -> int:
        """Write; how many bytes: all of them."""
        if not self.writable():
            raise io.UnsupportedOperation("File not open for writing")
        with self._lock, memoryview(data) as view, view.cast("B") as plain:
            appends = "a" in self._mode
            self._note_change()
            self._behind.write(self._line, None if appends else self._position, plain)
            count = len(plain)
            self._position += 0 if appends else count
        if not self.is_behind:
            self._settle()
        return count

    def truncate(self, size: int | None = None, /) -> int:
        """Change the size, to the position if none is given; the new one."""
        if not self.writable():
            raise io.UnsupportedOperation("File not open for writing")
        self._settle()
        size = self._position if size is None else _index(size)
        self._note_change()
        self._do("truncate", size=size)
        return size

    def flush(self) -> None:
        """Wait until all is written.  Raises OSError for what could not be."""
        super().flush()
        self._settle()

    def close(self) -> None:
        """Write what is left and close it, at its node as well."""
        if self.closed:
            return
        try:
            super().close()  # which flushes
        finally:
            self._ahead.forget(self._line)
            self._do("close")

    def __repr__(self) -> str:
        state = "closed" if self.closed else f"name={self.name!r} mode={self._mode!r}"
        return f"<{type(self).__module__}.{type(self).__qualname__} {state}>"

    def __hetmig_reduce__(self) -> tuple[Any, ...]:
        from hetmig.redirection import moving

        return moving.reduce_remote(self)

    def forget(self) -> None:
        """Drop what was read ahead: the task leaves."""
        self._ahead.forget(self._line)

    def attach(self) -> None:
        """Raise OSError or HetmigError unless its node has it open for us."""
        self._do("attach")

    def abandon(self) -> None:
        """Close it here alone."""
        io.RawIOBase.close(self)

    def size(self) -> int:
        """How many bytes it has."""
        size: int = self._do("size")[0]["size"]
        return size

    # ------------------------------------------------------------------------------------------

    def _require_open(self) -> None:
        if self.closed:
            raise ValueError("I/O operation on closed file")

    def _read(self, size: int) -> memoryview:
        self._settle()
        if (changed := self._changed()) != self._seen:
            self._seen = changed
            self._ahead.forget(self._line)
        if not size:
            return memoryview(b"")
        with self._lock:
            found = self._ahead.read(self._line, self._position, size)
            self._position += len(found)
        return found

    def _settle(self) -> None:
        with self._lock:
            try:
                self._behind.settle(self._line)
            finally:
                if "a" in self._mode and self._behind.end:
                    self._position = self._behind.end

    def _changed(self) -> int:
        return _changes.get(self._identity, 0)

    def _note_change(self) -> None:
        if len(_changes) > _MOST_CHANGES and self._identity not in _changes:
            _changes.clear()
        _changes[self._identity] = self._changed() + 1

    def _reading(self, at: int, size: int) -> dict[str, object]:
        return {**self._asking("read"), "at": at, "size": size}

    def _writing(self, at: int | None) -> dict[str, object]:
        if at is not None:
            return {**self._asking("write"), "at": at}
        self._number += 1
        return {**self._asking("append"), "n": self._number}

    def _asking(self, op: str) -> dict[str, object]:
        return {"op": op, "handle": self.handle, "at_node": self.place}

    def _do(self, op: str, **more: object) -> tuple[dict[str, Any], Sequence[Buffer]]:
        line = self._line
        return line.answer(line.ask({**self._asking(op), **more}))


Raw = LocalRaw | RemoteRaw


def name_of_file(raw: Any) -> str:
    """What to call it in a message."""
    return str(getattr(raw, "path", None) or getattr(raw, "name", "a file"))


def finish() -> list[BaseException]:
    """The task has ended: close what is open.  What could not be written."""
    failed: list[BaseException] = []
    close_late()
    for raw in list(living):
        top = None if raw.top is None else raw.top()
        for layer in (top, raw):
            if layer is None:
                continue
            try:
                layer.close()
            except (OSError, ValueError, HetmigError) as error:
                failed.append(error)
                break
    return failed


def _index(number: Any) -> int:
    return operator.index(number)
