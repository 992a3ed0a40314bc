"""Calls of an actor from a client, on asyncio: delivered once, in order, and their answers fetched.

A call is numbered and repeated until the actor's mailbox has it.  One long poll for each actor with
open calls brings the answers.  What happens to the actor meanwhile, moves or a broken link, only
makes it take longer.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from typing import TYPE_CHECKING, Any

from hetmig.errors import HetmigError, InMotion, MailboxFull, NodeUnreachable
from hetmig.node import protocol
from hetmig.node.protocol import rebuild_error
from hetmig.state.image import Image
from hetmig.state.parcel import Parcel

if TYPE_CHECKING:
    from hetmig.connection import Connection, End

__all__ = ["Caller"]

_MOST_OPEN = 10_000
_AT_ONCE = 64
"""Calls on their way to the mailbox at the same time."""
_PATIENCE = 30.0
"""Seconds without a word from the actor's nodes after which its calls are given up."""
_PAUSE = 0.02
_POLL_SECONDS = 5.0
_ANSWER_SECONDS = 20.0
_QUIET_SECONDS = 0.5


class Caller:
    """All calls of one connection to one actor.  To be used within the connection's event loop."""

    def __init__(self, connection: Connection, task: str, home: dict[str, Any]) -> None:
        self._connection = connection
        self._actor = {"task": task, "home": home}
        self._open: dict[int, asyncio.Future[End]] = {}
        self._gate = asyncio.Semaphore(_AT_ONCE)
        self._called = asyncio.Event()
        self._collector: asyncio.Task[None] | None = None
        self._deliveries: set[asyncio.Task[None]] = set()
        self._begin_anew()

    def _begin_anew(self) -> None:
        self._sender = secrets.token_hex(8)
        self._last = 0
        self._unaccepted: dict[int, None] = {}
        self._heard = time.monotonic()

    def call(self, method: str, frozen: Image) -> asyncio.Future[End]:
        """Call a method; the future of how it ends.  Raises MailboxFull."""
        if len(self._open) >= _MOST_OPEN:
            raise MailboxFull(f"{_MOST_OPEN} calls of this actor wait for their answers")
        if not self._open:
            self._heard = time.monotonic()
        self._last = number = self._last + 1
        future = self._open[number] = asyncio.get_running_loop().create_future()
        self._unaccepted[number] = None
        delivery = asyncio.create_task(self._deliver(number, method, frozen))
        self._deliveries.add(delivery)
        delivery.add_done_callback(self._deliveries.discard)
        self._called.set()
        if self._collector is None or self._collector.done():
            self._collector = asyncio.create_task(self._collect())
        return future

    async def close(self, error: HetmigError) -> None:
        """Give up all open calls."""
        tasks = [*self._deliveries, *([self._collector] if self._collector else [])]
        self._fail(error)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0)  # those who wait for the futures hear of it

    async def _deliver(self, number: int, method: str, frozen: Image) -> None:
        sender = self._sender
        parcel = Parcel(frozen.manifest(), [memoryview(frame) for frame in frozen.frames], True)
        async with self._gate:
            while sender == self._sender:
                base = next(iter(self._unaccepted))
                about = {"method": method, "sender": sender, "n": number, "base": base}
                if await self._told(protocol.CALL, about, parcel, _ANSWER_SECONDS) is not None:
                    self._unaccepted.pop(number, None)
                    return
                await asyncio.sleep(_PAUSE)

    async def _collect(self) -> None:
        got: list[int] = []
        while True:
            while self._open:
                low = next(iter(self._open))
                got = [number for number in got if number >= low]
                about = {"sender": self._sender, "low": low, "got": got, "seconds": _POLL_SECONDS}
                seconds = _POLL_SECONDS + _ANSWER_SECONDS
                told = await self._told(protocol.ANSWERS, about, None, seconds)
                if told is None:
                    await asyncio.sleep(_PAUSE)
                else:
                    got += self._take_in(*told)
            # The last ones were not acknowledged yet; if nothing follows, say so by itself.
            self._called.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_QUIET_SECONDS):
                    await self._called.wait()
            if not self._open:
                about = {"sender": self._sender, "low": self._last + 1, "got": [], "seconds": 0}
                await self._told(protocol.ANSWERS, about, None, _ANSWER_SECONDS)
                if not self._open:
                    return

    def _take_in(self, header: dict[str, Any], parcel: Parcel | None) -> list[int]:
        frames = [] if parcel is None else list(parcel.frames)
        received = []
        for answer in header["answers"]:
            mine, frames = frames[: answer["frames"]], frames[answer["frames"] :]
            received.append(answer["n"])
            future = self._open.pop(answer["n"], None)
            if future is not None and not future.done():
                future.set_result(_end(answer, mine))
        return received

    async def _told(
        self, kind: str, about: dict[str, Any], parcel: Parcel | None, timeout: float
    ) -> tuple[dict[str, Any], Parcel | None] | None:
        """The answer to a request; None if it is to be made again, or all has failed."""
        sender = self._sender
        try:
            told = await self._connection.ask(kind, {**self._actor, **about}, parcel, timeout)
        except (InMotion, MailboxFull):
            self._heard = time.monotonic()
            return None
        except NodeUnreachable as error:
            if sender == self._sender and time.monotonic() - self._heard > _PATIENCE:
                self._fail(error)
            return None
        except HetmigError as error:
            if sender == self._sender:
                self._fail(error)
            return None
        self._heard = time.monotonic()
        return told

    def _fail(self, error: HetmigError) -> None:
        """Nothing will come of the open calls any more; later ones begin anew."""
        opened, self._open = self._open, {}
        self._begin_anew()
        for future in opened.values():
            if not future.done():
                future.set_exception(error)


def _end(answer: dict[str, Any], frames: list[memoryview]) -> End:
    """What an actor said of a call, still frozen."""
    from hetmig.connection import End

    if answer["error"] is not None:
        return End(ok=False, error=rebuild_error(answer["error"]))
    image = Image.of_parcel(Parcel(answer["manifest"], frames, True))
    return End(answer["ok"], answer["traceback"], None, image, answer["manifest"])
