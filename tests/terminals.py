"""A shell that is typed into, and what it prints: for the `console` blocks of pages."""

from __future__ import annotations

import contextlib
import os
import queue
import shlex
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

__all__ = ["Terminal"]

SECONDS = 120.0
_DONE = "\x01done"


class Terminal:
    """One bash, with what its commands print, both streams in one."""

    def __init__(self, directory: Path, environment: Mapping[str, str]) -> None:
        self._shell = subprocess.Popen(
            ["bash", "--norc"],
            cwd=directory,
            env={**environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        threading.Thread(target=self._read, daemon=True).start()
        self._read_so_far: list[str] = []

    def run(self, command: str, shown: Sequence[str] = ()) -> str:
        """Type a command, and wait until it has ended and has printed these lines; all it printed.

        Fails if its exit code is not 0.
        """
        self._read_so_far = []
        assert self._shell.stdin is not None
        self._shell.stdin.write(f"eval {shlex.quote(command)} </dev/null; echo {_DONE} $?\n")
        self._shell.stdin.flush()
        end = time.monotonic() + SECONDS
        code = ""
        printed: list[str] = []
        while not code or not _has(printed, shown):
            try:
                line = self._lines.get(timeout=max(0.0, end - time.monotonic()))
            except queue.Empty:
                missing = f"; shown was {list(shown)}" if shown else ""
                raise AssertionError(f"{command!r} hangs: {printed}{missing}") from None
            if line is None:
                raise AssertionError(f"{command!r} has ended the shell: {printed}")
            before, mark, rest = line.partition(_DONE)
            if mark:
                code = rest.strip()
                line = before
                assert code == "0", f"{command!r} ends with {code}: {printed}"
            if line:
                printed.append(line)
        return "\n".join(printed)

    def close(self) -> None:
        """End the shell and what it has started."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._shell.pid, number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._shell.wait(20)
                break
        assert self._shell.stdin is not None
        assert self._shell.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            self._shell.stdin.close()

    def _read(self) -> None:
        assert self._shell.stdout is not None
        with self._shell.stdout as lines:
            for line in lines:
                self._lines.put(line.rstrip("\n"))
        self._lines.put(None)


def _has(printed: Sequence[str], shown: Sequence[str]) -> bool:
    """Whether these lines were printed, in this order, perhaps with others between."""
    rest = iter(printed)
    return all(any(_fits(line, pattern) for line in rest) for pattern in shown)


def _fits(line: str, pattern: str) -> bool:
    place = 0
    line = " ".join(line.split())
    for part in " ".join(pattern.split()).split("..."):
        part = part.strip()
        place = line.find(part, place)
        if place < 0:
            return False
        place += len(part)
    return True
