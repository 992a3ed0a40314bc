"""The transitions of a task's handoff on this node: what makes them, and what they decide is done.

Which there are is a matter of `handoff`, which knows of no node.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from hetmig.errors import JournalError, MigrationRefused
from hetmig.node.arriving import Offer
from hetmig.node.background import spawn
from hetmig.node.handoff import Act, Effect, Handoff, Note, State
from hetmig.node.leaving import refused
from hetmig.node.protocol import Message, want
from hetmig.node.services import Answer
from hetmig.node.steps import step
from hetmig.node.timeline import checked, merged

if TYPE_CHECKING:
    from hetmig.node.hosted import Hosted

__all__ = ["Transitions"]

_log = logging.getLogger("hetmig")

_STEP_OF = {
    Note.VERIFIED: "confirmed", Note.STAGED: "staged", Note.COMMIT: "commit", Note.OWNED: "owned",
}  # fmt: skip
_WAITS = {
    (State.FROZEN, Note.VERIFIED): "offer",
    (State.FROZEN, Note.STAGED): "offer",
    (State.STAGED, Note.COMMIT): "commit",
    (State.COMMITTED, Note.OWNED): "commit",
}
"""What has lasted until this note came."""
_REASONS = (Note.REFUSED, Note.LOST)
"""With these the destination's own error comes along, if there is one."""


class Transitions:
    """The transitions of one task's handoff."""

    def __init__(self, hosted: Hosted) -> None:
        self.refusal: dict[str, Any] | None = None
        """What the destination said when it refused, in its own words."""
        self._hosted = hosted
        self._accepting: asyncio.Task[Any] | None = None

    def receive(self, message: Message, answer: Answer, session: bytes, remembers: bool) -> None:
        """A note of a handoff came in; `answer` sends one back.

        `remembers`: whether this node knows all that it knew when it was made an offer.
        """
        hosted = self._hosted
        note, epoch = Note(message.kind), want(message.header, "epoch", int)
        reason = want(message.header, "reason", str, "")
        step("receive", note.value)
        if note in _REASONS:
            self.refusal = want(message.header, "error", dict, None)
        accept = also = None
        self._time(note, epoch)
        if note is Note.OWNED and hosted.handoff.state is State.COMMITTED:
            hop = self._completed_hop(checked(message.header.get("steps")))
            also = functools.partial(hosted.node.keep_report, hosted.about, hop, ())
        if note is Note.OFFER:
            source = want(message.header, "source", dict)
            another = hosted.node.answer_to(source, message.user) or answer
            is_committed = want(message.header, "committed", bool, False)
            offer = Offer(epoch, message.payload, session, source, is_committed)
            accept = functools.partial(hosted.arriving.accept, offer, (another, answer))
        self.take(
            lambda: hosted.handoff.receive(note, epoch, reason, remembers=remembers),
            answer,
            accept=accept,
            also=also,
        )

    def _time(self, note: Note, epoch: int) -> None:
        """Where the time goes: this note ends a wait, or begins an attempt."""
        hosted = self._hosted
        if note is Note.OFFER and epoch > hosted.handoff.newest:
            hosted.timeline.begin(epoch)
        wait = _WAITS.get((hosted.handoff.state, note))
        if wait is not None and epoch == hosted.handoff.epoch:
            hosted.timeline.mark(wait)

    def _completed_hop(self, there: list[tuple[str, float]]) -> dict[str, Any]:
        """The report of the handoff under way, which is successful with this very note."""
        hosted = self._hosted
        hop = hosted.peer["hop"]
        hop["steps"] = merged(hosted.timeline.steps(hosted.handoff.epoch), there)
        hosted.timeline.end()
        if (frozen_at := hosted.peer.get("frozen_at")) is not None:
            hop["freeze_s"] = time.monotonic() - frozen_at
        else:  # before a crash; that clock may have begun anew since
            hop["freeze_s"] = time.time() - hop["start_time"]
        return hosted.described("hop", {"hop": hop})

    def take(
        self,
        transition: Callable[[], list[Effect]],
        answer: Answer | None = None,
        accept: Callable[[], Any] | None = None,
        offer: Callable[[], None] | None = None,
        also: Callable[[], None] | None = None,
    ) -> bool:
        """Make a transition of the handoff, and do what it decides, in order.

        `accept` and `offer` are what is to be done for STAGE and OFFER, `also` is written with the
        record.  False if what must be on the disk could not be written; see `handoff`.
        """
        hosted = self._hosted
        before = hosted.handoff.saved
        for number, effect in enumerate(transition()):
            if effect.do in (Act.RECORD, Act.WRITE):
                try:
                    hosted.entry.record(also, hurry=effect.do is Act.WRITE)
                except JournalError as error:
                    _log.error("task %s: %s", hosted.id, error)
                    if number == 0:
                        hosted.handoff = Handoff.restored(before)
                    return False
                hosted.timeline.mark("record")
            elif effect.do is Note.OFFER and offer is not None:
                offer()
            elif isinstance(effect.do, Note):
                self._tell(effect.do, effect, answer or hosted.partner)
            else:
                self._act(effect, accept)
        return True

    def withdraw(self, reason: str) -> None:
        """It has taken too long: no offer any more, and what is committed is asked back."""
        self.take(lambda: self._hosted.handoff.expire(reason))
        self.take(lambda: self._hosted.handoff.take_back(reason))

    def _tell(self, note: Note, effect: Effect, answer: Answer) -> None:
        hosted = self._hosted
        header = {"task": hosted.id, "epoch": effect.epoch, "reason": effect.reason}
        if note in _REASONS:
            header["error"] = self.refusal
        elif note in (Note.COMMIT, Note.RECALL):
            header["memory"] = hosted.peer.get("memory")
        elif note is Note.OWNED:
            header["steps"] = hosted.timeline.steps(effect.epoch)
            hosted.timeline.end()
        if note in _STEP_OF:
            step(_STEP_OF[note])
        answer(note.value, header)

    def _act(self, effect: Effect, accept: Callable[[], Any] | None) -> None:
        hosted = self._hosted
        match effect.do:
            case Act.STAGE:
                assert accept is not None
                self._accepting = spawn(accept())
            case Act.DISCARD:
                self._stop_accepting()
                hosted.discard(effect.reason)
            case Act.RUN:
                hosted.run()
            case Act.GO_ON:
                hosted.go_on(effect.reason)
            case Act.RESTART:
                spawn(hosted.arriving.restart())
            case Act.DEPART | Act.LOSE:
                hosted.depart(effect)

    def _stop_accepting(self) -> None:
        if self._accepting is not None and self._accepting is not asyncio.current_task():
            self._accepting.cancel()

    def why(self, reason: str) -> MigrationRefused:
        """A refusal, in the destination's own words if there are any; they are heard once."""
        described, self.refusal = self.refusal, None
        return refused(reason, described)
