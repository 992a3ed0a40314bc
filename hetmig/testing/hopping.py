"""Migrates one run of a program again and again, at (nearly) every safe point it comes to."""

from __future__ import annotations

import contextlib
import functools
import os
import signal
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import ModuleType
from typing import Any, Protocol

from hetmig.errors import FrameAddress, HetmigError
from hetmig.testing import worker
from hetmig.testing.outcomes import Outcome, recording
from hetmig.testing.places import Worker, worker_for
from hetmig.testing.programs import Frozen, Program, thaw
from hetmig.testing.reports import Difference, Progress, Report, source_line
from hetmig.testing.torturing import checked, count
from hetmig.testing.worker import Answer

__all__ = ["ping_pong"]


def ping_pong(
    function: Callable[..., object],
    *,
    args: Sequence[Any] = (),
    kwargs: Mapping[str, Any] | None = None,
    where: str = "here",
    at_most: int | None = None,
    hops: int = 100_000,
    modules: Iterable[ModuleType | str] = (),
    seconds: float = 60,
    progress: bool | None = None,
) -> Report:
    """Migrate one run of `function(*args, **kwargs)` at every safe point, hop after hop.

    A hop goes on from the last image to the second safe point that can be captured: the first is
    the one it has come from.  Each is a process of its own: with `where="here"` a fork of this
    one, with "process" a spawned one; of another interpreter (see `torture`) every second one is,
    so that the program goes to and fro.

    With `at_most`, about so many hops are made, each over an equal share of the safe points.  The
    other arguments are those of `torture`.

    Raises Difference if the outcome is not that of the unmigrated run, or if a hop dies, and
    HetmigError for a run that takes more than `hops`.
    """
    program = Program(function, args, kwargs, modules)
    try:
        expected = checked(program)
        report = Report(program=program.name, where=where)
        report.points = count(program)
        stride = 1 if at_most is None else max(1, -(-report.points // at_most))
        with _road(where, program, seconds) as road:
            _go(
                program,
                road,
                expected,
                report,
                stride,
                hops,
                Progress(program.name, None, progress),
            )
    finally:
        program.restore()
    return report


class _Road(Protocol):
    """The processes through which a program hops."""

    is_foreign: bool

    def hop(self, frozen: Frozen | None, wanted: int) -> Answer:
        """One hop of a program, from its beginning if it is not `frozen`."""


def _go(
    program: Program,
    road: _Road,
    expected: Outcome,
    report: Report,
    stride: int,
    hops: int,
    show: Progress,
) -> None:
    before: Frozen | None = None
    frozen: Frozen | None = None
    extra = 0
    payload: Any
    for _ in range(hops):
        show(report.migrated)
        try:
            # the first safe point is where it comes from
            start = 0 if frozen is None else 1
            kind, payload, refused = road.hop(frozen, start + stride + extra)
        except HetmigError as error:
            raise _difference(report, frozen, str(error)) from None
        for refusal in refused:
            report.refuse(refusal)
        if kind == "refused":  # there: it goes on at the source, to its next safe point
            report.refuse(payload)
            report.migrated -= 1
            frozen, extra = before, extra + 1
            continue
        report.tried = report.migrated + report.refusals
        if kind == "outcome":
            difference = expected.difference(payload, elsewhere=road.is_foreign)
            if difference is not None:
                raise _difference(report, frozen, difference)
            return
        before, frozen, extra = frozen, payload, 0
        report.migrated += 1
        report.tried += 1
        report.largest = max(report.largest, payload.image.nbytes)
    raise HetmigError(f"{program.name} has not finished after {hops} hops")


def _difference(report: Report, frozen: Frozen | None, text: str) -> Difference:
    where: FrameAddress | None = frozen.where if frozen is not None else None
    last = f", the last time at {where}" if where is not None else ""
    moved = f"{report.program}, moved {report.migrated} times{last}"
    return Difference(f"{moved}: {text}{source_line(where)}", frame=where)


@contextlib.contextmanager
def _road(where: str, program: Program, seconds: float) -> Iterator[_Road]:
    if where == "here":
        if not hasattr(os, "fork"):
            raise HetmigError('there is no os.fork here: use where="process"')
        yield _Forks(program)
        return
    with contextlib.ExitStack() as stack:
        names = [where, "process"]
        workers = [worker_for(name, seconds) for name in names]
        for one in workers:
            stack.callback(one.close)
            one.require()
        yield _Workers(program, workers)


class _Forks:
    """Forks of this process, one after the other."""

    is_foreign = False

    def __init__(self, program: Program) -> None:
        self._program = program

    def hop(self, frozen: Frozen | None, wanted: int) -> Answer:
        """Fork, run there, and return what the child sends."""
        reader, writer = os.pipe()
        pid = os.fork()
        if pid == 0:
            try:
                os.close(reader)
                with open(writer, "wb") as stream:
                    self._in_child(frozen, wanted, lambda answer: worker.send(stream, answer))
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(1)
        os.close(writer)
        with open(reader, "rb") as stream:
            try:
                answer = worker.receive(stream)
            except EOFError:
                answer = None
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        if status != 0 or answer is None:
            how = f"died by {signal.Signals(-status).name}" if status < 0 else f"ended: {status}"
            raise HetmigError(f"a hop {how}")
        return answer  # type: ignore[no-any-return]

    def _in_child(self, frozen: Frozen | None, wanted: int, send: Callable[[object], None]) -> None:
        def leave(message: Answer) -> None:
            send(message)
            os._exit(0)

        program = self._program
        run, arguments = program.fresh()
        written = ""
        around = program.surroundings
        if frozen is not None:
            run, extra = thaw(frozen.image)
            arguments = functools.partial(extra.get, "arguments")
            written = frozen.written
        with recording(written) as output:
            leave(worker.hop(run, arguments, around, output, wanted, leave))


class _Workers:
    """Spawned processes.  A program that has left one is still in it: each makes one hop."""

    def __init__(self, program: Program, workers: list[Worker]) -> None:
        self.is_foreign = any(one.is_foreign for one in workers)
        self._program = program
        self._workers = workers

    def hop(self, frozen: Frozen | None, wanted: int) -> Answer:
        """Have the next process make one hop; the program begins in this one."""
        if frozen is None:
            return self._begin(wanted)
        first = self._workers.pop(0)
        self._workers.append(first)
        first.start()
        self._workers[0].start()  # it gets ready meanwhile
        try:
            return first.ask("hop", frozen, wanted)
        finally:
            first.close()

    def _begin(self, wanted: int) -> Answer:
        """Run the program in this process, to its end, for the sake of its first image."""
        found: list[Answer] = []

        def leave(message: Answer) -> None:
            if not found:
                found.append(message)

        run, arguments = self._program.fresh()
        with recording() as output:
            around = self._program.surroundings
            ended = worker.hop(run, arguments, around, output, wanted, leave)
        return found[0] if found else ended
