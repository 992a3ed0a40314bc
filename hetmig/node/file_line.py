"""The way from a task to files at other nodes: through the node it is on."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from hetmig.node import protocol, sleeping
from hetmig.node.protocol import Buffer, Message
from hetmig.redirection.line import Answer
from hetmig.redirection.os_errors import as_os_error
from hetmig.redirection.raw import close_late

if TYPE_CHECKING:
    from hetmig.node.runtime import Runtime

__all__ = ["FileLine"]

_TURN_SECONDS = 0.2
_OTHERS_SECONDS = 0.001


class FileLine:
    """Questions about files; see `hetmig.redirection.line.Line`.

    None of them is open when a task leaves: what is on its way then is asked for anew.
    """

    def __init__(self, runtime: Runtime) -> None:
        self.here: dict[str, Any] = {}
        self.keeps = False
        self.runs = False
        """Whether the task runs here, and is not just being put together."""
        self._runtime = runtime
        self._numbers = itertools.count(1)
        self._dropped: set[int] = set()
        self._answers: dict[int, tuple[dict[str, Any], list[Buffer]]] = {}

    def ask(self, header: Mapping[str, Any], payload: Sequence[Buffer] = ()) -> int:
        """Ask for an operation; the number of the question."""
        if not self.is_busy:
            close_late()
        number = next(self._numbers)
        asked = {"number": number, "header": dict(header), "runs": self.runs}
        self._runtime.post(protocol.FILE, asked, payload)
        return number

    @property
    def is_busy(self) -> bool:
        """Whether this thread is about to say something else: a collected object must wait."""
        return self._runtime.is_speaking

    def heard(self, message: Message) -> None:
        """The node answers."""
        number = protocol.want(message.header, "re", int)
        if number in self._dropped:
            self._dropped.discard(number)
        else:
            self._answers[number] = message.header["told"], message.payload

    def drop(self, number: int) -> None:
        """Nobody waits for that answer any more."""
        if self._answers.pop(number, None) is None:
            self._dropped.add(number)

    def answer(self, number: int) -> Answer:
        """Wait for the answer.  Raises OSError, or the HetmigError that it is."""
        is_main = threading.current_thread() is threading.main_thread()
        try:
            while number not in self._answers:
                # the main thread is in a C function of the io module: it can't be moved meanwhile
                heard = self._runtime.hear(_TURN_SECONDS if is_main else 0)
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
