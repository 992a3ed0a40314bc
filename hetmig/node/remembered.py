"""The tasks that a node remembers, of which few are still there: those are found without the rest.

Thousands that left or ended are remembered, to tell old notes from new.  To look at each of them
whenever a task is submitted would cost more than the task.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hetmig.node.hosted import Hosted

__all__ = ["Remembered"]


class Remembered(dict[str, "Hosted"]):
    """By their ids.  To be used in one thread; others may only read it as a dict."""

    def __init__(self) -> None:
        super().__init__()
        self._perhaps: dict[str, None] = {}
        """Those whose handoff somebody has had since it was last seen that nothing is there."""

    def __setitem__(self, task: str, hosted: Hosted) -> None:
        super().__setitem__(task, hosted)
        hosted.on_use = functools.partial(self._perhaps.setdefault, task)
        hosted.on_use()

    def known(self) -> list[Hosted]:
        """Those of which there is anything here, on its way in or out included."""
        found = []
        for task in list(self._perhaps):
            hosted = self.get(task)
            if hosted is not None and hosted.is_known:
                found.append(hosted)
            else:
                del self._perhaps[task]
        return found

    def old(self, most: int) -> list[str]:
        """The oldest of all others, as far as there are more than so many."""
        others = [task for task, hosted in self.items() if not hosted.is_known]
        return others[: max(0, len(others) - most)]
