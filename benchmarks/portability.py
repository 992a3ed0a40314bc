"""Between versions of Python: how many of the standard library's resume points have a place there.

Each version compiles the same sources, lists its resume points by meaning, and looks for a place
for those that the others list.  Nothing is run; `tests/interpreter/test_across_versions.py` runs.
"""

from __future__ import annotations

import itertools
import json
import os
import random
import subprocess
import sysconfig
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from benchmarks.report import Report, Table
from hetmig import targets

__all__ = ["VERSIONS", "run"]

VERSIONS = ("3.11", "3.12", "3.13", "3.14", "3.15")
VISIBLE = ("calls", "loops", "yields", "awaits")
_ROOT = Path(__file__).resolve().parent.parent


def run(scale: float = 1.0) -> Report:
    """Compare every ordered pair over the standard library, or over a part of it."""
    found = _Found()
    with ExitStack() as stack:
        pythons = {version: stack.enter_context(_python(version)) for version in VERSIONS}
        pool = stack.enter_context(ThreadPoolExecutor(len(VERSIONS)))
        for module in _modules(scale):
            asked = {v: pool.submit(pythons[v].ask, module, None) for v in VERSIONS}
            points = {version: answer.result() for version, answer in asked.items()}
            if None in points.values():
                continue  # not every version can parse it
            matched = {v: pool.submit(_others, pythons[v], module, points, v) for v in VERSIONS}
            found.modules += 1
            for target, answers in matched.items():
                for source, answer in answers.result():
                    found.add(source, target, module, answer)
    found.write_refused()
    return found.report()


class _Found:
    """What came out, for each pair of versions."""

    def __init__(self) -> None:
        pairs = list(itertools.permutations(VERSIONS, 2))
        self.modules = 0
        self._total: dict[tuple[str, str], Counter[str]] = {pair: Counter() for pair in pairs}
        self._mapped: dict[tuple[str, str], Counter[str]] = {pair: Counter() for pair in pairs}
        self._refused: list[str] = []

    def add(self, source: str, target: str, module: Path, answer: dict[str, Any]) -> None:
        """Count what became of one version's points in another version."""
        self._total[source, target].update(answer["total"])
        self._mapped[source, target].update(answer["mapped"])
        for reason in answer["refused"]:
            self._refused.append(f"{source} {target} {module.name} {reason}")

    def report(self) -> Report:
        """The tables."""
        visible, implied = self._shares(VISIBLE), self._shares(("implied", "implied loops"))
        about = f"{self.modules} modules of CPython {sysconfig.get_python_version()}"
        first = self._total[VERSIONS[0], VERSIONS[1]]
        counts = ", ".join(f"{first[category]:,} {category}" for category in VISIBLE)
        notes = (
            f"{about}; in {VERSIONS[0]}: {counts}. From the row's version to the column's.",
            "Outside of comprehensions and class bodies; the whole layout of the frame maps.",
        )
        implied_notes = (
            "Getters and setters of attributes and items, `__iter__`, and the loops which 3.14 and "
            "later write for `any`, `all` and the like of a generator expression.",
        )
        title = "Portability: resume points with a place in another version, %"
        tables = [
            _matrix(title, visible, notes),
            _matrix("Portability: calls that the source does not show, %", implied, implied_notes),
        ]
        shares = {f"{a} {b}": share for (a, b), share in visible.items()}
        return Report(tables, {"visible": shares})

    def _shares(self, categories: tuple[str, ...]) -> dict[tuple[str, str], float]:
        shares = {}
        for pair, total in self._total.items():
            count = sum(total[category] for category in categories)
            mapped = sum(self._mapped[pair][category] for category in categories)
            shares[pair] = 100 * mapped / count if count else 100.0
        return shares

    def write_refused(self) -> None:
        """List what has no place, if the environment says where."""
        path = os.environ.get("HETMIG_REFUSED")
        if path:
            Path(path).write_text("\n".join(self._refused) + "\n", "utf-8")


def _modules(scale: float) -> list[Path]:
    """The standard library's modules; a part of them is chosen by a fixed seed."""
    library = Path(sysconfig.get_path("stdlib"))
    left_out = {"test", "tests", "site-packages", "idle_test", "lib2to3", "__pycache__"}
    found = sorted(
        path
        for path in library.rglob("*.py")
        if not left_out & set(path.relative_to(library).parts)
    )
    return random.Random(0).sample(found, max(1, int(len(found) * min(scale, 1))))


def _matrix(title: str, shares: dict[tuple[str, str], float], notes: Sequence[str]) -> Table:
    rows = [(a, *("" if a == b else f"{shares[a, b]:.2f}" for b in VERSIONS)) for a in VERSIONS]
    return Table(title, ("from / to", *VERSIONS), rows, notes)


class _Python:
    """An interpreter that answers; see `layouts`."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def ask(self, module: Path, points: Any) -> Any:
        """The points of a module, or what became of another's; None if it can't parse it."""
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps([str(module), points]) + "\n")
        process.stdin.flush()
        return json.loads(process.stdout.readline())


def _others(
    python: _Python, module: Path, points: dict[str, Any], own: str
) -> list[tuple[str, Any]]:
    return [
        (version, python.ask(module, points[version])) for version in VERSIONS if version != own
    ]


@contextmanager
def _python(version: str) -> Iterator[_Python]:
    environment = {**os.environ, "PYTHONPATH": str(_ROOT), "PYTHONHASHSEED": "0"}
    with subprocess.Popen(
        [targets.make(version), "-m", "benchmarks.layouts"],
        cwd=_ROOT,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        yield _Python(process)
        assert process.stdin is not None
        process.stdin.close()
