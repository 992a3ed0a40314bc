"""A socket in the event loop: nothing that comes is overlooked, and nobody has to wait for long."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import zmq
import zmq.asyncio

from hetmig.node.sockets import Transport

MESSAGES = 1000
TIMEOUT = 60.0

Hear = Callable[[Transport, bytes], None]


@asynccontextmanager
async def pair(one: Hear, other: Hear) -> AsyncIterator[tuple[Transport, Transport]]:
    """Two transports; what each hears, with the transport to answer by."""
    context = zmq.asyncio.Context()
    made: list[Transport] = []
    sockets = [context.socket(zmq.PAIR) for _ in range(2)]
    port = sockets[0].bind_to_random_port("tcp://127.0.0.1")
    sockets[1].connect(f"tcp://127.0.0.1:{port}")
    for number, (socket, hear) in enumerate(zip(sockets, (one, other), strict=True)):
        made.append(Transport(socket, lambda frames, n=number, h=hear: h(made[n], frames[0].bytes)))
    try:
        yield made[0], made[1]
    finally:
        for transport in made:
            transport.close()
            transport.close()
        context.destroy(linger=0)


def run(work: Any) -> None:
    async def within() -> None:
        async with asyncio.timeout(TIMEOUT):
            await work

    asyncio.run(within())


def nothing(transport: Transport, text: bytes) -> None:
    raise AssertionError(text)


@pytest.fixture(params=["descriptor", "future"])
def _ways(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A loop that can't watch descriptors for us can do so for pyzmq, by means of its own."""
    if request.param == "descriptor":
        return
    usual = asyncio.SelectorEventLoop.add_reader

    def add_reader(self: Any, fd: Any, callback: Any, *args: Any) -> None:
        if isinstance(getattr(callback, "__self__", None), Transport):
            raise NotImplementedError
        usual(self, fd, callback, *args)

    monkeypatch.setattr(asyncio.SelectorEventLoop, "add_reader", add_reader)


@pytest.mark.usefixtures("_ways")
def test_messages_go_to_and_fro() -> None:
    async def work() -> None:
        done = asyncio.get_running_loop().create_future()

        def back(transport: Transport, text: bytes) -> None:
            transport.send([b"%d" % (int(text) + 1)])

        def forth(transport: Transport, text: bytes) -> None:
            if int(text) < MESSAGES:
                transport.send([text])
            else:
                done.set_result(None)

        async with pair(forth, back) as (first, _):
            first.send([b"0"])
            await done

    run(work())


@pytest.mark.usefixtures("_ways")
def test_what_comes_while_something_is_sent_is_not_overlooked() -> None:
    """To send takes note of what has come: the descriptor does not tell of it any more."""

    async def work() -> None:
        heard: list[list[bytes]] = [[], []]
        sent = asyncio.Event()

        def hear(number: int) -> Hear:
            def note(transport: Transport, text: bytes) -> None:
                heard[number].append(text)
                if all(len(texts) == MESSAGES for texts in heard):
                    sent.set()

            return note

        async with pair(hear(0), hear(1)) as both:
            for number in range(MESSAGES):
                for transport in both:
                    transport.send([b"%d" % number])
                if number % 7 == 0:
                    await asyncio.sleep(0)
            await sent.wait()
            assert heard == [[b"%d" % number for number in range(MESSAGES)]] * 2

    run(work())


def test_who_writes_without_a_pause_leaves_others_their_turn() -> None:
    async def work() -> None:
        received = 0
        turns: list[int] = []

        def count(transport: Transport, text: bytes) -> None:
            nonlocal received
            received += 1

        async with pair(nothing, count) as (first, _):
            for _ in range(MESSAGES):
                first.send([b"x"])
            while received < MESSAGES:
                turns.append(received)
                await asyncio.sleep(0)
        assert len(set(turns)) >= MESSAGES // Transport._AT_ONCE // 2

    run(work())


def test_a_mistake_does_not_end_the_reading(caplog: pytest.LogCaptureFixture) -> None:
    async def work() -> None:
        heard: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

        def hear(transport: Transport, text: bytes) -> None:
            if text == b"bad":
                raise ValueError("what is that?")
            heard.set_result(text)

        async with pair(nothing, hear) as (first, _):
            first.send([b"bad"])
            first.send([b"good"])
            assert await heard == b"good"

    run(work())
    assert "could not be handled" in caplog.text


def test_closed_while_a_message_is_handled() -> None:
    async def work() -> None:
        closed = asyncio.Event()

        def hear(transport: Transport, text: bytes) -> None:
            transport.close()
            transport.send([b"too late"])
            closed.set()

        async with pair(nothing, hear) as (first, _):
            for _ in range(3):
                first.send([b"x"])
            await closed.wait()
            await asyncio.sleep(0)

    run(work())


def test_what_can_not_be_sent_yet_waits_its_turn() -> None:
    async def work() -> None:
        context = zmq.asyncio.Context()
        lonely, other = context.socket(zmq.PAIR), context.socket(zmq.PAIR)
        lonely.bind("inproc://lonely")
        heard: list[bytes] = []
        done = asyncio.Event()

        def hear(frames: list[zmq.Frame]) -> None:
            heard.append(frames[0].bytes)
            if len(heard) == 3:
                done.set()

        one = Transport(lonely, lambda frames: None)
        for number in range(3):
            one.send([b"%d" % number])  # nobody is there
        other.connect("inproc://lonely")
        two = Transport(other, hear)
        await done.wait()
        assert heard == [b"0", b"1", b"2"]
        one.close()
        two.close()
        context.destroy(linger=0)

    run(work())
