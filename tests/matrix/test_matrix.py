"""Whatever moves between any two targets ends as if it had not moved, or is refused by reason.

By default a sample of cases goes over some of the pairs; `-m matrix` has all of them everywhere.
"""

from __future__ import annotations

import itertools
import os

import pytest

from hetmig.errors import TargetUnavailable
from tests.matrix.chain import travel
from tests.matrix.pairs import cases, run, summary, title
from tests.matrix.sites import Site
from tests.matrix.table import NAMES

POINTS = int(os.environ.get("HETMIG_MATRIX_POINTS", "2"))
SHARE = int(os.environ.get("HETMIG_MATRIX_SHARE", "1"))
"""Every so many-th case."""

SOME = (
    *("3.11", "arm64", "s390x", "armhf", "i386", "pyodide-3.14", "windows"),
    *("3.12", "3.13", "3.14", "3.15"),
)
"""Other CPUs, byte orders, word sizes, systems, versions; in the order in which the chain goes."""
LIGHT = {
    "calls.shared_cells",
    "exceptions.nested_handlers",
    "generators.recursive_yield_from",
    "language.dataclass",
    "language.match",
    "loops.nested_loops_over_everything",
}
PAIRS = [*itertools.pairwise((*SOME, SOME[0])), ("3.14", "s390x"), ("3.13", "3.11")]


def _sites(names):
    found = []
    for name in names:
        try:
            found.append(Site(name))
        except TargetUnavailable as error:
            print(f"left out: {error}")
    return found


@pytest.fixture(scope="module")
def some():
    """Some of the targets, one process each; those which can't be had are left out."""
    sites = _sites(SOME)
    yield sites
    for site in sites:
        site.close()


@pytest.mark.foreign
def test_a_sample_of_the_cases_between_some_targets(some):
    chosen = [case for case in cases() if title(case) in LIGHT]
    assert len(chosen) == len(LIGHT)
    results = run(some, chosen, 1, lambda *pair: pair in PAIRS, fresh=False)
    _must_be_right(results)
    here = {site.name: site.minor for site in some}
    alike = [pair for pair in results.pairs if here[pair[0]] == here[pair[1]]]
    assert all(results.pairs[pair].migrated for pair in alike)


@pytest.mark.foreign
def test_a_chain_through_some_targets(some):
    journey = travel(some)
    assert len(journey.hops) > 20
    print(journey)


@pytest.mark.matrix
@pytest.mark.timeout(8 * 3600)
def test_all_cases_between_all_targets():
    _must_be_right(run(_sites(NAMES), cases(SHARE), POINTS))


@pytest.mark.matrix
@pytest.mark.timeout(3600)
def test_a_chain_through_all_targets():
    sites = _sites(NAMES)
    try:
        journey = travel(sites)
    finally:
        for site in sites:
            site.close()
    assert set(journey.hops) == {site.name for site in sites}


def _must_be_right(results):
    for (here, there), tally in results.pairs.items():
        print(f"{here} -> {there}: {summary(tally)}")
        for reason, times in tally.refused.most_common():
            print(f"    {times} x {reason}")
    assert [wrong for tally in results.pairs.values() for wrong in tally.wrong] == []
    assert [signal for tally in results.pairs.values() for signal in tally.signals] == []
    assert [late for tally in results.pairs.values() for late in tally.late] == []
