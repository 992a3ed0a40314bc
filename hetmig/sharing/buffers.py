"""Buffers that tasks share, page by page: `hetmig.shared_buffer`.

Release consistency: a task sees what others have released before it acquired, and others see what
it has written after it has released.  One writes at a time.  What travels are pages that changed.
"""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from hetmig.remote import Actor
from hetmig.sharing.keepers import PageKeeper
from hetmig.sharing.locks import SharedLock, called, task_here
from hetmig.sharing.pages import digest, split
from hetmig.sharing.proxies import made, made_actor

if TYPE_CHECKING:
    from hetmig.client import Nodes

__all__ = ["SharedBuffer", "shared_buffer"]

_PAGE = 4096
_AT_ONCE = 64 << 20


def shared_buffer(
    of: Any,
    *,
    page: int = _PAGE,
    at: str | None = None,
    bound: bool = False,
    nodes: Nodes | None = None,
) -> SharedBuffer:
    """A buffer of so many zero bytes, or with the contents of bytes or of a numpy array.

    It lives at a node and until it is ended, as `hetmig.shared` has it.
    """
    array = None
    if isinstance(of, int):
        data: Any = bytes(of)
    elif hasattr(of, "dtype"):
        if of.dtype.hasobject:
            raise TypeError("an array of objects has no bytes to share")
        data, array = of.tobytes(), (of.dtype.str, of.shape)
    else:
        data = bytes(of)
    actor = made_actor(nodes, PageKeeper, data, page, at=at, bound=bound)
    buffer: SharedBuffer = made(SharedBuffer, actor, (len(data), page, array))
    return buffer


