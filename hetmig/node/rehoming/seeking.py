"""Find the home of a task by asking around, when the one that is known does not answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Any, TypeAlias

from hetmig.errors import HetmigError

__all__ = ["Found", "seek"]

Found: TypeAlias = tuple[dict[str, Any], dict[str, Any]]
"""A place, and what the node there has answered."""
_MOST = 100


async def seek(
    ask: Callable[[dict[str, Any]], Awaitable[dict[str, Any]]], places: Iterable[dict[str, Any]]
) -> Found | None:
    """The node that says that it is the home, in the latest term; who names another leads there.

    `ask` is for the answer of one node to the question HOME; it may raise HetmigError.
    """
    waiting, asked = list(places), set[str]()
    best: Found | None = None
    while waiting and len(asked) < _MOST:
        place = waiting.pop(0)
        if place["endpoint"] in asked:
            continue
        asked.add(place["endpoint"])
        try:
            answer = await ask(place)
        except HetmigError:
            continue
        if answer.get("is_home"):
            if best is None or answer["term"] > best[1]["term"]:
                best = place, answer
        elif answer.get("home") is not None:
            waiting.append(answer["home"])
    return best
