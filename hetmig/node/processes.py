"""A runner's process, from the node's side: forked by the fork server, or started by itself.

Either way standard input is its control line, at whose end it ends.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import queue
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from typing import Any, Protocol

__all__ = ["Child", "Children", "can_fork"]

_log = logging.getLogger("hetmig")
_START_SECONDS = 60.0
"""Under CPU emulation an interpreter takes some seconds to start."""
_FORK_SECONDS = 10.0
_LOOK_SECONDS = 0.2

_BEGIN = (
    "import json, sys; line = sys.stdin.buffer.readline() or sys.exit(1); "  # the node has died
    "config = json.loads(line); sys.path[:] = config['path']; "
    "from hetmig.node import asynchronous; asynchronous.install(); "
)
_RUNNER = _BEGIN + "from hetmig.node.runner import main; main(config)"
_SERVER = _BEGIN + "from hetmig.node.forkserver import main; main(config)"


class Child(Protocol):
    """A runner's process."""

    pid: int
    """Its process id, as far as this side knows; under a wrapper, the wrapper's."""

    def write(self, data: bytes) -> None:
        """Write to its control line; without effect if it has ended."""

    def wait(self) -> int | None:
        """Block until it has ended: its exit code, -N for signal N, None if nobody knows."""

    def kill(self) -> None:
        """End it at once."""


def can_fork() -> bool:
    """Whether runners can be forked on this system.

    Not on macOS, whose libraries may crash in a process that was forked and has not called exec
    (https://github.com/python/cpython/issues/77906).
    """
    return hasattr(os, "fork") and hasattr(socket, "send_fds") and sys.platform != "darwin"


