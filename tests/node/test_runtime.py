"""What a task asks of its runtime, without a node."""

from __future__ import annotations

import os
import sys
from typing import Any

import pytest

from hetmig.errors import NodeUnreachable
from hetmig.node.runtime import Runtime


class Wish:
    """A request from outside that has not found a safe point yet."""

    portable = True


class Asked(Runtime):
    """A node that wants the frozen task in the other form, and then can't reach the destination."""

    def __init__(self) -> None:
        self.node, self.process, self.servant, self.root = "a", os.getpid(), None, None
        self.hearing: Any = Wish()
        self.forms: list[bool] = []
        self._again = ""

    def _require_movable(self) -> None: ...

    def _root_of(self, frame: Any) -> Any:
        return frame.f_back

    def _freeze(self, stack: Any, portable: bool) -> Any:
        self.forms.append(portable)

    def _leave(self, frozen: Any, started: float, header: dict[str, Any]) -> Any:
        self._again = "portable" if len(self.forms) == 1 else ""
        return NodeUnreachable("no answer") if self._again == "" else None


@pytest.mark.parametrize("portable", [False, True])
def test_its_own_move_is_not_the_one_that_is_asked_for_from_outside(portable: bool) -> None:
    task = Asked()
    task.hearing.portable = portable

    def migrate() -> None:
        task.migrate("b", sys._getframe(1), sys._getframe(0))

    def job() -> None:
        migrate()

    with pytest.raises(NodeUnreachable, match="no answer"):
        job()
    assert task.forms == [False, True]
    assert task.hearing.portable is portable
