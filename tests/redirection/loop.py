"""A node's open files in this process: what is opened and moved asks for them."""

from __future__ import annotations

import contextlib
import itertools
import os
from collections.abc import Iterator

import hetmig
from hetmig.node.held_files import HeldFiles, Who
from hetmig.redirection import line as lines
from hetmig.redirection.os_errors import as_os_error, described
from hetmig.redirection.raw import close_late
from hetmig.state.pickling import dumps, loads

THERE = {"name": "there", "endpoint": "tcp://127.0.0.1:1", "key": "k"}
ELSEWHERE = {"name": "elsewhere", "endpoint": "tcp://127.0.0.1:2", "key": "k"}


class Loop:
    """Carries out at once, in this process, what is asked for."""

    is_busy = False
    keeps = divides = False

    def __init__(self, held: HeldFiles | None = None) -> None:
        self.here = THERE
        self.held = held or HeldFiles(1 << 20)
        self.who = Who("task", "owner", 1, os.getpid())
        self.asked: list[str] = []
        self.fails: dict[str, Exception] = {}
        """What goes wrong, by operation."""
        self._numbers = itertools.count(1)
        self._answers: dict[int, object] = {}

    def ask(self, header, payload=()):
        close_late()
        self.asked.append(header["op"])
        number = next(self._numbers)
        try:
            if header["op"] in self.fails:
                raise self.fails[header["op"]]
            self._answers[number] = self.held.do(self.who, dict(header), [*payload])
        except OSError as error:
            mine = isinstance(error, hetmig.HetmigError)
            self._answers[number] = error if mine else as_os_error(described(error))
        except hetmig.HetmigError as error:
            self._answers[number] = error
        return number

    def drop(self, number):
        self._answers.pop(number, None)

    def answer(self, number):
        told = self._answers.pop(number)
        if isinstance(told, Exception):
            raise told
        return told


@contextlib.contextmanager
def looped(held: HeldFiles | None = None) -> Iterator[Loop]:
    """Within, files are reached through such a loop."""
    loop = Loop(held)
    lines.connect(loop)
    try:
        yield loop
        close_late()
    finally:
        lines.connect(None)
        if held is None:
            loop.held.close()


def moved(file, loop: Loop, to: dict[str, str] = ELSEWHERE):
    """The file at another node; the original is left without a word, as a move does it."""
    parcel = dumps(file)
    abandon(file)
    loop.here = to
    return loads(parcel)


def abandon(file) -> None:
    """Its process ends."""
    raw = getattr(getattr(file, "buffer", file), "raw", file)
    if getattr(raw, "abandon", None):
        raw.abandon()
    else:
        raw.handle = None
        file.close()
