"""The process that a node's runners are forked from: everything is imported in it, once and warm.

A runner that starts as an interpreter of its own takes a third of a second of processor time, and
its first pickle and its first capture take milliseconds, in which a task stands still.  What is
forked has all that behind it.  (As `multiprocessing`'s fork server does,
https://docs.python.org/3/library/multiprocessing.html#contexts-and-start-methods, but of our own,
as each child's way to the node must not depend on the server's life.)

The node's end of descriptor 0 says `fork` and sends the control line of the child along, or `kill`
and a process id.  The server answers with `ready`, `forked PID`, `ended PID CODE`, a line each.
It runs no thread and opens no other file: nothing that a fork could not carry along.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import sys
import threading
from typing import Any

from hetmig.interpreter import inherited
from hetmig.node import runner
from hetmig.node.signals import ignore_sigterm
from hetmig.node.warming import warm_up

__all__ = ["main"]

_MESSAGE = 4096


class _Server:
    def __init__(self) -> None:
        self._node = socket.socket(fileno=os.dup(0))
        self._children: set[int] = set()
        self._begun = b""
        self._bell, self._rung = os.pipe()
        os.set_blocking(self._bell, False)
        os.set_blocking(self._rung, False)
        signal.signal(signal.SIGCHLD, lambda signum, frame: None)
        signal.set_wakeup_fd(self._rung, warn_on_full_buffer=False)

    def serve(self) -> int:
        """Fork whenever the node says so; returns in each child, with its control line.

        Raises SystemExit when the node has gone.
        """
        self._say("ready")
        while True:
            waiting: list[Any] = [self._node, self._bell]
            readable, *_ = select.select(waiting, [], [])
            if self._bell in readable:
                self._bury()
            if self._node in readable:
                child = self._obey()
                if child is not None:
                    return child

    def _obey(self) -> int | None:
        data, control = b"", list[int]()
        with contextlib.suppress(ConnectionResetError):  # killed before it had read what we said
            data, control, *_ = socket.recv_fds(self._node, _MESSAGE, 1)
        if not data:
            sys.exit(0)
        *lines, self._begun = (self._begun + data).split(b"\n")
        for line in lines:
            order, _, argument = line.partition(b" ")
            if order == b"kill" and int(argument) in self._children:  # so nobody else has its id
                os.kill(int(argument), signal.SIGKILL)
            elif order == b"fork":
                pid = os.fork()
                if pid == 0:
                    self._leave()
                    return control[0]
                os.close(control[0])
                self._children.add(pid)
                self._say(f"forked {pid}")
        return None

    def _bury(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while os.read(self._bell, _MESSAGE):
                pass
        with contextlib.suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                self._children.discard(ended[0])
                self._say(f"ended {ended[0]} {os.waitstatus_to_exitcode(ended[1])}")

    def _say(self, text: str) -> None:
        try:
            self._node.sendall(text.encode() + b"\n")
        except (BrokenPipeError, ConnectionResetError):
            sys.exit(0)  # the node has died; our children know it by their own lines

    def _leave(self) -> None:
        """Be a child: nothing of the server's is ours."""
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        self._node.close()
        os.close(self._bell)
        os.close(self._rung)


def main(config: dict[str, Any]) -> None:
    """Be the fork server, and in each child a runner."""
    if config.get("sturdy"):
        ignore_sigterm()
    warm_up()
    inherited.leave_alone()
    if threading.active_count() > 1:
        sys.exit("a thread runs in every interpreter here: runners are not forked")
    control = _Server().serve()
    os.setsid()
    os.dup2(control, 0)
    os.close(control)
    with open(0, "rb", closefd=False) as line:
        own = line.readline()
    runner.main(json.loads(own) if own else sys.exit(1))
