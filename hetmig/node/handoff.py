"""The handoff of one task between two nodes, as a state machine without sockets or clock.

    source                      destination
    RUNNING
    FROZEN   -- OFFER -->       STAGING: verify, unpickle, build the re-entry
             <- STAGED --       STAGED     or  REFUSED(reason) -> the source goes on
    COMMITTED (the one decision point)
             -- COMMIT ->       RUNNING (it owns the task now)
             <- OWNED ---
    GONE

Before COMMITTED the source may always go on; after it, never: it repeats COMMIT until OWNED comes.
A STAGED destination never starts by itself: it repeats STAGED until COMMIT or ABORT comes.

Every attempt has an epoch of its own.  Only the owner makes attempts, one after the other, so a
greater epoch is a later one, and a message of another epoch than the present attempt's is old.

The caller performs the returned effects in order.  A journal has its place between a change of
`state` and the effects that follow from it.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

__all__ = ["Act", "Effect", "Handoff", "Note", "State"]


class State(enum.Enum):
    """What a node is to a task."""

    ABSENT = "absent"
    """It knows nothing of it, or only that others had it."""
    RUNNING = "running"
    FROZEN = "frozen"
    COMMITTED = "committed"
    GONE = "gone"
    STAGING = "staging"
    STAGED = "staged"
    ENDED = "ended"
    """The task came to its end here."""


class Note(enum.Enum):
    """What the two sides tell each other."""

    OFFER = "offer"
    COMMIT = "commit"
    ABORT = "abort"
    STAGED = "offer-staged"
    REFUSED = "refused"
    OWNED = "owned"
    LOST = "lost"


class Act(enum.Enum):
    """What the caller has to do, apart from sending notes."""

    STAGE = "unpickle the offered parcel in a runner, then call staged() or refuse()"
    DISCARD = "drop the staged runner and the parcel"
    RUN = "let the staged runner start"
    GO_ON = "let the frozen runner go on"
    DEPART = "the frozen runner exits: the destination owns the task"
    LOSE = "the destination lost the committed task: report it"


@dataclass(frozen=True)
class Effect:
    """Either a note to send to the other side of the attempt `epoch`, or an act."""

    do: Note | Act
    epoch: int
    reason: str = ""


class Handoff:
    """One node's view of one task."""

    def __init__(self, state: State = State.ABSENT, epoch: int = 0) -> None:
        self.state = state
        self.epoch = epoch
        """The attempt under way; else the epoch under which the task is, or was last, ours."""
        self.owned = epoch if state is State.RUNNING else -1
        """The greatest epoch under which this node owned the task."""
        self.newest = epoch
        """The greatest epoch heard of: everything up to it is old."""

    # The source -------------------------------------------------------------------------------

    def offer(self) -> list[Effect]:
        """The task is frozen: begin an attempt."""
        assert self.state is State.RUNNING, self.state
        self.newest += 1
        self.state, self.epoch = State.FROZEN, self.newest
        return [Effect(Note.OFFER, self.epoch)]

    def expire(self, reason: str) -> list[Effect]:
        """The attempt's deadline passed, or its link broke.  Without meaning once committed."""
        if self.state is not State.FROZEN:
            return []
        return [Effect(Note.ABORT, self.epoch), *self._go_on(reason)]

    def end(self) -> None:
        """The task came to its end here."""
        self.state = State.ENDED

    def _go_on(self, reason: str) -> list[Effect]:
        self.state = State.RUNNING
        return [Effect(Act.GO_ON, self.epoch, reason)]

    # The destination --------------------------------------------------------------------------

    def staged(self, epoch: int) -> list[Effect]:
        """The runner built the re-entry and waits."""
        if self.state is not State.STAGING or epoch != self.epoch:
            return []
        self.state = State.STAGED
        return [Effect(Note.STAGED, epoch)]

    def refuse(self, epoch: int, reason: str) -> list[Effect]:
        """The parcel cannot be run here, or the staged runner died."""
        if self.state not in (State.STAGING, State.STAGED) or epoch != self.epoch:
            return []
        self.state = State.ABSENT
        return [Effect(Note.REFUSED, epoch, reason), Effect(Act.DISCARD, epoch, reason)]

    # Both -------------------------------------------------------------------------------------

    def nudge(self) -> list[Effect]:
        """Nothing was heard for a while: repeat what the other side must know."""
        if self.state is State.COMMITTED:
            return [Effect(Note.COMMIT, self.epoch)]
        if self.state is State.STAGED:
            return [Effect(Note.STAGED, self.epoch)]
        return []

    def receive(self, note: Note, epoch: int, reason: str = "") -> list[Effect]:
        """A note arrived, perhaps late, perhaps twice."""
        match note:
            case Note.OFFER:
                return self._offered(epoch)
            case Note.COMMIT:
                return self._committed(epoch)
            case Note.ABORT:
                return self._aborted(epoch)
            case Note.STAGED:
                return self._answered_staged(epoch)
            case Note.REFUSED if self._awaits(State.FROZEN, epoch):
                return self._go_on(reason)
            case Note.OWNED if self._awaits(State.COMMITTED, epoch):
                self.state = State.GONE
                return [Effect(Act.DEPART, epoch)]
            case Note.LOST if self._awaits(State.COMMITTED, epoch):
                self.state = State.GONE
                return [Effect(Act.LOSE, epoch, reason)]
        return []

    def _awaits(self, state: State, epoch: int) -> bool:
        return self.state is state and self.epoch == epoch

    def _offered(self, epoch: int) -> list[Effect]:
        if epoch <= self.newest:
            return self.nudge() if self._awaits(State.STAGED, epoch) else []
        if self.state in (State.RUNNING, State.FROZEN, State.COMMITTED):
            return [Effect(Note.REFUSED, epoch, "this node owns the task itself")]
        effects = []
        if self.state in (State.STAGING, State.STAGED):
            effects.append(Effect(Act.DISCARD, self.epoch, "its owner made a later attempt"))
        self.state, self.epoch, self.newest = State.STAGING, epoch, epoch
        return [*effects, Effect(Act.STAGE, epoch)]

    def _committed(self, epoch: int) -> list[Effect]:
        if self._awaits(State.STAGED, epoch):
            self.state, self.owned = State.RUNNING, epoch
            return [Effect(Act.RUN, epoch), Effect(Note.OWNED, epoch)]
        # Only we could own that epoch, and nobody a later one before we did.
        note = Note.OWNED if epoch <= self.owned else Note.LOST
        return [Effect(note, epoch, "" if note is Note.OWNED else "the staged copy is gone")]

    def _aborted(self, epoch: int) -> list[Effect]:
        self.newest = max(self.newest, epoch)  # the offer itself may still be on its way
        if self.state in (State.STAGING, State.STAGED) and self.epoch == epoch:
            self.state = State.ABSENT
            return [Effect(Act.DISCARD, epoch, "its owner withdrew the offer")]
        return []

    def _answered_staged(self, epoch: int) -> list[Effect]:
        if self._awaits(State.FROZEN, epoch):
            self.state = State.COMMITTED
        if self._awaits(State.COMMITTED, epoch) or self._awaits(State.GONE, epoch):
            return [Effect(Note.COMMIT, epoch)]
        return [Effect(Note.ABORT, epoch)]
