"""What breaks: runners, nodes, the parcel on its way.  The task goes on, or is reported lost."""

from __future__ import annotations

import os
import select
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from hetmig.client import Nodes, Task, connect
from hetmig.errors import MigrationRefused, NodeUnreachable, TaskLost
from hetmig.node.embedded import LocalNodes
from tests.node import programs

WaitFor = Callable[[Task, str], str]
TIMEOUT = 60


@pytest.mark.parametrize("signum", [signal.SIGKILL, signal.SIGSEGV, signal.SIGABRT])
def test_a_crash_is_reported_with_the_signals_name(nodes: Nodes, signum: signal.Signals) -> None:
    task = nodes.submit(programs.crash, signum)
    with pytest.raises(TaskLost, match=signum.name):
        task.result(TIMEOUT)
    assert task.state == "lost"
    assert nodes.submit(programs.add, 1).result(TIMEOUT) == 2


def test_a_crash_after_a_move_is_reported_too(nodes: Nodes) -> None:
    def job() -> None:
        import hetmig

        hetmig.migrate("b")
        os.kill(os.getpid(), signal.SIGKILL)

    task = nodes.submit(job)
    with pytest.raises(TaskLost, match="SIGKILL"):
        task.result(TIMEOUT)
    assert len(task.journey()) == 1


def test_a_stopped_destination_costs_only_time(nodes: Nodes, wait_for: WaitFor) -> None:
    with LocalNodes(2) as pair, connect(pair[0], keys=pair.keys, echo=False) as local:
        task = local.submit(programs.wait_for_move)
        wait_for(task, "looping")
        os.kill(pair[1].pid, signal.SIGSTOP)
        try:
            with pytest.raises((NodeUnreachable, MigrationRefused)):
                task.migrate("b", timeout=0.5)
        finally:
            os.kill(pair[1].pid, signal.SIGCONT)
        assert task.where() == "a"
        assert task.migrate("b").destination == "b"
        assert task.result(TIMEOUT) == (0, "b")


@pytest.mark.exhaustive
def test_a_node_that_was_stopped_for_long_finds_its_runners_again(wait_for: WaitFor) -> None:
    """As by Ctrl-Z: for longer than any heartbeat between nodes lasts."""
    with LocalNodes(2) as pair, connect(pair[0], keys=pair.keys, echo=False) as nodes:
        task = nodes.submit(programs.wait_for_move)
        wait_for(task, "looping")
        os.kill(pair[0].pid, signal.SIGSTOP)
        time.sleep(14)  # what is to be shown is that this much time does no harm
        os.kill(pair[0].pid, signal.SIGCONT)
        with connect(pair[0], keys=pair.keys, echo=False) as again:
            assert again.move(task.id, "b").destination == "b"
            assert again.task(task.id).result(TIMEOUT) == (0, "b")


def test_a_node_that_dies_takes_its_tasks_along_and_home_says_so(wait_for: WaitFor) -> None:
    with LocalNodes(2) as pair, connect(pair[0], keys=pair.keys, echo=False) as nodes:
        task = nodes.submit(programs.loop_for_ever)
        runner = int(wait_for(task, "pid ").split()[1])
        gone = _when_gone(runner)
        task.migrate("b")
        assert gone.wait(TIMEOUT)
        pair[1].kill()
        with pytest.raises(TaskLost, match="node b"):
            task.result(TIMEOUT)
        with pytest.raises(NodeUnreachable):
            nodes.submit(programs.wait_for_move).migrate("b", timeout=1)


def test_runners_end_with_their_node(wait_for: WaitFor) -> None:
    with LocalNodes(1) as single, connect(single[0], keys=single.keys, echo=False) as nodes:
        task = nodes.submit(programs.loop_for_ever)
        runner = int(wait_for(task, "pid ").split()[1])
        gone = _when_gone(runner)
        single[0].kill()
        assert gone.wait(TIMEOUT)


def test_state_the_destination_cannot_rebuild_is_refused(
    nodes: Nodes, cluster: LocalNodes, tmp_path: Path
) -> None:
    (tmp_path / "only_on_a.py").write_text("class Thing: pass\n")

    def job(folder: str) -> str:
        import sys

        import hetmig

        sys.path.insert(0, folder)
        import only_on_a  # type: ignore[import-not-found]

        thing = only_on_a.Thing()
        try:
            hetmig.migrate("b")
        except hetmig.MigrationRefused as error:
            return f"{hetmig.here()} {thing is not None} {error.reason}"
        return "moved"

    answer = nodes.submit(job, str(tmp_path)).result(TIMEOUT)
    assert answer.startswith("a True")
    assert "only_on_a" in answer


def _when_gone(pid: int) -> threading.Event:
    """Set when the running process has ended, whether or not its parent has noticed."""
    gone = threading.Event()
    descriptor = os.pidfd_open(pid)

    def wait() -> None:
        select.select([descriptor], [], [])
        os.close(descriptor)
        gone.set()

    threading.Thread(target=wait, daemon=True).start()
    return gone
