"""A task ends on this node: that is on the disk, together with how, before others hear of it."""

from __future__ import annotations

import asyncio
import functools
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from hetmig.errors import NotMigratable, TaskLost
from hetmig.node import protocol
from hetmig.node.events import happened
from hetmig.node.handoff import State
from hetmig.node.pool import Runner
from hetmig.node.protocol import Buffer, Message
from hetmig.state.manifest import this_python

if TYPE_CHECKING:
    from hetmig.node.hosted import Hosted

__all__ = ["Ending"]

_OF_END = ("n", "ok", "traceback", "kind", "portable")
_DISK_SECONDS = 1.0
"""After which something that could not be written to the disk is tried again."""


class Ending:
    """How one task ends on this node: by itself, by somebody's wish, or with its process."""

    def __init__(self, hosted: Hosted) -> None:
        self.cancelled = False
        """Whether what would begin here must not any more."""
        self._hosted = hosted

    def end(self, message: Message | None = None, error: dict[str, Any] | None = None) -> None:
        """The task came to its end here, by itself (`message`) or before it began (`error`)."""
        hosted = self._hosted
        if hosted.handoff.state is not State.RUNNING:
            return
        hosted.begun.set()
        hosted.fail_freeze(NotMigratable("the task has ended"))
        header = message.header if message else {"n": 1, "ok": False, "traceback": ""}
        chosen = {item: header[item] for item in _OF_END if item in header}
        payload = message.payload if message else []
        self._conclude(
            "end", payload, **chosen, hops=hosted.about["hops"], error=error, python=this_python()
        )

    def lose(self, reason: str) -> None:
        """The task will not come to an end of its own."""
        self._conclude("lost", reason=reason)

    async def cancel(self) -> bool:
        """End the task at once; False if it has ended by itself or is on another node now."""
        hosted = self._hosted
        hosted.fail_freeze(NotMigratable("the task was cancelled"))
        hosted.transitions.take(lambda: hosted.handoff.expire("the task was cancelled"))
        if hosted.handoff.state is State.RUNNING:
            return self.cancel_here()  # a move under way finds that out before it goes on
        async with hosted.moving:  # what was committed to another node is no more ours to end
            return self.cancel_here()

    def cancel_here(self, because: str = "") -> bool:
        """End it at once, if it is running on this node; `because`: nobody has wished for that."""
        hosted = self._hosted
        if hosted.handoff.state is not State.RUNNING:
            return False
        self.cancelled = True
        if hosted.runner is not None:
            hosted.runner.kill()
        if because:
            self._conclude("lost", reason=because)
        else:
            self._conclude("cancelled")
        return True

    def runner_ended(self, runner: Runner, how: str) -> None:
        """Its process is gone.  A frozen task may still live on at its destination."""
        hosted = self._hosted
        if runner is not hosted.runner:
            return
        hosted.fail_freeze(TaskLost(f"the runner {how}"))
        handoff = hosted.handoff
        if handoff.state is State.RUNNING:
            self.lose(f"the process that ran task {hosted.id} {how}")
        elif handoff.state is State.STAGED:
            hosted.transitions.take(lambda: handoff.refuse(handoff.epoch, f"the runner {how}"))

    def _conclude(self, what: str, payload: Sequence[Buffer] = (), **header: Any) -> None:
        """The task ends here: first that is on the disk, together with how, then others hear it."""
        hosted = self._hosted
        if hosted.handoff.state is not State.RUNNING:
            return
        header = {"time": time.time(), **hosted.calls.end(hosted.about), **header}
        report = hosted.described(what, header)
        keep = functools.partial(hosted.node.keep_report, hosted.about, report, payload)
        if not hosted.transitions.take(hosted.handoff.end, also=keep):
            again = functools.partial(self._conclude, what, payload, **header)
            asyncio.get_running_loop().call_later(_DISK_SECONDS, again)
            return
        if hosted.runner is not None:
            hosted.runner.send(protocol.BYE, {})
        how = what if what != "end" else "done" if report.get("ok") else "failed"
        happened("ended", hosted.id, report["epoch"], how=how)
        hosted.node.report(hosted.about, report, payload)
        if report.get("ok"):
            hosted.node.checkpoints.ended(hosted)
