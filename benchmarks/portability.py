"""Between versions of Python: how many of the standard library's resume points have a place there.

Each version compiles the same sources, lists its resume points by meaning, and looks for a place
for those that the others list.  Nothing is run here; `tests.matrix` runs.
"""

from __future__ import annotations

import itertools
import os
import random
import sys
import sysconfig
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

from benchmarks.report import Report, Table
from hetmig import targets
from hetmig.errors import TargetUnavailable
from hetmig.interpreter.crossing import IMPLIED, VISIBLE, Interpreter, Points

__all__ = ["VERSIONS", "run"]

VERSIONS = ("3.11", "3.12", "3.13", "3.14", "3.15")


def run(scale: float = 1.0) -> Report:
    """Compare every ordered pair over the standard library, or over a part of it."""
    with ExitStack() as stack:
        pythons = {v: stack.enter_context(Interpreter(path)) for v, path in _interpreters()}
        found = _Found(tuple(pythons))
        pool = stack.enter_context(ThreadPoolExecutor(len(VERSIONS)))
        for module in _modules(scale):
            asked = {v: pool.submit(pythons[v].points_of, str(module)) for v in pythons}
            points = {v: answer for v in pythons if (answer := asked[v].result()) is not None}
            if len(points) < len(pythons):
                continue  # not every version can parse it
            found.modules += 1
            matched = {v: pool.submit(_others, pythons[v], module, points, v) for v in pythons}
            for target, answers in matched.items():
                for source, reasons in answers.result().items():
                    found.add(source, target, module, points[source], reasons)
    found.write_refused()
    return found.report()


def _interpreters() -> Iterator[tuple[str, Path]]:
    """The versions that can be had here, and their interpreters."""
    for version in VERSIONS:
        try:
            yield version, targets.make(version)
        except TargetUnavailable as error:
            print(f"left out: {error}", file=sys.stderr)


def _others(
    python: Interpreter, module: Path, points: dict[str, Points], own: str
) -> dict[str, dict[str, list[str]]]:
    others = (version for version in points if version != own)
    return {version: python.reasons(str(module), points[version]) or {} for version in others}


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


class _Found:
    """What came out, for each pair of versions."""

    def __init__(self, versions: tuple[str, ...]) -> None:
        pairs = list(itertools.permutations(versions, 2))
        self._versions = versions
        self.modules = 0
        self._total: dict[tuple[str, str], Counter[str]] = {pair: Counter() for pair in pairs}
        self._mapped: dict[tuple[str, str], Counter[str]] = {pair: Counter() for pair in pairs}
        self._refused: list[str] = []

    def add(
        self,
        source: str,
        target: str,
        module: Path,
        points: Points,
        reasons: dict[str, list[str]],
    ) -> None:
        """Count what became of one version's points in another version."""
        for key, crossings in points.items():
            for crossing, reason in zip(crossings, reasons[key], strict=True):
                self._total[source, target][crossing.category] += 1
                if not reason:
                    self._mapped[source, target][crossing.category] += 1
                    continue
                self._refused.append(
                    f"{source} {target} {module.name}:{crossing.line} {key} "
                    f"{crossing.category} {crossing.what}: {reason}"
                )

    def report(self) -> Report:
        """The tables."""
        visible, implied = self._shares(VISIBLE), self._shares(IMPLIED)
        about = f"{self.modules} modules of CPython {sysconfig.get_python_version()}"
        first = next(iter(self._total.values()), Counter[str]())
        counts = ", ".join(f"{first[category]:,} {category}" for category in VISIBLE)
        notes = (
            f"{about}; in {self._versions[0]}: {counts}. From the row's version to the column's.",
            "Outside of comprehensions and class bodies; the whole layout of the frame maps.",
        )
        implied_notes = (
            "Getters and setters of attributes and items, `__iter__`, and the loops which 3.14 and "
            "later write for `any`, `all` and the like of a generator expression.",
        )
        title = "Portability: resume points with a place in another version, %"
        tables = [
            self._matrix(title, visible, notes),
            self._matrix(_IMPLIED_TITLE, implied, implied_notes),
        ]
        shares = {f"{a} {b}": share for (a, b), share in visible.items()}
        return Report(tables, {"visible": shares})

    def _shares(self, categories: Sequence[str]) -> dict[tuple[str, str], float]:
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

    def _matrix(
        self, title: str, shares: dict[tuple[str, str], float], notes: Sequence[str]
    ) -> Table:
        versions = self._versions
        rows = [(a, *("" if a == b else f"{shares[a, b]:.2f}" for b in versions)) for a in versions]
        return Table(title, ("from / to", *versions), rows, notes)


_IMPLIED_TITLE = "Portability: calls that the source does not show, %"
