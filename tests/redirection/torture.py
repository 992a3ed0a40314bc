"""Programs that read and write files, moved at each safe point: the bytes are those of no move.

`python -m tests.redirection.torture POLICY HOPS` (0: at each safe point).  Each hop is a
process of its own.  The files of "home" are held by one more, and every third hop is at their node
again.
"""

from __future__ import annotations

import csv
import os
import subprocess
import sys
import tempfile
from multiprocessing.connection import Client, Connection, Listener
from pathlib import Path

import hetmig
from hetmig.node.held_files import HeldFiles, Who
from hetmig.redirection import line as lines
from hetmig.redirection.os_errors import as_os_error, described
from hetmig.testing import ping_pong
from tests.redirection.loop import ELSEWHERE, THERE

_LINES = [f"{n},{n * n},ä{'x' * (n % 7)}\r\n" for n in range(12)]


def copied(directory: str, policy: str) -> bytes:
    """Text in, text out, another newline and encoding."""
    source, target = f"{directory}/in", f"{directory}/out"
    with hetmig.open(source, "w", encoding="utf-8", newline="", policy=policy) as out:
        for line in _LINES:
            out.write(line)
    with (
        hetmig.open(source, encoding="utf-8", policy=policy) as given,
        hetmig.open(target, "w", encoding="utf-16", newline="\r\n", policy=policy) as out,
    ):
        first = given.read(3)
        out.write(first)
        for number, line in enumerate(given):
            out.write(f"{number} {line}")
            if number == 4:
                out.write(given.readline()[::-1])
    return Path(target).read_bytes() if policy != "carry" else b""


def at_random(directory: str, policy: str) -> tuple[bytes, list[object]]:
    """One file, read and written at many places."""
    seen: list[object] = []
    with hetmig.open(f"{directory}/random", "w+b", policy=policy) as file:
        place = 1
        for number in range(14):
            place = place * 37 % 101
            file.seek(place)
            file.write(bytes([number]) * (number % 5))
            seen.append(file.tell())
            file.seek(place // 2)
            seen.append(file.read(3))
            if number % 6 == 5:
                file.truncate(place + 20)
        file.seek(0)
        return file.read(), seen


def rows(directory: str, policy: str) -> list[list[str]]:
    """A reader and a writer of the library, and appending."""
    for start in (0, 3):
        with hetmig.open(f"{directory}/rows", "a", newline="", policy=policy) as file:
            writer = csv.writer(file)
            for number in range(start, start + 3):
                writer.writerow([number, "a,b", number * 2])
                file.flush()
    found = []
    with hetmig.open(f"{directory}/rows", newline="", policy=policy) as file:
        line = file.readline()
        while line:
            found.append(line.split(","))
            line = file.readline()
    os.unlink(f"{directory}/rows")
    return found


PROGRAMS = (copied, at_random, rows)


class Far:
    """A line to the process which holds the files."""

    is_busy = False
    keeps = divides = False

    def __init__(self, address: str) -> None:
        self._address = address
        self._process = 0
        self._connection: Connection | None = None
        self._answers: dict[int, object] = {}
        self._last = 0
        self._here: dict[str, str] = {}

    @property
    def here(self) -> dict[str, str]:
        self._connected()
        return self._here

    def _connected(self) -> Connection:
        if self._process != os.getpid() or self._connection is None:
            self._process, self._connection = os.getpid(), Client(self._address)
            hop = self._connection.recv()
            self._here = THERE if hop % 3 == 0 else ELSEWHERE
        return self._connection

    def ask(self, header, payload=()):
        self._connected().send((os.getpid(), dict(header), [bytes(frame) for frame in payload]))
        self._last += 1
        self._answers[self._last] = self._connected().recv()
        return self._last

    def drop(self, number):
        self._answers.pop(number, None)

    def answer(self, number):
        kind, told = self._answers.pop(number)
        if kind == "os":
            raise as_os_error(told)
        if kind == "other":
            raise told
        return told


def hold(address: str) -> None:
    """Be that process, for one connection at a time, until the standard input ends."""
    held = HeldFiles()
    hop = 0
    with Listener(address) as listener:
        print("ready", flush=True)
        while True:
            with listener.accept() as connection:
                connection.send(hop)
                hop += 1
                _serve(held, connection)


def _serve(held: HeldFiles, connection: Connection) -> None:
    while True:
        try:
            pid, header, payload = connection.recv()
        except (EOFError, ConnectionError):
            return
        try:
            told = "told", held.do(Who("task", "owner", 1, pid), header, payload)
        except hetmig.HetmigError as error:
            told = "other", error
        except OSError as error:
            told = "os", described(error)
        connection.send(told)


def main(policy: str, hops: int) -> None:
    """Move each program, and say how often."""
    with tempfile.TemporaryDirectory() as directory:
        address = f"{directory}/socket"
        command = [sys.executable, "-m", "tests.redirection.torture", "hold", address]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as holder:
            try:
                assert holder.stdout is not None
                holder.stdout.readline()
                if policy == "home":
                    lines.connect(Far(address))
                for program in PROGRAMS:
                    report = ping_pong(program, args=(directory, policy), at_most=hops or None)
                    print(program.__name__, report.migrated, "moves,", report.points, "points",
                          report.refusals, "refusals", sorted(report.reasons)[:2])  # fmt: skip
                    assert report.migrated > (1 if hops else 10)
            finally:
                holder.kill()


if __name__ == "__main__":
    if sys.argv[1] == "hold":
        hold(sys.argv[2])
    else:
        main(sys.argv[1], int(sys.argv[2]))
