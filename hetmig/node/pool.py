"""Runner processes, some of them warm: started, connected, everything imported, without a task."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import os
import shutil
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import zmq.asyncio

from hetmig.errors import HetmigError, ProtocolError
from hetmig.node import protocol, rlimits, sockets
from hetmig.node.background import spawn
from hetmig.node.caps import Caps
from hetmig.node.keys import Identity
from hetmig.node.processes import Child, Children
from hetmig.node.protocol import Buffer, Message

__all__ = ["Pool", "Runner"]

_log = logging.getLogger("hetmig")
DOMAIN = "hetmig.runners"
_MOST_PINGS = 1000
START_SECONDS = 60.0
"""A runner under CPU emulation takes some seconds to start; one that takes longer is stuck."""
_REPLENISH_SECONDS = 0.1
"""A new spare starts only after a moment, so as not to compete with a handoff in progress."""

_DRAIN_SECONDS = 0.1
"""What a process sent before it died can still be on its way when its end is known."""


class Runner:
    """One child process, from the node's side."""

    def __init__(self, pool: Pool, number: int) -> None:
        self._pool = pool
        self.number = number
        self.identity = Identity.generate()  # for this one process, handed over by its stdin
        self.pid = 0
        """The interpreter's own process id; under a wrapper it can differ from the child's."""
        loop = asyncio.get_running_loop()
        self.ready: asyncio.Future[Any] = loop.create_future()
        self.exited: asyncio.Future[Any] = loop.create_future()
        """How it ended, in words such as "was killed by SIGSEGV"."""
        self.about: dict[str, Any] = {}
        """The task that it has, or puts together."""
        self.on_message: Callable[[Message], None] | None = None
        self.asked: float | None = None
        """Since when (monotonic) it owes us an answer to a PING."""
        self._pings = 0
        """How many it has not answered."""
        self._route: bytes | None = None
        self._sent = 0
        self._is_killed = False
        self.is_fresh = True
        """Whether nothing of a task has come into it so far."""
        self.is_prepared = False
        """Whether it has read the code of the task that is to come."""
        self.is_leaving = False
        """Whether its task has ended or left, so that it will end as well."""
        self._process: Child | None = None

    def start(self, children: Children, config: dict[str, Any]) -> None:
        """Start the process (blocking, for a thread)."""
        self._process = children.start(config)
        self.pid = self._process.pid

    def wait(self) -> str:
        """Block until the process has ended; how, in words (for a thread)."""
        assert self._process is not None
        code = self._process.wait()
        if code is None:
            return "ended, nobody knows how: the process that started it is gone as well"
        if code >= 0:
            return f"exited with code {code}"
        try:
            how = f"was killed by {signal.Signals(-code).name}"
        except ValueError:
            how = f"was killed by signal {-code}"
        return how if self._is_killed else rlimits.explain(how, code, self._pool.caps.of_runner)

    def send(self, kind: str, header: dict[str, Any], payload: Sequence[Buffer] = ()) -> None:
        """Send it a message; without effect once it is gone."""
        if kind in (protocol.BYE, protocol.GONE):
            self.is_leaving = True
        if self._route is not None:
            self._sent += 1
            self._pool.send(self._route, kind, header, payload)

    def interrupt(self, signum: int) -> None:
        """Make its main thread look for messages."""
        if self.exited.done():
            return
        if os.name == "posix":
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signum)
        else:
            self._write(b"interrupt\n")

    def ask(self) -> None:
        """Make another of its threads look for the messages sent, as the main thread does not."""
        if not self.exited.done():
            self._write(b"ask %d\n" % self._sent)

    def ping(self, now: float) -> None:
        """Ask whether anything in it can run; once more each time, until it has said something.

        What keeps it from answering at that moment need not be anything that is said to us.
        """
        if self.exited.done():
            return
        if self.asked is None:
            self.asked, self._pings = now, 0
        if self._pings < _MOST_PINGS:  # else they would fill the line of a process that is stopped
            self._pings += 1
            self._write(b"ping\n")

    def kill(self) -> None:
        """End it at once."""
        self._is_killed = self.is_leaving = True
        if self._process is not None and not self.exited.done():
            self._process.kill()

    def connected(self, message: Message) -> None:
        """Its READY arrived."""
        self._route = message.route
        self.pid = protocol.want(message.header, "pid", int)
        if not self.ready.done():
            self.ready.set_result(None)

    def _write(self, data: bytes) -> None:
        assert self._process is not None
        self._process.write(data)  # if it has ended, `exited` reports that


