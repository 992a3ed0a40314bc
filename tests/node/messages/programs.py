"""Tasks that send and receive, for the tests of messages."""

from __future__ import annotations

import asyncio
import os
import time
from typing import Any

import hetmig


def collects(count: int, timeout: float | None = None) -> tuple[list[Any], str | None]:
    """So many messages, and where it was in the end."""
    found = [hetmig.receive(timeout) for _ in range(count)]
    return found, hetmig.here()


def listens(count: int) -> list[Any]:
    """So many messages, with a loop around each wait."""
    print("begun", flush=True)
    found: list[Any] = []
    while len(found) < count:
        try:
            found.append(hetmig.receive(timeout=0.02))
        except TimeoutError:
            found = [*found]
    return found


def serves() -> list[str]:
    """Reply to requests until a message comes that is none; who has asked."""
    asked = []
    while True:
        message = hetmig.receive_message()
        if not message.is_request:
            return asked
        asked.append("client" if message.sender is None else message.sender.name)
        message.reply((message.value, hetmig.here()))


def asks(server: Any, count: int, places: str) -> list[Any]:
    """Ask by handle and by name, moving in between."""
    found = []
    for number in range(count):
        found.append(hetmig.request(server, number, timeout=60))
        hetmig.migrate(places[number % len(places)])
        found.append(hetmig.request("server", -number, timeout=60))
    hetmig.send("server", None).received(60)
    return found


async def asks_at_once(server: Any, place: str) -> list[Any]:
    """Requests under asyncio, and a move while they are under way."""
    asking = [asyncio.ensure_future(hetmig.request(server, number)) for number in range(5)]
    await hetmig.migrate(place)
    found = await asyncio.gather(*asking)
    sent = await hetmig.send(server, None)
    await sent.received(60)
    return found


async def waits_under_asyncio() -> list[Any]:
    """Two coroutines receive; a third thing goes on meanwhile."""
    print("begun", flush=True)
    found = []
    for message in await asyncio.gather(hetmig.receive_message(), hetmig.receive_message()):
        found.append(message.value)
    try:
        await hetmig.receive(timeout=0)
    except TimeoutError:
        found.append("none")
    return found


def sends(to: Any, values: list[Any]) -> int:
    """Send them; how many."""
    for value in values:
        hetmig.send(to, value)
    return len(values)


def sends_slowly(to: Any, name: str, count: int, seconds: float) -> int:
    """The numbers, one after the other, until each is accepted; how many."""
    for number in range(count):
        hetmig.send(to, (name, number))
        time.sleep(seconds)
    return count


def replies_to(stranger: Any) -> Any:
    """Send to the sender of a message."""
    message = hetmig.receive_message()
    hetmig.send(message.sender, ("thanks", message.value))
    return message.sender == stranger


def greets(other: Any) -> Any:
    """Send, and wait for what comes back."""
    hetmig.send(other, "hello")
    return hetmig.receive(60)


def leaves_some(path: str = "") -> Any:
    """Receive one, and end as soon as a file is there."""
    found = [hetmig.receive()]
    while path and not os.path.exists(path):
        time.sleep(0.01)
    return found


def never_replies() -> None:
    """Receive a request, and end."""
    hetmig.receive_message()


def hears_of_the_end(other: Any, path: str) -> list[str]:
    """What sending to a task says that ends, and has ended."""
    found = []
    first, second = hetmig.send(other, 1), hetmig.send(other, 2)
    first.received(60)
    with open(path, "w"):
        pass
    for attempt in (
        lambda: second.received(60),
        lambda: hetmig.send(other, 3),
        lambda: hetmig.request(other, 4),
        lambda: hetmig.send("nobody", 5),
        lambda: first.received(60),
    ):
        try:
            found.append(repr(attempt()))
        except hetmig.HetmigError as error:
            found.append(type(error).__name__)
    return found


def dozes(path: str) -> list[Any]:
    """Receive nothing until a file is there; then all."""
    while not os.path.exists(path):
        time.sleep(0.01)
    found = []
    while True:
        value = hetmig.receive(60)
        if value is None:
            return found
        found.append(value)


def receives_one_and_dozes(path: str) -> list[Any]:
    """One message; nothing until a file is there; then all."""
    return [hetmig.receive(60), *dozes(path)]


def asks_again(server: Any, count: int) -> list[Any]:
    """So many requests, one after the other."""
    return [hetmig.request(server, number, timeout=60)[0] for number in range(count)]


def adding(offset: int) -> Any:
    """A function with a variable of its own."""
    return lambda number: number + offset


def applies() -> Any:
    """Functions that came in messages."""
    found = []
    for _ in range(2):
        function = hetmig.receive(60)
        found.append(function(20))
    return found


def receives_and_checkpoints(directory: str) -> list[Any]:
    """Two messages; a checkpoint; the others."""
    found = [hetmig.receive(60), hetmig.receive(60)]
    hetmig.checkpoint(directory, wait=True)
    print("kept", flush=True)
    while (value := hetmig.receive(60)) is not None:
        found.append(value)
    return found
