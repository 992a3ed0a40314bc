"""The way from a task to files at other nodes: through the node it is on, or straight there."""

from __future__ import annotations

import errno
import itertools
import os
import threading
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from hetmig.errors import HetmigError
from hetmig.node import protocol, sleeping
from hetmig.node.protocol import Buffer, Message
from hetmig.redirection.line import Answer
from hetmig.redirection.os_errors import as_os_error
from hetmig.redirection.raw import close_late

if TYPE_CHECKING:
    from hetmig.node.direct import Direct
    from hetmig.node.runtime import Runtime

__all__ = ["FileLine"]

_TURN_SECONDS = 0.2
_OTHERS_SECONDS = 0.001
_DIRECT_SECONDS = 5.0
"""After which what was asked straight there is asked through the node."""
_DIRECT = frozenset({"read", "write", "append"})


class FileLine:
    """Questions about files; see `hetmig.redirection.line.Line`.

    None of them is open when a task leaves: what is on its way then is asked for anew.
    """

    def __init__(self, runtime: Runtime) -> None:
        self.here: dict[str, Any] = {}
        self.direct: Direct | None = None
        self.keeps = self.divides = False
        self.runs = False
        """Whether the task runs here, and is not just being put together."""
        self._runtime = runtime
        self._numbers = itertools.count(1)
        self._dropped: set[int] = set()
        self._answers: dict[int, tuple[dict[str, Any], Sequence[Buffer]]] = {}
        self._straight: dict[int, tuple[Mapping[str, Any], Sequence[Buffer]]] = {}
        """What was asked straight at the file's node, and is not answered."""

    def ask(self, header: Mapping[str, Any], payload: Sequence[Buffer] = ()) -> int:
        """Ask for an operation; the number of the question."""
        if os.getpid() != self._runtime.process:
            raise OSError(errno.EBADF, "a forked child can't use a file of another node")
        if not self.is_busy:
            close_late()
        number = next(self._numbers)
        if not self._ask_straight(number, header, payload):
            self._ask_node(number, header, payload)
        return number

    def _ask_node(self, number: int, header: Mapping[str, Any], payload: Sequence[Buffer]) -> None:
        asked = {"number": number, "header": dict(header), "runs": self.runs}
        self._runtime.post(protocol.FILE, asked, payload)

    def _ask_straight(
        self, number: int, header: Mapping[str, Any], payload: Sequence[Buffer]
    ) -> bool:
        direct, place = self.direct, header["at_node"]
        if direct is None or not self.runs or header["op"] not in _DIRECT or place == self.here:
            return False
        if not direct.is_decided(place):
            grant = {**header, "op": "grant", "key": direct.key}
            try:
                self.answer(self.ask(grant))
            except (OSError, HetmigError):
                direct.open(place, allowed=False)
            else:
                direct.open(place, allowed=True)
        self._straight[number] = header, payload
        if direct.send(place, number, header, payload):
            return True
        del self._straight[number]
        return False

    @property
    def is_busy(self) -> bool:
        """Whether this thread is about to say something else: a collected object must wait."""
        asks = self.direct is not None and self.direct.lock.owner == threading.get_ident()
        return asks or self._runtime.telling.is_speaking

    def heard(self, message: Message) -> None:
        """The node answers."""
        number = protocol.want(message.header, "re", int)
        if number in self._dropped:
            self._dropped.discard(number)
        else:
            self._answers[number] = message.header["told"], message.payload

    def drop(self, number: int) -> None:
        """Nobody waits for that answer any more."""
        if self._straight.pop(number, None) is None and self._answers.pop(number, None) is None:
            self._dropped.add(number)

    def answer(self, number: int) -> Answer:
        """Wait for the answer.  Raises OSError, or the HetmigError that it is."""
        is_main = threading.current_thread() is threading.main_thread()
        try:
            if number in self._straight:
                self._await_straight(number, is_main)
            while number not in self._answers:
                # the main thread is in a C function of the io module: it can't be moved meanwhile
                heard = self._runtime.hearing.hear(_TURN_SECONDS if is_main else 0)
                if not heard or not (is_main or number in self._answers):
                    sleeping.rest_aside(_OTHERS_SECONDS)
        except BaseException:  # Ctrl-C, say
            self.drop(number)
            raise
        told, payload = self._answers.pop(number)
        if "os_error" in told:
            raise as_os_error(told["os_error"])
        if "error" in told and isinstance(told["error"], dict):
            raise protocol.rebuild_error(told["error"])
        return told, payload

    def _await_straight(self, number: int, is_main: bool) -> None:
        """Wait for an answer from the file's node itself; if there is none, ask our own."""
        assert self.direct is not None
        header, payload = self._straight[number]
        place, until = header["at_node"], time.monotonic() + _DIRECT_SECONDS
        while number in self._straight:
            if not self.direct.leads_to(place) or time.monotonic() > until:
                self.direct.close(place)
                del self._straight[number]
                self._ask_node(number, header, payload)
                return
            seconds = _TURN_SECONDS if is_main else _OTHERS_SECONDS
            for message in self.direct.receive(place, seconds):
                self._heard_straight(message)

    def _heard_straight(self, message: Message) -> None:
        number = message.header.get("re")
        if not isinstance(number, int) or self._straight.pop(number, None) is None:
            return  # dropped, or asked in another way since
        told = message.header.get("told")
        if message.kind == protocol.REPLY and isinstance(told, dict):
            self._answers[number] = told, message.payload
        else:
            self._answers[number] = {"error": message.header.get("error") or {}}, ()
