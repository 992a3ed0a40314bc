"""The other process: takes frozen programs from a pipe, lets them go on, says how they ended."""

from __future__ import annotations

import faulthandler
import json
import os
import pickle
import struct
from collections.abc import Callable
from typing import IO, Any

from hetmig.errors import NotMigratable
from hetmig.state.image import Image
from hetmig.state.manifest import this_python
from hetmig.testing.outcomes import Recorder, outcome, recording
from hetmig.testing.programs import Frozen, Process, Surroundings, frozen, thaw
from hetmig.testing.stops import Stop, above, visiting

__all__ = ["Answer", "hop", "main", "receive", "send"]

Answer = tuple[str, object, list[NotMigratable]]
"""What became of the program (image, outcome, refused), itself, and what was refused before."""

_LENGTH = struct.Struct("!Q")


def send(stream: IO[bytes], message: object) -> None:
    """Write one message."""
    data = pickle.dumps(message)
    stream.write(_LENGTH.pack(len(data)) + data)
    stream.flush()


def receive(stream: IO[bytes]) -> Any:
    """Read one message.  Raises EOFError if the other side is gone."""
    head = stream.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        raise EOFError
    (length,) = _LENGTH.unpack(head)
    data = stream.read(length)
    if len(data) < length:
        raise EOFError
    return pickle.loads(data)


def main(seconds: float) -> None:
    """Serve until the other side is gone; a job that takes longer than `seconds` ends it all."""
    answers = os.fdopen(os.dup(1), "wb")
    jobs = os.fdopen(os.dup(0), "rb")
    os.dup2(2, 1)  # what C code writes must not come between the answers
    with open(os.devnull) as nothing:
        os.dup2(nothing.fileno(), 0)
    answers.write(json.dumps(this_python()).encode() + b"\n")
    answers.flush()
    process = Process()
    while True:
        try:
            kind, *job = receive(jobs)
        except EOFError:
            return
        faulthandler.dump_traceback_later(seconds, exit=True)
        process.restore()
        send(answers, _JOBS[kind](answers, *job))
        faulthandler.cancel_dump_traceback_later()


def _thawed(
    image: Image,
) -> tuple[Callable[[], object], dict[str, Any]] | tuple[None, NotMigratable]:
    try:
        return thaw(image)
    except NotMigratable as error:
        return None, error


def _run(answers: IO[bytes], moved: Frozen) -> Answer:
    run, extra = _thawed(moved.image)
    if run is None:
        return "refused", extra, []
    assert isinstance(extra, dict)
    with recording(moved.written) as output:
        ended = outcome(run, arguments=lambda: extra["arguments"], recorder=output)
    return "outcome", ended, []


def _hop(answers: IO[bytes], moved: Frozen, wanted: int) -> Answer:
    run, extra = _thawed(moved.image)
    if run is None:
        return "refused", extra, []
    assert isinstance(extra, dict)
    around = Surroundings(extra["modules"], extra["ambient"])

    def leave(message: Answer) -> None:
        send(answers, message)
        os._exit(0)

    with recording(moved.written) as output:
        return hop(run, lambda: extra["arguments"], around, output, wanted, leave)


_JOBS: dict[str, Callable[..., Answer]] = {"run": _run, "hop": _hop}


def hop(
    run: Callable[[], object],
    arguments: Callable[[], object],
    surroundings: Surroundings,
    output: Recorder,
    wanted: int,
    leave: Callable[[Answer], None],
) -> Answer:
    """Run a program up to the `wanted`-th of its safe points that can be captured.

    There `leave` is called with ("image", the frozen program, refusals so far), which ends this
    process; if not, it is called at the later ones as well.  Returns ("outcome", how it ended,
    refusals) if it came to its end.
    """
    seen = 0
    refused: list[NotMigratable] = []

    def visit(stop: Stop) -> None:
        nonlocal seen
        try:
            if seen + 1 < wanted:
                stop.capture()
                seen += 1
                return
            image = frozen(stop, arguments(), surroundings)
        except NotMigratable as error:
            error.__context__ = error.__cause__ = None
            refused.append(error.with_traceback(None))
            return
        leave(("image", Frozen(stop.where, image, output.getvalue()), refused))

    with visiting(visit):
        ended = outcome(lambda: above(run), arguments=arguments, recorder=output)
    return "outcome", ended, refused
