"""What the tests of the asyncio client submit."""

from __future__ import annotations

import asyncio
import os

import hetmig


def add(x: int, y: int = 1) -> int:
    return x + y


async def doubled(x: int) -> int:
    await asyncio.sleep(0)
    return 2 * x


def for_ever() -> None:
    done = 0
    while True:
        done += 1


def talk(lines: int) -> int:
    for line in range(lines):
        print("line", line)
    hetmig.progress(lines, lines, "said")
    return lines


def answer() -> object:
    message = hetmig.receive_message()
    message.reply(2 * message.value)
    return hetmig.receive()


def until(path: str) -> str:
    while not os.path.exists(path):
        pass
    return path


def fail() -> None:
    raise RuntimeError("on purpose")


def stop() -> None:
    raise StopIteration
