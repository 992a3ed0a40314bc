"""A program moved at every safe point of receiving, replying and waiting: nothing is missed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from hetmig.node import inside, runtime
from hetmig.testing import torture
from tests.node.messages import played


@pytest.fixture(autouse=True)
def in_a_task(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """This process is a task, of the runtime that the program itself plays."""
    monkeypatch.setattr(runtime, "current", played.current)
    monkeypatch.setattr(runtime, "is_task", played.is_task)
    monkeypatch.setattr(inside, "_LOOK_SECONDS", 0.001)
    yield
    played.runtime = None


def test_at_every_safe_point() -> None:
    report = torture(played.receives, args=(3,), modules=[played], at_most=150, seed=3)
    assert report.migrated > 10, report.reasons
