"""The handoff of one task between two nodes, as a state machine without sockets, clock or disk.

    source                      destination
    RUNNING
    FROZEN   -- OFFER -->       STAGING: verify
                                KEPT *: unpickle, build the re-entry
             <- VERIFIED        (if that is a matter of milliseconds)
             <- STAGED --       STAGED     or  REFUSED(reason) -> the source goes on
    COMMITTED * (the one decision point; at once, if VERIFIED can be presumed, and then on record
                 since before the freeze)
             -- COMMIT ->       RUNNING (it owns the task now) *
                                or first CLAIMED, DUE, until it has been put together
             <- OWNED ---
    GONE *

Before COMMITTED the source may always go on; after it only if the destination swears, by LOST, that
it has not run the task and never will: it repeats COMMIT until it hears OWNED or LOST, and may ask
for the task by RECALL.  The source commits at the first of VERIFIED and STAGED, or as soon as it
has made the offer, if the destination has just promised to be quick (`presume`): so its record is
written, and its word on the way, while the destination is still at work; should that fail, or a
crash end it, the answer to COMMIT is LOST.  Because of that answer what is to be committed at once
can be recorded before the task is frozen (`intend`): after a crash it may have been offered, so its
destination is asked, and swears LOST if it was not.  A destination never starts by itself: it
repeats STAGED until COMMIT or ABORT comes.

Every attempt has an epoch of its own.  Only the owner makes attempts, one after the other, so a
greater epoch is a later one, and a message of another epoch than the present attempt's is old.

The caller performs the returned effects in order.  Where a star stands, RECORD is one of them: what
`lasting` gives must be on the disk before the next effect; WRITE is enough for KEPT before
VERIFIED, where a power failure ends in LOST.  If it can't be written, the effects after it are
forgotten; if it was the first one, the step has not happened, and the caller puts back what `saved`
gave before it.  After a crash `recovered` makes the machine from the newest record.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import NamedTuple

__all__ = ["GENERATION", "LEAP", "Act", "Effect", "Handoff", "Note", "Saved", "State"]

LEAP = 1 << 16
"""So many attempts may go unrecorded: whoever comes back after a crash skips as many epochs."""


GENERATION = 1 << 32
"""Between the epochs of a task and those of its next life, which begins from a checkpoint."""


class State(enum.Enum):
    """What a node is to a task."""

    ABSENT = "absent"
    """It knows nothing of it, or only that others had it."""
    RUNNING = "running"
    FROZEN = "frozen"
    COMMITTED = "committed"
    GONE = "gone"
    STAGING = "staging"
    KEPT = "kept"
    """The same, and it comes back after a crash; before that, the source may have heard STAGED."""
    STAGED = "staged"
    CLAIMED = "claimed"
    """STAGING, and committed."""
    DUE = "due"
    """KEPT, committed, and still being put together: it runs as soon as that is done."""
    ENDED = "ended"
    """The task came to its end here."""


_STAGED = (State.STAGING, State.CLAIMED, State.KEPT, State.STAGED, State.DUE)
_GONE = "the staged copy is gone"


class Note(enum.Enum):
    """What the two sides tell each other."""

    OFFER = "offer"
    COMMIT = "commit"
    ABORT = "abort"
    RECALL = "recall"
    """It is committed, and takes too long: give it back, if it has not begun."""
    VERIFIED = "offer-verified"
    """The parcel is whole, kept, and being put together: it can be committed already."""
    STAGED = "offer-staged"
    REFUSED = "refused"
    OWNED = "owned"
    LOST = "lost"
    """The destination has not run it and never will."""
    FORGOTTEN = "forgotten"
    """The destination can't know whether it has run it: its memory does not reach back so far."""


class Act(enum.Enum):
    """What the caller has to do, apart from sending notes."""

    RECORD = "write `saved`, and what belongs to it, to the disk"
    WRITE = "the same, but only so that it outlives this process: a power failure may undo it"
    STAGE = "unpickle the offered parcel in a runner, then call staged() or refuse()"
    DISCARD = "drop the staged runner and the parcel"
    RUN = "let the staged runner start"
    GO_ON = "let the frozen runner go on; if a crash took it, restart from the last checkpoint"
    RESTART = "a crash took the runner: restart the task from its last checkpoint"
    DEPART = "the frozen runner exits: the destination owns the task"
    LOSE = "the destination lost the committed task: report it"


