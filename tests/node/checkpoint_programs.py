"""Tasks for the tests of checkpoints: most wait until a file, the gate, is there."""

from __future__ import annotations

import asyncio
import os

import hetmig


def until_told(gate: str, count: int) -> list[object]:
    """Loop until a file is there; what it has then tells whether it began anew."""
    steps = 0
    print("begun", flush=True)
    while not os.path.exists(gate):
        steps += 1
    print("told", flush=True)
    return [count, steps > 0, sum(i * i for i in range(count))]


def keeps_itself(to: str, wait: bool, gate: str = "/", heard: str = "/") -> list[str]:
    """Keeps itself once what it has written by then was `heard`, and ends at the `gate`."""
    seen = []
    for i in range(3):
        seen.append(f"step {i}")
        print(f"at {i}")
        if i == 1:
            while not os.path.exists(heard):
                pass
            hetmig.checkpoint(to, wait=wait)
            seen.append("kept")
    while not os.path.exists(gate):
        pass
    return seen


@hetmig.migratable(every=0.05)
def every_so_often(gate: str) -> int:
    steps = 0
    while not os.path.exists(gate):
        steps += 1
    return steps


def fails(gate: str) -> None:
    while not os.path.exists(gate):
        pass
    raise ValueError("after all")


def writes(file: str, gate: str) -> str:
    with hetmig.open(file, "w") as out:
        out.write("before\n")
        print("written", flush=True)
        while not os.path.exists(gate):
            pass
        out.write("after\n")
    with open(file) as whole:
        return whole.read()


def holds_a_socket(gate: str) -> None:
    import socket

    with socket.socket() as held:
        print("held", flush=True)
        while not os.path.exists(gate):
            assert held


def big_and_changing(gate: str) -> int:
    """Buffers that are written to while a copy of them is on its way."""
    block = bytearray(1 << 20)
    value = 0
    print("begun", flush=True)
    while not os.path.exists(gate):
        value = (value + 1) % 256
        block[:] = bytes([value]) * len(block)
        assert block[0] == block[-1] == value
    return block.count(block[0])


async def waits_with_others(gate: str) -> list[int]:
    async def one(n: int) -> int:
        while not os.path.exists(gate):
            await asyncio.sleep(0.001)
        return n

    tasks = [asyncio.create_task(one(n)) for n in range(3)]
    await asyncio.sleep(0)
    hetmig.checkpoint()
    print("begun", flush=True)
    return await asyncio.gather(*tasks)
