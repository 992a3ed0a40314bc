"""Sends every frozen program to every other site, compares how it ends, and counts."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
import sys
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field

import tests.cases
from hetmig.testing.outcomes import Outcome
from hetmig.testing.programs import Frozen
from tests.matrix.site import Departures
from tests.matrix.sites import Died, Site

ATTENTION = 2
"""So many interpreters work at the same time."""

Case = tuple[str, str]
"""Module and function."""


@dataclass
class Tally:
    """What became of the programs that went from one site to another."""

    migrated: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    signals: list[str] = field(default_factory=list)


@dataclass
class Results:
    """All ordered pairs."""

    pairs: dict[tuple[str, str], Tally] = field(default_factory=dict)
    not_run: dict[str, dict[str, str]] = field(default_factory=dict)
    """By site: the cases that do not run there even if nobody moves them, and why."""
    about: dict[str, str] = field(default_factory=dict)
    """By site: which Python it is."""


def cases(share: int = 1) -> list[Case]:
    """Every `share`-th case."""
    return list(_cases())[::share]


def _cases() -> Iterator[Case]:
    for found in pkgutil.iter_modules(tests.cases.__path__):
        module = importlib.import_module(f"tests.cases.{found.name}")
        for name, _ in inspect.getmembers(module, inspect.isfunction):
            if name.startswith("case_"):
                yield module.__name__, name


def run(
    names: Sequence[str],
    chosen: Sequence[Case],
    points: int,
    pairs: Iterable[tuple[str, str]] | None = None,
) -> Results:
    """Freeze each case at so many safe points at each site, and let it go on at all others.

    `pairs` are the ordered pairs that are wanted; all by default.  Raises TargetUnavailable.
    """
    wanted = set(pairs) if pairs is not None else {(a, b) for a in names for b in names if a != b}
    sites = {name: Site(name) for name in names}
    results = Results()
    with ThreadPoolExecutor(ATTENTION) as pool:
        left = dict(
            zip(names, pool.map(lambda n: _leave(sites[n], chosen, points), names), strict=True)
        )
        for name in names:
            about = sites[name].about
            results.about[name] = f"{about['version']}, {about['machine']}, {about['system']}"
            results.not_run[name] = {
                title(case): found.why_not
                for case, found in left[name].items()
                if found.expected is None
            }

        def receive(there: str) -> dict[tuple[str, str], Tally]:
            with closing(sites[there]) as site:
                return {
                    (here, there): _go(here, site, left, sites[here].minor == site.minor)
                    for here in names
                    if (here, there) in wanted
                }

        for tallies in pool.map(receive, names):
            results.pairs.update(tallies)
    return results


def _leave(site: Site, chosen: Sequence[Case], points: int) -> dict[Case, Departures]:
    left = {}
    with closing(site):
        for case in chosen:
            number = zlib.crc32(repr(case).encode())
            try:
                # half of the cases as a script's, whose module travels, too
                left[case] = site.ask("depart", *case, points, number, bool(number % 2))
            except Died as error:
                left[case] = Departures(why_not=f"died: {error}")
    print(f"{site.name}: {len(left)} cases", file=sys.stderr, flush=True)
    return left


def _go(here: str, site: Site, left: dict[str, dict[Case, Departures]], native: bool) -> Tally:
    tally = Tally()
    for case, departures in left[here].items():
        if departures.expected is None:
            if departures.why_not.startswith("died"):
                tally.signals.append(f"{title(case)} at {here}: {departures.why_not}")
            continue
        there = left[site.name][case].expected
        for moved in departures.native if native else departures.portable:
            if isinstance(moved, str):
                tally.refused[short(moved)] += 1
            else:
                _arrive(case, moved, site, (departures.expected, there), tally)
    print(f"{here} -> {site.name}: {summary(tally)}", file=sys.stderr, flush=True)
    return tally


def _arrive(
    case: Case, moved: Frozen, site: Site, unmoved: tuple[Outcome, Outcome | None], tally: Tally
) -> None:
    try:
        ended = site.ask("arrive", moved)
    except Died as error:
        tally.signals.append(f"{title(case)}, moved at {moved.where}: {error}")
        return
    if isinstance(ended, str):
        tally.refused[short(ended)] += 1
        return
    differs = difference(ended, *unmoved)
    if differs is None:
        tally.migrated += 1
    else:
        tally.wrong.append(f"{title(case)}, moved at {moved.where}: {differs}")


def difference(ended: Outcome, here: Outcome, there: Outcome | None) -> str | None:
    """In what a moved run differs from the unmoved ones; None if in nothing.

    Versions of Python word their messages differently.  What is so in an unmoved run at either
    site is right; a run that has moved may have some of one and some of the other.
    """
    differs = here.difference(ended, elsewhere=True)
    if differs is None or there is None:
        return differs
    if there.difference(ended, elsewhere=True) is None:
        return None
    first, second, third = (each.lines(elsewhere=True) for each in (here, there, ended))
    if not len(first) == len(second) == len(third):
        return differs
    mixed = all(c in (a, b) for a, b, c in zip(first, second, third, strict=True))
    return None if mixed else differs


def title(case: Case) -> str:
    """What to call a case: `loops.for_else`."""
    return f"{case[0].rpartition('.')[2]}.{case[1].removeprefix('case_')}"


def short(reason: str) -> str:
    """A reason without what differs from run to run, such as addresses."""
    first = reason.partition("\n")[0]
    return re.sub(r"0x[0-9a-fA-F]+", "0x…", first)[:300]


def summary(tally: Tally) -> str:
    """One line."""
    refused = sum(tally.refused.values())
    return (
        f"{tally.migrated} migrated, {refused} refused, "
        f"{len(tally.wrong)} wrong, {len(tally.signals)} signals"
    )
