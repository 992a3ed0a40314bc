"""A task's runtime as tests play it: a node with a mailbox, all of it data that can be moved.

The torture harness moves programs within one process, and this module's data with them; `runtime`
stands for the process that the program is in.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hetmig.node import protocol
from hetmig.node.mailbox import Call
from hetmig.node.messages.box import MessageBox
from hetmig.node.messages.mail import Mail
from hetmig.node.methods import freeze_message
from hetmig.state.parcel import Parcel


class Desk:
    """Answers some questions at the second look only."""

    def __init__(self, values: Sequence[Any]) -> None:
        self.mail, self.box = Mail(), MessageBox()
        self.answers: dict[int, tuple[dict[str, Any], list[bytes]]] = {}
        self.last = self.looks = 0
        for number, value in enumerate(values, 1):
            frozen = freeze_message(value)
            header = {"manifest": frozen.manifest(), "reply": number % 2 == 0, "from": None}
            frames: list[Any] = [bytes(frame) for frame in frozen.frames]
            self.box.accept(Call("x", number, header, frames), 1, 0.0)

    def ask(self, kind: str, header: dict[str, Any], parcel: Parcel | None = None) -> int:
        self.last += 1
        assert kind == protocol.RECEIVE
        self.box.taken(header["received"])
        described, frames = [], []
        for call in self.box.after(header["given"], 2, 1 << 20):
            about = {**call.header, "sender": call.sender, "n": call.number}
            described.append({**about, "frames": len(call.frames)})
            frames += [bytes(frame) for frame in call.frames]
        self.answers[self.last] = {"given": header["given"], "messages": described}, frames
        return self.last

    def is_answered(self, number: int) -> bool:
        self.looks += 1
        return number in self.answers and self.looks % 3 == 0

    def take(self, number: int) -> tuple[dict[str, Any], Parcel | None]:
        header, frames = self.answers.pop(number)
        return header, Parcel({}, [memoryview(frame) for frame in frames], True)

    def drop(self, number: int) -> None:
        self.answers.pop(number, None)

    def listen(self) -> None: ...


class Runtime:
    """What a program sees of its process."""

    def __init__(self, values: Sequence[Any]) -> None:
        self.desk = Desk(values)
        self.posted: list[Any] = []

    def post(self, kind: str, header: dict[str, Any], payload: Sequence[Any] = ()) -> None:
        self.posted.append((kind, header.get("received") or (header["sender"], header["n"])))


runtime: Runtime | None = None


def current() -> Runtime:
    assert runtime is not None
    return runtime


def is_task() -> bool:
    return True


def begin(values: Sequence[Any]) -> None:
    global runtime
    runtime = Runtime(values)


def receives(count: int) -> Any:
    """Receive so many messages, reply to requests, and find that there are no more."""
    import hetmig

    begin([{"number": number} for number in range(count)])
    found = []
    for _ in range(count):
        message = hetmig.receive_message()
        if message.is_request:
            message.reply(message.value)
        found.append((message.value["number"], message.is_request))
    try:
        hetmig.receive(timeout=0)
    except TimeoutError as error:
        found.append((str(error), False))
    return found, current().posted, current().desk.mail.received
