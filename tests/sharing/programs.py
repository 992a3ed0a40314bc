"""Programs that share objects and buffers."""

from __future__ import annotations

import os
import time
from typing import Any

import hetmig
from hetmig import sharing
from hetmig.errors import LockLost


class Account:
    """Not safe by itself: a read and a write are two calls."""

    def __init__(self, balance: int) -> None:
        self.balance = balance
        self.log: list[str] = []

    def add(self, amount: int) -> int:
        self.balance += amount
        return self.balance

    def fail(self) -> None:
        raise ValueError("no such thing")


def uses(to: str) -> dict[str, Any]:
    account = hetmig.shared(Account(10))
    also = [account]
    hetmig.migrate(to)
    seen: dict[str, Any] = {"same": also[0] is account}
    seen["sum"] = account.add(5)
    account.balance = 100
    seen["read"] = account.balance
    account.log = ["a", "b"]
    seen["log"] = account.log
    try:
        account.fail()
    except ValueError as error:
        seen["error"] = str(error)
    seen["copy"] = sharing.snapshot(account).balance
    table = hetmig.shared({"x": 1})
    table["y"] = 2
    del table["x"]
    seen["table"] = (len(table), list(table), table["y"], "x" in table, sorted(table.items()))
    sharing.unshare(table)
    return seen


def table_of(size: int, to: str) -> Any:
    table = hetmig.shared(list(range(size)), immutable=True)
    first = table[3], len(table), sum(table)
    hetmig.migrate(to)
    try:
        table[3] = 1
    except TypeError as error:
        return first, table[4], str(error)
    return None


def makes(value: Any) -> Any:
    return hetmig.shared(value)


def makes_bound(gate: str) -> Any:
    proxy = hetmig.shared([1], bound=True)
    print("id", proxy._reference.id, flush=True)
    while not os.path.exists(gate):
        time.sleep(0.01)
    return proxy


def counts(account: Any, times: int, to: str) -> int:
    """A read and a write, which nobody may come between; it moves while it holds the lock."""
    for turn in range(times):
        with account.lock:
            before = account.balance
            if turn == times // 2:
                hetmig.migrate(to)
            account.balance = before + 1
    return times


def holds(account: Any, gate: str) -> str:
    with account.lock:
        print("holds it", flush=True)
        while not os.path.exists(gate):
            time.sleep(0.01)
        return "held"


def takes(account: Any) -> int:
    with account.lock, account.lock:
        return int(account.add(1))


def late(account: Any, gate: str) -> str:
    """What it does under a lock that another one has got meanwhile."""
    account.lock.acquire()
    print("holds it", flush=True)
    while not os.path.exists(gate):
        time.sleep(0.01)
    try:
        account.add(1000)
    except LockLost:
        return "refused"
    return "accepted"


def passes_on(account: Any) -> Any:
    """Another task gets the proxy while this one holds the lock."""
    with account.lock:
        return account


def writes(buffer: Any, rounds: int, start: int, to: str) -> int:
    for turn in range(rounds):
        with buffer.write() as view:
            view[0] += 1
            view[start + turn] = turn + 1
            if turn == rounds // 2:
                hetmig.migrate(to)
            view[1] += 1
    return int(buffer.bytes_moved)


def reads(buffer: Any) -> Any:
    with buffer.read() as view:
        return bytes(view)


def array_of(to: str) -> Any:
    import numpy

    buffer = hetmig.shared_buffer(numpy.arange(3000.0).reshape(30, 100))
    with buffer.write() as view:
        view[3, 4] = -1.0
        hetmig.migrate(to)
        view[5] *= 2
    with buffer.read() as view:
        got = view.copy(), view.flags.writeable
    return got


def fails_in_a_write(buffer: Any) -> bytes:
    try:
        with buffer.write() as view:
            view[7] = 77
            raise KeyError
    except KeyError:
        pass
    return bytes(reads(buffer))


def little(size: int) -> list[int]:
    """Contents of pages moved: at first, after nothing, after one byte."""
    buffer = hetmig.shared_buffer(bytes(range(256)) * (size // 256), page=1024)
    moved = []
    for change in (0, 0, 1):
        with buffer.write() as view:
            view[size // 2] = (view[size // 2] + change) % 256
        moved.append(buffer.bytes_moved)
    return moved


def abandons_inside(buffer: Any) -> tuple[str, bool]:
    try:
        with buffer.write() as outer:
            outer[0] = 9
            try:
                with buffer.write() as inner:
                    inner[1] = 9
                    raise KeyError
            except KeyError:
                pass
    except RuntimeError as error:
        return str(error), bool(buffer.lock.locked())
    return "", True
