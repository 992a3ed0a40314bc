"""One task on a node, with runners and a partner that the test plays itself."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest

from hetmig.errors import HetmigError, NotMigratable, ProtocolError
from hetmig.node import arriving, leaving, protocol
from hetmig.node.handoff import Note, State
from hetmig.node.hosted import Hosted
from hetmig.node.journal import Journal
from hetmig.node.protocol import Message
from hetmig.node.tracing import Untraced
from hetmig.state.manifest import make_manifest, this_python
from hetmig.state.parcel import seal

KEY = bytes(32)
HERE = {"name": "a", "endpoint": "tcp://127.0.0.1:1", "key": "k"}
THERE = {"name": "b", "endpoint": "tcp://127.0.0.1:2", "key": "k"}
ABOUT = {"id": "t", "name": "job", "home": HERE, "epoch": 1, "events": 0, "hops": 0}
FROZEN = {"started": 0.0, "events": 0, "kind": "frames", "description": []}


class FakeRunner:
    """Says what the test lets it say."""

    def __init__(self) -> None:
        self.sent: list[str] = []
        self.exited: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.on_message: Callable[[Message], None] = lambda message: None
        self.killed = False

    def send(self, kind: str, header: dict[str, Any], payload: Sequence[Any] = ()) -> None:
        self.sent.append(kind)

    def interrupt(self, signum: int) -> None: ...

    def kill(self) -> None:
        self.killed = True

    def say(self, kind: str, /, **header: Any) -> None:
        self.on_message(Message(kind, header, [b"state"]))


class FakeNode:
    """What a task needs of its node, and the link to another one."""

    def __init__(self) -> None:
        self.here = HERE
        self.journal = Journal()
        self.tracing = Untraced()
        self.pool = self
        self.runners = [FakeRunner() for _ in range(3)]
        self.taken: list[FakeRunner] = []
        self.reports: list[str] = []
        self.notes: list[str] = []
        self.prepared = asyncio.Event()
        self.prepared.set()

    @property
    def checkpoints(self) -> Any:
        return self

    def begun(self, task: Hosted) -> None: ...

    def ended(self, task: Hosted) -> None: ...

    async def take(self) -> FakeRunner:
        self.taken.append(self.runners[len(self.taken)])
        return self.taken[-1]

    async def reserved(self, task: str) -> FakeRunner:
        return await self.take()

    def is_prepared(self, task: str) -> bool:
        return False

    async def precopy(self, hosted: Hosted, link: Any, welcome: Any, timeout: float) -> bool:
        return False

    async def prepare(self, target: str, task: str, timeout: float) -> Any:
        await self.prepared.wait()
        return self, {**THERE, "python": this_python(), "session": KEY.hex()}

    def post(self, kind: str, header: dict[str, Any], payload: Sequence[Any] = ()) -> None:
        self.notes.append(kind)

    def report(self, about: Any, header: dict[str, Any], payload: Sequence[Any] = ()) -> None:
        self.reports.append(header["what"])

    def answer_to(self, place: dict[str, Any], key: bytes) -> Any:
        return None

    def unreported(self, about: Any) -> list[Any]:
        return []

    def keep_report(self, about: Any, header: dict[str, Any], payload: Any) -> None: ...

    def keep(self, name: str, wire: Any) -> None: ...


async def turns() -> None:
    """Let everything happen that can."""
    for _ in range(20):
        await asyncio.sleep(0)


async def running(node: FakeNode) -> Hosted:
    task = Hosted(node, "t")  # type: ignore[arg-type]
    await task.keep(dict(ABOUT), {}, [])
    starting = asyncio.create_task(task.start(dict(ABOUT), {}, []))
    await turns()
    node.taken[0].say(protocol.STAGED)
    await starting
    assert node.taken[0].sent == [protocol.STAGE, protocol.START]
    return task


def in_a_loop(test: Callable[..., Awaitable[None]]) -> Callable[..., None]:
    @functools.wraps(test)  # which shows pytest the test's own parameters
    def run(**fixtures: Any) -> None:
        async def bounded() -> None:
            await asyncio.wait_for(test(**fixtures), 30)

        asyncio.run(bounded())

    return run


@in_a_loop
async def test_cancelled_while_it_asks_to_move_by_itself() -> None:
    """The state that was on its way to the node when the task was cancelled is not offered."""
    node = FakeNode()
    task = await running(node)
    assert await task.ending.cancel()
    node.taken[0].say(protocol.FROZEN, to="b", **FROZEN)
    await turns()
    assert node.notes == []
    assert node.reports == ["cancelled"]


@in_a_loop
async def test_cancelled_while_the_destination_is_looked_for() -> None:
    """Nobody waits for a destination that may be long in answering."""
    node = FakeNode()
    task = await running(node)
    node.prepared.clear()
    node.taken[0].say(protocol.FROZEN, to="b", **FROZEN)
    await turns()
    assert await asyncio.wait_for(task.ending.cancel(), 5)
    node.prepared.set()
    await turns()
    assert node.notes == []
    assert node.taken[0].killed


@in_a_loop
async def test_cancelled_while_the_destination_stages_it() -> None:
    node = FakeNode()
    task = await running(node)
    moving = asyncio.create_task(task.move("b", 10, "client"))
    await turns()
    node.taken[0].say(protocol.FROZEN, request=task.freeze.request, **FROZEN)  # type: ignore[union-attr]
    await turns()
    assert node.notes == [Note.OFFER.value]
    assert await task.ending.cancel()
    assert node.notes == [Note.OFFER.value, Note.ABORT.value]
    with pytest.raises(HetmigError, match="cancelled"):
        await moving
    staged = Message(Note.STAGED.value, {"task": "t", "epoch": 2})
    task.transitions.receive(staged, node.post, KEY, True)
    assert node.notes[-1] == Note.ABORT.value
    assert task.handoff.state is State.ENDED


@in_a_loop
async def test_cancelled_between_freeze_and_offer() -> None:
    node = FakeNode()
    task = await running(node)
    moving = asyncio.create_task(task.move("b", 10, "client"))
    await turns()
    node.taken[0].say(protocol.FROZEN, request=task.freeze.request, **FROZEN)  # type: ignore[union-attr]
    assert await task.ending.cancel()  # before the move has heard of it
    with pytest.raises(NotMigratable):
        await moving
    assert node.notes == []


@in_a_loop
async def test_what_cannot_be_sent_lets_the_task_go_on() -> None:
    node = FakeNode()
    task = await running(node)

    def too_large(kind: str, header: Any, payload: Any = ()) -> None:
        if kind == Note.OFFER.value:
            raise ProtocolError("a message of 9 bytes")

    node.post = too_large  # type: ignore[method-assign]
    moving = asyncio.create_task(task.move("b", 10, "client"))
    await turns()
    node.taken[0].say(protocol.FROZEN, request=task.freeze.request, **FROZEN)  # type: ignore[union-attr]
    with pytest.raises(HetmigError, match="9 bytes"):
        await moving
    assert node.taken[0].sent[-1] == protocol.GO_ON
    assert task.handoff.state is State.RUNNING


@in_a_loop
async def test_a_destination_that_falls_silent_after_the_commit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    node = FakeNode()
    monkeypatch.setattr(leaving, "_SILENCE_SECONDS", 0.1)
    task = await running(node)
    moving = asyncio.create_task(task.move("b", 0.1, "client"))
    await turns()
    node.taken[0].say(protocol.FROZEN, request=task.freeze.request, **FROZEN)  # type: ignore[union-attr]
    await turns()
    task.transitions.receive(
        Message(Note.STAGED.value, {"task": "t", "epoch": 2}), node.post, KEY, True
    )
    await asyncio.wait([moving], timeout=3 * leaving._NUDGE_SECONDS)
    assert node.reports == ["lost"]
    assert not moving.done()
    assert node.notes.count(Note.COMMIT.value) > 1
    task.transitions.receive(
        Message(Note.OWNED.value, {"task": "t", "epoch": 2}), node.post, KEY, True
    )
    assert (await moving)["destination"] == "b"


def offer(epoch: int) -> Message:
    about = {**ABOUT, "epoch": epoch}
    wire = seal(make_manifest("frames", [], 1, about), [b"state"], KEY)
    return Message(Note.OFFER.value, {"task": "t", "epoch": epoch, "source": THERE}, list(wire))


@in_a_loop
async def test_a_staged_task_asks_in_another_way_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """The connection on which the offer came is gone, and the source knows nothing of that."""
    monkeypatch.setattr(arriving, "_NUDGE_SECONDS", 0.01)
    node, elsewhere = FakeNode(), asyncio.Event()
    node.answer_to = lambda place, key: lambda kind, header: elsewhere.set()  # type: ignore[method-assign]
    task = Hosted(node, "t")  # type: ignore[arg-type]
    task.transitions.receive(offer(2), lambda kind, header: None, KEY, True)
    await turns()
    node.taken[0].say(protocol.STAGED)
    await elsewhere.wait()
    task.transitions.receive(
        Message(Note.ABORT.value, {"task": "t", "epoch": 2}), node.post, KEY, True
    )
    await turns()


@in_a_loop
async def test_a_killed_runners_word_does_not_count_for_the_next() -> None:
    """It had STAGED on its way when its attempt was withdrawn and another one began."""
    node = FakeNode()
    task = Hosted(node, "t")  # type: ignore[arg-type]
    task.transitions.receive(offer(2), node.post, KEY, True)
    await turns()
    task.transitions.receive(
        Message(Note.ABORT.value, {"task": "t", "epoch": 2}), node.post, KEY, True
    )
    task.transitions.receive(offer(3), node.post, KEY, True)
    await turns()
    first, second = node.taken
    assert first.killed
    first.say(protocol.STAGED)
    await turns()
    assert task.handoff.state is State.KEPT
    second.say(protocol.STAGED)
    await turns()
    assert node.notes == [Note.STAGED.value]
    task.transitions.receive(
        Message(Note.ABORT.value, {"task": "t", "epoch": 3}), node.post, KEY, True
    )
    await turns()
