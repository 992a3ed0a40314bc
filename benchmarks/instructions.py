"""Counts the instructions a Python program executes: unlike time, they hardly vary."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

__all__ = ["per_round", "tool"]

_ROOT = Path(__file__).resolve().parent.parent


def tool() -> str | None:
    """Return what can count here: valgrind, else perf, else None.

    Under valgrind a process has the same addresses in each run, and so hardly varies.
    """
    for name in ("valgrind", "perf"):
        if shutil.which(name) and _count(name, [sys.executable, "-c", ""]) is not None:
            return name
    return None


def per_round(name: str, program: str, how: str, rounds: int) -> float:
    """Return the instructions per round of `benchmarks.program PROGRAM HOW`.

    Two runs are subtracted, one of them twice as long, so that start-up and imports drop out.
    """
    once, twice = (_of_run(name, program, how, factor * rounds) for factor in (1, 2))
    return (twice - once) / rounds


def _of_run(name: str, program: str, how: str, rounds: int) -> int:
    command = [sys.executable, "-m", "benchmarks.program", program, how, str(rounds)]
    count = _count(name, command)
    if count is None:
        raise RuntimeError(f"{name} could not count {' '.join(command)}")
    return count


def _count(name: str, command: Sequence[str]) -> int | None:
    environment = dict(os.environ, PYTHONHASHSEED="0")
    if name == "perf":
        counting = ["perf", "stat", "-x,", "-e", "instructions:u", "--", *command]
        pattern = r"^(\d+),[^,]*,instructions"
    else:
        counting = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", *command]
        pattern = r"Collected : (\d+)"
    done = subprocess.run(
        counting,
        cwd=_ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    found = re.search(pattern, done.stderr, re.MULTILINE)
    return int(found[1]) if found and done.returncode == 0 else None
