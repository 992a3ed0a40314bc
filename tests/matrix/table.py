"""The part of docs/portability.md that `python -m tests.matrix` writes."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

from hetmig.targets import TARGETS
from tests.matrix.chain import Journey
from tests.matrix.pairs import Results, Tally, short

PAGE = Path(__file__).resolve().parent.parent.parent / "docs" / "portability.md"

NAMES = (
    *("3.11", "3.12", "3.13", "3.14", "3.15", "3.13t"),
    *("i386", "arm64", "armhf", "s390x", "riscv64", "ppc64el"),
    *("pyodide-3.11", "pyodide-3.12", "pyodide-3.13", "pyodide-3.14", "windows"),
)
"""The targets of the matrix."""

_PART = re.compile(r"(<!-- begin: (\w+) -->\n).*?(<!-- end: \2 -->)", re.DOTALL)


def targets() -> str:
    """The table of the targets."""
    rows = [f"| `{t.name}` | {t.version} | {t.about} | {t.origin} |" for t in TARGETS.values()]
    return "\n".join(["| target | CPython | what it is | made from |", "|---|---|---|---|", *rows])


def matrix(results: Results) -> str:
    """One row for each target that programs left, one column for each that they came to."""
    names = list(results.about)
    lines = ["| from \\ to | " + " | ".join(names) + " |", "|---" * (len(names) + 1) + "|"]
    for here in names:
        cells = [_cell(results, here, there) for there in names]
        lines.append(f"| **{here}** | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _cell(results: Results, here: str, there: str) -> str:
    tally = results.pairs.get((here, there))
    if tally is None:
        return "·"
    said = f"{tally.migrated} / {sum(tally.refused.values())}"
    bad = [f"**{len(bad)} {what}**" for what, bad in _bad(tally) if bad]
    return " / ".join([said, *bad])


def _bad(tally: Tally) -> list[tuple[str, list[str]]]:
    return [("wrong", tally.wrong), ("signals", tally.signals), ("late", tally.late)]


def sums(results: Results) -> str:
    """All pairs together, and what the targets were."""
    tallies = results.pairs.values()
    migrated = sum(tally.migrated for tally in tallies)
    refused = sum(sum(tally.refused.values()) for tally in tallies)
    bad = [
        f"{sum(len(_bad(tally)[index][1]) for tally in tallies)} {what}"
        for index, what in enumerate(("wrong", "signals", "late"))
    ]
    about = [f"- `{name}`: {text}" for name, text in results.about.items()]
    total = (
        f"{len(tallies)} ordered pairs: {migrated} migrated, {refused} refused, {', '.join(bad)}."
    )
    return "\n".join([total, "", *about])


def refusals(results: Results) -> str:
    """Every reason, the most frequent first, with the names in it left out."""
    counted: Counter[str] = Counter()
    for tally in results.pairs.values():
        for reason, times in tally.refused.items():
            counted[_general(reason)] += times
    rows = [f"| {times} | {reason} |" for reason, times in counted.most_common()]
    return "\n".join(["| times | reason |", "|---|---|", *rows])


def _general(reason: str) -> str:
    """A reason as it is said of many programs: without their names and places of a host."""
    reason = re.sub(r" from '[^']*'", "", reason)
    reason = re.sub(r" between \S+ and \S+", " between … and …", reason)
    reason = re.sub(r"its code is \w{8,} at the source of the state and \w{8,} here", "…", reason)
    return reason.replace("|", "\\|").replace("<", "\\<")


def chain(journey: Journey) -> str:
    """How often the traveller came to each target, and where it was refused."""
    times = Counter(journey.hops)
    hops = ", ".join(f"`{name}` {count}" for name, count in times.items())
    reasons = Counter(_general(short(reason)) for reason in journey.refused)
    refused = [f"- {count} x {reason}" for reason, count in reasons.most_common()]
    return "\n".join(
        [f"{len(journey.hops)} hops: {hops}; {len(journey.refused)} refusals.", *refused]
    )


def left_out(results: Results) -> str:
    """The cases for which there was no time, and between which targets."""
    found: dict[tuple[str, ...], list[str]] = {}
    for pair, tally in results.pairs.items():
        if tally.left_out:
            found.setdefault(tuple(tally.left_out), []).append(" to ".join(pair))
    return (
        "\n".join(
            f"- {', '.join(f'`{case}`' for case in cases)}: "
            + ("all pairs" if len(pairs) == len(results.pairs) else ", ".join(pairs))
            for cases, pairs in found.items()
        )
        or "None."
    )


def not_run(results: Results) -> str:
    """The cases that do not run at a target even if nobody moves them."""
    rows = [
        f"| `{name}` | `{case}` | {_general(why.splitlines()[0][:160])} |"
        for name, found in results.not_run.items()
        for case, why in found.items()
    ]
    return "\n".join(["| target | case | why |", "|---|---|---|", *rows]) if rows else "None."


def written(page: str, parts: dict[str, str]) -> str:
    """The page with new text between its marks."""
    return _PART.sub(lambda m: f"{m[1]}{parts[m[2]]}\n{m[3]}" if m[2] in parts else m[0], page)
