"""One interpreter of the matrix: freezes programs and lets others' go on, as many as it is sent.

Messages are those of `hetmig.testing.worker`.  There may be no threads and no signals of others.
"""

from __future__ import annotations

import functools
import importlib
import json
import os
import sys
import traceback
from dataclasses import dataclass, field
from typing import Any

import cloudpickle

from hetmig.errors import HetmigError, NotMigratable
from hetmig.state.manifest import this_python
from hetmig.testing.outcomes import Outcome, outcome, recording
from hetmig.testing.programs import Frozen, Process, Program, Surroundings, frozen, thaw
from hetmig.testing.stops import Stop, above, visiting
from hetmig.testing.torturing import checked, chosen
from hetmig.testing.worker import receive, send

TRIES = 20
"""So many safe points, one after the other, are tried before a request is given up."""


PROGRAM = "program_"
"""So begin the names of asyncio's; they move between two callbacks of their loop."""


@dataclass
class Departures:
    """What became of one case at the site where it began."""

    expected: Outcome | None = None
    """How it ends if nobody moves it; None if it does not run there."""
    why_not: str = ""
    points: int = 0
    native: list[Frozen | str] = field(default_factory=list)
    """A frozen program, or why it was refused, for each safe point chosen."""
    portable: list[Frozen | str] = field(default_factory=list)


def depart(module: str, case: str, at_most: int, seed: int, by_value: bool) -> Departures:
    """Run a case to its end, and freeze it at some of its safe points on the way, in both forms."""
    found = Departures()
    program = None
    imported = None
    between = case.startswith(PROGRAM)
    try:
        imported = importlib.import_module(module)
        if by_value:
            cloudpickle.register_pickle_by_value(imported)
        program = Program(getattr(imported, case), (), None, ())
        found.expected = checked(program)
        found.points = _count(program, between)
        _freeze(program, chosen(found.points, at_most, seed), found, between)
    except Exception as error:
        found.why_not = f"{type(error).__name__}: {error}"
        found.expected = None
    finally:
        if program is not None:
            program.restore()
        if by_value and imported is not None:
            cloudpickle.unregister_pickle_by_value(imported)
    return found


def _passes(stop: Stop, between: bool) -> bool:
    frame = stop.frame
    place = frame.f_globals.get("__name__"), frame.f_code.co_name
    return not between or place == ("hetmig.state.event_loop", "run_forever")


def _count(program: Program, between: bool) -> int:
    found = 0

    def visit(stop: Stop) -> None:
        nonlocal found
        found += _passes(stop, between)

    run, _ = program.fresh()
    with visiting(visit):
        outcome(functools.partial(above, run))
    return found


def _freeze(
    program: Program, wanted: frozenset[int] | None, found: Departures, between: bool
) -> None:
    """Freeze it as a request does: where that is refused, it is tried at the next safe points."""
    asked = {False: found.native, True: found.portable}
    open_: dict[bool, list[str]] = {portable: [] for portable in asked}
    """The refusals of the request that is open, by form."""
    passed = 0

    def visit(stop: Stop) -> None:
        nonlocal passed
        if not _passes(stop, between):
            return
        passed += 1
        begins = wanted is None or passed - 1 in wanted
        for portable, kept in asked.items():
            refusals = open_[portable]
            if begins and refusals:
                kept.append(refusals[0])
                refusals.clear()
            if not begins and not refusals:
                continue
            try:
                image = program.freeze(stop, portable=portable)
            except NotMigratable as error:
                refusals.append(error.reason)
                if wanted is None or len(refusals) == TRIES:
                    kept.append(refusals[0])
                    refusals.clear()
            else:
                refusals.clear()
                kept.append(Frozen(stop.where, image, output.getvalue()))

    run, arguments = program.fresh()
    with visiting(visit), recording() as output:
        undisturbed = outcome(functools.partial(above, run), arguments=arguments, recorder=output)
    for portable, kept in asked.items():
        kept += open_[portable][:1]
    assert found.expected is not None
    difference = found.expected.difference(undisturbed)
    if difference is not None:
        raise HetmigError(f"it noticed that it was captured: {difference}")


def arrive(moved: Frozen) -> Outcome | str:
    """Let a frozen program go on to its end; or why it is refused."""
    try:
        run, extra = thaw(moved.image)
    except NotMigratable as error:
        return error.reason
    with recording(moved.written) as output:
        return outcome(run, arguments=lambda: extra["arguments"], recorder=output)


def relay(
    moved: Frozen, between: bool = False
) -> tuple[Outcome, Frozen | None, Frozen | None, list[str]] | str:
    """Like `arrive`, and freeze the program at its next safe point while it goes on to its end.

    The first safe point is the one that it has come from.  It is frozen in both forms, at the
    first place that allows one of them.
    """
    try:
        run, extra = thaw(moved.image)
    except NotMigratable as error:
        return error.reason
    around = Surroundings(extra["modules"], extra["ambient"])
    found: list[Frozen | None] = [None, None]
    refused: list[str] = []
    passed = 0

    def visit(stop: Stop) -> None:
        nonlocal passed
        if not _passes(stop, between):
            return
        passed += 1
        if passed == 1 or any(found):
            return
        for portable in (False, True):
            try:
                image = frozen(stop, extra["arguments"], around, portable=portable)
            except NotMigratable as error:
                refused.append(error.reason)
            else:
                found[portable] = Frozen(stop.where, image, output.getvalue())

    with visiting(visit), recording(moved.written) as output:
        ended = outcome(
            functools.partial(above, run), arguments=lambda: extra["arguments"], recorder=output
        )
    return ended, found[0], found[1], refused


def main() -> None:
    """Serve until the other side is gone."""
    jobs, answers = sys.stdin.buffer, sys.stdout.buffer
    sys.stdout = sys.stderr  # what programs write must not come between the answers
    answers.write(json.dumps(this_python()).encode() + b"\n")
    answers.flush()
    process = Process()
    kinds: dict[str, Any] = {"depart": depart, "arrive": arrive, "relay": relay}
    while True:
        try:
            kind, *job = receive(jobs)
        except EOFError:
            break
        process.restore()
        try:
            answer = kinds[kind](*job)
        except Exception:  # a mistake of the harness or of hetmig's
            answer = RuntimeError(traceback.format_exc())
        send(answers, answer)
    os._exit(0)  # programs may have left threads
