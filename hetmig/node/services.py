"""What a task on a node needs of that node; whoever plays a node in a test provides this."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeAlias

from hetmig.node.journal import Journal
from hetmig.node.link import Link
from hetmig.node.pool import Pool, Runner
from hetmig.node.protocol import Buffer, Message
from hetmig.node.unreported import Report

__all__ = ["Answer", "Services"]

Answer: TypeAlias = Callable[[str, dict[str, Any]], None]
"""Sends a note of a handoff back to whom it concerns: its kind and header."""


class Services(Protocol):
    """What a task needs of its node."""

    here: dict[str, Any]
    pool: Pool
    journal: Journal
    checkpoints: Any
    """A `hetmig.node.checkpoints.Checkpoints`, or what plays one."""

    placing: Any
    """A `hetmig.node.placing.Placing`, asked about tasks that need something."""

    tracing: Any
    """A `hetmig.node.tracing.Tracing`, or what plays one."""

    async def prepare(self, target: str, task: str, timeout: float) -> tuple[Link, dict[str, Any]]:
        """A connection to a destination which said that it takes the task."""

    async def precopy(
        self, hosted: Any, link: Link, welcome: dict[str, Any], timeout: float
    ) -> bool:
        """Send the code of a task ahead, which runs on meanwhile.

        Whether the destination promised to put a small task together in a moment.
        """

    async def reserved(self, task: str) -> Runner:
        """A ready runner, the one set aside for this task if there is one."""

    def is_prepared(self, task: str) -> bool:
        """Whether that one has read the task's code, and imported what it needs."""

    def shelf(self, manifest: dict[str, Any], nbytes: int) -> Any:
        """Room for a passive object: something with the face of a runner."""

    async def asked(self, runner: Runner, message: Message) -> None:
        """Carry out a request of a task that runs here, or hear what became of one to it."""

    def report(
        self, about: dict[str, Any], header: dict[str, Any], payload: Sequence[Buffer] = ()
    ) -> None:
        """Tell the task's home node."""

    def keep_report(
        self, about: dict[str, Any], header: dict[str, Any], payload: Sequence[Buffer]
    ) -> None:
        """Keep a report with the journal's next `sync`, until the home node has it."""

    def unreported(self, about: dict[str, Any]) -> list[Report]:
        """What the home node of a task has not acknowledged, of what happened to it here."""

    def answer_to(self, place: dict[str, Any], key: bytes) -> Answer | None:
        """A way to send notes to the node at that place, if it has this key."""

    def keep(self, name: str, wire: Sequence[Buffer]) -> None:
        """A parcel is leaving: leave a copy where the node's owner asked for one."""
