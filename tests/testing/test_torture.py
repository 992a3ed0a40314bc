"""The harness moves a program at each safe point, and says what it did."""

import decimal
import os
import random
import sys

import pytest

from hetmig.errors import NotMigratable, TargetUnavailable, VersionMismatch
from hetmig.testing import Report, Unsteady, ping_pong, torture
from hetmig.testing.torturing import chosen
from tests.interpreters import RUNNING, target
from tests.testing import programs

PLACES = ["here", "process"]
FOREIGN = {"3.11": "i386", "3.13": "amd64-3.13"}


@pytest.mark.parametrize("where", PLACES)
@pytest.mark.parametrize(
    ("function", "least"),
    [
        (programs.counts, 8),
        (programs.writes, 3),
        (programs.fails, 3),
        (programs.leaves, 3),
        (programs.uses_its_module, 3),
        (programs.uses_the_process, 3),
    ],
)
def test_each_safe_point_is_used(function, least, where):
    report = torture(function, where=where)
    assert report.refused == []
    assert report.migrated == report.tried == report.points >= least
    assert report.largest > 0


@pytest.mark.parametrize("where", PLACES)
def test_arguments_are_copied_for_each_run_and_compared(where):
    items, extra = [7], {}
    report = torture(programs.fills, args=(items,), kwargs={"extra": extra}, where=where)
    assert report.migrated >= 3
    assert (items, extra) == ([7], {})


def test_arguments_that_cannot_travel_are_named():
    with (
        open(os.devnull) as file,
        pytest.raises(NotMigratable, match=r"the arguments.*an open file"),
    ):
        torture(programs.counts, args=(file,))


def test_nothing_of_a_run_stays_behind():
    random.seed(1)
    before = random.getstate(), decimal.getcontext().prec, programs.SEEN, sys.stdout
    torture(programs.uses_its_module)
    torture(programs.uses_the_process)
    assert (random.getstate(), decimal.getcontext().prec, programs.SEEN, sys.stdout) == before
    assert programs.COUNTED == 0
    assert programs.SEEN == []


@pytest.mark.parametrize("function", [programs.yields, programs.awaits])
def test_generators_and_coroutines_are_driven(function):
    report = torture(function)
    assert report.points > 3
    assert report.migrated >= 1  # before its first frame exists


def test_a_refusal_is_counted_and_shown_once():
    report = torture(programs.sorts)
    assert report.migrated >= 1
    assert report.refusals >= 3
    (error,) = {error.variable: error for error in report.refused}.values()
    assert error.variable == "sorted(...)"
    assert report.tried == report.migrated + report.refusals
    assert f"refused at {report.refusals}:\n  sorted(...) is a C-level call" in str(report)
    assert 0 < report.share < 1


def test_a_program_that_never_stops_says_so():
    # its first instruction is a safe point, too
    report = torture(programs.without_a_stop)
    assert (report.points, report.migrated) == (1, 1)


def test_a_bounded_number_of_safe_points():
    report = torture(programs.counts, args=(100,), at_most=10, seed=5)
    assert report.migrated == report.tried == 10
    assert report.points >= 200
    assert f"10 of 10 safe points, tried of {report.points} (chosen with seed 5)" in str(report)


def test_the_choice_is_spread_and_repeatable():
    for points, at_most in [(10, 3), (1000, 7), (8, 7)]:
        some = chosen(points, at_most, seed=1)
        assert len(some) == at_most
        assert some == chosen(points, at_most, seed=1)
        for n, number in enumerate(sorted(some)):
            assert points * n // at_most <= number < points * (n + 1) // at_most
    assert chosen(1000, 7, seed=1) != chosen(1000, 7, seed=2)
    assert chosen(7, 7, seed=1) is None


def test_memory_does_not_grow_with_the_safe_points():
    # the images are of 1 MB each
    def program():
        held = bytes(1_000_000)
        for _ in range(200):
            pass
        return len(held)

    status = "/proc/self/statm"
    if not os.path.exists(status):
        pytest.skip("memory in use is read from /proc")

    def pages():
        with open(status) as file:
            return int(file.read().split()[1])

    torture(program, at_most=20)
    before = pages()
    assert torture(program).migrated >= 200
    assert (pages() - before) * os.sysconf("SC_PAGE_SIZE") < 50_000_000


@pytest.mark.parametrize(
    "function", [programs.counts, programs.writes, programs.fails, programs.uses_its_module]
)
def test_one_run_is_moved_again_and_again(function):
    report = ping_pong(function, where="process", seconds=30)
    assert report.migrated >= 3
    assert report.migrated == report.tried


def test_a_bounded_number_of_hops():
    report = ping_pong(programs.counts, args=(40,), where="process", at_most=5)
    assert 3 <= report.migrated <= 6
    assert report.points >= 80


def test_arguments_and_output_hop_along():
    report = ping_pong(programs.fills, args=([],), kwargs={"extra": {}}, where="process")
    assert report.migrated >= 3


@pytest.mark.skipif(RUNNING not in FOREIGN, reason=f"no foreign interpreter of {RUNNING}")
@pytest.mark.slow
def test_another_interpreter():
    name = FOREIGN[RUNNING]
    python = target(name)
    assert torture(programs.fails, where=name).migrated >= 3
    assert ping_pong(programs.writes, where=str(python)).migrated >= 3


@pytest.mark.slow
def test_an_interpreter_of_another_version_is_refused():
    other = "3.12" if RUNNING != "3.12" else "3.13"
    with pytest.raises(VersionMismatch, match="same implementation and minor version"):
        torture(programs.counts, where=str(target(other)))


def test_a_place_that_is_none():
    with pytest.raises(TargetUnavailable, match="no such file, nor one of here, process"):
        torture(programs.counts, where="nowhere")


def test_a_program_that_differs_from_run_to_run_is_none():
    with pytest.raises(Unsteady, match=r"never_the_same.*not do the same in each run"):
        torture(programs.never_the_same)


def test_progress(capfd):
    from hetmig.testing.reports import Progress

    show = Progress("prog", 10, True)
    show(1)  # too early
    show.PAUSE = 0
    show(2)
    assert capfd.readouterr().err.endswith("prog: 2 of 10 moves\n")
    Progress("prog", 10, None)(3)  # nobody watches


def test_the_report_is_plain():
    report = Report(program="f", points=3, tried=3, migrated=3, largest=100)
    assert str(report) == "f: moved at 3 of 3 safe points, to: here; largest image 100 bytes"
