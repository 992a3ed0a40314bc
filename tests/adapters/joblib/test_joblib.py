"""joblib's own ways to run things, on nodes."""

from __future__ import annotations

import multiprocessing
import os
import sys

import pytest

joblib = pytest.importorskip("joblib", reason="needs hetmig[joblib]")

import hetmig  # noqa: E402
import hetmig.joblib  # noqa: E402
from hetmig.node.embedded import LocalNodes  # noqa: E402
from tests.executor import calls  # noqa: E402


@pytest.fixture(scope="module")
def local():
    with LocalNodes(2, path=sys.path) as nodes:
        yield nodes


@pytest.fixture(scope="module")
def nodes(local):
    with hetmig.connect(local[0], keys=local.keys) as connected:
        yield connected


def where(number):
    return hetmig.here(), number, os.getpid()


def test_parallel_config(nodes):
    with joblib.parallel_config("hetmig", nodes=nodes, n_jobs=2):
        done = joblib.Parallel()(joblib.delayed(where)(number) for number in range(6))
    assert [number for _, number, _ in done] == list(range(6))
    assert {place for place, _, _ in done} == {"a"}
    assert os.getpid() not in {process for _, _, process in done}


def test_parallel_backend_over_two_nodes(local):
    more = {"nodes": local.endpoints, "keys": local.keys}
    with joblib.parallel_backend("hetmig", n_jobs=2, **more):
        done = joblib.Parallel(batch_size=1)(joblib.delayed(where)(n) for n in range(6))
    assert {place for place, _, _ in done} == {"a", "b"}


def test_results_as_they_come(nodes):
    with joblib.parallel_config("hetmig", nodes=nodes, n_jobs=2):
        run = joblib.Parallel(return_as="generator")
        assert list(run(joblib.delayed(calls.add)(n) for n in range(5))) == [1, 2, 3, 4, 5]
        run = joblib.Parallel(return_as="generator_unordered")
        assert sorted(run(joblib.delayed(calls.add)(n) for n in range(5))) == [1, 2, 3, 4, 5]


def test_a_call_that_fails_ends_the_others(nodes):
    with (
        joblib.parallel_config("hetmig", nodes=nodes, n_jobs=2),
        pytest.raises(RuntimeError, match="123"),
    ):
        joblib.Parallel(batch_size=1)(
            joblib.delayed(function)() for function in (calls.for_ever, calls.fail)
        )
    assert [info for info in nodes.tasks() if info.state == "running"] == []


def test_a_timeout_ends_the_calls(nodes):
    with (
        joblib.parallel_config("hetmig", nodes=nodes, n_jobs=2),
        pytest.raises(multiprocessing.TimeoutError),
    ):
        joblib.Parallel(timeout=1)(joblib.delayed(calls.for_ever)() for _ in range(2))
    assert [info for info in nodes.tasks() if info.state == "running"] == []


def test_one_connection_for_several_runs(nodes):
    with (
        joblib.parallel_config("hetmig", nodes=nodes, n_jobs=2),
        joblib.Parallel() as parallel,
    ):
        for _ in range(2):
            assert parallel(joblib.delayed(calls.add)(n) for n in range(3)) == [1, 2, 3]


def test_no_jobs_have_no_meaning(nodes):
    with (
        joblib.parallel_config("hetmig", nodes=nodes, n_jobs=0),
        pytest.raises(ValueError, match="n_jobs == 0"),
    ):
        joblib.Parallel()(joblib.delayed(calls.add)(n) for n in range(3))