class SharedBuffer:
    """A shared buffer, as a task uses it.

        with buffer.write() as view:    # the lock is ours; view is a memoryview, or an array
            view[5] = 1                 # when the block is left, changed pages are sent
        with buffer.read() as view:     # read-only; what was released before is there

    If an exception leaves a `write` block, nothing of it is released.
    """

    def __init__(self) -> None:
        raise TypeError("make one with hetmig.shared_buffer(...)")

    @classmethod
    def _of(cls, reference: Actor, shape: tuple[int, int, Any]) -> SharedBuffer:
        buffer = object.__new__(cls)
        buffer._reference = reference
        buffer.nbytes, buffer.page, buffer._array = shape
        buffer._lock = SharedLock(reference, buffer)
        buffer.bytes_moved = 0
        buffer._data = None
        buffer._forget()
        return buffer

    _reference: Actor
    nbytes: int
    page: int
    _array: tuple[str, tuple[int, ...]] | None
    _lock: SharedLock
    bytes_moved: int
    """Contents of pages that this process has fetched and sent."""
    _data: bytearray | None

    def _forget(self) -> None:
        self._data, self._version, self._digests = None, 0, [b""] * -(-self.nbytes // self.page)
        self._using = 0
        self._user: str | None = None
        """The task that uses the contents: for another one that got this proxy they are nothing."""

    def __reduce__(self) -> tuple[Any, ...]:
        """Its contents stay behind, unless the task is just using them."""
        shape = self.nbytes, self.page, self._array
        state = None
        if self._using:
            state = self._using, self._data, self._version, self._digests, self._user
        return made, (SharedBuffer, self._reference, shape, self._lock.state()), state

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        if self._data is None:
            self._using, self._data, self._version, self._digests, self._user = state

    @property
    def lock(self) -> SharedLock:
        """That of its writers."""
        return self._lock

    def __len__(self) -> int:
        return self.nbytes

    def __repr__(self) -> str:
        return f"<hetmig.SharedBuffer {self._reference.id} of {self.nbytes} bytes>"

    def acquire(self) -> Any:
        """Wait for the lock, and fetch what has changed; a view to be changed until `release`."""
        self.lock.acquire()
        try:
            self._refresh()
        except BaseException:
            self.lock.release()
            raise
        self._using += 1
        return self._view()

    def release(self) -> None:
        """Send what we have changed, and give the lock back.  Raises LockLost."""
        if not self.lock.locked():
            raise RuntimeError("the buffer was not acquired by this task")
        if self._data is None or self._user != task_here():
            self.lock.release()
            raise RuntimeError("an inner block was abandoned: nothing is released")
        changed = {}
        for number, content in split(self._data, self.page):
            found = digest(content)
            if found != self._digests[number]:
                changed[number], self._digests[number] = bytes(content), found
        last = self.lock.is_outermost
        try:
            before, now = (
                self._version,
                called(self._reference, "commit", self.lock.token, changed, last),
            )
        except BaseException:
            self._abandon()
            raise
        self.bytes_moved += sum(map(len, changed.values()))
        self._version = now if now - before <= bool(changed) else before
        self._using -= 1
        if last:
            self.lock.forget()
        else:
            self.lock.release()

    def abandon(self) -> None:
        """Give the lock back, and forget what we have changed."""
        self._data = None
        self._using = 0
        self.lock.release()
        self._forget()

    def _abandon(self) -> None:
        self.lock.forget()
        self._forget()

    @contextlib.contextmanager
    def write(self) -> Iterator[Any]:
        """`acquire`, and `release` at the end of the block."""
        view = self.acquire()
        try:
            yield view
        except BaseException:
            self.abandon()
            raise
        del view
        self.release()

    @contextlib.contextmanager
    def read(self) -> Iterator[Any]:
        """A view of what was released so far, for reading; it waits for nobody."""
        in_use = self._using and self._user == task_here()
        if not in_use and not self.lock.locked():
            self._refresh()
        self._using += 1
        try:
            yield self._view(writable=False)
        finally:
            self._using = max(0, self._using - 1)  # none, if it was abandoned inside

    def _view(self, writable: bool = True) -> Any:
        assert self._data is not None
        view = memoryview(self._data)
        if self._array is None:
            return view if writable else view.toreadonly()
        numpy: Any = importlib.import_module("numpy")
        kind, shape = self._array
        array = numpy.frombuffer(self._data, dtype=kind).reshape(shape)
        array.flags.writeable = writable
        return array

    def _refresh(self) -> None:
        """Fetch the pages that have changed since we last looked, and that we have nowhere."""
        if self._data is None or self._user != task_here():
            self._forget()
            self._data, self._user = bytearray(self.nbytes), task_here()
        while True:
            version, changed = called(self._reference, "digests", self._version)
            if self._fetched(changed):
                self._version = version
                return

    def _fetched(self, changed: dict[int, bytes]) -> bool:
        """Whether all of them are here; if not, some have changed again meanwhile."""
        assert self._data is not None
        known = self._known(set(changed.values()))
        wanted = [each for each in dict.fromkeys(changed.values()) if each not in known]
        step = max(1, _AT_ONCE // self.page)
        for start in range(0, len(wanted), step):
            found = called(self._reference, "fetch", wanted[start : start + step])
            self.bytes_moved += sum(map(len, found.values()))
            known |= {each: content for each, content in found.items() if digest(content) == each}
        if not known.keys() >= set(changed.values()):
            return False
        for number, each in changed.items():
            start = number * self.page
            self._data[start : start + len(known[each])] = known[each]
            self._digests[number] = each
        return True

    def _known(self, wanted: set[bytes]) -> dict[bytes, bytes]:
        """Contents that are on another page of ours, or zero."""
        assert self._data is not None
        last = self.nbytes - (len(self._digests) - 1) * self.page
        known = {digest(bytes(size)): bytes(size) for size in (self.page, last)}
        for number, each in enumerate(self._digests):
            if each in wanted:
                start = number * self.page
                known[each] = bytes(self._data[start : start + self.page])
        return {each: content for each, content in known.items() if each in wanted}