@dataclass(frozen=True)
class Effect:
    """Either a note to send to the other side of the attempt `epoch`, or an act."""

    do: Note | Act
    epoch: int
    reason: str = ""


class Saved(NamedTuple):
    """All there is to a machine."""

    state: State
    epoch: int
    owned: int
    newest: int


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
        self._why = ""
        """Why this side has let go of the newest attempt; forgotten in a crash."""
        self.interrupted = -1
        """The attempt that a crash came into: nobody knows whether it had begun to run here."""
        self.intended = -1
        """The newest attempt that a crash takes for committed, since before it was made."""

    @property
    def is_staged(self) -> bool:
        """Whether the task is on its way to this node, which does not run it so far."""
        return self.state in _STAGED

    @property
    def saved(self) -> Saved:
        """What `restored` takes."""
        return Saved(self.state, self.epoch, self.owned, self.newest)

    @property
    def lasting(self) -> Saved:
        """What the disk must have of it."""
        if not self._is_intended:
            return self.saved
        return Saved(State.COMMITTED, self.intended, self.owned, self.newest)

    @property
    def _is_intended(self) -> bool:
        """Whether a crash takes the task for committed, though it has not been offered so far."""
        if self.state is State.RUNNING:
            return self.intended > self.epoch
        return self.state is State.FROZEN and self.intended == self.epoch

    @classmethod
    def restored(cls, saved: Saved) -> Handoff:
        """The machine as it was."""
        machine = cls()
        machine.state, machine.epoch, machine.owned, machine.newest = saved
        return machine

    @classmethod
    def recovered(cls, saved: Saved) -> tuple[Handoff, list[Effect]]:
        """The machine after a crash, from its newest record, and what is to be done first."""
        machine = cls.restored(saved)
        match machine.state:
            case State.RUNNING | State.FROZEN:
                machine.newest += LEAP  # of its own attempts since, nothing is known
                machine.state, machine.epoch = State.RUNNING, machine.newest
                machine.owned = machine.epoch
                return machine, [Effect(do, machine.epoch) for do in (Act.RECORD, Act.RESTART)]
            case State.COMMITTED:  # or that was intended only, and attempts came after it
                machine.newest += LEAP
            case State.KEPT | State.STAGED | State.DUE:
                machine.interrupted = machine.epoch
                return machine, [Effect(Act.STAGE, machine.epoch), *machine.nudge()]
            case State.STAGING | State.CLAIMED:  # nobody was told of it
                machine.state = State.ABSENT
        return machine, machine.nudge()

    # The source -------------------------------------------------------------------------------

    def intend(self) -> list[Effect]:
        """The destination has promised to be quick: the next attempt is to be committed at once."""
        if self.state is not State.RUNNING or self._is_intended:
            return []
        self.newest += 1
        self.intended = self.newest
        return [Effect(Act.RECORD, self.intended)]

    def forgo(self, epoch: int) -> list[Effect]:
        """That attempt won't be committed at once.  It may not be offered before this is done."""
        if not self._is_intended or self.intended != epoch:
            return []
        self.intended = -1
        return [Effect(Act.RECORD, epoch)]

    @property
    def coming(self) -> int:
        """The epoch of the next attempt."""
        is_next = self._is_intended and self.intended == self.newest
        return self.newest if is_next else self.newest + 1

    def offer(self) -> list[Effect]:
        """The task is frozen: begin an attempt.

        If it was intended to be committed at once, `presume` or `forgo` belongs to the same step.
        """
        assert self.state is State.RUNNING, self.state
        self.newest = self.coming
        self.state, self.epoch, self._why = State.FROZEN, self.newest, ""
        # so that one who leaps always lands beyond
        record = [Effect(Act.RECORD, self.epoch)] if self.newest % (LEAP // 2) == 0 else []
        return [*record, Effect(Note.OFFER, self.epoch)]

    def presume(self) -> list[Effect]:
        """The destination, which has promised to be quick, would say VERIFIED in a moment."""
        if self.state is not State.FROZEN:
            return []
        is_on_record = self._is_intended
        effects = self._commit(self.epoch)
        return effects[-1:] if is_on_record else effects

    def expire(self, reason: str) -> list[Effect]:
        """The attempt's deadline passed, or its link broke.  Without meaning once committed."""
        if self.state is not State.FROZEN:
            return []
        return [Effect(Note.ABORT, self.epoch), *self._go_on(reason)]

    def take_back(self, reason: str) -> list[Effect]:
        """The same once committed: it is asked for, and LOST or OWNED will be the answer."""
        if self.state is not State.COMMITTED:
            return []
        self._why = reason
        return [Effect(Note.RECALL, self.epoch)]

    def end(self) -> list[Effect]:
        """The task came to its end here."""
        self.state = State.ENDED
        return [Effect(Act.RECORD, self.epoch)]

    def fence(self, epoch: int) -> list[Effect]:
        """The home node has restarted the task under this epoch: all copies from before are void.

        Such an epoch is in a generation of its own, beyond all attempts of the one before.
        """
        if epoch <= max(self.owned, self.epoch):
            return []
        self.newest = max(self.newest, epoch)
        if self.state in (State.ABSENT, State.GONE, State.ENDED):
            return []
        self.state = State.ABSENT
        reason = "its home node gave this node up and restarted the task from a checkpoint"
        return [Effect(Act.RECORD, epoch), Effect(Act.DISCARD, epoch, reason)]

    def _go_on(self, reason: str) -> list[Effect]:
        self.state = State.RUNNING
        return [Effect(Act.GO_ON, self.epoch, reason)]

    # The destination --------------------------------------------------------------------------

    def keep(self, epoch: int, *, quick: bool = False, tell: bool = False) -> list[Effect]:
        """There is what can be kept of the parcel, before it is known whether it can run here.

        `quick`: it is a matter of a moment; `tell`: and the source does not know it yet.
        """
        if self.state not in (State.STAGING, State.CLAIMED) or self.epoch != epoch:
            return []
        record = [Effect(Act.WRITE if quick else Act.RECORD, epoch)]
        if self.state is State.CLAIMED:
            self.state = State.DUE
            return record
        self.state = State.KEPT
        return [*record, Effect(Note.VERIFIED, epoch)] if tell else record

    def staged(self, epoch: int, *, told: bool = False) -> list[Effect]:
        """The runner built the re-entry and waits.

        `told`: the source was told when it was kept, and COMMIT is on its way.
        """
        if self._awaits(State.DUE, epoch):
            return self._begin(epoch)
        if self._awaits(State.CLAIMED, epoch):  # nothing runs of which a crash leaves no trace
            return [Effect(Act.RECORD, epoch), *self._begin(epoch)]
        if epoch != self.epoch or self.state not in (State.STAGING, State.KEPT):
            return []
        # of what was kept nothing else need be known: should it be staged again, it says so again
        record = [Effect(Act.RECORD, epoch)] if self.state is State.STAGING else []
        is_told = told and not record
        self.state = State.STAGED
        return [] if is_told else [*record, Effect(Note.STAGED, epoch)]

    def refuse(self, epoch: int, reason: str) -> list[Effect]:
        """The parcel cannot be run here, or the staged runner died."""
        if self.state not in _STAGED or epoch != self.epoch:
            return []
        is_committed = self.state in (State.CLAIMED, State.DUE)
        note = Note.LOST if is_committed else Note.REFUSED
        return [*self._let_go(epoch, reason), Effect(note, epoch, reason)]

    def _begin(self, epoch: int) -> list[Effect]:
        """It is ours, and ready.

        It runs while that is being recorded: should the record be lost, the source still has to be
        told that we own it, and commits it to us again.
        """
        self.state, self.owned = State.RUNNING, epoch
        return [Effect(do, epoch) for do in (Act.RUN, Act.RECORD, Note.OWNED)]

    def _let_go(self, epoch: int, reason: str) -> list[Effect]:
        """What was staged, if it is on record, must not come back after a crash."""
        recorded = self.state is not State.STAGING
        self.state, self._why = State.ABSENT, reason
        record = [Effect(Act.RECORD, epoch)] if recorded else []
        return [*record, Effect(Act.DISCARD, epoch, reason)]

    # Both -------------------------------------------------------------------------------------

    def nudge(self) -> list[Effect]:
        """Nothing was heard for a while: repeat what the other side must know."""
        if self.state is State.COMMITTED:
            return [Effect(Note.COMMIT, self.epoch)]
        if self.state is State.STAGED:
            return [Effect(Note.STAGED, self.epoch)]
        return []

    def receive(
        self, note: Note, epoch: int, reason: str = "", *, remembers: bool = True
    ) -> list[Effect]:
        """A note arrived, perhaps late, perhaps twice.

        `remembers`: this node has kept all it knew since it was offered that attempt.
        """
        match note:
            case Note.OFFER:
                return self._offered(epoch)
            case Note.COMMIT:
                return self._committed(epoch, remembers)
            case Note.ABORT:
                return self._aborted(epoch)
            case Note.RECALL:
                return self._recalled(epoch, remembers)
            case Note.VERIFIED if self._awaits(State.FROZEN, epoch):
                return self._commit(epoch)
            case Note.STAGED:
                return self._answered_staged(epoch)
            case Note.REFUSED if self._awaits(State.FROZEN, epoch):
                return self._go_on(reason)
            case Note.OWNED if self._awaits(State.COMMITTED, epoch):
                self.state = State.GONE
                return [Effect(Act.RECORD, epoch), Effect(Act.DEPART, epoch)]
            case Note.LOST if self._awaits(State.COMMITTED, epoch):
                return [Effect(Act.RECORD, epoch), *self._go_on(self._why or reason)]
            case Note.FORGOTTEN if self._awaits(State.COMMITTED, epoch):
                self.state = State.GONE
                return [Effect(Act.RECORD, epoch), Effect(Act.LOSE, epoch, reason)]
        return []

    def _awaits(self, state: State, epoch: int) -> bool:
        return self.state is state and self.epoch == epoch

    def _offered(self, epoch: int) -> list[Effect]:
        if epoch <= self.newest:
            return self.nudge() if self._awaits(State.STAGED, epoch) else []
        if self.state in (State.RUNNING, State.FROZEN, State.COMMITTED):
            return [Effect(Note.REFUSED, epoch, "this node owns the task itself")]
        effects = []
        if self.state in _STAGED:
            effects += self._let_go(self.epoch, "its owner made a later attempt")
        self.state, self.epoch, self.newest, self._why = State.STAGING, epoch, epoch, ""
        return [*effects, Effect(Act.STAGE, epoch)]

    def _committed(self, epoch: int, remembers: bool) -> list[Effect]:
        if self.epoch == epoch:
            if self.state is State.STAGED:
                return self._begin(epoch)
            if self.state in _STAGED:
                is_kept = self.state in (State.KEPT, State.DUE)
                self.state = State.DUE if is_kept else State.CLAIMED
                return []
        return self._answered_for(epoch, remembers)

    def _aborted(self, epoch: int) -> list[Effect]:
        self.newest = max(self.newest, epoch)  # the offer itself may still be on its way
        if self.state in _STAGED and self.epoch == epoch:
            return self._let_go(epoch, "its owner withdrew the offer")
        return []

    def _recalled(self, epoch: int, remembers: bool) -> list[Effect]:
        if epoch == self.interrupted:
            return []  # the next COMMIT lets it run, perhaps once more
        effects: list[Effect] = []
        if self.state in _STAGED and self.epoch == epoch:
            effects = self._let_go(epoch, "its owner asked for it")
        return [*effects, *self._answered_for(epoch, remembers)]

    def _answered_for(self, epoch: int, remembers: bool) -> list[Effect]:
        """What became here of an attempt that is not under way."""
        # Only we could own that epoch, and nobody a later one before we did.
        if epoch <= self.owned:
            return [Effect(Act.RECORD, epoch), Effect(Note.OWNED, epoch)]
        if not remembers:
            return [Effect(Note.FORGOTTEN, epoch, "the node has lost its memory of the task")]
        # The offer itself may still be on its way, or come once more after a crash.
        why = self._why if epoch == self.newest else ""
        self.newest = max(self.newest, epoch)
        return [Effect(Act.RECORD, epoch), Effect(Note.LOST, epoch, why or _GONE)]

    def _answered_staged(self, epoch: int) -> list[Effect]:
        if self._awaits(State.FROZEN, epoch):
            return self._commit(epoch)
        if self._awaits(State.COMMITTED, epoch) or self._awaits(State.GONE, epoch):
            return [Effect(Note.COMMIT, epoch)]
        return [Effect(Note.ABORT, epoch)]

    def _commit(self, epoch: int) -> list[Effect]:
        self.state = State.COMMITTED
        return [Effect(Act.RECORD, epoch), Effect(Note.COMMIT, epoch)]