def _memory_of(pid: int) -> int:
    with contextlib.suppress(OSError, ValueError, IndexError, AttributeError):
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")
    return 0


class Pool:
    """Starts runners, keeps `spare` of them warm, and carries the messages to and from them."""

    def __init__(
        self,
        context: zmq.asyncio.Context,
        gatekeeper: sockets.Gatekeeper,
        *,
        command: Sequence[str],
        spare: int,
        about: dict[str, Any],
        caps: Caps | None = None,
    ) -> None:
        self._executable = shutil.which(command[0]) or command[0]
        self._children = Children(command, bool(about.get("sturdy")))
        self._spare = spare
        self._about = about
        self.caps = Caps() if caps is None else caps
        self._numbers = itertools.count(1)
        self._identity = Identity.generate()
        self._runners: dict[bytes, Runner] = {}
        self._warm: deque[Runner] = deque()
        self._waiting: deque[asyncio.Future[Runner]] = deque()
        self._starting: set[Runner] = set()
        self._closed = False
        gatekeeper.admit(DOMAIN, self._runners.__contains__)
        # No heartbeats: a node that was stopped for a while (Ctrl-Z) must find its runners again.
        # That one of the two has died is known by its process or its control line.
        door, self._endpoint = sockets.make_door(
            context, self._identity, DOMAIN, "tcp://127.0.0.1:0", heartbeats=False
        )
        self._transport = sockets.Transport(door, self._received)
        self.replenish()

    @property
    def size(self) -> int:
        """Runners there are, the warm ones included."""
        return len(self._runners)

    @property
    def warm(self) -> int:
        """Runners that are ready for a task."""
        return len(self._warm)

    def memory(self) -> int | None:
        """Bytes this process and all runners use; None where the system does not say."""
        pids = [os.getpid(), *(runner.pid for runner in self._runners.values())]
        return sum(map(_memory_of, pids)) or None

    async def take(self) -> Runner:
        """A ready runner, warm if there is one.

        Raises QuotaExceeded if there are too many, HetmigError if it does not start.
        """
        if self._closed:
            raise HetmigError("the node is shutting down")
        waiting = sum(not future.done() for future in self._waiting)
        busy = sum(not runner.is_leaving for runner in self._runners.values())
        free = len(self._warm) + len(self._starting)
        self.caps.require_runner(busy - free + waiting)
        if self._warm:
            asyncio.get_running_loop().call_later(_REPLENISH_SECONDS, self.replenish)
            return self._warm.popleft()
        future: asyncio.Future[Runner] = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        self.replenish()
        try:
            return await future
        except asyncio.CancelledError:
            if future.done() and not future.cancelled() and future.exception() is None:
                self.give_back(future.result())  # it came in the very moment
            raise

    async def ready(self) -> None:
        """Wait until a runner is warm.  Raises HetmigError if none starts."""
        for runner in list(self._starting):
            await asyncio.wait([runner.ready, runner.exited], return_when=asyncio.FIRST_COMPLETED)
            if not runner.ready.done():
                raise HetmigError(f"a runner {runner.exited.result()} before it was ready")

    def give_back(self, runner: Runner) -> None:
        """A taken runner which was not used after all."""
        runner.on_message = None
        if not runner.is_fresh:
            runner.kill()
        elif not runner.exited.done():
            self._offer(runner)

    def replenish(self) -> None:
        """Start as many runners as are missing."""
        missing = self._spare + len(self._waiting) - len(self._warm) - len(self._starting)
        for _ in range(0 if self._closed else missing):
            runner = Runner(self, next(self._numbers))
            self._runners[runner.identity.public] = runner
            self._starting.add(runner)
            spawn(self._start(runner))

    def send(self, route: bytes, kind: str, header: dict[str, Any], payload: Any = ()) -> None:
        """Send to the runner at this route."""
        self._transport.send([route, *protocol.encode(kind, header, payload)])

    async def close(self) -> None:
        """Kill every runner and wait until all are gone."""
        self._closed = True
        for future in self._waiting:
            future.cancel()
        runners = list(self._runners.values())
        for runner in runners:
            runner.kill()
        if runners:
            await asyncio.wait([runner.exited for runner in runners], timeout=5)
        self._children.close()
        self._transport.close()

    async def _start(self, runner: Runner) -> None:
        config = {
            "endpoint": self._endpoint,
            "server": self._identity.public.decode(),
            "public": runner.identity.public.decode(),
            "secret": runner.identity.secret.decode(),
            "path": [entry for entry in sys.path if entry],
            "executable": self._executable,
            "caps": self.caps.of_runner,
            **self._about,
        }
        try:
            loop = asyncio.get_running_loop()
            await loop.run_in_executor(None, runner.start, self._children, config)
        except OSError as error:
            self._ended(runner, f"could not be started: {error}")
            return
        # A thread for each child: the one way to wait for it that works everywhere.
        threading.Thread(
            target=self._wait, args=(runner, loop), name=f"runner {runner.number}", daemon=True
        ).start()
        if self._closed:
            runner.kill()
        await asyncio.wait([runner.ready, runner.exited], timeout=START_SECONDS,
                           return_when=asyncio.FIRST_COMPLETED)  # fmt: skip
        self._starting.discard(runner)
        if runner.ready.done():
            self._offer(runner)
        elif not runner.exited.done():
            _log.error("a runner was not ready after %g s and is killed", START_SECONDS)
            runner.kill()

    def _wait(self, runner: Runner, loop: asyncio.AbstractEventLoop) -> None:
        how = runner.wait()
        with contextlib.suppress(RuntimeError):  # the node has stopped meanwhile
            loop.call_soon_threadsafe(loop.call_later, _DRAIN_SECONDS, self._ended, runner, how)

    def _offer(self, runner: Runner) -> None:
        """A runner is free: to whoever waits longest, else it stays warm."""
        while self._waiting:
            future = self._waiting.popleft()
            if not future.done():
                future.set_result(runner)
                return
        if len(self._warm) < self._spare:
            self._warm.append(runner)
        else:
            runner.kill()

    def _ended(self, runner: Runner, how: str) -> None:
        self._runners.pop(runner.identity.public, None)
        self._starting.discard(runner)
        if not runner.exited.done():
            runner.exited.set_result(how)
        if runner in self._warm:
            self._warm.remove(runner)
            self.replenish()
        if not runner.ready.done() and not self._closed:
            # Not started anew by itself: it would fail again and again.
            _log.error("a runner %s before it was ready", how)
            while self._waiting:
                future = self._waiting.popleft()
                if not future.done():
                    future.set_exception(HetmigError(f"a runner {how} before it was ready"))
                    return

    def _received(self, frames: list[zmq.Frame]) -> None:
        try:
            self._dispatch(frames)
        except ProtocolError as error:
            _log.warning("from a runner: %s", error)

    def _dispatch(self, frames: list[zmq.Frame]) -> None:
        message = protocol.decode(frames[1:])
        message.route = frames[0].bytes
        # The authenticated key says which runner it is, whatever the message claims.
        runner = self._runners.get(str(frames[1].get("User-Id")).encode())
        if runner is None:
            return
        runner.asked = None  # whatever it says, it is alive
        if message.kind == protocol.READY:
            runner.connected(message)
        elif runner.on_message is not None:
            runner.on_message(message)
