"""Three nodes with journals, one of which dies at a named step of a handoff and comes back."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from hetmig.client import Nodes, Task, connect
from hetmig.errors import AlreadyThere, HetmigError
from hetmig.node.embedded import LocalNode, LocalNodes
from tests.node.ledgers import Ledger, work

TIMEOUT = 120
NAMES = ("home", "source", "destination")
BALLAST = 1 << 20
DEAF = 1.0
"""Seconds in which a task of kind "slow" can't be stopped, so that no promise lasts as long."""


def until(condition: Callable[[], bool]) -> None:
    """Ask, again and again."""
    deadline = time.monotonic() + TIMEOUT
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


class Stage:
    """The nodes, and one task between them."""

    def __init__(self, nodes: LocalNodes, connection: Nodes, directory: Path) -> None:
        self.nodes = nodes
        self.connection = connection
        self.ledger = Ledger(directory / "ledger")
        self._go = directory / "go"
        self._deaf = 0.0
        self.task: Task

    def node(self, name: str) -> LocalNode:
        return self.nodes[NAMES.index(name)]

    def begin(self, kind: str = "quick") -> None:
        """Submit a task of this kind, and bring it to the source."""
        heavy = os.urandom(BALLAST if kind == "heavy" else 0)
        least, self._deaf = (4, DEAF) if kind == "slow" else (20, 0.0)
        about = str(self.ledger.path), str(self._go), least, heavy, self._deaf
        self.task = self.connection.submit(work, *about)
        self.task.migrate("source")

    def arm(self, name: str, death: str) -> None:
        """Start a node anew, so that it dies at that step."""
        self.node(name).kill()
        self.restart(name, {"HETMIG_DIE_AT": death})

    def restart(self, name: str, environment: Mapping[str, str] | None = None) -> None:
        """Start a node that has died."""
        self.node(name).start(environment)
        self.node(name).wait_until_ready()
        self.node(name).introduce([node.place for node in self.nodes.nodes])

    def move_and_die(self, victims: Sequence[str]) -> None:
        """Move the task to the destination; each victim, in this order, dies and comes back."""
        with ThreadPoolExecutor() as pool:
            moving = pool.submit(self._try_to_move)
            for victim in victims:
                code = self.node(victim).wait()
                assert code < 0, f"{victim} ended with code {code}"
                self.restart(victim)
            moving.result(TIMEOUT)

    def _try_to_move(self) -> None:
        before = len(self.ledger.lines())
        if self._deaf:  # from here on it can't be stopped for a while
            until(lambda: len(self.ledger.lines()) > before)
        try:
            self.task.migrate("destination", timeout=5)
        except HetmigError:
            pass  # the node died: what counts is what becomes of the task

    def move_home(self) -> None:
        """Move it once more: everybody has to know where it is."""

        def moved() -> bool:
            try:
                self.task.migrate("home", timeout=30)
            except AlreadyThere:
                return True
            except HetmigError:
                return False  # not yet, as nodes come back
            return True

        until(moved)

    def end(self) -> int:
        """Let the task come to its end; the number of rounds that were done again."""
        self._go.touch()
        return self.ledger.check(self.task.result(TIMEOUT))


@contextmanager
def stage(directory: Path) -> Iterator[Stage]:
    """The nodes, with journals; they end with the block."""
    with LocalNodes(3, names=NAMES, state=directory / "state") as nodes:
        with connect(nodes[0], keys=nodes.keys, echo=False) as connection:
            yield Stage(nodes, connection, directory)
