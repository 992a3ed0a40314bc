"""What type checkers must accept, and which types they must find."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, assert_type

import hetmig
from hetmig.executor import TaskFuture


def plain(x: int, *, y: str = "") -> float:
    return x + len(y)


@hetmig.migratable
def marked(x: int) -> list[str]:
    return [str(x)]


@hetmig.migratable(every=5.0)
def kept(x: int) -> bytes:
    return bytes(x)


async def coroutine(x: int) -> str:
    return str(x)


@hetmig.migratable
async def marked_coroutine(x: int) -> str:
    return str(x)


assert_type(marked(1), list[str])
assert_type(kept(1), bytes)
still: Callable[[int], Coroutine[Any, Any, str]] = marked_coroutine


def with_threads(nodes: hetmig.Nodes) -> None:
    assert_type(nodes.submit(plain, 1, y="a"), hetmig.Task[float])
    assert_type(nodes.submit(plain, 1).result(), float)
    assert_type(nodes.submit(marked, 1), hetmig.Task[list[str]])
    assert_type(nodes.submit(kept, 1), hetmig.Task[bytes])
    assert_type(nodes.submit(coroutine, 1), hetmig.Task[str])
    assert_type(nodes.submit(marked_coroutine, 1), hetmig.Task[str])
    assert_type(nodes.submit(lambda: 3), hetmig.Task[int])
    assert_type(nodes.with_options(name="n").submit(marked, 1), hetmig.Task[list[str]])
    any_task: hetmig.Task = nodes.submit(plain, 1)
    any_task.migrate("b")


def with_an_executor(nodes: hetmig.Nodes) -> None:
    with hetmig.Executor(2, nodes=nodes) as executor:
        assert_type(executor.submit(plain, 1, y="a"), TaskFuture[float])
        assert_type(executor.submit(marked, 1).result(), list[str])
        assert_type(executor.submit(coroutine, 1).result(), str)
        assert_type(executor.submit(marked_coroutine, 1).task, hetmig.Task[str])


async def under_asyncio() -> None:
    async with hetmig.aio.connect() as nodes:
        assert_type(nodes, hetmig.aio.Nodes)
        assert_type(nodes.submit(plain, 1), hetmig.aio.Task[float])
        assert_type(await nodes.submit(plain, 1, y="a"), float)
        assert_type(await nodes.submit(marked, 1), list[str])
        assert_type(await nodes.submit(coroutine, 1), str)
        assert_type(await nodes.submit(marked_coroutine, 1), str)
        assert_type(await nodes.with_options(name="n").submit(kept, 1), bytes)
        both = await asyncio.gather(nodes.submit(plain, 1), nodes.submit(marked, 1))
        assert_type(both, tuple[float, list[str]])