def _is_zombie(pid: int) -> bool:
    """Whether it has ended and nobody has waited for it: not every process 1 does (Linux)."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as stat:
            return stat.read().rpartition(b")")[2].split()[0] in (b"Z", b"X")
    except (OSError, IndexError):
        return False


class _Spawned:
    """An interpreter of its own."""

    def __init__(self, command: Sequence[str]) -> None:
        self._process = subprocess.Popen(
            [*command, "-P", "-c", _RUNNER],
            stdin=subprocess.PIPE,
            bufsize=0,
            start_new_session=True,  # Ctrl-C at the node's terminal is for the node
        )
        self.pid = self._process.pid

    def write(self, data: bytes) -> None:
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError, ValueError):
            self._process.stdin.write(data)

    def wait(self) -> int | None:
        code = self._process.wait()
        assert self._process.stdin is not None
        self._process.stdin.close()
        return code

    def kill(self) -> None:
        self._process.kill()
        assert self._process.stdin is not None
        self._process.stdin.close()  # ends it too if the child was only a wrapper


class _Forked:
    """A child of the fork server."""

    def __init__(self, server: _ForkServer, pid: int, control: int) -> None:
        self._server = server
        self.pid = pid
        self._control: int | None = control
        self._closing = threading.Lock()
        self._over = threading.Event()
        self._code: int | None = None

    def write(self, data: bytes) -> None:
        with self._closing, contextlib.suppress(BrokenPipeError):
            if self._control is not None:
                os.write(self._control, data)

    def wait(self) -> int | None:
        self._over.wait()
        while self._code is None and self._is_there():  # the server is gone, and we are no parent
            time.sleep(_LOOK_SECONDS)
        self._hang_up()
        return self._code

    def kill(self) -> None:
        self._server.kill(self.pid)
        self._hang_up()  # ends it too if the server can't

    def over(self, code: int | None) -> None:
        """The server says that it has ended; or, without a code, the server itself has."""
        self._code = code
        self._over.set()

    def _is_there(self) -> bool:
        try:  # process 1 inherits it, which in a container may be this very process
            ended, status = os.waitpid(self.pid, os.WNOHANG)
            if ended:
                self._code = os.waitstatus_to_exitcode(status)
                return False
        except ChildProcessError:
            pass
        try:
            os.kill(self.pid, 0)
        except (ProcessLookupError, PermissionError):  # or another's process has that id by now
            return False
        return not _is_zombie(self.pid)

    def _hang_up(self) -> None:
        with self._closing:
            control, self._control = self._control, None
        if control is not None:
            os.close(control)


class _ForkServer:
    """The fork server's process.  Raises OSError or EOFError if it can't be one."""

    def __init__(self, command: Sequence[str], config: dict[str, Any]) -> None:
        self._line, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [*command, "-P", "-c", _SERVER], stdin=theirs.fileno(), start_new_session=True
            )
        self._children: dict[int, _Forked] = {}
        self._endings: dict[int, int] = {}
        self._told: queue.Queue[int | None] = queue.Queue()
        self._taking = threading.Lock()
        self._forking = threading.Lock()
        self.is_alive = True
        listener = threading.Thread(target=self._listen, name="fork server", daemon=True)
        listener.start()
        try:
            self._line.sendall(json.dumps(config).encode() + b"\n")
            self._answer(_START_SECONDS)
        except BaseException:
            self.close()
            raise

    def fork(self) -> _Forked:
        """Another child."""
        with self._forking:
            theirs, ours = os.pipe()
            try:
                socket.send_fds(self._line, [b"fork\n"], [theirs])
                pid = self._answer(_FORK_SECONDS)
            except BaseException:
                os.close(ours)
                raise
            finally:
                os.close(theirs)
        child = _Forked(self, pid, ours)
        with self._taking:
            if pid in self._endings:
                child.over(self._endings.pop(pid))
            elif not self.is_alive:
                child.over(None)
            else:
                self._children[pid] = child
        return child

    def kill(self, pid: int) -> None:
        """End a child of it, and nobody else: the process id may belong to another by now."""
        with contextlib.suppress(OSError):
            self._line.sendall(b"kill %d\n" % pid)

    def close(self) -> None:
        """End it; its children go on until their own lines end."""
        with contextlib.suppress(OSError):
            self._line.shutdown(socket.SHUT_RDWR)
        self._process.kill()
        self._process.wait()
        self._line.close()

    def _answer(self, seconds: float) -> int:
        try:
            pid = self._told.get(timeout=seconds)
        except queue.Empty:
            self.close()  # what it says later would be taken for the answer to another question
            raise TimeoutError("the fork server does not answer") from None
        if pid is None:
            raise EOFError("the fork server has ended")
        return pid

    def _listen(self) -> None:
        with contextlib.suppress(OSError), self._line.makefile("rb") as lines:
            for line in lines:
                match line.split():
                    case [b"ready"]:
                        self._told.put(0)
                    case [b"forked", pid]:
                        self._told.put(int(pid))
                    case [b"ended", pid, code]:
                        self._ended(int(pid), int(code))
        with self._taking:
            self.is_alive = False
            orphans, self._children = list(self._children.values()), {}
        self._told.put(None)
        for child in orphans:
            child.over(None)

    def _ended(self, pid: int, code: int) -> None:
        with self._taking:
            child = self._children.pop(pid, None)
            if child is None:  # so quickly that nobody knows it yet
                self._endings[pid] = code
                return
        child.over(code)


class Children:
    """Starts the processes of a node's runners, all by one command.  Its methods block."""

    def __init__(self, command: Sequence[str], sturdy: bool = False) -> None:
        self._command = list(command)
        self._sturdy = sturdy
        self._server: _ForkServer | None = None
        self._forks = can_fork()
        self._starting = threading.Lock()
        self._closed = False

    def start(self, config: dict[str, Any]) -> Child:
        """Start a process with that configuration.  Raises OSError if there can be none."""
        child: Child | None = self._fork(config["path"]) if self._forks else None
        if child is None:
            child = _Spawned(self._command)
        child.write(json.dumps(config).encode() + b"\n")
        return child

    def close(self) -> None:
        """End the fork server."""
        with self._starting:
            self._closed = True
            server, self._server = self._server, None
        if server is not None:
            server.close()

    def _fork(self, path: list[str]) -> Child | None:
        """A forked one; None, once and for all, if that can't be had with this command."""
        with self._starting:
            if self._server is None or not self._server.is_alive:
                if self._closed:
                    raise OSError("the node is shutting down")
                if self._server is not None:
                    self._server.close()
                try:
                    config = {"path": path, "sturdy": self._sturdy}
                    self._server = _ForkServer(self._command, config)
                except (OSError, EOFError) as error:
                    _log.info("runners are not forked here: %s", error)
                    self._forks = False
                    return None
            server = self._server
        try:
            return server.fork()
        except (OSError, EOFError) as error:
            _log.warning("a runner could not be forked and is started by itself: %s", error)
            return None
