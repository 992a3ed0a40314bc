"""Starts the interpreters of the matrix, and talks with them."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import IO, Any

from hetmig import targets
from hetmig.testing.worker import receive, send
from tests.interpreters import ROOT, RUNNING

SECONDS = 200
"""So long one job may take: an emulated CPU is slow."""

_BOOT = """
import json, sys
sys.path[:0] = json.loads(sys.stdin.buffer.readline())
from hetmig.node import asynchronous
asynchronous.install()
from tests.matrix.site import main
main()
"""


class Died(Exception):
    """An interpreter ended in the middle of a job."""


class Late(Exception):
    """An interpreter took too long for a job, and was ended."""


class Site:
    """One target; started at first use, and again after it has died."""

    def __init__(self, name: str) -> None:
        """Raises TargetUnavailable."""
        self.name = name
        self.python = Path(sys.executable) if name == RUNNING else targets.make(name)
        self.about: dict[str, Any] = {}
        self._process: subprocess.Popen[bytes] | None = None
        self._errors: IO[bytes] | None = None

    @property
    def minor(self) -> str:
        """The minor version of its Python."""
        if not self.about:
            self._start()
        return ".".join(self.about["version"].split(".")[:2])

    def ask(self, *job: Any) -> Any:
        """Have a job done.  Raises Died if it ends the interpreter, and Late."""
        process = self._process or self._start()
        assert process.stdin is not None
        assert process.stdout is not None
        late = threading.Event()
        watch = threading.Timer(SECONDS, lambda: (late.set(), process.kill()))
        watch.start()
        try:
            send(process.stdin, job)
            answer = receive(process.stdout)
        except (EOFError, BrokenPipeError):
            code, said = process.wait(), self._said()
            self.close()
            if late.is_set():
                raise Late(f"no end after {SECONDS} s") from None
            raise Died(f"ended with {code}: {said}") from None
        finally:
            watch.cancel()
        if isinstance(answer, RuntimeError):
            raise answer
        return answer

    def _start(self) -> subprocess.Popen[bytes]:
        self._errors = tempfile.TemporaryFile()
        command = [str(self.python), "-X", "faulthandler", "-P", "-c", _BOOT]
        process = self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors, cwd=ROOT
        )
        assert process.stdin is not None
        assert process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(json.dumps([str(ROOT)]).encode() + b"\n")
            process.stdin.flush()
        hello = process.stdout.readline()
        if not hello:
            code, said = process.wait(), self._said()
            self.close()
            raise RuntimeError(f"{self.name} does not start, {code}: {said}")
        self.about = json.loads(hello)
        return process

    def _said(self) -> str:
        assert self._errors is not None
        self._errors.seek(0)
        return self._errors.read().decode("utf-8", "replace")[-3000:].strip()

    def close(self) -> None:
        """End the interpreter."""
        process, self._process = self._process, None
        if process is not None:
            assert process.stdin is not None
            assert process.stdout is not None
            with contextlib.suppress(BrokenPipeError):
                process.stdin.close()
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            process.stdout.close()
        if self._errors is not None:
            self._errors.close()
            self._errors = None
