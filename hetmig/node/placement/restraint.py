"""Between a policy and what is done: lets only safe decisions through, and not too many of them.

It never moves a task twice at once, nor to a node that lacks what the task needs, nor one that has
just moved or has just refused; a policy may be as wrong as it likes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from hetmig.node.placement.view import Ask, Decision, Divide, Move, NodeView, View

__all__ = ["Limits", "Restraint"]

_FOREVER = 3600.0
_DIVISION = "/"


@dataclass(frozen=True)
class Limits:
    """How much a node may move."""

    cool_down: float = 5.0
    """Seconds for which a task stays that has moved, and at least ten times its freeze."""
    refused: float = 30.0
    """Seconds for which it is not tried again what was refused; twice as many each further time."""
    rate: float = 2.0
    """Moves in a second, in the long run."""
    burst: int = 8
    """Moves at once."""


def _place_of(decision: Move | Divide) -> str:
    """What is remembered as the place of a refusal: a division is refused as such."""
    return _DIVISION if isinstance(decision, Divide) else decision.to


class Restraint:
    """Of one node.  It is told what was begun, done and refused, with the time of each."""

    def __init__(self, limits: Limits | None = None) -> None:
        self.limits = limits or Limits()
        self._moving: dict[str, str] = {}
        self._cool: dict[str, float] = {}
        """Until when a task stays."""
        self._refused: dict[tuple[str, str], tuple[float, float]] = {}
        """By task and node: until when, and for how long next time."""
        self._tokens, self._filled = float(self.limits.burst), 0.0

    @property
    def moving(self) -> int:
        """Moves under way."""
        return len(self._moving)

    def is_moving(self, task: str) -> bool:
        """Whether a task is on its way by our decision."""
        return task in self._moving

    def allowed(self, decisions: Iterable[Decision], view: View) -> list[Decision]:
        """Those that may be carried out now, each a different task."""
        self._fill(view.now)
        peers = {peer.name: peer for peer in view.peers if peer.name != view.here.name}
        chosen: list[Decision] = []
        seen: set[str] = set()
        for decision in decisions:
            if self._tokens < 1:
                break
            if isinstance(decision, Ask):
                good = decision.source in peers and not self._asked_lately(decision, view.now)
                key = f"ask {decision.source}"
            else:
                good, key = self._is_good(decision, peers, view), decision.task
            if good and key not in seen:
                seen.add(key)
                self._tokens -= 1
                chosen.append(decision)
        return chosen

    def _is_good(self, move: Move | Divide, peers: dict[str, NodeView], view: View) -> bool:
        task = next((task for task in view.tasks if task.id == move.task), None)
        to = move.to if isinstance(move, Divide) else (move.to,)
        if task is None or not to or task.id in self._moving or not peers.keys() >= set(to):
            return False
        if self._cool.get(task.id, view.now) > view.now:
            return False
        if any(
            self._refused.get((task.id, where), (view.now, 0))[0] > view.now
            for where in (_place_of(move), "")
        ):
            return False
        return all(peers[name].fits(task) for name in to)

    def _asked_lately(self, ask: Ask, now: float) -> bool:
        return self._refused.get(("", ask.source), (now, 0))[0] > now

    # What became of them ----------------------------------------------------------------------

    def began(self, move: Move | Divide) -> None:
        """It is being carried out."""
        self._moving[move.task] = _place_of(move)

    def done(self, move: Move | Divide, now: float, seconds: float = 0.0) -> None:
        """The task has moved, or its loop was divided, and it stood still for so long."""
        self._moving.pop(move.task, None)
        self.came(move.task, now, seconds)

    def came(self, task: str, now: float, seconds: float = 0.0) -> None:
        """A task has just come here, or left us: it is left in peace for a while."""
        self._cool[task] = now + max(self.limits.cool_down, 10 * seconds)
        if len(self._cool) > 1000:
            self._cool = {task: until for task, until in self._cool.items() if until > now}

    def refused(
        self, decision: Decision, now: float, everywhere: bool = False, passing: bool = False
    ) -> None:
        """It came to nothing.

        `everywhere`: for a reason that has nothing to do with the node; `passing`: for one that is
        soon over.
        """
        if isinstance(decision, Ask):
            key, patience = ("", decision.source), min(1.0, self.limits.refused)
        else:
            self._moving.pop(decision.task, None)
            key = decision.task, "" if everywhere else _place_of(decision)
            patience = min(1.0, self.limits.refused) if passing else self.limits.refused
        patience = self._refused.get(key, (0, patience))[1]
        longest = 10.0 if isinstance(decision, Ask) else _FOREVER
        self._refused[key] = now + patience, min(2 * patience, longest)
        if len(self._refused) > 1000:
            self._refused = {key: of for key, of in self._refused.items() if of[0] > now}

    def answered(self, ask: Ask) -> None:
        """A peer that was asked has given something."""
        self._refused.pop(("", ask.source), None)

    def _fill(self, now: float) -> None:
        passed = max(now - self._filled, 0.0) if self._filled else 0.0
        self._filled = now
        self._tokens = min(self._tokens + passed * self.limits.rate, float(self.limits.burst))
