"""`task_map`, as tqdm's `process_map`: results in order, and a bar."""

from __future__ import annotations

import io
import sys

import pytest

tqdm = pytest.importorskip("tqdm", reason="needs hetmig[tqdm]")

import hetmig  # noqa: E402
from hetmig.executor import task_map  # noqa: E402
from hetmig.node.embedded import LocalNodes  # noqa: E402
from tests.executor import calls  # noqa: E402


@pytest.fixture(scope="module")
def nodes():
    with LocalNodes(1, path=sys.path) as local, hetmig.connect(local[0], keys=local.keys) as made:
        yield made


def test_the_results_are_in_order_and_the_bar_is_full(nodes):
    shown = io.StringIO()
    bar = {"desc": "adding", "file": shown, "ascii": True, "mininterval": 0}
    done = task_map(calls.add, range(5), [10] * 7, nodes=nodes, chunksize=2, **bar)
    assert done == [10, 11, 12, 13, 14]
    assert "adding: 100%" in shown.getvalue()
    assert "5/5" in shown.getvalue()


def test_an_executor_stays_open(nodes):
    with hetmig.Executor(2, nodes=nodes) as executor:
        for _ in range(2):
            assert task_map(calls.add, iter(range(3)), executor=executor, disable=True) == [1, 2, 3]


def test_a_bar_of_ones_own(nodes):
    seen = []

    def bar(results, *, total):
        seen.append(total)
        return results

    assert task_map(calls.add, [1, 2], nodes=nodes, tqdm_class=bar) == [2, 3]
    assert seen == [2]


def test_what_a_call_raises_is_raised(nodes):
    with pytest.raises(TypeError):
        task_map(calls.add, ["text"], nodes=nodes, disable=True)


def test_without_tqdm_the_error_says_what_to_install(nodes, monkeypatch):
    monkeypatch.setitem(sys.modules, "tqdm.auto", None)
    with pytest.raises(hetmig.HetmigError, match=r'pip install "hetmig\[tqdm\]"'):
        task_map(calls.add, [1], nodes=nodes)
