"""Where a frozen program goes on: in this process, in another one, or in another interpreter."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, Protocol

import hetmig
from hetmig import targets
from hetmig.errors import HetmigError, NotMigratable, TargetUnavailable
from hetmig.state.manifest import check_python, make_manifest
from hetmig.testing import worker
from hetmig.testing.outcomes import Outcome, outcome, recording
from hetmig.testing.programs import Frozen, Program, thaw

__all__ = ["Here", "Place", "Worker", "place", "worker_for"]

_LONGEST_DUMP = 20_000


class Place(Protocol):
    """Somewhere a frozen program can go on."""

    is_foreign: bool
    """Whether the standard library there may be another micro version's."""

    def go_on(self, program: Program, frozen: Frozen) -> Outcome:
        """Run it to its end.  Raises NotMigratable if it is refused there."""


class Here:
    """This process."""

    is_foreign = False

    def go_on(self, program: Program, frozen: Frozen) -> Outcome:
        """Run it to its end."""
        program.fresh()
        run, extra = thaw(frozen.image)
        with recording(frozen.written) as output:
            return outcome(run, arguments=lambda: extra["arguments"], recorder=output)


class Worker:
    """Another process, spawned; a new one takes the place of one that has died."""

    def __init__(self, python: Path, seconds: float) -> None:
        self.is_foreign = python != Path(sys.executable)
        self._python = python
        self._seconds = seconds
        self._process: subprocess.Popen[bytes] | None = None
        self._errors: IO[bytes] | None = None
        self._is_new = True

    def go_on(self, program: Program, frozen: Frozen) -> Outcome:
        """Run it to its end there."""
        kind, payload, _ = self.ask("run", frozen)
        if kind == "refused":
            assert isinstance(payload, NotMigratable)
            raise payload
        assert isinstance(payload, Outcome)
        return payload

    def ask(self, *job: Any) -> worker.Answer:
        """Have a job done.  Raises HetmigError, with what it said last, if the process dies."""
        self.start()
        process = self._process
        assert process is not None
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            self._greet(process.stdout)
            worker.send(process.stdin, job)
            return worker.receive(process.stdout)  # type: ignore[no-any-return]
        except (EOFError, BrokenPipeError):
            code, said = process.wait(), self._said()
            self.close()
            raise HetmigError(f"the process {_ended(code)}{said}") from None

    def start(self) -> None:
        """Start the process, if it does not run yet."""
        if self._process is not None:
            return
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115  # closed in `close`
        command = [str(self._python), "-X", "faulthandler", "-P", "-c", _BOOT]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors
        )
        self._is_new = True
        assert self._process.stdin is not None
        head = {"path": _path(), "foreign": self.is_foreign, "seconds": self._seconds}
        with contextlib.suppress(BrokenPipeError):  # then there is no answer either
            self._process.stdin.write(json.dumps(head).encode() + b"\n")
            self._process.stdin.flush()

    def require(self) -> None:
        """Raises TargetUnavailable or VersionMismatch if it can't take anything from here."""
        self.start()
        assert self._process is not None
        assert self._process.stdout is not None
        try:
            self._greet(self._process.stdout)
        except EOFError:
            code, said = self._process.wait(), self._said()
            raise TargetUnavailable(f"{self._python} {_ended(code)}{said}") from None

    def _greet(self, answers: IO[bytes]) -> None:
        """Hear which Python it is, before it is sent anything that another could not read."""
        if not self._is_new:
            return
        hello = answers.readline()
        if not hello:
            raise EOFError
        check_python({**make_manifest("frames", [], 0), "python": json.loads(hello)})
        self._is_new = False

    def close(self) -> None:
        """End the process."""
        process, self._process = self._process, None
        if process is not None:
            assert process.stdin is not None
            assert process.stdout is not None
            with contextlib.suppress(BrokenPipeError):
                process.stdin.close()
            process.stdout.close()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(2)
            process.kill()
            process.wait()
        if self._errors is not None:
            self._errors.close()
            self._errors = None

    def _said(self) -> str:
        assert self._errors is not None
        self._errors.seek(0)
        text = self._errors.read().decode("utf-8", "replace")[-_LONGEST_DUMP:].strip()
        return f":\n{text}" if text else ""


_BOOT = """
import json, sys
head = json.loads(sys.stdin.buffer.readline())
path = head["path"]
own = [entry for entry in sys.path if entry not in path]
sys.path[:] = own + path if head["foreign"] else path + own
from hetmig.node import asynchronous
asynchronous.install()
from hetmig.testing.worker import main
main(head["seconds"])
"""


def _path() -> list[str]:
    """What the program may import from; hetmig itself first of all."""
    root = str(Path(hetmig.__file__).parent.parent)
    return [root, *(entry or str(Path.cwd()) for entry in sys.path if entry != root)]


def _ended(code: int) -> str:
    if code < 0:
        return f"died by {signal.Signals(-code).name}"
    return f"ended with {code}"


def worker_for(where: str, seconds: float) -> Worker:
    """The process for "process", a target's name, or a path.  Raises TargetUnavailable."""
    if where == "process":
        return Worker(Path(sys.executable), seconds)
    if where in targets.TARGETS:
        return Worker(targets.make(where), seconds)
    if Path(where).exists():
        return Worker(Path(where).absolute(), seconds)
    known = ", ".join(targets.TARGETS)
    raise TargetUnavailable(
        f"where={where!r}: no such file, nor one of here, process, {known}", target=where
    )


@contextlib.contextmanager
def place(where: str, seconds: float) -> Iterator[Place]:
    """The place called `where`, as long as it is needed.  Raises TargetUnavailable."""
    if where == "here":
        yield Here()
        return
    with contextlib.closing(worker_for(where, seconds)) as there:
        there.require()
        yield there
