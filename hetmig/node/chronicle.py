"""What befell a task besides its moves, as its home keeps it: checkpoints and restarts."""

from __future__ import annotations

from typing import Any

from hetmig.node.protocol import want

__all__ = ["Chronicle"]

_KEEP = 100
"""Of so many checkpoints it is kept when and where they were made; of the others, how many."""
_OF_CHECKPOINT = ("number", "epoch", "time", "node", "bytes", "freeze_s", "total_s")


class Chronicle:
    """Checkpoints and restarts, each once, whatever the order in which they are told."""

    def __init__(self, begun_at: str = "") -> None:
        """`begun_at`: the node it was submitted to, its first home; "" if nobody knows."""
        self._begun_at = begun_at
        self._checkpoints: dict[tuple[int, int], dict[str, Any]] = {}
        self._forgotten = 0
        self._restarts: dict[int, dict[str, Any]] = {}

    def saved(self, checkpoint: dict[str, Any]) -> None:
        """A checkpoint was made.  Raises ProtocolError."""
        key = want(checkpoint, "epoch", int), want(checkpoint, "number", int)
        entry = {item: checkpoint.get(item) for item in _OF_CHECKPOINT}
        self._checkpoints[key] = entry
        if len(self._checkpoints) > _KEEP:
            del self._checkpoints[min(self._checkpoints)]
            self._forgotten += 1

    def restarted(self, epoch: int, node: str, time: float | None) -> None:
        """Its node was lost, and it began again at another one, or there."""
        self._restarts.setdefault(epoch, {"epoch": epoch, "node": node, "time": time})

    def all(self) -> dict[str, Any]:
        """As JSON, each list in order."""
        return {
            "begun_at": self._begun_at,
            "checkpoints": [self._checkpoints[key] for key in sorted(self._checkpoints)],
            "older": self._forgotten,
            "restarts": [self._restarts[epoch] for epoch in sorted(self._restarts)],
        }

    @classmethod
    def unpacked(cls, state: dict[str, Any]) -> Chronicle:
        """What `all` described.  Raises ProtocolError."""
        made = cls(want(state, "begun_at", str, ""))
        for checkpoint in want(state, "checkpoints", list):
            made.saved(checkpoint)
        made._forgotten += want(state, "older", int)
        for restart in want(state, "restarts", list):
            made.restarted(
                want(restart, "epoch", int),
                want(restart, "node", str),
                want(restart, "time", float, None),
            )
        return made
