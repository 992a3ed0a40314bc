"""A destination of another version may refuse at one place and take the task at the next."""

from __future__ import annotations

import asyncio

import pytest

from hetmig.errors import MigrationRefused
from hetmig.node.tries import Tries


def refused(seconds: float, *reasons: str) -> tuple[int, str]:
    """After how many refusals it is given up, and what is said then."""

    async def offer() -> tuple[int, str]:
        tries = Tries(seconds)
        for count, reason in enumerate(reasons, 1):
            try:
                await tries.next(MigrationRefused(reason))
            except MigrationRefused as error:
                return count, error.reason
        return 0, ""

    return asyncio.run(offer())


def test_the_next_place_is_tried() -> None:
    assert refused(60, "a", "b", "a", "a") == (0, "")


def test_not_for_ever_and_all_reasons_are_listed() -> None:
    given_up = refused(60, *"abcabc")
    assert given_up == (5, "refused at 5 safe points: (1) a; (2) b; (3) c")


def test_one_reason_again_and_again_is_not_about_the_place() -> None:
    assert refused(60, "no such module", "no such module", "no such module", "x") == (
        3,
        "no such module",
    )


@pytest.mark.parametrize("seconds", [0, -1])
def test_nor_longer_than_the_move_may_take(seconds: float) -> None:
    assert refused(seconds, "a", "b") == (1, "a")
