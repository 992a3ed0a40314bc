"""Classes for the tests of actors and objects."""

from __future__ import annotations

import os
import sys
import time
from typing import Any

import hetmig
from hetmig.remote import Actor, ObjectRef


class Ledger:
    """Writes down who said what, in the order of execution."""

    kept = 0

    def __init__(self, first: str = "", *, fail: bool = False) -> None:
        if fail:
            raise ValueError(f"no ledger {first!r}")
        self.lines: list[Any] = [first] if first else []

    def write(self, *line: Any) -> int:
        self.lines.append(line)
        Ledger.kept += 1
        return len(self.lines)

    def read(self) -> list[Any]:
        return self.lines

    def here(self) -> tuple[str | None, int]:
        return hetmig.here(), os.getpid()

    def count(self) -> tuple[int, int]:
        return len(self.lines), Ledger.kept

    def fail(self, what: str) -> None:
        raise LookupError(what)

    def hold(self, path: str | None) -> None:
        """Hold what cannot move, or let go of it."""
        if path is not None:
            self.file = open(path, "w")
        else:
            self.file.close()
            del self.file

    def say(self, text: str) -> None:
        print(text)

    def wait_for(self, path: str) -> str | None:
        print("waiting")
        while not os.path.exists(path):
            time.sleep(0.001)
        return hetmig.here()

    def leave(self, to: str) -> str:
        try:
            hetmig.migrate(to)
        except hetmig.NotMigratable as error:
            return error.reason
        return "moved"

    def die(self) -> None:
        os.kill(os.getpid(), 9)

    def wait_on(self, reply: Any) -> object:
        return reply.result(30)

    def flags(self) -> object:
        return sys.flags

    async def later(self, value: int) -> int:
        return value + 1

    def stop(self) -> str:
        return "a method of the class"

    def forward(self, other: Actor, *line: Any) -> int:
        return int(other.write(*line).result(30))


def fetch(ref: ObjectRef, to: str) -> tuple[Any, str, str | None]:
    """A task that uses a reference: fetch it, move it, fetch it again."""
    first = ref.get()
    ref.move(to)
    assert ref.get() == first
    return first, ref.where(), hetmig.here()


def makes_its_own(at: str) -> tuple[ObjectRef, Actor]:
    """A task that leaves something at nodes."""
    actor = hetmig.spawn(Ledger, "made by a task", at=at)
    return hetmig.put({"left": [1, 2]}, at=at), actor


async def awaits(actor: Actor, path: str) -> tuple[list[int], str | None, str | None]:
    """A program with asyncio that waits for answers, and is moved meanwhile."""
    numbers = [await actor.write("first"), await actor.write("second")]
    print("waiting")
    return numbers, await actor.wait_for(path), hetmig.here()


def same(reference: Any) -> Any:
    return reference


def asks_for_others(ledger: Actor) -> list[str]:
    """Gives its reply away, and does not wait long enough for another."""
    other = hetmig.spawn(Ledger)
    reply = ledger.write("x")
    errors = []
    for attempt in (lambda: other.wait_on(reply).result(30), lambda: ledger.write(1).result(0)):
        try:
            attempt()
        except (hetmig.HetmigError, TimeoutError) as error:
            errors.append(f"{type(error).__name__}: {error}")
    assert reply.result(30) == reply.result() == 1
    other.delete()
    return errors


def write_all(actor: Actor, name: str, count: int) -> list[int]:
    """A task that calls an actor: all calls at once, then the answers."""
    replies = [actor.write(name, i) for i in range(count)]
    return [reply.result(60) for reply in replies]


def wait_for_answer(actor: Actor, path: str) -> tuple[str | None, str | None]:
    """A task that waits for a long call; it is moved meanwhile."""
    print("waiting")
    return actor.wait_for(path).result(60), hetmig.here()
