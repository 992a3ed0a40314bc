"""One interpreter of the matrix: freezes programs and lets others' go on, as many as it is sent.

Messages are those of `hetmig.testing.worker`.  There may be no threads and no signals of others.
"""

from __future__ import annotations

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
from hetmig.testing.torturing import checked, chosen, count
from hetmig.testing.worker import receive, send


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
    try:
        imported = importlib.import_module(module)
        if by_value:
            cloudpickle.register_pickle_by_value(imported)
        program = Program(getattr(imported, case), (), None, ())
        found.expected = checked(program)
        found.points = count(program)
        _freeze(program, chosen(found.points, at_most, seed), found)
    except Exception as error:
        found.why_not = f"{type(error).__name__}: {error}"
        found.expected = None
    finally:
        if program is not None:
            program.restore()
        if by_value and imported is not None:
            cloudpickle.unregister_pickle_by_value(imported)
    return found


def _freeze(program: Program, wanted: frozenset[int] | None, found: Departures) -> None:
    passed = 0

    def visit(stop: Stop) -> None:
        nonlocal passed
        passed += 1
        if wanted is not None and passed - 1 not in wanted:
            return
        for portable, kept in ((False, found.native), (True, found.portable)):
            try:
                image = program.freeze(stop, portable=portable)
            except NotMigratable as error:
                kept.append(error.reason)
            else:
                kept.append(Frozen(stop.where, image, output.getvalue()))

    run, arguments = program.fresh()
    with visiting(visit), recording() as output:
        undisturbed = outcome(lambda: above(run), arguments=arguments, recorder=output)
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
    moved: Frozen,
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
        ended = outcome(lambda: above(run), arguments=lambda: extra["arguments"], recorder=output)
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
