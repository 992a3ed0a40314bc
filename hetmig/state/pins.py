"""`hetmig.pinned()`: blocks in which a task stays where it is, because its program says so."""

from __future__ import annotations

import contextlib
import sys
from types import TracebackType
from typing import Any

from hetmig.errors import FrameAddress, NotMigratable

__all__ = ["pinned", "require_unpinned"]


class pinned(contextlib.ContextDecorator):
    """In this block the task can't move: `with hetmig.pinned("talks to the robot"):`.

    A request to move waits until the block has ended, up to its deadline, and is then refused with
    the reason and the place of the `with`; `hetmig.migrate` is refused at once.  Blocks may be
    nested.  One that a suspended generator or coroutine stands in pins the task as well: what it
    guards is still open.  Also a decorator: `@hetmig.pinned()`.
    """

    def __init__(self, reason: str = "") -> None:
        caller = sys._getframe(1)
        code = caller.f_code
        self._reason = reason
        self._place = FrameAddress(code.co_qualname, code.co_filename, caller.f_lineno)

    def __enter__(self) -> pinned:
        _active.append(self)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        # by identity, and whichever of the same block's: they may end in any order
        _active.remove(self)

    def __reduce_ex__(self, protocol: Any) -> Any:
        if self in _active:  # a generator's, in data
            raise self.refusal()
        return super().__reduce_ex__(protocol)

    def refusal(self) -> NotMigratable:
        """Why the task stays."""
        why = f": {self._reason}" if self._reason else ""
        return NotMigratable(
            f"the task is pinned by `with hetmig.pinned()` in {self._place}{why}; it can move as "
            "soon as that block has ended"
        )


_active: list[pinned] = []


def require_unpinned() -> None:
    """Raise NotMigratable in the innermost block that pins the task, if there is one."""
    for block in reversed(_active):
        raise block.refusal()
