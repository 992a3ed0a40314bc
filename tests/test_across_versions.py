"""What stands in words of its source goes on in other versions of Python, with equal results.

A few cases by default; all of them with `-m nightly`.  tests/matrix does it between machines, too.
"""

from __future__ import annotations

import pytest

from hetmig.errors import TargetUnavailable
from tests.interpreters import VERSIONS
from tests.matrix.pairs import cases, run, summary
from tests.matrix.sites import Site

SOME = {
    "case_nested_loops_over_everything",
    "case_with_blocks",
    "case_yield_from",
    "case_calls_pending_in_an_expression",
    "case_f_strings",
    "case_match",
}
LEFT_OUT = ("asyncio_programs", "library", "process_state")
"""Whose programs need the standard library's code, which is another one in each version."""
AIM = 2000


def moved(versions, chosen, points):
    sites = []
    for version in versions:
        try:
            sites.append(Site(version))
        except TargetUnavailable as error:
            pytest.skip(str(error))
    try:
        results = run(sites, chosen, points, fresh=False)
    finally:
        for site in sites:
            site.close()
    for (here, there), tally in results.pairs.items():
        print(f"{here} -> {there}: {summary(tally)}", *tally.refused.most_common(), sep="\n    ")
    tallies = results.pairs.values()
    assert [line for tally in tallies for line in (*tally.wrong, *tally.signals)] == []
    return sum(tally.migrated for tally in tallies)


@pytest.mark.slow
def test_a_few_cases_between_three_versions():
    chosen = [case for case in cases() if case[1] in SOME]
    assert moved(("3.11", "3.13", "3.15"), chosen, 2) >= len(SOME) * 6


@pytest.mark.nightly
@pytest.mark.timeout(4 * 3600)
def test_thousands_of_resume_points_between_all_versions():
    chosen = [case for case in cases() if case[0].rpartition(".")[2] not in LEFT_OUT]
    assert moved(VERSIONS, chosen, 4) >= AIM
