"""What the tests of executors submit."""

from __future__ import annotations

import asyncio
import os
import sys

STATUS = "as imported"


def add(x: int, y: int = 1) -> int:
    return x + y


async def slowly(x: int) -> int:
    await asyncio.sleep(0)
    return 2 * x


def for_ever() -> None:
    done = 0
    while True:
        done += 1


def fail() -> None:
    raise RuntimeError(123)  # a comment


def set_status(status: str) -> None:
    global STATUS
    STATUS = status


def status() -> str:
    return STATUS


def exit_process() -> None:
    os._exit(3)


class ExitsWhenUnpickled:
    def __reduce__(self):
        return sys.exit, (7,)


def until(path: str) -> str:
    while not os.path.exists(path):
        pass
    return path


def chunk_item(number: int, path: str) -> tuple[int, int]:
    """The number, and the process in which it was; the third one takes until the file is there."""
    while number == 2 and not os.path.exists(path):
        pass
    return number, os.getpid()
