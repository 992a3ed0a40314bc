"""asyncio programs, moved between their callbacks: the outcome is that of the unmoved run.

Each runs in a process of its own, in which asyncio is the one in Python.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import hetmig
from hetmig.errors import NotMigratable
from tests.cases.asyncio_programs import PROGRAMS

ROOT = Path(__file__).parent.parent.parent

# What a stop inside a callback meets: C code runs the callback.  All others are of a moment, too.
PASSING = (
    "is a C-level call between",
    "the event loop is being",
    "this Python does not show where an athrow() or aclose() stands",
    "cannot travel: a socket is a connection",  # the selector at work, the loop's own pipe
    "cannot travel: a frame or traceback",
    "run_in_executor",  # asyncio.run shuts the executor down at its end
    "knows objects by their addresses",  # signal.signal() makes a repr() of its handler
    "a class body can't move",
    "held only by what stays behind",  # a task that ends, and asyncio's list of all tasks
)


def torture(*arguments: str) -> dict[str, Any]:
    command = [sys.executable, "-X", "faulthandler", "-W", "error"]
    done = subprocess.run(
        [*command, "-m", "tests.state.asyncio_torture", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=110,
    )
    assert done.returncode == 0, done.stderr[-8000:]
    assert done.stderr == ""
    report: dict[str, Any] = json.loads(done.stdout)
    return report


@pytest.mark.parametrize("program", PROGRAMS)
def test_moved_at_some_safe_points(program: str) -> None:
    report = torture(program, "here", "60")
    assert report["migrated"] >= 3
    others = [why for why in report["refused"] if not any(part in why for part in PASSING)]
    assert others == []


@pytest.mark.slow
@pytest.mark.nightly
@pytest.mark.parametrize("program", PROGRAMS)
def test_moved_at_every_safe_point(program: str) -> None:
    assert torture(program)["migrated"] >= 100


@pytest.mark.parametrize("program", ["program_task_group", "program_async_generator_dropped"])
def test_moved_to_another_process(program: str) -> None:
    assert torture(program, "process", "60")["migrated"] >= 10


@pytest.mark.skipif(not hasattr(os, "fork"), reason="each hop is a fork")
@pytest.mark.parametrize("program", ["program_task_group", "program_queue", "program_condition"])
def test_moved_again_and_again(program: str) -> None:
    assert torture(program, "again", "30")["migrated"] >= 5


def test_data_of_no_program() -> None:
    """What belongs to no loop travels by itself; futures and loops only with their program."""

    async def queue() -> asyncio.Queue[int]:
        made: asyncio.Queue[int] = asyncio.Queue(3)
        await made.put(1)
        return made

    copy = hetmig.loads(hetmig.dumps(asyncio.run(queue())))
    assert (copy.maxsize, copy.get_nowait(), copy.empty()) == (3, 1, True)

    async def of_a_loop(make: Any) -> None:
        with pytest.raises(NotMigratable, match="event loop"):
            hetmig.dumps(make(asyncio.get_running_loop()))

    asyncio.run(of_a_loop(lambda loop: loop))
    asyncio.run(of_a_loop(lambda loop: loop.create_future()))


def test_all_of_asyncio_is_the_one_that_moves() -> None:
    program = """
from hetmig.node import asynchronous
asynchronous.install()
import asyncio
from asyncio import tasks, futures
from hetmig.state.event_loop import Loop
assert asyncio.Task is tasks.Task is tasks._PyTask
assert asyncio.Future is futures.Future is futures._PyFuture
assert issubclass(tasks._GatheringFuture, asyncio.Future)
assert asyncio.SelectorEventLoop is Loop
made = asyncio.new_event_loop()
assert type(made) is Loop
made.close()
async def main():
    assert type(asyncio.get_running_loop()) is Loop
    assert type(asyncio.current_task()) is asyncio.Task
asyncio.run(main())
with asyncio.Runner() as runner:
    runner.run(main())
"""
    command = [sys.executable, "-W", "error", "-c", program]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")


def test_generators_of_hetmigs_own_are_not_the_programs() -> None:
    """To find out where this Python keeps things, hetmig makes some while a loop runs."""
    program = """
import asyncio, copy
async def numbers():
    yield 1
    yield 2
async def main():
    import hetmig
    first = numbers()
    await anext(first)
    step = first.asend(None)
    hetmig.dumps(step)
    assert list(asyncio.get_running_loop()._asyncgens) == [first]
    assert await step == 2
    copied = hetmig.loads(hetmig.dumps(numbers()))
    assert [n async for n in copied] == [1, 2]
asyncio.run(main())
"""
    command = [sys.executable, "-W", "error", "-c", program]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
