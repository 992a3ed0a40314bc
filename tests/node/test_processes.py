"""Runners that are forked, and runners that can't be."""

from __future__ import annotations

import os
import signal
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hetmig.client import Task, connect
from hetmig.errors import TaskLost
from hetmig.node.embedded import LocalNodes
from hetmig.node.processes import Child, Children, can_fork
from tests.node import programs

TIMEOUT = 60
WaitFor = Callable[[Task, str], str]
forked = pytest.mark.skipif(not can_fork(), reason="runners are not forked on this system")


@pytest.fixture
def children() -> Iterator[Children]:
    made = Children([sys.executable])
    yield made
    made.close()


def begin(children: Children) -> Child:
    """A runner whose node does not exist: it can't get far, but it is there."""
    return children.start(
        {
            "path": [entry for entry in sys.path if entry],
            "endpoint": "tcp://127.0.0.1:1",
            "server": "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7",
            "public": "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID",
            "secret": "D:)Q[IlAW!ahhC2ac:9*A}h:p?([4%wOTJ%JR%cs",
            "executable": sys.executable,
            "node": "none",
            "place": {"name": "none", "endpoint": "tcp://127.0.0.1:1", "key": ""},
        }
    )


def parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


@forked
@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="looks into /proc")
def test_runners_are_children_of_one_server(children: Children) -> None:
    one, two = begin(children), begin(children)
    assert one.pid != two.pid
    assert parent_of(one.pid) == parent_of(two.pid) != os.getpid()
    assert parent_of(parent_of(one.pid)) == os.getpid()
    one.kill()
    assert one.wait() == -signal.SIGKILL
    os.kill(two.pid, signal.SIGTERM)
    assert two.wait() == -signal.SIGTERM
    one.kill()  # it has no process any more, and nothing happens


def test_a_runner_ends_with_its_control_line(children: Children) -> None:
    child = begin(children)
    children.close()  # of itself this ends no runner ...
    os.kill(child.pid, 0)
    child.kill()  # ... but this does, and without a server nobody knows how
    assert child.wait() in (None, -signal.SIGKILL)


def test_what_begins_with_a_thread_is_not_forked(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        textwrap.dedent("""
            import threading
            threading.Thread(target=threading.Event().wait, daemon=True).start()
        """)
    )
    children = Children(["env", f"PYTHONPATH={tmp_path}", sys.executable])
    try:
        child = begin(children)
        assert parent_of(child.pid) == os.getpid()
        child.kill()
        assert child.wait() == -signal.SIGKILL
    finally:
        children.close()


@forked
@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="looks into /proc")
def test_tasks_go_on_without_their_server(wait_for: WaitFor, tmp_path: Path) -> None:
    with LocalNodes(1) as single, connect(single[0], keys=single.keys, echo=False) as nodes:
        going = nodes.submit(programs.count_until, str(tmp_path / "enough"))
        lost = nodes.submit(programs.loop_for_ever)
        runner = int(wait_for(lost, "pid ").split()[1])
        wait_for(going, "counting")
        os.kill(parent_of(runner), signal.SIGKILL)
        # another server is started for whoever comes now
        assert nodes.submit(sum, [1, 2]).result(TIMEOUT) == 3
        os.kill(runner, signal.SIGKILL)
        with pytest.raises(TaskLost, match="nobody knows how"):
            lost.result(TIMEOUT)
        (tmp_path / "enough").touch()
        assert going.result(TIMEOUT)[0] > 0
