"""Shared objects, locks and buffers between tasks on three nodes."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import hetmig
from hetmig import sharing
from hetmig.client import Nodes, Task
from hetmig.errors import ActorLost, NotInTask, TaskLost
from hetmig.node.embedded import LocalNodes
from tests.sharing import programs

TIMEOUT = 90
WaitFor = Callable[[Task, str], str]


@pytest.fixture
def account(nodes: Nodes, cluster: LocalNodes) -> Iterator[Any]:
    account = hetmig.shared(programs.Account(0), nodes=nodes, at=cluster[1].name)
    yield account
    sharing.unshare(account)


def test_used_from_a_task_that_moves(nodes: Nodes, cluster: LocalNodes) -> None:
    assert nodes.submit(programs.uses, cluster[2].name).result(TIMEOUT) == {
        "same": True,
        "sum": 15,
        "read": 100,
        "log": ["a", "b"],
        "error": "no such thing",
        "copy": 100,
        "table": (1, ["y"], 2, False, [("y", 2)]),
    }


def test_outside_of_tasks(nodes: Nodes) -> None:
    proxy = nodes.submit(programs.makes, [3, 1, 2]).result(TIMEOUT)
    proxy.sort()
    assert list(proxy) == [1, 2, 3]
    assert sharing.snapshot(proxy) == [1, 2, 3]
    again = nodes.submit(programs.passes_on, proxy).result(TIMEOUT)
    assert again is proxy
    with pytest.raises(NotInTask):
        proxy.lock.acquire()
    sharing.unshare(proxy)
    with pytest.raises(TaskLost):
        proxy.append(4)


def test_immutable(nodes: Nodes, cluster: LocalNodes) -> None:
    first, fourth, error = nodes.submit(programs.table_of, 1000, cluster[1].name).result(TIMEOUT)
    assert first == (3, 1000, sum(range(1000)))
    assert fourth == 4
    assert "immutable" in error


def test_bound_to_its_task(nodes: Nodes, tmp_path: Path, wait_for: WaitFor) -> None:
    gate = tmp_path / "gate"
    task = nodes.submit(programs.makes_bound, str(gate))
    found = re.search(r"id (\w+)", wait_for(task, "id "))
    assert found is not None
    actor = nodes.find(found[1])
    gate.touch()
    task.result(TIMEOUT)
    until = time.monotonic() + TIMEOUT
    while True:
        try:
            actor.where()
            state = {info.id: info.state for info in nodes.tasks()}[found[1]]
            if state != "running":
                break
        except (ActorLost, TaskLost):
            break
        assert time.monotonic() < until
        time.sleep(0.05)


def test_the_lock_is_held_across_moves(nodes: Nodes, cluster: LocalNodes, account: Any) -> None:
    tasks = [nodes.submit(programs.counts, account, 8, cluster[n].name) for n in range(3)]
    assert [task.result(TIMEOUT) for task in tasks] == [8] * 3
    assert account.balance == 24


def test_the_lock_of_a_task_that_was_cancelled(
    nodes: Nodes, tmp_path: Path, wait_for: WaitFor, account: Any
) -> None:
    holder = nodes.submit(programs.holds, account, str(tmp_path / "never"))
    wait_for(holder, "holds it")
    waiting = nodes.submit(programs.takes, account)
    holder.cancel()
    assert waiting.result(TIMEOUT) == 1


def test_a_late_call_is_refused(
    nodes: Nodes, tmp_path: Path, wait_for: WaitFor, account: Any
) -> None:
    gate = tmp_path / "gate"
    holder = nodes.submit(programs.late, account, str(gate))
    wait_for(holder, "holds it")
    account._reference.call("withdraw", ticket_of(account)).result(TIMEOUT)  # it is given up
    assert nodes.submit(programs.takes, account).result(TIMEOUT) == 1
    gate.touch()
    assert holder.result(TIMEOUT) == "refused"
    assert account.balance == 1


def ticket_of(account: Any) -> str:
    turns = account._reference.call("__getattribute__", "turns").result(TIMEOUT)
    return str(turns.ticket)


def test_who_gets_the_proxy_does_not_get_the_lock(nodes: Nodes, account: Any) -> None:
    got = nodes.submit(programs.passes_on, account).result(TIMEOUT)
    assert got is account
    assert nodes.submit(programs.takes, got).result(TIMEOUT) == 1


def test_writers_take_turns(nodes: Nodes, cluster: LocalNodes) -> None:
    buffer = hetmig.shared_buffer(100_000, nodes=nodes, at=cluster[1].name)
    starts = (1000, 20_000, 50_000)
    tasks = [
        nodes.submit(programs.writes, buffer, 6, start, cluster[n].name)
        for n, start in enumerate(starts)
    ]
    moved = [task.result(TIMEOUT) for task in tasks]
    expected = bytearray(100_000)
    expected[0] = expected[1] = 18
    for start in starts:
        expected[start : start + 6] = bytes(range(1, 7))
    assert programs.reads(buffer) == expected
    assert nodes.submit(programs.reads, buffer).result(TIMEOUT) == expected
    assert all(0 < size < 50 * 4096 for size in moved)
    assert nodes.submit(programs.fails_in_a_write, buffer).result(TIMEOUT) == expected
    sharing.unshare(buffer)


def test_an_array(nodes: Nodes, cluster: LocalNodes) -> None:
    numpy = pytest.importorskip("numpy")
    got, writable = nodes.submit(programs.array_of, cluster[1].name).result(TIMEOUT)
    expected = numpy.arange(3000.0).reshape(30, 100)
    expected[3, 4] = -1.0
    expected[5] *= 2
    assert numpy.array_equal(got, expected)
    assert not writable


def test_a_small_change_costs_little(nodes: Nodes) -> None:
    first, nothing, one = nodes.submit(programs.little, 1 << 16).result(TIMEOUT)
    assert first <= 1 << 16
    assert nothing == first
    assert one == first + 1024


def test_an_inner_block_that_fails_releases_nothing(nodes: Nodes) -> None:
    buffer = hetmig.shared_buffer(10, nodes=nodes)
    said, locked = nodes.submit(programs.abandons_inside, buffer).result(TIMEOUT)
    assert "nothing is released" in said
    assert not locked
    assert programs.reads(buffer) == bytes(10)
    assert nodes.submit(programs.fails_in_a_write, buffer).result(TIMEOUT) == bytes(10)
