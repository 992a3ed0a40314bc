"""The handoff where a network drops, repeats, delays, reorders, and nodes crash: one owner."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from hetmig.node.handoff import LEAP, Act, Effect, Handoff, Note, Saved, State

NODES = range(3)
OWNING = {State.RUNNING, State.FROZEN}


@dataclass(frozen=True)
class Letter:
    sender: int
    receiver: int
    note: Note
    epoch: int
    work: int
    """How far the task had come when it was frozen: what the parcel of an OFFER holds."""


class World(RuleBasedStateMachine):
    """Three nodes pass one task around."""

    def __init__(self) -> None:
        super().__init__()
        self.nodes = [Handoff(State.RUNNING, 1)] + [Handoff() for _ in NODES[1:]]
        self.disks = [node.saved for node in self.nodes]
        self.written = list(self.disks)
        self.work = [0 if node == 0 else -1 for node in NODES]
        self.checkpoint = list(self.work)
        self.crashed: set[int] = set()
        """Nodes whose frozen runner a crash took."""
        self.peer = [0] * 3
        self.staged_work: dict[tuple[int, int], int] = {}
        self.done = 0
        self.letters: list[Letter] = []

    def perform(self, node: int, effects: list[Effect], peer: int | None = None) -> None:
        to = self.peer[node] if peer is None else peer
        for effect in effects:
            if isinstance(effect.do, Note):
                self.letters.append(Letter(node, to, effect.do, effect.epoch, self.work[node]))
            elif effect.do is Act.RECORD:
                self.disks[node] = self.written[node] = self.nodes[node].lasting
            elif effect.do is Act.WRITE:
                self.written[node] = self.nodes[node].lasting
            elif effect.do is Act.RUN:
                self.work[node] = self.checkpoint[node] = self.staged_work[node, effect.epoch]
                assert self.work[node] == self.done, "an older copy came to life"
            elif effect.do is Act.RESTART or (effect.do is Act.GO_ON and node in self.crashed):
                self.crashed.discard(node)
                self.work[node] = self.done = self.checkpoint[node]

    def deliver(self, letter: Letter) -> None:
        node = letter.receiver
        if letter.note is Note.OFFER:
            self.staged_work.setdefault((node, letter.epoch), letter.work)
        effects = self.nodes[node].receive(letter.note, letter.epoch)
        if any(effect.do is Act.STAGE for effect in effects):
            self.peer[node] = letter.sender
        self.perform(node, effects, letter.sender)

    @rule(node=st.sampled_from(NODES))
    def execute(self, node: int) -> None:
        if self.nodes[node].state is State.RUNNING:
            self.work[node] += 1
            self.done += 1
            assert self.work[node] == self.done

    @rule(node=st.sampled_from(NODES), step=st.sampled_from([1, 2]))
    def intend(self, node: int, step: int) -> None:
        machine = self.nodes[node]
        if machine.state is State.RUNNING and machine.coming != machine.intended:
            self.peer[node] = (node + step) % 3
        self.perform(node, machine.intend())

    @rule(node=st.sampled_from(NODES))
    def forgo(self, node: int) -> None:
        self.perform(node, self.nodes[node].forgo(self.nodes[node].intended))

    @rule(
        node=st.sampled_from(NODES),
        step=st.sampled_from([1, 2]),
        fate=st.sampled_from(["presume", "presume", "forgo", "unsent"]),
    )
    def freeze(self, node: int, step: int, fate: str) -> None:
        machine = self.nodes[node]
        if machine.state is not State.RUNNING:
            return
        if machine.coming != machine.intended:
            self.peer[node] = (node + step) % 3
            self.perform(node, machine.offer())
            return
        effects = machine.offer()
        if fate == "presume":
            self.perform(node, [*effects, *machine.presume()])
        elif fate == "forgo":
            self.perform(node, [*machine.forgo(machine.epoch), *effects])
        else:
            self.perform(node, machine.expire("it can't be sent"))

    @rule(node=st.sampled_from(NODES))
    def presume(self, node: int) -> None:
        self.perform(node, self.nodes[node].presume())

    @rule(node=st.sampled_from(NODES), quick=st.booleans(), tell=st.booleans())
    def keep(self, node: int, quick: bool, tell: bool) -> None:
        machine = self.nodes[node]
        self.perform(node, machine.keep(machine.epoch, quick=quick, tell=quick and tell))

    @rule(node=st.sampled_from(NODES), ok=st.booleans(), told=st.booleans())
    def finish_staging(self, node: int, ok: bool, told: bool) -> None:
        machine = self.nodes[node]
        if machine.state in (State.STAGING, State.CLAIMED, State.KEPT, State.DUE):
            epoch = machine.epoch
            effects = machine.staged(epoch, told=told) if ok else machine.refuse(epoch, "no")
            self.perform(node, effects)

    @rule(node=st.sampled_from(NODES))
    def expire(self, node: int) -> None:
        self.perform(node, self.nodes[node].expire("too late"))
        self.perform(node, self.nodes[node].take_back("too late"))

    @rule(node=st.sampled_from(NODES))
    def nudge(self, node: int) -> None:
        self.perform(node, self.nodes[node].nudge())

    @rule(node=st.sampled_from(NODES), power_fails=st.booleans())
    def crash(self, node: int, power_fails: bool) -> None:
        self.crashed.add(node)
        if power_fails:
            self.written[node] = self.disks[node]
        self.nodes[node], effects = Handoff.recovered(self.written[node])
        self.perform(node, effects)

    @precondition(lambda self: self.letters)
    @rule(data=st.data(), fate=st.sampled_from(["deliver", "deliver", "repeat", "drop"]))
    def network(self, data: st.DataObject, fate: str) -> None:
        index = data.draw(st.integers(0, len(self.letters) - 1))
        letter = self.letters[index] if fate == "repeat" else self.letters.pop(index)
        if fate != "drop":
            self.deliver(letter)

    @invariant()
    def at_most_one_owner(self) -> None:
        assert sum(node.state in OWNING for node in self.nodes) <= 1

    def teardown(self) -> None:
        """Once the network behaves, exactly one node runs the task."""
        for _ in range(20):
            for node in NODES:
                self.finish_staging(node, True, told=False)
                self.nudge(node)
            letters, self.letters = self.letters, []
            for letter in letters:
                self.deliver(letter)
        for node in NODES:
            self.expire(node)
        assert sum(node.state is State.RUNNING for node in self.nodes) == 1


TestWorld = World.TestCase
TestWorld.settings = settings(max_examples=300, stateful_step_count=60, deadline=None)


def kinds(effects: list[Effect]) -> list[Note | Act]:
    return [effect.do for effect in effects]


def test_the_straight_way() -> None:
    source, destination = Handoff(State.RUNNING, 4), Handoff()
    assert kinds(source.offer()) == [Note.OFFER]
    assert source.epoch == 5
    assert kinds(destination.receive(Note.OFFER, 5)) == [Act.STAGE]
    assert kinds(destination.staged(5)) == [Act.RECORD, Note.STAGED]
    assert kinds(source.receive(Note.STAGED, 5)) == [Act.RECORD, Note.COMMIT]
    assert source.state is State.COMMITTED
    assert kinds(destination.receive(Note.COMMIT, 5)) == [Act.RUN, Act.RECORD, Note.OWNED]
    assert kinds(source.receive(Note.OWNED, 5)) == [Act.RECORD, Act.DEPART]
    assert (source.state, destination.state) == (State.GONE, State.RUNNING)


def test_the_parcel_is_kept_while_it_is_staged() -> None:
    destination = Handoff()
    destination.receive(Note.OFFER, 5)
    assert kinds(destination.keep(5)) == [Act.RECORD]
    again, effects = Handoff.recovered(destination.saved)
    assert kinds(effects) == [Act.STAGE]
    assert kinds(destination.staged(5)) == kinds(again.staged(5)) == [Note.STAGED]


def test_what_is_kept_and_can_not_be_staged_does_not_come_back() -> None:
    destination = Handoff()
    destination.receive(Note.OFFER, 5)
    destination.keep(5)
    assert kinds(destination.refuse(5, "no")) == [Act.RECORD, Act.DISCARD, Note.REFUSED]


def committed_early() -> tuple[Handoff, Handoff]:
    """A source, and the destination which builds what has been committed to it already."""
    source, destination = Handoff(State.RUNNING, 4), Handoff()
    source.offer()
    destination.receive(Note.OFFER, 5)
    assert kinds(destination.keep(5, quick=True, tell=True)) == [Act.WRITE, Note.VERIFIED]
    assert kinds(source.receive(Note.VERIFIED, 5)) == [Act.RECORD, Note.COMMIT]
    assert destination.receive(Note.COMMIT, 5) == []
    assert (source.state, destination.state) == (State.COMMITTED, State.DUE)
    return source, destination


def test_what_is_committed_while_it_is_built_runs_at_once() -> None:
    _, destination = committed_early()
    assert kinds(destination.staged(5, told=True)) == [Act.RUN, Act.RECORD, Note.OWNED]


def committed_at_once() -> tuple[Handoff, Handoff]:
    """A source that has not waited for a word, and the destination, which has only just begun."""
    source, destination = Handoff(State.RUNNING, 4), Handoff()
    source.offer()
    assert kinds(source.presume()) == [Act.RECORD, Note.COMMIT]
    destination.receive(Note.OFFER, 5)
    assert destination.receive(Note.COMMIT, 5) == []
    assert (source.state, destination.state) == (State.COMMITTED, State.CLAIMED)
    return source, destination


def test_what_is_committed_before_it_is_kept_is_kept_before_it_runs() -> None:
    source, destination = committed_at_once()
    assert kinds(destination.keep(5, quick=True)) == [Act.WRITE]
    assert kinds(destination.staged(5)) == [Act.RUN, Act.RECORD, Note.OWNED]
    assert kinds(source.receive(Note.OWNED, 5)) == [Act.RECORD, Act.DEPART]
    _, destination = committed_at_once()
    assert kinds(destination.staged(5))[:2] == [Act.RECORD, Act.RUN]


def test_what_was_intended_before_the_freeze_needs_no_record_in_it() -> None:
    source = Handoff(State.RUNNING, 4)
    assert kinds(source.intend()) == [Act.RECORD]
    assert source.intend() == []
    assert (source.state, source.lasting.state, source.lasting.epoch) == (
        State.RUNNING, State.COMMITTED, 5,
    )  # fmt: skip
    [offer] = source.offer()
    assert (offer.do, offer.epoch) == (Note.OFFER, 5)
    assert kinds(source.presume()) == [Note.COMMIT]
    assert kinds(source.receive(Note.OWNED, 5)) == [Act.RECORD, Act.DEPART]
    assert source.lasting == source.saved


def test_what_was_intended_and_not_offered_comes_back_after_a_crash() -> None:
    source, destination = Handoff(State.RUNNING, 4), Handoff()
    source.intend()
    again, effects = Handoff.recovered(source.lasting)
    assert kinds(effects) == [Note.COMMIT]
    assert kinds(destination.receive(Note.COMMIT, 5)) == [Act.RECORD, Note.LOST]
    assert kinds(again.receive(Note.LOST, 5)) == [Act.RECORD, Act.GO_ON]
    assert again.lasting == again.saved


def test_an_intention_is_forgone_before_the_task_is_offered_otherwise() -> None:
    source = Handoff(State.RUNNING, 4)
    source.intend()
    assert source.forgo(4) == []
    assert kinds(source.forgo(5)) == [Act.RECORD]
    assert source.forgo(5) == []
    assert source.lasting == Saved(State.RUNNING, 4, 4, 5)
    source.intend()
    source.offer()
    assert kinds(source.forgo(6)) == [Act.RECORD]
    assert source.lasting == source.saved == Saved(State.FROZEN, 6, 4, 6)
    assert kinds(source.receive(Note.STAGED, 6)) == [Act.RECORD, Note.COMMIT]


def test_after_a_crash_no_attempt_has_the_epoch_of_one_since_an_intention() -> None:
    """Which is still on record, as the disk was full when it was forgone."""
    source = Handoff(State.RUNNING, 4)
    source.intend()
    recorded = source.lasting
    source.offer()
    assert kinds(source.expire("it can't be sent")) == [Note.ABORT, Act.GO_ON]
    source.offer()
    again, _ = Handoff.recovered(recorded)
    again.receive(Note.LOST, 5)
    again.offer()
    assert again.epoch > source.epoch == 6


def test_what_was_committed_at_once_can_be_refused() -> None:
    source, destination = committed_at_once()
    assert kinds(destination.refuse(5, "no")) == [Act.RECORD, Act.DISCARD, Note.LOST]
    assert kinds(source.receive(Note.LOST, 5, "no")) == [Act.RECORD, Act.GO_ON]


def test_a_commit_that_overtakes_its_offer_gives_the_task_back() -> None:
    source, destination = Handoff(State.RUNNING, 4), Handoff()
    source.offer()
    source.presume()
    assert kinds(destination.receive(Note.COMMIT, 5)) == [Act.RECORD, Note.LOST]
    assert destination.receive(Note.OFFER, 5) == []
    assert kinds(source.receive(Note.LOST, 5)) == [Act.RECORD, Act.GO_ON]


def test_a_crash_before_it_was_kept_gives_it_back() -> None:
    _, destination = committed_at_once()
    again, effects = Handoff.recovered(destination.saved)  # somebody recorded it meanwhile
    assert effects == []
    assert kinds(again.receive(Note.COMMIT, 5)) == [Act.RECORD, Note.LOST]


def test_what_is_built_before_it_is_committed_waits_in_silence() -> None:
    destination = Handoff()
    destination.receive(Note.OFFER, 5)
    destination.keep(5, quick=True, tell=True)
    assert destination.staged(5, told=True) == []
    assert kinds(destination.nudge()) == [Note.STAGED]  # should VERIFIED have been lost
    assert kinds(destination.receive(Note.COMMIT, 5)) == [Act.RUN, Act.RECORD, Note.OWNED]


def test_what_was_committed_and_can_not_be_built_goes_on_at_the_source() -> None:
    source, destination = committed_early()
    effects = destination.refuse(5, "no such module")
    assert kinds(effects) == [Act.RECORD, Act.DISCARD, Note.LOST]
    assert effects[-1].reason == "no such module"
    assert kinds(source.receive(Note.LOST, 5, "no such module")) == [Act.RECORD, Act.GO_ON]
    assert destination.receive(Note.OFFER, 5) == []  # which came once more
    assert kinds(destination.receive(Note.COMMIT, 5)) == [Act.RECORD, Note.LOST]


def test_a_refusal_that_crosses_the_commit_is_told_again() -> None:
    destination = Handoff()
    destination.receive(Note.OFFER, 5)
    destination.keep(5, quick=True, tell=True)
    assert kinds(destination.refuse(5, "no room")) == [Act.RECORD, Act.DISCARD, Note.REFUSED]
    (_, lost) = destination.receive(Note.COMMIT, 5)
    assert (lost.do, lost.reason) == (Note.LOST, "no room")


def test_what_takes_too_long_is_asked_back() -> None:
    source, destination = committed_early()
    assert kinds(source.take_back("too slow")) == [Note.RECALL]
    answer = destination.receive(Note.RECALL, 5)
    assert kinds(answer) == [Act.RECORD, Act.DISCARD, Act.RECORD, Note.LOST]
    (_, on) = source.receive(Note.LOST, 5, answer[-1].reason)
    assert (on.do, on.reason) == (Act.GO_ON, "too slow")
    assert destination.staged(5, told=True) == []


def test_what_runs_is_not_given_back() -> None:
    source, destination = committed_early()
    destination.staged(5, told=True)
    source.take_back("too slow")
    assert kinds(destination.receive(Note.RECALL, 5)) == [Act.RECORD, Note.OWNED]
    assert kinds(source.receive(Note.OWNED, 5)) == [Act.RECORD, Act.DEPART]


def test_what_may_have_run_before_a_crash_is_not_given_back() -> None:
    _, destination = committed_early()
    kept = State.KEPT, *destination.saved[1:]  # which the disk has
    again, effects = Handoff.recovered(Saved(*kept))
    assert kinds(effects) == [Act.STAGE]
    assert again.receive(Note.RECALL, 5) == []
    assert again.receive(Note.COMMIT, 5) == []
    assert kinds(again.staged(5)) == [Act.RUN, Act.RECORD, Note.OWNED]


def test_a_crash_while_it_is_built_gives_it_back() -> None:
    source, _ = committed_early()
    again, effects = Handoff.recovered(Handoff().saved)  # nothing was recorded
    assert effects == []
    assert kinds(again.receive(Note.COMMIT, 5)) == [Act.RECORD, Note.LOST]
    assert again.receive(Note.OFFER, 5) == []
    assert kinds(source.receive(Note.LOST, 5)) == [Act.RECORD, Act.GO_ON]
    assert kinds(source.offer()) == [Note.OFFER]


def test_a_refusal_lets_the_source_go_on() -> None:
    source = Handoff(State.RUNNING, 1)
    source.offer()
    [effect] = source.receive(Note.REFUSED, 2, "no room")
    assert (effect.do, effect.reason) == (Act.GO_ON, "no room")
    assert source.state is State.RUNNING


def test_a_committed_source_never_goes_on() -> None:
    source = Handoff(State.RUNNING, 1)
    source.offer()
    source.receive(Note.STAGED, 2)
    assert source.expire("late") == []
    assert source.receive(Note.REFUSED, 2) == []
    assert kinds(source.nudge()) == [Note.COMMIT]


@pytest.mark.parametrize("state", [State.ABSENT, State.GONE])
def test_a_staged_copy_nobody_wants_is_withdrawn(state: State) -> None:
    assert kinds(Handoff(state, 9).receive(Note.STAGED, 3)) == [Note.ABORT]


def test_an_offer_after_its_abort_is_ignored() -> None:
    destination = Handoff()
    destination.receive(Note.ABORT, 2)
    assert destination.receive(Note.OFFER, 2) == []


def test_a_source_goes_on_when_the_destination_swears_that_it_never_will() -> None:
    source, destination = Handoff(State.RUNNING, 1), Handoff()
    source.offer()
    source.receive(Note.STAGED, 2)
    assert kinds(destination.receive(Note.COMMIT, 2)) == [Act.RECORD, Note.LOST]
    assert destination.receive(Note.OFFER, 2) == []
    assert kinds(source.receive(Note.LOST, 2)) == [Act.RECORD, Act.GO_ON]


def test_a_destination_without_memory_cannot_swear() -> None:
    source, destination = Handoff(State.RUNNING, 1), Handoff()
    source.offer()
    source.receive(Note.STAGED, 2)
    assert kinds(destination.receive(Note.COMMIT, 2, remembers=False)) == [Note.FORGOTTEN]
    assert kinds(source.receive(Note.FORGOTTEN, 2)) == [Act.RECORD, Act.LOSE]


def test_after_a_crash_epochs_are_beyond_all_that_were_not_recorded() -> None:
    source = Handoff(State.RUNNING, 1)
    recorded, greatest = source.saved, 1
    for _ in range(2 * LEAP):
        effects = source.offer()
        if effects[0].do is Act.RECORD:
            recorded = source.saved
        greatest = source.epoch
        assert Handoff.recovered(recorded)[0].epoch > greatest
        source.expire("late")
