"""A report tells what was: stays, restarts, totals; whatever the clocks of the nodes say."""

from __future__ import annotations

from typing import Any

from hetmig.report.model import Report, Story
from tests.report.summaries import PYTHON, STEPS, hop, summary


def stays(story: Story) -> list[tuple[str, float, float, str]]:
    return [(s.node, round(s.begin, 3), round(s.end, 3), s.left) for s in story.stays]


def test_the_stays_are_between_the_moves() -> None:
    told = summary(hops=[hop(2, "a", "b", 110.0, 0.5), hop(3, "b", "a", 120.0, 0.25)])
    story = Story.of(told, 1000.0)
    assert stays(story) == [
        ("a", 100.0, 110.0, "moved"),
        ("b", 110.5, 120.0, "moved"),
        ("a", 120.25, 130.0, "ended"),
    ]
    assert (story.frozen_s, story.bytes, story.is_alive) == (0.75, 2000, False)


def test_what_still_runs_lasts_until_now() -> None:
    story = Story.of(summary(state="running", ended=None), 150.0)
    assert stays(story) == [("a", 100.0, 150.0, "")]


def test_a_restart_is_no_move() -> None:
    told = summary(
        hops=[hop(2, "a", "b", 110.0, 0.5)],
        restarts=[{"epoch": 1 << 20, "node": "c", "time": 120.0}],
        node="c",
    )
    story = Story.of(told, 1000.0)
    assert stays(story)[1:] == [("b", 110.5, 120.0, "restarted"), ("c", 120.0, 130.0, "ended")]


def test_it_began_at_its_first_home_wherever_it_is_at_home_now() -> None:
    told = summary(restarts=[{"epoch": 2, "node": "a", "time": 120.0}], node="a")
    told["home"] = "c"
    told["chronicle"]["begun_at"] = "a"
    story = Story.of(told, 1000.0)
    assert [stay.node for stay in story.stays] == ["a", "a"]


def test_clocks_that_disagree_do_not_turn_time_back() -> None:
    told = summary(
        hops=[hop(2, "a", "b", 90.0, 0.5), hop(3, "b", "c", 80.0, 0.5)],
        restarts=[{"epoch": 9, "node": "a", "time": None}],
        ended=70.0,
    )
    story = Story.of(told, 1000.0)
    assert [stay.node for stay in story.stays] == ["a", "b", "c", "a"]
    times = [moment for stay in story.stays for moment in (stay.begin, stay.end)]
    assert times == sorted(times)
    assert story.begin <= times[0]
    assert story.end >= times[-1]


def test_of_a_task_from_elsewhere_the_beginning_is_not_known() -> None:
    story = Story.of(summary(submitted=None, state="running", ended=None), 150.0)
    assert stays(story) == [("a", 150.0, 150.0, "")]


def report(*summaries: dict[str, Any]) -> Report:
    return Report.of("a", summaries, {"a": PYTHON, "b": None, "unused": PYTHON})


def test_what_all_of_it_comes_to() -> None:
    first = summary("one", hops=[hop(2, "a", "b", 110.0, 0.5), hop(3, "b", "a", 120.0, 0.1)])
    second = summary("two", submitted=90.0, ended=100.0, older=3)
    told = report(first, second)
    assert [story.id for story in told.stories] == ["two", "one"]
    totals = told.totals()
    assert {name: totals[name] for name in ("tasks", "moves", "bytes", "checkpoints")} == {
        "tasks": 2,
        "moves": 2,
        "bytes": 2000,
        "checkpoints": 3,
    }
    assert (totals["lived_s"], totals["longest_freeze_s"], totals["nodes"]) == (40.0, 0.5, 2)
    lanes = {lane.name: lane for lane in told.lanes}
    assert (lanes["a"].tasks, lanes["a"].moves_in, lanes["a"].moves_out) == (2, 1, 1)
    assert lanes["b"].words == "CPython 3.12.1, s390x, Linux"


def test_the_steps_of_all_moves_are_added_in_their_order() -> None:
    moved = summary(hops=[hop(2, "a", "b", 110.0, 0.5), hop(3, "b", "a", 120.0, 0.5)])
    told = report(moved)
    assert [(side, step) for side, step, _ in told.steps()] == [
        *((side, step) for side, step, _ in STEPS[:-1]),
        ("destination", "confirm"),
    ]
    assert sum(seconds for *_, seconds in told.steps()) == 2 * 0.5


def test_there_is_a_report_of_nothing() -> None:
    told = report()
    assert told.totals()["tasks"] == 0
    assert "knows of no tasks" in told.html()
