"""The benchmarks run, and say what they claim to say.  Their figures are no matter of a test."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import xml.etree.ElementTree as ElementTree

import pytest

from benchmarks import instructions, machine, measure, plot, report
from benchmarks.__main__ import BENCHMARKS
from benchmarks.programs import PROGRAMS
from tests.interpreters import ROOT


@pytest.mark.slow
@pytest.mark.parametrize("name", BENCHMARKS)
def test_a_benchmark_runs(name, tmp_path):
    if name == "dask":
        pytest.importorskip("distributed", reason='needs pip install "hetmig[dask]"')
    file = tmp_path / "figures.json"
    command = [sys.executable, "-m", "benchmarks", name, "--scale", "0.01", "--json", file]
    # without valgrind and perf, which are slow and have a test of their own
    environment = dict(os.environ, PATH="/nowhere")
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "- processor: " in done.stdout
    assert "| --" in done.stdout
    found = json.loads(file.read_text())
    assert found["machine"].keys() == machine.describe().keys()
    assert all(values for values in found["figures"][name].values())


def test_the_programs_give_the_same_result_each_time():
    for function, _ in PROGRAMS.values():
        assert function(50) == function(50) > 0


@pytest.fixture
def no_garbage(monkeypatch):
    """What measures collects garbage before each time, of which a process of tests is full."""
    monkeypatch.setattr(measure.gc, "collect", lambda: 0)


@pytest.mark.usefixtures("no_garbage")
def test_a_pair_of_the_same_thing_has_the_ratio_one():
    ticks = iter(range(1000))
    pair = measure.paired(lambda: None, lambda: None, 10, clock=lambda: next(ticks))
    assert pair == measure.Pair(10, 1, 1, 1.0, 1.0, 1.0)


@pytest.mark.usefixtures("no_garbage")
def test_a_pair_is_the_second_by_the_first():
    now = 0.0

    def take(seconds):
        def run():
            nonlocal now
            now += seconds

        return run

    pair = measure.paired(take(2.0), take(3.0), 7, clock=lambda: now)
    assert (pair.first_s, pair.second_s, pair.ratio) == (2.0, 3.0, 1.5)
    assert pair.low == pair.high == 1.5


def test_a_spread_orders_what_it_summarises():
    found = measure.spread([5, 1, 4, 2, 3]).scaled(10)
    assert found == measure.Spread(5, 10, 30, 50, 50, 50)


def test_a_table_is_aligned_markdown():
    table = report.Table("T", ("name", "n"), [("a", 1.23456), ("longer", 12345.6)], ["a note"])
    assert report.text(table).splitlines() == [
        "### T",
        "",
        "| name   | n      |",
        "| ------ | -----: |",
        "| a      |  1.235 |",
        "| longer | 12,346 |",
        "",
        "- a note",
    ]


def test_the_picture_is_well_formed_and_has_a_curve_per_name():
    svg = plot.distribution({"a & b": [1.0, 2.0, 30.0], "c": [0.5]}, "milliseconds")
    root = ElementTree.fromstring(svg)
    assert len(root.findall("{http://www.w3.org/2000/svg}path")) == 2
    assert "a & b (median 2)" in [node.text for node in root.iter()]


def test_the_parts_of_a_bar_are_true_to_scale():
    svg = plot.stacked({"one": [("a", "x", 1.0), ("b", "y", 3.0)], "two": [("a", "x", 2.0)]}, "ms")
    bars = [
        float(node.get("width"))
        for node in ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}rect")
        if node.get("height") == "40"
    ]
    assert bars[1] == pytest.approx(3 * bars[0], abs=0.2)
    assert bars[2] == pytest.approx(2 * bars[0], abs=0.2)


@pytest.mark.skipif(not instructions.tool(), reason="neither perf nor valgrind counts here")
def test_a_decorated_function_executes_the_same_instructions():
    tool = instructions.tool()
    plain, decorated = (
        instructions.per_round(tool, "tight loop", how, 5000) for how in ("plain", "decorated")
    )
    assert plain > 100
    # valgrind counts exactly; perf counts what the system makes of it, too
    assert decorated == pytest.approx(plain, rel=0.001 if tool == "valgrind" else 0.05)
