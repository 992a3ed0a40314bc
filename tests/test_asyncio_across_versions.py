"""asyncio programs go on in other versions of Python, between any two callbacks of their loop.

Two versions by default, and a few programs once through all; everything with `-m nightly`.
"""

from __future__ import annotations

import pytest

from hetmig.errors import TargetUnavailable
from tests.cases import asyncio_programs
from tests.interpreters import VERSIONS
from tests.matrix.chain import travel
from tests.matrix.pairs import cases, run, summary, title
from tests.matrix.sites import Site

MUST = {
    *("sleep", "sleep_zero", "gather", "shield", "wait_for", "timeout", "cancel"),
    *("lock", "event", "condition", "semaphore", "barrier", "queue", "queues_of_other_orders"),
    *("task_group", "task_group_that_fails", "managers", "in_debug_mode", "that_fails"),
}
"""Of these programs, at least one place crosses between each pair of versions."""
THROUGH_ALL = ("wait_for", "task_group", "queue", "condition", "sleep_zero")
PROGRAMS = [case for case in cases() if case[0] == asyncio_programs.__name__]


def _sites(versions):
    try:
        return [Site(version) for version in versions]
    except TargetUnavailable as error:
        pytest.skip(str(error))


def _moved(versions, chosen, points):
    sites = _sites(versions)
    try:
        results = run(sites, chosen, points, fresh=False)
    finally:
        for site in sites:
            site.close()
    for (here, there), tally in results.pairs.items():
        print(f"{here} -> {there}: {summary(tally)}", *tally.refused.most_common(), sep="\n    ")
    tallies = results.pairs.values()
    assert [line for t in tallies for line in (*t.wrong, *t.signals, *t.late)] == []
    assert not any(results.not_run.values())
    return results


@pytest.mark.slow
def test_between_the_first_version_and_a_new_one():
    results = _moved(("3.11", "3.14"), PROGRAMS, 2)
    for pair, tally in results.pairs.items():
        assert MUST - {each.partition(".")[2] for each in tally.cases} == set(), pair


@pytest.mark.slow
def test_once_through_all_versions_and_back():
    sites = _sites(VERSIONS)
    try:
        for name in THROUGH_ALL:
            journey = travel(sites, (asyncio_programs.__name__, f"program_{name}"))
            print(name, journey)
            assert len(set(journey.hops)) == len(VERSIONS)
    finally:
        for site in sites:
            site.close()


@pytest.mark.nightly
@pytest.mark.timeout(3600)
def test_between_all_versions():
    results = _moved(VERSIONS, PROGRAMS, 12)
    for pair, tally in results.pairs.items():
        assert MUST - {each.partition(".")[2] for each in tally.cases} == set(), pair


def test_the_programs_that_must_cross_exist():
    assert MUST <= {title(case).partition(".")[2] for case in PROGRAMS}
