"""A fair lock as a state machine: who holds it, who is next, and which holders are void.

Every grant has a greater number than all before it, the fencing token.  What comes with another
token than the present one is refused: it is from a holder that was given up.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

from hetmig.errors import LockLost

__all__ = ["Turns"]

STALE_SECONDS = 10.0
"""Who waits for a turn and does not ask for so long loses its place."""
CHECK_SECONDS = 1.0


@dataclass
class Turns:
    """The state of one lock.  Times are seconds of any clock that goes on."""

    token: int = 0
    """The newest grant."""
    holder: Any = None
    """Who has it; None: nobody."""
    ticket: str = ""
    checked: float = 0.0

    def __post_init__(self) -> None:
        self.waiting: OrderedDict[str, float] = OrderedDict()
        """Tickets in their order, and when each was last seen."""

    def ask(self, ticket: str, holder: Any, now: float) -> int | None:
        """Ask for the lock; the token, or None: ask again.  The same ticket may ask twice."""
        if self.holder is not None and ticket == self.ticket:
            return self.token
        self.waiting[ticket] = now
        for early, seen in list(self.waiting.items()):
            if now - seen > STALE_SECONDS:
                del self.waiting[early]
        if self.holder is not None or next(iter(self.waiting)) != ticket:
            return None
        del self.waiting[ticket]
        self.token += 1
        self.holder, self.ticket, self.checked = holder, ticket, now
        return self.token

    def to_be_checked(self, now: float) -> Any:
        """A holder of whom somebody should find out whether it still lives, or None."""
        if self.holder is None or now - self.checked < CHECK_SECONDS:
            return None
        self.checked = now
        return self.holder

    def give_up(self) -> None:
        """The holder is no more."""
        self.holder, self.ticket = None, ""

    def release(self, token: int) -> None:
        """Raises LockLost if the lock is somebody else's by now."""
        self.require(token)
        self.give_up()

    def withdraw(self, ticket: str) -> None:
        """Nobody waits with this ticket any more; what it was granted is free."""
        self.waiting.pop(ticket, None)
        if self.holder is not None and ticket == self.ticket:
            self.give_up()

    def require(self, token: int | None) -> None:
        """Raise LockLost for what comes from a holder that was given up."""
        if token is not None and (self.holder is None or token != self.token):
            raise LockLost(
                "the lock was taken from this holder, which was thought to have ended or was "
                "restarted: what it does under the lock is refused"
            )

    def moved(self, now: float) -> None:
        """The clock is another one."""
        self.checked = now
        self.waiting = OrderedDict.fromkeys(self.waiting, now)
