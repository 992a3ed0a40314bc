"""What is told of a runner that hangs, and of one that does not any more."""

from __future__ import annotations

from typing import Any

from hetmig.node.pulse import PATIENCE, Pulse


class Watched:
    """A task and its runner."""

    def __init__(self) -> None:
        self.asked: float | None = None
        self.told: list[bool] = []

    def ping(self, now: float) -> None:
        if self.asked is None:
            self.asked = now

    def report(self, what: str, *, responsive: bool) -> None:
        assert what == "pulse"
        self.told.append(responsive)


def test_that_it_answers_again_is_told_until_it_is_heard() -> None:
    """Such a report may be lost, when the record is on its way to another home."""
    watched: Any = Watched()
    pulse = Pulse(node=None)  # type: ignore[arg-type]
    now = 100.0
    for _ in range(3):
        pulse._look(watched, watched, now)
        watched.asked = None  # it has answered
        now += 1
    assert watched.told == []
    watched.ping(now)
    pulse._look(watched, watched, now + PATIENCE + 1)
    assert watched.told == [False]
    watched.asked = None
    pulse._look(watched, watched, now + PATIENCE + 2)
    pulse._look(watched, watched, now + PATIENCE + 2.5)  # asked, and not too long ago
    assert watched.told == [False, True, True]
