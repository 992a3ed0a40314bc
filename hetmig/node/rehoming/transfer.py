"""What one node is to the record of one task that moves from home to home.

    old home                            new home
    RUNNING: it is the task's home
    FROZEN *  -- OFFER, record -->      STAGING: may we be its home, can we?
              <- STAGED ----------      STAGED *   or  REFUSED(reason) -> the old one stays it
    COMMITTED * (the one decision point)
              -- COMMIT --------->      RUNNING *: it is the task's home now
              <- OWNED -----------
    GONE *: it knows the way

It is the machine of `hetmig.node.handoff`, for a record in place of a task, with terms in place of
epochs.  Each note is a request; its answer is the other side's.  Where a star stands, that is on
the disk before the next note goes out.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from hetmig.errors import HetmigError, JournalError, MigrationRefused
from hetmig.node import protocol
from hetmig.node.background import spawn
from hetmig.node.directory import certificate_of
from hetmig.node.handoff import Act, Effect, Handoff, Note, State
from hetmig.node.protocol import Buffer, want
from hetmig.node.record import Record
from hetmig.node.rehoming.deeds import Claim, digest, new_deed, term_of
from hetmig.node.rehoming.packing import pack, unpack
from hetmig.node.steps import step

if TYPE_CHECKING:
    from hetmig.node.daemon import Node

__all__ = ["Transfer"]

_log = logging.getLogger("hetmig")
_SHORTEST_PAUSE, _LONGEST_PAUSE = 0.2, 5.0
_ANSWER_SECONDS = 5.0
_HERE = (State.RUNNING, State.FROZEN, State.COMMITTED)


class Transfer:
    """The record of one task on this node: here, on its way, or gone to another."""

    def __init__(self, node: Node, task: str) -> None:
        self.id = task
        self.machine = Handoff()
        self.about: dict[str, Any] = {}
        """The task's own record, for who may ask where it is."""
        self.peer: dict[str, Any] = {}
        """The other side of the newest hand-over: its place, and what it remembers."""
        self.gone: Claim | None = None
        """Where the record has gone."""
        self.is_told = True
        """Whether the node that has the task knows that this is its home."""
        self.taken: Sequence[Buffer] = ()
        """The record as it came, as long as it is staged."""
        self.moving = asyncio.Lock()
        self.changed = asyncio.Event()
        self._node = node

    def _is(self, state: State) -> bool:
        return self.machine.state is state

    @property
    def is_decided(self) -> bool:
        """Whether no hand-over is under way that has been promised."""
        return self.machine.state not in (State.COMMITTED, State.STAGED)

    # The old home -----------------------------------------------------------------------------

    async def give(self, record: Record, place: dict[str, Any], timeout: float) -> None:
        """Hand the record over.  Raises MigrationRefused with the reason; then it is still ours.

        If the other node falls silent once it is promised, it is asked on and on.
        """
        async with self.moving:
            if not self._is(State.RUNNING):
                raise MigrationRefused("the record of the task is on its way to another node")
            step("home-begin")
            self.about, self.peer = record.about, {"place": place}
            epoch, payload = self._offer(record), pack(record)
            step("home-offer")
            try:
                answer = await self._ask(Note.OFFER, epoch, payload, timeout)
                self.peer["memory"] = answer.get("memory")
                heard = self._hear(answer)
                if not self._is(State.COMMITTED):
                    raise heard or MigrationRefused("the journal of its home can't be written")
            except BaseException as error:
                if self.take(lambda: self.machine.expire("it can't be moved")):
                    spawn(self._abort(epoch))
                if not isinstance(error, HetmigError):
                    raise
                raise MigrationRefused(f"{place['name']} refuses the record: {error}") from error
            insisting = spawn(self.insist())
            await asyncio.wait([insisting], timeout=timeout)

    def _offer(self, record: Record) -> int:
        before = self.machine.saved
        self.machine.offer()
        record.is_closed = True
        try:
            self._record()
        except JournalError as error:
            self.machine, record.is_closed = Handoff.restored(before), False
            raise MigrationRefused(f"the journal of its home can't be written: {error}") from error
        return self.machine.epoch

    async def insist(self) -> None:
        """Repeat what the other side must know, until this hand-over is decided."""
        pause = _SHORTEST_PAUSE
        waiting = self.machine.state, self.machine.epoch
        while not self.is_decided and (self.machine.state, self.machine.epoch) == waiting:
            for effect in self.machine.nudge():
                assert isinstance(effect.do, Note)
                try:
                    answer = await self._ask(effect.do, effect.epoch, (), _ANSWER_SECONDS)
                    self._hear(answer)
                except HetmigError as error:
                    _log.info("record of task %s: %s", self.id, error)
            if (self.machine.state, self.machine.epoch) == waiting:
                await asyncio.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)

    async def _ask(
        self, note: Note, epoch: int, payload: Sequence[Buffer], timeout: float
    ) -> dict[str, Any]:
        header = {"task": self.id, "epoch": epoch, "note": note.value, "source": self._node.here}
        if note is Note.COMMIT:
            header["memory"] = self.peer.get("memory")
        link = self._node.directory.link(certificate_of(self.peer["place"]))
        return (await link.request(protocol.RECORD, header, payload, timeout=timeout)).header

    def _hear(self, answer: dict[str, Any]) -> HetmigError | None:
        """The other side's answer to a note; an error if it is a refusal."""
        if (name := want(answer, "note", str, None)) is None:
            return None
        note, epoch = Note(name), want(answer, "epoch", int)
        step("home-heard", name)
        if note is Note.OWNED and self.machine.state is State.COMMITTED:
            term, deed = want(answer, "term", int), want(answer, "deed", str)
            self.gone = Claim(self.id, self.peer["place"], term, deed)
        reason = want(answer, "reason", str, "")
        self.take(lambda: self.machine.receive(note, epoch, reason))
        return MigrationRefused(reason) if note is Note.REFUSED else None

    # The new home -----------------------------------------------------------------------------

    def stage(self, frames: Sequence[Buffer], epoch: int, source: dict[str, Any]) -> Effect:
        """A record that may come, and can: keep it; what to answer."""
        if self.machine.epoch != epoch:
            return Effect(Note.REFUSED, epoch, "there is a later offer")
        self.about = unpack(frames).about
        self.taken, self.peer = frames, {"place": source}
        answer = self.take(lambda: self.machine.staged(epoch))
        if answer is not None:
            spawn(self.insist())
            return answer
        self.take(lambda: self.machine.refuse(epoch, ""))
        return Effect(Note.REFUSED, epoch, "its journal can't be written")

    def _run(self) -> None:
        """This node is the task's home now."""
        record, deed = unpack(self.taken), new_deed()
        term = self.machine.epoch
        record.about.update(home=self._node.here, term=term, deed=digest(deed))
        record.deeds.append(deed)
        record.version += 1
        self.about, self.gone, self.is_told = record.about, None, False
        self.taken = ()
        self._node.home.records[self.id] = record

    # Steps ------------------------------------------------------------------------------------

    def take(self, transition: Callable[[], list[Effect]]) -> Effect | None:
        """Make a transition, and do what it decides, in order; the note to answer with."""
        before, answer = self.machine.saved, None
        for number, effect in enumerate(transition()):
            if effect.do is Act.RECORD:
                try:
                    self._record()
                except JournalError as error:
                    _log.error("record of task %s: %s", self.id, error)
                    if number == 0:
                        self.machine = Handoff.restored(before)
                    return None
            elif isinstance(effect.do, Note):
                answer = effect
            else:
                self._act(effect)
        if answer is not None and answer.do is Note.OWNED:
            self._node.rehoming.begin(self)
        self.changed.set()
        self.changed = asyncio.Event()
        return answer

    async def _abort(self, epoch: int) -> None:
        try:
            await self._ask(Note.ABORT, epoch, (), _ANSWER_SECONDS)
        except HetmigError:
            return  # it asks by itself if it has staged it

    def _act(self, effect: Effect) -> None:
        match effect.do:
            case Act.RUN:
                self._run()
            case Act.GO_ON:
                self._node.rehoming.stays(self)
            case Act.DISCARD:
                self.taken = ()
            case Act.LOSE:
                _log.error("%s lost the record of task %s", self.peer["place"]["name"], self.id)
                self._node.rehoming.left(self)
            case Act.DEPART:
                self._node.rehoming.left(self)

    def _record(self) -> None:
        """Put on the disk what this node is to the record.  Raises JournalError."""
        state, journal, home = self.machine.state, self._node.journal, self._node.home
        gone = None if self.gone is None else self.gone.header()
        row: dict[str, Any] = {"saved": [state.value, *self.machine.saved[1:]], "about": self.about}
        row |= {"peer": self.peer, "gone": gone, "told": self.is_told}

        def also() -> None:
            if state is State.STAGED:
                journal.keep_taken(self.id, self.taken)
            elif state is State.RUNNING and (record := home.records.get(self.id)) is not None:
                home.adopt(record)
            elif state not in _HERE:
                journal.forget_record(self.id)
                journal.drop_taken(self.id)

        step("home-record", state.value)
        journal.record_home(self.id, row, also)
        step("home-recorded", state.value)

    def supersede(self, claim: Claim) -> None:
        """Another node has become the home without us.  Raises JournalError."""
        before = self.machine, self.gone, self.peer
        self.machine = Handoff(State.GONE, claim.term)
        self.gone, self.peer = claim, {"place": claim.home}
        try:
            self._record()
        except JournalError:
            self.machine, self.gone, self.peer = before
            raise

    def confirmed(self) -> None:
        """The node that has the task knows now that this is its home."""
        self.is_told = True
        try:
            self._record()
        except JournalError as error:
            _log.error("record of task %s: %s", self.id, error)  # it is told once more then
        self.changed.set()
        self.changed = asyncio.Event()

    @classmethod
    def of_record(cls, node: Node, record: Record) -> Transfer:
        """That of a record which has never moved."""
        transfer = cls(node, record.id)
        transfer.machine = Handoff(State.RUNNING, term_of(record.about))
        transfer.about = record.about
        return transfer

    def recover(self, row: dict[str, Any], taken: Sequence[Buffer]) -> None:
        """Take up what this node was to the record when it was killed."""
        name, *numbers = row["saved"]
        self.about, self.peer, self.is_told = row["about"], row["peer"], row["told"]
        self.gone = None if row["gone"] is None else Claim.of(row["gone"])
        self.machine = Handoff()
        self.machine.state = State(name)
        self.machine.epoch, self.machine.owned, self.machine.newest = numbers
        self.machine, effects = Handoff.recovered(self.machine.saved)
        self.taken = taken if self.machine.state is State.STAGED else ()
        self.take(lambda: [effect for effect in effects if effect.do is Act.RECORD])
