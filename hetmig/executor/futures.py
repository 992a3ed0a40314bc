"""The futures of an executor: standard ones that know their task."""

from __future__ import annotations

import threading
from concurrent.futures import CancelledError, Future
from typing import TYPE_CHECKING, Any, TypeVar

from hetmig.errors import HetmigError

if TYPE_CHECKING:
    from hetmig.submitted import Task

__all__ = ["TaskFuture"]

V = TypeVar("V")


class TaskFuture(Future[V]):
    """Cancelled as long as it waits for its turn; then its `task` can be cancelled, or moved."""

    # To the base class it is pending until it has ended: a running one that its task was cancelled
    # under is to be `cancelled()`, which the base class allows for pending ones only.

    def __init__(self) -> None:
        super().__init__()
        self._turn = threading.Lock()
        self._has_begun = False
        self._submitted = threading.Event()
        self._task: Task[V] | None = None

    def __repr__(self) -> str:
        about = "waits for its turn" if self._task is None else f"of {self._task!r}"
        if self.cancelled():
            about = "cancelled"
        return f"<{type(self).__name__} at {id(self):#x} {about}>"

    @property
    def task(self) -> Task[V]:
        """The task, as soon as a node has taken it in: it is waited for if need be.

        Raises CancelledError if the future was cancelled before, or what was in the way.
        """
        self._submitted.wait()
        if self._task is not None:
            return self._task
        error = self.exception()  # which raises CancelledError
        raise error or HetmigError("this call did not become a task of its own")

    def cancel(self) -> bool:
        """Cancel what has not begun; False for what has: `future.task.cancel()` ends that."""
        with self._turn:
            if self._has_begun:
                return self.cancelled()
            if self.done() or not super().cancel():
                return self.cancelled()
        self._notify()
        return True

    def running(self) -> bool:
        """Whether it is being executed."""
        return self._has_begun and not self.done()

    def set_running_or_notify_cancel(self) -> bool:
        """Let it begin; False if it was cancelled."""
        with self._turn:
            if self.cancelled():
                return False
            self._has_begun = True
            return True

    # By the executor ----------------------------------------------------------------------------

    def _became(self, task: Task[V]) -> None:
        self._task = task
        self._submitted.set()

    def _settle(self, error: BaseException | None, value: Any = None) -> None:
        """It has ended, with a CancelledError if its task was cancelled."""
        if isinstance(error, CancelledError):
            super().cancel()
            self._notify()
            return
        if error is not None:
            self.set_exception(error)
        else:
            self.set_result(value)
        self._submitted.set()

    def _notify(self) -> None:
        """Tell those who wait for several futures that this one was cancelled."""
        super().set_running_or_notify_cancel()
        self._submitted.set()
