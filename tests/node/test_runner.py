"""The process of one task: when it begins."""

from __future__ import annotations

import threading
from typing import Any

from hetmig.node import protocol
from hetmig.node.channel import OwnedLock
from hetmig.node.protocol import Message
from hetmig.node.runner import Runner


class FakeChannel:
    """Has been sent START, and what came after it, by a node that was quick."""

    def __init__(self) -> None:
        self.lock = OwnedLock()
        self.sent: list[str] = []
        self.waiting = [Message(kind, {}) for kind in (protocol.START, protocol.FREEZE)]

    def send(self, kind: str, header: dict[str, Any]) -> None:
        self.sent.append(kind)

    def receive(self) -> Message:
        return self.waiting.pop(0)


class FakeRuntime:
    """A task that takes its time, while another thread looks for messages."""

    def __init__(self, channel: FakeChannel) -> None:
        self._channel = channel
        self.taken: list[Message] = []

    def take_stock(self) -> None:
        other = threading.Thread(target=self._hear)
        other.start()
        other.join()

    def _hear(self) -> None:
        if self._channel.lock.acquire(blocking=False):
            self.taken.append(self._channel.receive())
            self._channel.lock.release()


def test_nobody_else_hears_that_it_starts() -> None:
    channel = FakeChannel()
    runner: Any = Runner.__new__(Runner)
    runner.channel, runner.runtime = channel, FakeRuntime(channel)
    runner._await_start()
    assert channel.sent == [protocol.STAGED]
    assert runner.runtime.taken == []
    assert [message.kind for message in channel.waiting] == [protocol.FREEZE]
    assert channel.lock.acquire(blocking=False)
