"""Sends every frozen program to every other site, compares how it ends, and counts."""

from __future__ import annotations

import functools
import importlib
import inspect
import itertools
import math
import pkgutil
import random
import re
import sys
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import tests.cases
from hetmig.state.manifest import same_minor
from hetmig.testing.outcomes import Outcome
from hetmig.testing.programs import Frozen
from tests.matrix.site import Departures
from tests.matrix.sites import Died, Late, Site

ATTENTION = 2
"""So many interpreters work at the same time."""

Case = tuple[str, str]
"""Module and function."""

NO_TIME = Departures()
"""For a case that was not even begun."""


@dataclass
class Tally:
    """What became of the programs that went from one site to another."""

    migrated: int = 0
    cases: set[str] = field(default_factory=set)
    """Which of them have migrated, at one place at least."""
    refused: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    signals: list[str] = field(default_factory=list)
    late: list[str] = field(default_factory=list)
    """What did not come to its end in time, for whatever reason."""
    left_out: list[str] = field(default_factory=list)
    """The cases for which there was no time any more."""


@dataclass
class Results:
    """All ordered pairs."""

    pairs: dict[tuple[str, str], Tally] = field(default_factory=dict)
    not_run: dict[str, dict[str, str]] = field(default_factory=dict)
    """By site: the cases that do not run there even if nobody moves them, and why."""
    about: dict[str, str] = field(default_factory=dict)
    """By site: which Python it is."""

    def describe(self, site: Site, left: dict[Case, Departures]) -> None:
        """Note what is to be said of a site."""
        self.about[site.name] = "CPython {version}, {machine}, {system}".format(**site.about)
        found = {case: each.why_not for case, each in left.items() if each.why_not}
        self.not_run[site.name] = {title(case): why for case, why in found.items()}


def cases(share: int = 1) -> list[Case]:
    """Every `share`-th case."""
    return list(_cases())[::share]


def some_of_each(number: int, seed: int = 0) -> list[Case]:
    """So many cases of each case module, by chance; the first of each module come first."""
    modules: dict[str, list[Case]] = {}
    for case in _cases():
        modules.setdefault(case[0], []).append(case)
    chooser = random.Random(seed)
    found = [chooser.sample(each, min(number, len(each))) for each in modules.values()]
    rounds = itertools.zip_longest(*found)
    return [case for each in rounds for case in each if case is not None]


def _cases() -> Iterator[Case]:
    for found in pkgutil.iter_modules(tests.cases.__path__):
        module = importlib.import_module(f"tests.cases.{found.name}")
        for name, _ in inspect.getmembers(module, inspect.isfunction):
            if name.startswith(("case_", "program_")):
                yield module.__name__, name


def run(
    sites: Sequence[Site],
    chosen: Sequence[Case],
    points: int,
    wanted: Callable[[str, str], bool] = lambda here, there: here != there,
    *,
    fresh: bool = True,
    seconds: float = math.inf,
) -> Results:
    """Freeze each case at so many safe points at each site, and let it go on at others.

    `wanted` tells for two names whether programs go from one to the other.  With `fresh`, they
    arrive in interpreters in which none of them has ever run.  Nothing is begun after so many
    `seconds`; one case after the other goes over all pairs, so that each pair has some.
    """
    begun = time.monotonic()
    results = Results()
    left: dict[str, dict[Case, Departures]] = {site.name: {} for site in sites}
    pairs = [(here, there) for there in sites for here in sites if wanted(here.name, there.name)]
    results.pairs = {(here.name, there.name): Tally() for here, there in pairs}

    with ThreadPoolExecutor(ATTENTION) as pool:
        for case in chosen:
            # to leave may take half of the time
            if time.monotonic() - begun > seconds / 2:
                each: Iterable[Departures] = [NO_TIME] * len(sites)
            else:
                each = pool.map(functools.partial(_leave, case, points), sites)
            for site, departures in zip(sites, each, strict=True):
                left[site.name][case] = departures
            _say(f"{title(case)}: has left")
        for site in sites:
            results.describe(site, left[site.name])
            if fresh:
                site.close()

        def receive(case: Case, there: Site) -> None:
            for here in sites:
                if (tally := results.pairs.get((here.name, there.name))) is None:
                    continue
                if left[here.name][case] is NO_TIME or time.monotonic() - begun > seconds:
                    tally.left_out.append(title(case))
                else:
                    _go(case, here, there, left, tally)

        for case in chosen:
            list(pool.map(functools.partial(receive, case), sites))
            _say(f"{title(case)}: has arrived")
    for (left_from, came_to), tally in results.pairs.items():
        _say(f"{left_from} -> {came_to}: {summary(tally)}")
    if fresh:
        for site in sites:
            site.close()
    return results


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _leave(case: Case, points: int, site: Site) -> Departures:
    number = zlib.crc32(repr(case).encode())
    try:
        # half of the cases as a script's, whose module travels, too
        found: Departures = site.ask("depart", *case, points, number, bool(number % 2))
    except Died as error:
        return Departures(why_not=f"died: {error}")
    except Late as error:
        return Departures(why_not=str(error))
    return found


def _go(
    case: Case, here: Site, site: Site, left: dict[str, dict[Case, Departures]], tally: Tally
) -> None:
    departures = left[here.name][case]
    if departures.expected is None:
        if departures.why_not.startswith("died"):
            tally.signals.append(f"{title(case)} at {here.name}: {departures.why_not}")
        return
    there = left[site.name][case].expected
    native = same_minor(here.about, site.about)
    for moved in departures.native if native else departures.portable:
        if isinstance(moved, str):
            tally.refused[short(moved)] += 1
        else:
            _arrive(case, moved, site, (departures.expected, there), tally)


def _arrive(
    case: Case, moved: Frozen, site: Site, unmoved: tuple[Outcome, Outcome | None], tally: Tally
) -> None:
    try:
        ended = site.ask("arrive", moved)
    except Died as error:
        tally.signals.append(f"{title(case)}, moved at {moved.where}: {error}")
        return
    except Late as error:
        tally.late.append(f"{title(case)}, moved at {moved.where}: {error}")
        return
    if isinstance(ended, str):
        tally.refused[short(ended)] += 1
        return
    differs = difference(ended, *unmoved)
    if differs is None:
        tally.migrated += 1
        tally.cases.add(title(case))
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
    return f"{case[0].rpartition('.')[2]}.{case[1].partition('_')[2]}"


def short(reason: str) -> str:
    """A reason without what differs from run to run, such as addresses."""
    first = reason.partition("\n")[0]
    return re.sub(r"0x[0-9a-fA-F]+", "0x…", first)[:300]


def summary(tally: Tally) -> str:
    """One line."""
    refused = sum(tally.refused.values())
    return (
        f"{tally.migrated} migrated, {refused} refused, "
        f"{len(tally.wrong)} wrong, {len(tally.signals)} signals, {len(tally.late)} late"
    ) + (f", {len(tally.left_out)} cases left out" if tally.left_out else "")
