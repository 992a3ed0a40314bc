"""What type checkers must not accept: each line that says so, and no other."""

from __future__ import annotations

import hetmig


def plain(x: int, *, y: str = "") -> float:
    return x + len(y)


@hetmig.migratable
def marked(x: int) -> list[str]:
    return [str(x)]


@hetmig.migratable(every=5.0)
async def marked_coroutine(x: int) -> str:
    return str(x)


def with_threads(nodes: hetmig.Nodes) -> None:
    nodes.submit(plain, "a")  # error
    nodes.submit(plain)  # error
    nodes.submit(plain, 1, z=2)  # error
    nodes.submit(marked, "a")  # error
    nodes.submit(marked_coroutine, "a")  # error
    nodes.with_options(name="n").submit(marked, "a")  # error
    text: str = nodes.submit(plain, 1).result()  # error
    print(text)


def with_an_executor(executor: hetmig.Executor) -> None:
    executor.submit(plain, "a")  # error
    executor.submit(marked, 1, 2)  # error
    executor.submit(marked_coroutine, "a")  # error


async def under_asyncio(nodes: hetmig.aio.Nodes) -> None:
    nodes.submit(plain, "a")  # error
    await nodes.submit(marked, "a")  # error
    await nodes.submit(marked_coroutine, "a")  # error
    number: int = await nodes.submit(marked, 1)  # error
    print(number)
