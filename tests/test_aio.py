"""The asyncio client: a task is awaited, and whoever is cancelled while awaiting it ends it."""

from __future__ import annotations

import asyncio
import functools
import inspect
import sys
import threading

import pytest

import hetmig
from hetmig.errors import NoSuchTask, NotConnected, NotMigratable, RemoteTraceback
from hetmig.node.embedded import LocalNodes
from tests import aio_programs as programs

SECONDS = 60


@pytest.fixture(scope="module")
def local():
    with LocalNodes(2, path=sys.path) as nodes:
        yield nodes


def connected(test):
    """Run an `async def` with a connection to the first node."""

    @functools.wraps(test)
    def run(local, **more):
        async def main():
            async with (
                asyncio.timeout(SECONDS),
                hetmig.aio.connect(local[0], keys=local.keys, echo=False) as nodes,
            ):
                await test(nodes, **more)

        asyncio.run(main(), debug=False)

    parameters = list(inspect.signature(test).parameters.values())
    local_only = inspect.Parameter("local", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    run.__signature__ = inspect.Signature([local_only, *parameters[1:]])
    return run


@connected
async def test_a_task_is_awaited_for_its_result(nodes):
    assert await nodes.submit(programs.add, 41) == 42
    assert await nodes.submit(programs.doubled, 4) == 8
    several = [nodes.submit(programs.add, number) for number in range(3)]
    assert await asyncio.gather(*several) == [1, 2, 3]
    done, _ = await asyncio.wait([nodes.submit(programs.add, 1)])
    assert [task.result() for task in done] == [2]


@connected
async def test_it_has_no_threads_of_its_own(nodes):
    before = threading.active_count()
    assert await nodes.submit(programs.add, 1) == 2
    assert threading.active_count() == before
    ours = {thread.name for thread in threading.enumerate()}
    assert not ours & {"hetmig-client", "hetmig-callbacks"}


@connected
async def test_arguments_are_taken_as_they_are_when_it_is_submitted(nodes):
    values = [1]
    task = nodes.submit(len, values)
    values.append(2)
    assert await task == 1


@connected
async def test_a_task_is_moved_found_and_asked(nodes, tmp_path):
    task = nodes.with_options(name="mover").submit(programs.until, str(tmp_path / "go"))
    hop = await task.move("b")
    assert (hop.source, hop.destination) == ("a", "b")
    assert await task.where() == "b"
    assert await nodes.find("mover") is task
    assert await nodes.task(task.id) is task
    assert (await task.info()).state == "running"
    assert task.id in [info.id for info in await nodes.tasks()]
    assert {node.name for node in await nodes.nodes()} == {"a", "b"}
    assert (await nodes.move(task.id, "a")).destination == "a"
    (tmp_path / "go").touch()
    assert await task == str(tmp_path / "go")
    assert [hop.destination for hop in await task.journey()] == ["b", "a"]
    for report in (await task.report(), await nodes.report(task.id)):
        assert [stay.node for stay in report.stories[0].stays] == ["a", "b", "a"]
    assert [hop.task for hop in await nodes.moves(2)] == [task.id] * 2
    with pytest.raises(NoSuchTask):
        await nodes.find("mover")


@connected
async def test_output_is_followed(nodes):
    task = nodes.submit(programs.talk, 3)
    pieces = [piece async for piece in task.output()]
    assert {stream for stream, _ in pieces} == {"stdout"}
    assert "".join(text for _, text in pieces) == "line 0\nline 1\nline 2\n"
    assert await task == 3
    assert task.progress() == (3, 3, "said")
    later: list[str] = []
    task.add_output_callback(lambda stream, text: later.append(text))
    assert "".join(later).startswith("line 0\n")


@connected
async def test_messages_and_requests(nodes):
    task = nodes.submit(programs.answer)
    assert await task.request(21) == 42
    sent = await task.send("good bye")
    await sent.received()
    assert await task == "good bye"


def test_a_task_of_another_home_is_a_reference(local):
    async def main():
        async with (
            asyncio.timeout(SECONDS),
            hetmig.aio.connect(local[0], keys=local.keys) as nodes,
            hetmig.aio.connect(local[1], keys=local.keys) as others,
        ):
            task = nodes.with_options(name="of a").submit(programs.answer)
            await task.begun()
            found = await others.find("of a")
            assert isinstance(found, hetmig.aio.TaskRef)
            assert await found.request(1) == 2
            assert (await found.move("b")).destination == "b"
            assert await found.where() == "b"
            await found.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    asyncio.run(main())


@connected
async def test_a_checkpoint_is_resumed(nodes):
    task = nodes.submit(programs.for_ever)
    kept = await task.checkpoint(stop=True)
    with pytest.raises(asyncio.CancelledError):
        await task
    again = nodes.resume(kept.where)
    await again.begun()
    assert again.cancel()
    with pytest.raises(asyncio.CancelledError):
        await again


@connected
async def test_a_script_is_run(nodes):
    task = nodes.run_script("greet.py", ["you"], source="import sys; print('hello', sys.argv[1])")
    assert [text async for _, text in task.output()] == ["hello you\n"]
    assert await task is None


@pytest.mark.parametrize("how", ["timeout", "wait_for", "group", "cancel"])
def test_who_is_cancelled_while_awaiting_cancels_the_task(local, how):
    async def awaiting(task):
        return await task

    async def cancelled_by(how, task):
        if how == "timeout":
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.2):
                    await task
        elif how == "wait_for":
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(task, 0.2)
        elif how == "group":
            with pytest.raises(ExceptionGroup):  # noqa: PT012
                async with asyncio.TaskGroup() as group:
                    group.create_task(awaiting(task))
                    await task.begun()
                    raise ValueError
        else:
            waiting = asyncio.create_task(awaiting(task))
            await task.begun()
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting

    async def main():
        async with (
            asyncio.timeout(SECONDS),
            hetmig.aio.connect(local[0], keys=local.keys) as nodes,
        ):
            task = nodes.submit(programs.for_ever)
            await cancelled_by(how, task)
            assert task.cancelled()
            assert not task.cancel()
            # it is over there, too, by the time that we go on
            (info,) = [info for info in await nodes.tasks() if info.id == task.id]
            assert info.state == "cancelled"

    asyncio.run(main())


