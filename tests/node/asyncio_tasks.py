"""Tasks whose main is a coroutine, for the tests of nodes; see test_asyncio."""

from __future__ import annotations

import asyncio
import contextvars
import os
import signal
import socket
import time
from collections.abc import Awaitable, Callable
from typing import Any

import hetmig
from hetmig.errors import HetmigError, NotMigratable

name = contextvars.ContextVar("name", default="nobody")


async def sleeper(seconds: float) -> tuple[str | None, float, float]:
    """Where it woke up, for how long it slept by the loop's clock and by this machine's."""
    loop = asyncio.get_running_loop()
    before, started = loop.time(), time.time()
    print("asleep")
    await asyncio.sleep(seconds)
    return hetmig.here(), loop.time() - before, time.time() - started


async def traveller(*stops: str) -> tuple[list[str | None], list[tuple[str, int]], list[str]]:
    """Goes round while its other tasks work on, each in a context of its own."""
    lock, seen = asyncio.Lock(), []
    go_on = asyncio.Event()

    async def worker(number: int) -> None:
        name.set(f"worker {number}")
        async with lock:
            await go_on.wait()
            for _ in range(2):
                await asyncio.sleep(0.001)
                seen.append((name.get(), number))

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(worker(n), name=f"w{n}") for n in range(3)]
        road = [hetmig.here()]
        for stop in stops:
            await hetmig.migrate(stop)
            road.append(hetmig.here())
        names = sorted(task.get_name() for task in asyncio.all_tasks())
        go_on.set()
    assert all(task.done() for task in tasks)
    return road, sorted(seen), names


async def refused() -> list[str]:
    """What it hears when it can't move; it goes on after each."""
    heard = []

    async def attempt() -> None:
        try:
            await hetmig.migrate("b")
        except HetmigError as error:
            heard.append(f"{type(error).__name__}: {error}")

    try:
        await hetmig.migrate("nowhere")
    except HetmigError as error:
        heard.append(f"{type(error).__name__}: {error}")
    server = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)
    await attempt()
    port = server.sockets[0].getsockname()[1]
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    server.close()
    await asyncio.sleep(0)
    await attempt()
    writer.close()
    await writer.wait_closed()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGUSR1, print)
    await attempt()
    loop.remove_signal_handler(signal.SIGUSR1)
    left, right = socket.socketpair()
    loop.add_reader(left.fileno(), print)
    await attempt()
    loop.remove_reader(left.fileno())
    left.close()
    right.close()
    del reader, writer, server, left, right
    working = asyncio.ensure_future(asyncio.to_thread(time.sleep, 0.3))
    await asyncio.sleep(0.05)
    await attempt()
    await working
    return heard


async def stays_connected() -> str | None:
    """Holds a connection for as long as its node is asked to let it go."""

    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(1.5)
        writer.write(b"done\n")
        writer.close()

    server = await asyncio.start_server(greet, "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    server.close()
    print("connected")
    await reader.readline()
    writer.close()
    await writer.wait_closed()
    await asyncio.sleep(0.05)
    await hetmig.migrate("b")
    return hetmig.here()


async def computes(seconds: float) -> str | None:
    """Does not await for so long."""
    print("computing")
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        sum(range(1000))
    await asyncio.sleep(0)
    return hetmig.here()


async def computes_at_first(seconds: float) -> str | None:
    """The same, and then waits for its move."""
    start = hetmig.here()
    await computes(seconds)
    while hetmig.here() == start:  # however late it is asked to move
        await asyncio.sleep(0.01)
    return hetmig.here()


async def busy(rounds: int) -> tuple[int, set[str | None]]:
    """Has always something to do."""
    places, total = set(), 0
    print("busy")
    for n in range(rounds):
        places.add(hetmig.here())
        total += n
        await asyncio.sleep(0)
        if n % 100 == 0:
            await asyncio.sleep(0.001)
    return total, places


def helper(to: str) -> Awaitable[None]:
    moved: Awaitable[None] = hetmig.migrate(to)
    return moved


async def through_a_helper() -> list[str | None]:
    """A plain function gives the future on; one that is not awaited moves at the next await."""
    road = [hetmig.here()]
    await helper("b")
    road.append(hetmig.here())
    hetmig.migrate("c")
    road.append(hetmig.here())
    await asyncio.sleep(0)
    road.append(hetmig.here())
    await asyncio.wait_for(hetmig.migrate("a"), 30)
    road.append(hetmig.here())
    await hetmig.migrate("a")
    return road


async def uses_threads() -> tuple[Any, ...]:
    """Threads that have nothing to do any more are not in the way."""
    first = await asyncio.to_thread(os.getpid)
    await hetmig.migrate("b")
    second = await asyncio.to_thread(os.getpid)
    given_up = asyncio.ensure_future(asyncio.to_thread(time.sleep, 0.2))
    await asyncio.sleep(0.01)
    given_up.cancel()
    try:
        await hetmig.migrate("c")  # the thread still sleeps
    except NotMigratable as error:
        return first != second, second == os.getpid(), hetmig.here(), str(error)[:22]


async def drops_async_generators(log: list[str]) -> list[str]:
    """The loop at the destination closes what is dropped there."""

    async def numbers() -> Any:
        try:
            for n in range(10):
                await asyncio.sleep(0.001)
                yield n
        finally:
            await asyncio.sleep(0.001)
            log.append(f"closed on {hetmig.here()}")

    async for n in numbers():
        if n == 1:
            await hetmig.migrate("b")
        if n == 2:
            break
    await asyncio.sleep(0.1)
    return log


async def fails_elsewhere() -> None:
    await hetmig.migrate("b")
    async with asyncio.timeout(10):
        await asyncio.sleep(0.001)
        raise ValueError(f"on {hetmig.here()}")


def plain(main: Callable[[], Any]) -> Any:
    """A plain function that runs two loops itself, one after the other."""
    first = asyncio.run(main())
    return first, asyncio.run(main())


async def one_hop() -> str | None:
    await hetmig.migrate("b" if hetmig.here() == "a" else "a")
    return hetmig.here()


SCRIPT = """
import asyncio, sys
import hetmig

async def child(n):
    await asyncio.sleep(0.01 * n)
    return n * n

async def main():
    tasks = [asyncio.create_task(child(n)) for n in range(3)]
    await hetmig.migrate(sys.argv[1])
    print(hetmig.here(), await asyncio.gather(*tasks))

if __name__ == "__main__":
    asyncio.run(main())
    print("end", hetmig.here())
"""
