"""Tasks that take more than they are given."""

from __future__ import annotations

import asyncio


def take(nbytes: int) -> int:
    return len(bytearray(nbytes))


def compute_for_ever() -> None:
    print("computing")
    while True:
        for _ in range(1000):
            pass


async def compute_in_a_coroutine() -> None:
    while True:
        await asyncio.sleep(0)


def compute_whatever_happens() -> None:
    while True:
        try:
            compute_for_ever()
        except Exception:
            print("never mind")
