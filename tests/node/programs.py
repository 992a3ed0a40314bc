"""Tasks for the tests of nodes.  Most end only after they have moved, so none is too fast."""

from __future__ import annotations

import decimal
import os
import random
import signal
import socket
import sys
import time

import hetmig


def add(a: int, b: int = 1) -> int:
    return a + b


def wait_for_move(label: str = "") -> tuple[int, str | None]:
    """Loop without calling anything hetmig could hook, until the loop runs on another node."""
    start = hetmig.here()
    print(f"looping {label}".strip())
    total = 0
    while hetmig.here() == start:
        for i in range(1000):
            total += i
    return total % 499500, hetmig.here()


def tight_loop(count: int) -> int:
    """A loop which never calls anything."""
    print("looping")
    total = 0
    for i in range(count):
        for j in (1, 2, 3):
            total = (total * 31 + i * j) % 1_000_003
    return total


def tour(stops: list[str]) -> list[str | None]:
    seen = [hetmig.here()]
    for stop in stops:
        hetmig.migrate(stop)
        seen.append(hetmig.here())
    return seen


def opens(to: str = "") -> dict[str, list[socket.socket]]:
    """Returns what cannot travel."""
    if to:
        hetmig.migrate(to)
    return {"sockets": [socket.socket()]}


async def opens_soon(to: str) -> socket.socket:
    """The same in a coroutine."""
    await hetmig.migrate(to)
    return socket.socket()


def fails_with_a_socket() -> None:
    """Raises what cannot travel."""
    error = ConnectionError("lost it")
    error.connection = socket.socket()  # type: ignore[attr-defined]
    raise error


def tries(stop: str) -> tuple[str, str, str | None]:
    """What a task hears that cannot go there, and where it is then."""
    try:
        hetmig.migrate(stop)
    except hetmig.HetmigError as error:
        return type(error).__name__, str(error), hetmig.here()
    return "moved", "", hetmig.here()


def chatter(stops: list[str], lines: int) -> None:
    """Write to both streams, through C and through Python, all the way."""
    for stop in [*stops, ""]:
        for i in range(lines):
            print(f"{hetmig.here()} {i}")
            if i % 10 == 0:
                print(f"{hetmig.here()} error {i}", file=sys.stderr)
        print("no newline", end=";")
        sys.stdout.flush()
        os.write(1, b"from the descriptor\n")
        if stop:
            hetmig.migrate(stop)


def stays_for_its_flags() -> str:
    """Its innermost frame holds what cannot travel."""
    holder = [{"flags": sys.flags}]
    try:
        hetmig.migrate("b")
    except hetmig.NotMigratable as error:
        return f"{type(error).__name__}: {error}"
    return f"moved with {holder}"


def stubborn(path: str) -> str:
    """Loop with a socket in hand until a file appears: it can be asked, but not be moved."""
    connection = socket.socket()
    print("looping")
    while not os.path.exists(path):
        for _ in range(1000):
            pass
    connection.close()
    return f"still at {hetmig.here()}, {connection.fileno()}"


def within_sorted(path: str) -> list[int]:
    """Spend all the time in a callback of C code."""

    def key(value: int) -> int:
        while not os.path.exists(path):
            pass
        return -value

    print("looping")
    return sorted([1, 2, 3], key=key)


def with_exit_marks(path: str) -> str:
    """Leave a mark for every `with` and `finally` that runs, saying where."""

    class Mark:
        def __enter__(self) -> None: ...

        def __exit__(self, *error: object) -> None:
            with open(path, "a") as file:
                file.write(f"exit {hetmig.here()}\n")

    try:
        with Mark():
            hetmig.migrate("b")
    finally:
        with open(path, "a") as file:
            file.write(f"finally {hetmig.here()}\n")
    return str(hetmig.here())


def fail(message: str) -> None:
    try:
        {}["cause"]
    except KeyError as error:
        raise ValueError(message) from error


def fail_after_move(to: str) -> None:
    def inner() -> None:
        hetmig.migrate(to)
        raise LookupError("far from home")

    inner()


def crash(signum: int) -> None:
    os.kill(os.getpid(), signum)
    while True:
        signal.pause()


def fork_and_return() -> tuple[int, int]:
    """A forked child that falls out of the task must not end the task."""
    child = os.fork()
    if child == 0:
        print("child")
        sys.exit(7)
    _, status = os.waitpid(child, 0)
    return os.getpid() != child, os.waitstatus_to_exitcode(status)


def read_input() -> tuple[str, list[str], str]:
    import __main__

    return sys.stdin.read(), sys.argv, __main__.__name__


def identify() -> int:
    print("here I am")
    return os.getpid()


def loop_for_ever() -> None:
    print(f"pid {os.getpid()}")
    while True:
        for _ in range(1000):
            pass


def report(count: int) -> None:
    for i in range(count + 1):
        hetmig.progress(i, count, f"step {i}")


def uses_the_process(stop: str) -> tuple[object, ...]:
    """Has state in `random`, `decimal` and the interpreter, and goes on with it elsewhere."""
    random.seed(17)
    decimal.getcontext().prec = 40
    sys.setrecursionlimit(4321)
    before = random.random()
    if stop:
        hetmig.migrate(stop)
    return before, random.random(), decimal.Decimal(1) / 3, sys.getrecursionlimit()


def commutes(stops: list[str], rounds: int) -> int:
    """Moves by itself all the time."""
    print("commuting")
    for _ in range(rounds):
        for stop in stops:
            hetmig.migrate(stop)
    return rounds


def goes_and_stays(stop: str) -> str | None:
    hetmig.migrate(stop)
    print("arrived")
    while hetmig.here() == stop:
        pass
    return hetmig.here()


def read_later(path: str) -> str:
    """Wait for a file, without computing."""
    print("waiting")
    while not os.path.exists(path):
        time.sleep(0.01)
    with open(path) as file:
        return file.read()


def count_until(path: str) -> tuple[int, int]:
    """Count until a file appears; how far, and the sum of all numbers on the way."""
    print("counting")
    count = total = 0
    while count % 10_000 or not os.path.exists(path):
        total += count
        count += 1
    return count, total
