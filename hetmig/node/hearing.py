"""What a runner hears from its node, in whichever thread has the channel just then."""

from __future__ import annotations

import threading
import time
from types import FrameType
from typing import TYPE_CHECKING

from hetmig.division import crew
from hetmig.errors import InMotion, NotMigratable
from hetmig.node import asynchronous, protocol, sleeping
from hetmig.node.protocol import Message

if TYPE_CHECKING:
    from hetmig.node.runtime import Runtime

__all__ = ["Hearing"]

_TURN_SECONDS = 0.001
_ARRIVAL_SECONDS = 0.02
"""How long a signal handler waits for the message that the signal announces."""


class Hearing:
    """What the node says to the task in this process, its newest request to freeze included."""

    def __init__(self, runtime: Runtime) -> None:
        self.request = 0
        self.portable = False
        """Whether the node asked for what every version of Python can read."""
        self.keep = ""
        """What the node does with the frozen task: "" moves it, "copy" and "stop" keep it."""
        self._runtime = runtime
        self._requests = asynchronous.Requests()
        self._notices = 0
        """The newest request which the node knows that we have seen."""
        self._missed = False
        """Whether somebody wanted to hear what the node says, and found the channel taken."""

    def hear_request(self) -> None:
        """A signal came: is there a request?  Runs in a signal handler of the main thread.

        Or in another thread, if the main thread is in C code that looks at no signals.
        """
        patience = 0 if self._runtime.preparing.note() else _ARRIVAL_SECONDS
        # by its number: to ask for the thread would make one of ours known to the program
        looking = threading.get_ident() == threading.main_thread().ident
        self.hear(patience, looking=looking)

    def search_takes_long(self) -> None:
        """The node is to knock no more: we have seen the request, and are at it.

        Else it learns that from the frozen task, which is most of the time there before this would
        be, and would have to wait for it.
        """
        lock = self._runtime.channel.lock
        if self._notices != self.request and lock.acquire(blocking=False):
            try:
                self._notice()
            finally:
                lock.release()

    def hear_all(self, count: int) -> None:
        """The node has sent so many messages: take in what others have not.  For another thread."""
        until = time.monotonic() + _ARRIVAL_SECONDS
        while self._runtime.channel.received < count and time.monotonic() < until:
            if not self.hear(_TURN_SECONDS):
                sleeping.rest_aside(_TURN_SECONDS)
        self._runtime.preemptor.keep_time()  # nothing can be found while the main thread is busy
        sleeping.wake()
        asynchronous.wake()

    def listen(self) -> None:
        """Take in what has arrived: for the main thread, before it rests."""
        while True:
            self._missed = False
            if not self.hear(0) or not self._missed:
                return

    def hear(self, patience: float, *, looking: bool = False) -> bool:
        """Take in what the node says, after waiting so long for it to begin.

        False if somebody else has the channel just now.  `looking`: see `Preemptor.begin`.
        """
        runtime, channel = self._runtime, self._runtime.channel
        if not channel.lock.acquire(blocking=False):
            self._missed = True
            return False  # perhaps we interrupted the one who sends; the node will knock again
        heard, deadline = 0, None
        replies: list[Message] = []
        try:
            while channel.arrives_within(patience):
                patience = 0
                message = channel.receive()
                heard += 1
                if message.kind == protocol.FREEZE:
                    deadline = self._asked_to_freeze(message, quietly=looking)
                elif message.kind == protocol.CALL and runtime.servant is not None:
                    runtime.servant.hear(message)
                else:
                    self._take_in(message, replies)
        finally:
            channel.lock.release()
        for message in replies:  # now that the channel is free
            runtime.desk.heard(message)
        if deadline is not None:
            runtime.preemptor.begin(deadline, looking=looking)
        if heard:  # else who waits would wake himself, again and again
            sleeping.wake()
            asynchronous.wake()
        return True

    def hear_aside(self, message: Message, replies: list[Message]) -> None:
        """What the node says while the task waits for something else, with the channel locked."""
        if message.kind == protocol.FREEZE:
            about = InMotion("the task is about to move already")
            self._decline(message.header["request"], about)
        else:
            self._take_in(message, replies)

    def _take_in(self, message: Message, replies: list[Message]) -> None:
        """What the node says, and means the same whatever the task does just now."""
        runtime = self._runtime
        if message.kind == protocol.REPLY:
            replies.append(message)  # for the desk, which uses the channel itself
        elif message.kind == protocol.PREPARE:
            runtime.preparing.asked(message)
        elif message.kind == protocol.SAVED:
            runtime.copies.saved()
        elif message.kind == protocol.DIVIDE:
            crew.ask(message.header)
        elif message.kind == protocol.FILED:
            runtime.files.heard(message)

    # A request to freeze ----------------------------------------------------------------------

    def _asked_to_freeze(self, message: Message, quietly: bool) -> float | None:
        """The time for finding a safe point; None if there is none any more."""
        self.request = message.header["request"]
        self.portable = message.header["portable"]
        self.keep = message.header.get("keep", "")
        self._requests.begin()
        if self._runtime.ended:
            self._decline(self.request, NotMigratable("the task has just ended", ended=1))
            return None
        if not quietly:
            self._notice()
        deadline: float = message.header["deadline"]
        return deadline

    def _notice(self) -> None:
        self._notices = self.request
        self._runtime.channel.send(protocol.FREEZING, {"request": self.request})

    def note(self, frame: FrameType, refusal: NotMigratable) -> None:
        """The task could not be taken at this place."""
        self._requests.note(frame, refusal)

    def expired(self, reason: NotMigratable) -> None:
        """No safe point was found in time: the node hears why."""
        error = self._requests.explained(reason)
        with self._runtime.channel.lock:
            self._decline(self.request, error)

    def _decline(self, request: int, reason: NotMigratable) -> None:
        error = protocol.describe_error(reason)
        self._runtime.channel.send(protocol.DECLINED, {"request": request, "error": error})
