"""Every history of a handoff between two nodes, up to a number of attempts.

The network keeps every note ever sent and may deliver any of them at any time, again and again: so
loss, delay, repetition and reordering are all among the histories.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from hetmig.node.handoff import Act, Effect, Handoff, Note, State

OWNING = {State.RUNNING, State.FROZEN, State.ENDED}
ATTEMPTS = 4
SETTLING = 12


class Side(NamedTuple):
    """One node's machine, as a value."""

    state: State
    epoch: int
    owned: int
    newest: int

    @classmethod
    def of(cls, machine: Handoff) -> Side:
        return cls(machine.state, machine.epoch, machine.owned, machine.newest)

    def machine(self) -> Handoff:
        machine = Handoff()
        machine.state, machine.epoch, machine.owned, machine.newest = self
        return machine


class World(NamedTuple):
    sides: tuple[Side, Side]
    notes: frozenset[tuple[int, Note, int]]
    """(receiver, note, epoch)"""
    withdrawn: frozenset[int]
    """Attempts after which the source went on: their parcels are out of date."""
    started: frozenset[int]
    """Attempts whose parcel was started."""


START = World(
    (Side.of(Handoff(State.RUNNING, 1)), Side.of(Handoff())),
    frozenset(),
    frozenset(),
    frozenset(),
)


def after(world: World, node: int, machine: Handoff, effects: list[Effect]) -> World:
    """The world after a step of one node; checks what must never happen."""
    notes, withdrawn, started = set(world.notes), set(world.withdrawn), set(world.started)
    for effect in effects:
        if isinstance(effect.do, Note):
            notes.add((1 - node, effect.do, effect.epoch))
        elif effect.do is Act.GO_ON:
            withdrawn.add(effect.epoch)
            assert effect.epoch not in started, "it goes on at the source, and runs elsewhere"
        elif effect.do is Act.RUN:
            assert effect.epoch not in withdrawn, "an older copy came to life"
            assert effect.epoch not in started, "the same copy was started twice"
            started.add(effect.epoch)
        assert effect.do is not Act.LOSE, "nothing crashed, yet the task is lost"
    sides = list(world.sides)
    sides[node] = Side.of(machine)
    return World((sides[0], sides[1]), frozenset(notes), frozenset(withdrawn), frozenset(started))


def steps(world: World) -> Iterator[World]:
    """Everything that can happen next."""
    for node, side in enumerate(world.sides):
        if side.state is State.RUNNING:
            if side.newest <= ATTEMPTS:
                machine = side.machine()
                yield after(world, node, machine, machine.offer())
            machine = side.machine()
            machine.end()
            yield after(world, node, machine, [])
        if side.state in (State.FROZEN, State.COMMITTED):  # the deadline passes in both
            machine = side.machine()
            yield after(world, node, machine, machine.expire("late"))
        if side.state is State.STAGING:
            machine = side.machine()
            yield after(world, node, machine, machine.staged(side.epoch))
            machine = side.machine()
            yield after(world, node, machine, machine.refuse(side.epoch, "no"))
        machine = side.machine()
        yield after(world, node, machine, machine.nudge())
    for note in world.notes:
        yield delivered(world, *note)


def delivered(world: World, receiver: int, note: Note, epoch: int) -> World:
    machine = world.sides[receiver].machine()
    return after(world, receiver, machine, machine.receive(note, epoch))


def settle(world: World) -> World:
    """From here on nothing is lost any more, and what was sent before has expired."""
    world = world._replace(notes=frozenset())
    for _ in range(SETTLING):
        for node in (0, 1):
            machine = world.sides[node].machine()
            effects = machine.nudge()
            if machine.state is State.STAGING:
                effects = machine.staged(machine.epoch)
            elif machine.state is State.FROZEN:
                effects = machine.expire("late")
            world = after(world, node, machine, effects)
        notes, world = world.notes, world._replace(notes=frozenset())
        for note in sorted(notes, key=repr):
            world = delivered(world, *note)
    return world


def test_every_history() -> None:
    seen, frontier = {START}, [START]
    while frontier:
        world = frontier.pop()
        for following in steps(world):
            if following in seen:
                continue
            seen.add(following)
            frontier.append(following)
            states = [side.state for side in following.sides]
            assert sum(state in OWNING for state in states) <= 1, following
    settled = {settled for world in seen if (settled := settle(world).sides)}
    for sides in settled:
        states = [side.state for side in sides]
        assert sum(state in (State.RUNNING, State.ENDED) for state in states) == 1, sides
    assert len(seen) > 10_000