@connected
async def test_a_shielded_task_goes_on(nodes, tmp_path):
    task = nodes.submit(programs.until, str(tmp_path / "go"))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await asyncio.shield(task)
    (tmp_path / "go").touch()
    assert await task == str(tmp_path / "go")


@connected
async def test_what_a_task_raises(nodes):
    with pytest.raises(RuntimeError, match="on purpose") as caught:
        await nodes.submit(programs.fail)
    assert isinstance(caught.value.__cause__, RemoteTraceback)
    with pytest.raises(RuntimeError, match="StopIteration"):
        await nodes.submit(programs.stop)
    with open(__file__) as file:
        task = nodes.submit(programs.add, file)
    with pytest.raises(NotMigratable, match=r"args\[0\]"):
        await task
    with pytest.raises(NotMigratable):
        await task.move("b")


def test_a_connection_is_used_when_it_is_open(local):
    async def main():
        nodes = hetmig.aio.connect(local[0], keys=local.keys, echo=False)
        with pytest.raises(NotConnected):
            nodes.submit(programs.add, 1)
        await nodes
        task = nodes.submit(programs.for_ever)
        await nodes.close()
        with pytest.raises(hetmig.HetmigError, match="goes on without us"):
            await task
        with pytest.raises(hetmig.HetmigError, match="closed"):
            await nodes.tasks()
        async with hetmig.aio.connect(local[0], keys=local.keys) as nodes:
            await nodes.cancel(task.id)

    asyncio.run(main())
