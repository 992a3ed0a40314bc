"""Whoever hands work to a loop in another thread gets an answer, also while that loop ends."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import CancelledError

import pytest

from hetmig.errors import HetmigError
from hetmig.loop_thread import LoopThread

SECONDS = 60
ROUNDS = 200


async def answer() -> int:
    await asyncio.sleep(0)
    return 42


async def wait_for_ever() -> None:
    await asyncio.Event().wait()


def test_work_is_done_there() -> None:
    thread = LoopThread("a loop")
    assert thread.hand_in(answer()).result(SECONDS) == 42
    thread.stop()
    with pytest.raises(HetmigError, match="closed"):
        thread.hand_in(answer())


def test_what_waits_when_it_ends_is_cancelled() -> None:
    thread = LoopThread("a loop")
    waiting = thread.hand_in(wait_for_ever())
    thread.stop()
    with pytest.raises(CancelledError):
        waiting.result(SECONDS)


def test_nothing_is_lost_between_its_last_turn_and_its_end() -> None:
    answered = 0
    for _ in range(ROUNDS):
        thread = LoopThread("a loop")
        stopping = threading.Thread(target=thread.stop)
        stopping.start()
        while True:
            try:
                assert thread.hand_in(answer()).result(SECONDS) == 42
            except CancelledError:
                continue
            except HetmigError:
                break
            answered += 1
        stopping.join(SECONDS)
    assert answered
