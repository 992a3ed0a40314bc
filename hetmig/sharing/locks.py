"""The lock of what is shared, as a task uses it.  It is held by the task, wherever that is."""

from __future__ import annotations

import secrets
import sys
import time
from typing import Any

from hetmig.errors import LockLost, NotInTask
from hetmig.node import protocol

__all__ = ["SharedLock", "called", "task_here"]

_SHORTEST_PAUSE, _LONGEST_PAUSE = 0.002, 0.1
_CALL_SECONDS = 120.0


def called(actor: Any, method: str, *args: Any) -> Any:
    """The result of a call of a keeper."""
    return actor.call(method, *args).result(_CALL_SECONDS)


class SharedLock:
    """Fair and reentrant.  A context manager.

    It goes along when its task moves; when the task ends or is lost, it is free for the next.
    """

    def __init__(self, actor: Any, proxy: Any) -> None:
        self._actor = actor
        self._proxy = proxy
        """Whose lock it is.  There is one of both in a process, and both are alive or neither."""
        self._token = 0
        self._depth = 0
        self._life: tuple[str, int] | None = None
        """Of the task that holds it, which and how often restarted."""

    def __reduce__(self) -> tuple[Any, ...]:
        return _lock_of, (self._proxy,)

    def state(self) -> tuple[Any, ...]:
        """What travels with the task that holds it."""
        return self._token, self._depth, self._life

    def arrive(self, state: tuple[Any, ...]) -> None:
        """The proxy comes from elsewhere; perhaps from another task, with what that one holds."""
        if not self._depth:
            self._token, self._depth, self._life = state

    @property
    def token(self) -> int | None:
        """Proves that this task holds the lock, and none after it does; None: it does not.

        Raises LockLost if the task was restarted since it got the lock.
        """
        if not self._depth or self._life is None or task_here() != self._life[0]:
            return None
        if _life()[1] != self._life[1]:
            raise LockLost("the task was restarted while it held the lock, and has lost it")
        return self._token

    def acquire(self, timeout: float | None = None) -> bool:
        """Wait for the lock; False if it is not to be had in time.  Raises ActorLost, NotInTask."""
        if self.token is not None:
            self._depth += 1
            return True
        ticket, holder = secrets.token_hex(8), _holder()
        pause, remaining = _SHORTEST_PAUSE, float("inf") if timeout is None else timeout
        while (token := called(self._actor, "acquire", ticket, holder)) is None:
            if remaining <= 0:
                called(self._actor, "withdraw", ticket)
                return False
            time.sleep(min(pause, remaining))
            remaining -= pause  # not by a clock: a move changes that
            pause = min(2 * pause, _LONGEST_PAUSE)
        self._token, self._depth, self._life = token, 1, (holder["task"], holder["restarts"])
        return True

    def release(self) -> None:
        """Give it back.  Raises RuntimeError if it is not held, LockLost if it was taken away."""
        try:
            token = self.token
        except LockLost:
            self.forget()
            raise
        if token is None:
            raise RuntimeError("the lock is not held by this task")
        self._depth -= 1
        if not self._depth:
            called(self._actor, "release", token)

    def forget(self) -> None:
        """It was given back, or lost, in another way."""
        self._depth = 0

    def locked(self) -> bool:
        """Whether this task holds it, as far as it knows.  Raises LockLost; see `token`."""
        return self.token is not None

    @property
    def is_outermost(self) -> bool:
        """Whether the next `release` gives it back."""
        return self._depth == 1

    def __enter__(self) -> SharedLock:
        self.acquire()
        return self

    def __exit__(self, *_error: object) -> None:
        self.release()


def _lock_of(proxy: Any) -> SharedLock:
    lock: SharedLock = proxy._lock
    return lock


def _runtime() -> Any:
    module: Any = sys.modules.get("hetmig.node.runtime")
    return module.current() if module is not None and module.is_task() else None


def task_here() -> str | None:
    """The id of the task of this process."""
    runtime = _runtime()
    return None if runtime is None else str(runtime.about["id"])


_lives: dict[str, int] = {}
"""How often the task of this process was restarted; a restart is another process."""


def _life() -> tuple[str, int]:
    runtime = _runtime()
    if runtime is None:
        raise NotInTask("a shared lock is held by a task: use it inside of one")
    task = runtime.about["id"]
    if task not in _lives:
        from hetmig.node import inside

        header = {"task": task, "home": runtime.about["home"]}
        told = inside.ask(protocol.WHERE, header, _CALL_SECONDS)["task"]
        _lives[task] = told.get("restarts", 0)
    return task, _lives[task]


def _holder() -> dict[str, Any]:
    """This task, in its present life."""
    task, restarts = _life()
    return {"task": task, "home": _runtime().about["home"], "restarts": restarts}
