"""What a torture run found: a report, or the first difference."""

from __future__ import annotations

import linecache
import sys
import time
from dataclasses import dataclass, field

from hetmig.errors import FrameAddress, HetmigError, NotMigratable

__all__ = ["Difference", "Progress", "Report", "Unsteady", "source_line"]


class Difference(HetmigError):
    """A migrated run differs from the unmigrated one.

    The message says where it was moved, shows that line, and names the first thing that differs.
    """


class Unsteady(HetmigError):
    """The program does not do the same in each run, moved or not: nothing can be compared.

    Give it its time, its random numbers and its files in such a way that it does.
    """


@dataclass
class Report:
    """What a torture run did."""

    migrated: int = 0
    """How many migrations gave the unmigrated outcome."""
    refused: list[NotMigratable] = field(default_factory=list)
    """Why others were refused: each reason once per place."""
    largest: int = 0
    """The largest image, in bytes."""
    program: str = ""
    """What was run."""
    where: str = "here"
    """Where it was moved to."""
    points: int = 0
    """How many safe points the program came to."""
    tried: int = 0
    """At how many of them it was stopped: all of them, unless the number was bounded."""
    refusals: int = 0
    """How many of those were refused."""
    seed: int | None = None
    """What the choice of safe points hangs on; None if there was no choice."""

    @property
    def reasons(self) -> set[str]:
        """The different reasons of refusal."""
        return {error.reason for error in self.refused}

    @property
    def share(self) -> float:
        """The share of the stops at which the program could move."""
        return self.migrated / self.tried if self.tried else 0.0

    def refuse(self, error: NotMigratable) -> None:
        """Note a refusal."""
        self.refusals += 1
        if all(
            (known.reason, known.frame) != (error.reason, error.frame) for known in self.refused
        ):
            # its traceback would keep alive what the program lets go of
            error.__context__ = error.__cause__ = None
            self.refused.append(error.with_traceback(None))

    def __str__(self) -> str:
        of = f" of {self.points}" if self.points != self.tried else ""
        chosen = f" (chosen with seed {self.seed})" if self.seed is not None else ""
        lines = [
            f"{self.program or 'the program'}: moved at {self.migrated} of {self.tried} safe points"
            f"{', tried' + of + chosen if of else ''}, to: {self.where}; "
            f"largest image {self.largest} bytes"
        ]
        if self.refusals:
            lines.append(f"refused at {self.refusals}:")
            lines += [f"  {error}" for error in self.refused[:10]]
            if len(self.refused) > 10:
                lines.append(f"  and {len(self.refused) - 10} more reasons")
        return "\n".join(lines)


def source_line(where: FrameAddress | None) -> str:
    """The line of the program at `where`, to be shown below a message."""
    text = linecache.getline(where.file, where.line).strip() if where is not None else ""
    return f"\n    {where.line if where else ''} | {text}" if text else ""


class Progress:
    """Tells once in a while, on standard error, how far a long run has come."""

    PAUSE = 2.0

    def __init__(self, program: str, total: int | None, shown: bool | None) -> None:
        """`shown` None: if somebody watches, that is, if standard error is a terminal."""
        self._program = program
        self._total = total
        self._stream = sys.__stderr__
        watched = self._stream is not None and self._stream.isatty()
        self._shown = watched if shown is None else shown
        self._last = time.monotonic()

    def __call__(self, done: int) -> None:
        """`done` moves have been made."""
        now = time.monotonic()
        if not self._shown or now - self._last < self.PAUSE or self._stream is None:
            return
        self._last = now
        of = f" of {self._total}" if self._total is not None else ""
        print(f"{self._program}: {done}{of} moves", file=self._stream, flush=True)
