"""Migrates a program once at each of its safe points."""

from __future__ import annotations

import itertools
import pickle
import random
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import ModuleType
from typing import Any

from hetmig.errors import HetmigError, NotMigratable
from hetmig.testing.outcomes import Outcome, outcome, recording
from hetmig.testing.places import Place, place
from hetmig.testing.programs import Frozen, Program
from hetmig.testing.reports import Difference, Progress, Report, Unsteady, source_line
from hetmig.testing.stops import Stop, above, visiting

__all__ = ["checked", "chosen", "count", "torture"]


def torture(
    function: Callable[..., object],
    *,
    args: Sequence[Any] = (),
    kwargs: Mapping[str, Any] | None = None,
    where: str = "here",
    at_most: int | None = None,
    seed: int = 0,
    warm_up: int = 0,
    modules: Iterable[ModuleType | str] = (),
    seconds: float = 60,
    progress: bool | None = None,
) -> Report:
    """Migrate `function(*args, **kwargs)` once at each of its safe points.

    It runs once undisturbed.  Then it runs again, and at every safe point its stack is captured,
    turned into bytes, and it goes on (which proves that capture only reads).  At last each image
    is thawed and run to its end, and its outcome compared with the undisturbed one: the value or
    the exception (with its traceback, context, cause, notes), what was written to standard output,
    and the arguments as they are then.

    `function` may be a generator function, which is then run to its end, or a coroutine function.
    Each run gets arguments of its own, copied as a move copies them.

    `where` is "here" (this process), "process" (another one), the name of one of
    `hetmig.targets.TARGETS`, or the path of a Python of this minor version with hetmig's
    requirements.  Elsewhere, a run may take `seconds`.

    With `at_most`, only so many safe points are used, spread over the run by a choice that hangs
    on `seed`; the report says how many there were.  CPython rewrites code that runs often: after
    `warm_up` more runs, safe points are those of a hot program.  `modules` are modules whose data
    belongs to the program, besides that of `function` itself.  `progress` tells whether to show on
    standard error how far it is; by default only on a terminal.

    Raises Difference for the first migrated run whose outcome differs, or that crashes; Unsteady
    if two unmigrated runs differ; NotMigratable for arguments that can't travel; and
    TargetUnavailable and VersionMismatch for a place that can't be had.  Call it in the main
    thread.
    """
    program = Program(function, args, kwargs, modules)
    try:
        expected = checked(program)
        for _ in range(warm_up):
            _undisturbed(program)
        report = Report(program=program.name, where=where)
        wanted: frozenset[int] | None = None
        if at_most is not None:
            report.points = count(program)
            wanted = chosen(report.points, at_most, seed)
            report.seed = seed if wanted is not None else None
        with Spool() as stops:
            _stop_at(program, wanted, expected, report, stops)
            with place(where, seconds) as there:
                _move(program, stops, there, expected, report, progress)
    finally:
        program.restore()
    return report


def checked(program: Program) -> Outcome:
    """How the program ends undisturbed: twice the same, or nothing can be said about it."""
    expected, again = (_undisturbed(program) for _ in range(2))
    if (difference := expected.difference(again)) is not None:
        raise Unsteady(
            f"{program.name} can't be put to the test: it does not do the same in each run "
            f"({difference.removesuffix(' when unmoved')} in the run before)"
        )
    return expected


def _undisturbed(program: Program) -> Outcome:
    run, arguments = program.fresh()
    return outcome(run, arguments=arguments)


def count(program: Program) -> int:
    """How many safe points a run of the program comes to."""
    found = 0

    def visit(stop: Stop) -> None:
        nonlocal found
        found += 1

    run, _ = program.fresh()
    with visiting(visit):
        outcome(lambda: above(run))
    return found


def chosen(points: int, at_most: int, seed: int) -> frozenset[int] | None:
    """One of each of `at_most` stretches of the run, by chance; None: all of them.

    Not every n-th: in a loop, that may be the same place each time.
    """
    if points <= at_most:
        return None
    random_ = random.Random(seed)
    edges = [points * n // at_most for n in range(at_most + 1)]
    return frozenset(random_.randrange(low, high) for low, high in itertools.pairwise(edges))


class Spool:
    """Frozen programs, on disk: there may be more of them than fits into memory."""

    def __enter__(self) -> Spool:
        self._file = tempfile.TemporaryFile()
        self._count = 0
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def __len__(self) -> int:
        return self._count

    def add(self, frozen: Frozen) -> None:
        """Keep one."""
        pickle.dump(frozen, self._file)
        self._count += 1

    def __iter__(self) -> Iterator[Frozen]:
        self._file.seek(0)
        for _ in range(self._count):
            yield pickle.load(self._file)


def _stop_at(
    program: Program,
    wanted: frozenset[int] | None,
    expected: Outcome,
    report: Report,
    stops: Spool,
) -> None:
    """Run the program, and keep an image of each safe point that is wanted."""
    passed = 0

    def visit(stop: Stop) -> None:
        nonlocal passed
        passed += 1
        if wanted is not None and passed - 1 not in wanted:
            return
        report.tried += 1
        try:
            frozen = program.freeze(stop)
        except NotMigratable as error:
            report.refuse(error)
        else:
            report.largest = max(report.largest, frozen.nbytes)
            stops.add(Frozen(stop.where, frozen, output.getvalue()))

    run, arguments = program.fresh()
    with visiting(visit), recording() as output:
        undisturbed = outcome(lambda: above(run), arguments=arguments, recorder=output)
    report.points = passed
    if (difference := expected.difference(undisturbed)) is not None:
        raise Difference(f"{program.name} noticed that it was captured: {difference}")


def _move(
    program: Program,
    stops: Spool,
    there: Place,
    expected: Outcome,
    report: Report,
    progress: bool | None,
) -> None:
    """Let each frozen program go on at its place, and compare."""
    show = Progress(program.name, len(stops), progress)
    for number, frozen in enumerate(stops):
        show(number)
        try:
            got = there.go_on(program, frozen)
        except NotMigratable as error:
            report.refuse(error)
            continue
        except HetmigError as error:
            raise Difference(_moved(program, frozen, str(error)), frame=frozen.where) from None
        difference = expected.difference(got, elsewhere=there.is_foreign)
        if difference is not None:
            raise Difference(_moved(program, frozen, difference), frame=frozen.where)
        report.migrated += 1


def _moved(program: Program, frozen: Frozen, text: str) -> str:
    return f"{program.name}, moved at {frozen.where}: {text}{source_line(frozen.where)}"
