"""Every history of a handoff between two nodes, up to a number of attempts and crashes.

The network keeps every note ever sent and may deliver any of them at any time, again and again: so
loss, delay, repetition and reordering are all among the histories.  A node may crash between any
two effects of a step; what it recorded is all it knows then.  What it has only written it knows if
it was killed, and not after a power failure.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest

from hetmig.node import handoff
from hetmig.node.handoff import Act, Effect, Handoff, Note, Saved, State

OWNING = {State.RUNNING, State.FROZEN, State.ENDED}
BUILDING = (State.STAGING, State.CLAIMED, State.KEPT, State.DUE)
SETTLING = 12


class Bounds(NamedTuple):
    """How long the histories are."""

    attempts: int
    crashes: int


LONGER = [Bounds(4, 0), Bounds(3, 1), Bounds(2, 2), Bounds(2, 3)]


class World(NamedTuple):
    """All there is, as a value."""

    sides: tuple[Saved, Saved]
    disks: tuple[Saved, Saved]
    written: tuple[Saved, Saved]
    """What is on the disk as long as the machine has power."""
    notes: frozenset[tuple[int, Note, int]]
    """(receiver, note, epoch)"""
    withdrawn: frozenset[int]
    """Attempts after which the source went on: their parcels are out of date."""
    interrupted: tuple[int, int]
    intended: tuple[int, int]
    begun: frozenset[int]
    """Attempts which the destination has begun to run."""
    attempts: int
    crashes: int
    ended: bool
    """The end was published."""


FIRST = Handoff(State.RUNNING, 1).saved, Handoff().saved
START = World(
    FIRST, FIRST, FIRST, frozenset(), frozenset(), (-1, -1), (-1, -1), frozenset(), 0, 0, False
)


class Wrong(AssertionError):
    """Something that must never happen."""


def require(condition: bool, what: str, world: World) -> None:
    if not condition:
        raise Wrong(what, world)


def machine_of(world: World, node: int) -> Handoff:
    """What the node is to the task."""
    machine = Handoff.restored(world.sides[node])
    machine.interrupted, machine.intended = world.interrupted[node], world.intended[node]
    return machine


def after(world: World, node: int, machine: Handoff, effects: list[Effect]) -> World:
    """The world after a step of one node; checks what must never happen."""
    sides, disks, written = list(world.sides), list(world.disks), list(world.written)
    notes, withdrawn, begun = set(world.notes), set(world.withdrawn), set(world.begun)
    sides[node] = machine.saved
    interrupted, intended = list(world.interrupted), list(world.intended)
    interrupted[node] = machine.interrupted
    # what has come of an intention is in the state, and fewer worlds are fewer to look at
    intended[node] = machine.intended if machine.lasting != machine.saved else -1
    for effect in effects:
        match effect.do:
            case Note():
                if effect.do is Note.LOST:
                    require(effect.epoch not in begun, "it swears, and has run it", world)
                notes.add((1 - node, effect.do, effect.epoch))
            case Act.RECORD:
                disks[node] = written[node] = machine.lasting
            case Act.WRITE:
                written[node] = machine.lasting
            case Act.GO_ON:
                withdrawn.update(range(max(side.newest for side in world.sides) + 1))
            case Act.RUN:
                require(effect.epoch not in withdrawn, "an older copy came to life", world)
                require(not world.ended, "it runs again after its end", world)
                begun.add(effect.epoch)
            case Act.RESTART:
                withdrawn.update(range(world.sides[node].newest + 1))
                require(not world.ended, "it runs again after its end", world)
            case Act.LOSE:
                require(False, "the task is lost", world)
    following = world._replace(
        sides=(sides[0], sides[1]),
        disks=(disks[0], disks[1]),
        written=(written[0], written[1]),
        notes=frozenset(notes),
        withdrawn=frozenset(withdrawn),
        interrupted=(interrupted[0], interrupted[1]),
        intended=(intended[0], intended[1]),
        begun=frozenset(begun),
    )
    owners = sum(side.state in OWNING for side in following.sides)
    require(owners <= 1, "two nodes own the task", following)
    return following


def recovered(world: World, node: int) -> Iterator[World]:
    """The node is killed, or has a power failure, and comes back."""
    world = world._replace(crashes=world.crashes + 1)
    machine, effects = Handoff.recovered(world.written[node])
    # after() compares with what the node was before the crash
    yield after(world, node, machine, effects)
    if world.disks[node] == world.written[node]:
        return
    written = list(world.written)
    written[node] = world.disks[node]
    # what has run for a moment is done again by whoever owns it then, as after any power failure
    world = world._replace(written=(written[0], written[1]), begun=frozenset())
    machine, effects = Handoff.recovered(world.disks[node])
    yield after(world, node, machine, effects)


def all_of(
    world: World, bounds: Bounds, node: int, step: Callable[[Handoff], list[Effect]]
) -> Iterator[World]:
    """A step of a node: done, or with a crash after some of its effects."""
    machine = machine_of(world, node)
    effects = step(machine)
    yield after(world, node, machine, effects)
    if world.crashes < bounds.crashes:
        for done in range(1, len(effects)):
            yield from recovered(after(world, node, machine, effects[:done]), node)


def offered_at_once(machine: Handoff) -> list[Effect]:
    return [*machine.offer(), *machine.presume()]


def offered_after_all(machine: Handoff) -> list[Effect]:
    """It was meant to be committed at once, and is too large for that."""
    effects = machine.offer()
    return [*machine.forgo(machine.epoch), *effects]


def not_offered(machine: Handoff) -> list[Effect]:
    """The offer could not be sent, and the disk is full."""
    machine.offer()
    return machine.expire("too large")


def _keep(machine: Handoff, quick: bool, tell: bool) -> list[Effect]:
    return machine.keep(machine.epoch, quick=quick, tell=tell)


def attempts(world: World, bounds: Bounds, node: int) -> Iterator[World]:
    """Its owner gets ready to hand the task over, does that, or lets it be."""
    machine = machine_of(world, node)
    if machine.coming == machine.intended:
        for step in (offered_at_once, offered_after_all, not_offered):
            yield from all_of(world, bounds, node, step)
        yield from all_of(world, bounds, node, lambda machine: machine.forgo(machine.intended))
    elif world.attempts < bounds.attempts:
        more = world._replace(attempts=world.attempts + 1)
        yield from all_of(more, bounds, node, Handoff.intend)
        yield from all_of(more, bounds, node, Handoff.offer)


def steps(world: World, bounds: Bounds) -> Iterator[World]:
    """Everything that can happen next."""
    for node, side in enumerate(world.sides):
        if side.state is State.RUNNING:
            yield from attempts(world, bounds, node)
            for ended in all_of(world, bounds, node, Handoff.end):
                yield ended._replace(ended=True)
        if side.state is State.FROZEN:
            yield from all_of(world, bounds, node, Handoff.presume)
        if side.state in (State.FROZEN, State.COMMITTED):  # the deadline passes in both
            yield from all_of(world, bounds, node, lambda machine: machine.expire("late"))
            yield from all_of(world, bounds, node, lambda machine: machine.take_back("late"))
        if side.state in (State.STAGING, State.CLAIMED):
            for quick, tell in ((False, False), (True, False), (True, True)):
                keep = functools.partial(_keep, quick=quick, tell=tell)
                yield from all_of(world, bounds, node, keep)
        if side.state in BUILDING:
            yield from all_of(world, bounds, node, lambda machine: machine.staged(machine.epoch))
            yield from all_of(
                world, bounds, node, lambda machine: machine.staged(machine.epoch, told=True)
            )
        staged = side.state in (*BUILDING, State.STAGED)
        if staged and side.epoch not in world.begun:  # what has run can be put together again
            if side.state is not State.STAGED or bounds.crashes:  # a runner may die as well
                yield from all_of(
                    world, bounds, node, lambda machine: machine.refuse(machine.epoch, "no")
                )
        yield from all_of(world, bounds, node, Handoff.nudge)
        if world.crashes < bounds.crashes:
            yield from recovered(world, node)
    for receiver, note, epoch in world.notes:
        yield from all_of(
            world, bounds, receiver, lambda machine, n=note, e=epoch: machine.receive(n, e)
        )


def settle(world: World) -> World:
    """From here on nothing is lost any more, and what was sent before has expired."""
    world = world._replace(notes=frozenset())
    for _ in range(SETTLING):
        for node in (0, 1):
            machine = machine_of(world, node)
            effects = machine.nudge()
            if machine.state in BUILDING:
                effects = machine.staged(machine.epoch)
            elif machine.state is State.FROZEN:
                effects = machine.expire("late")
            world = after(world, node, machine, effects)
        notes, world = world.notes, world._replace(notes=frozenset())
        for receiver, note, epoch in sorted(notes, key=repr):
            machine = machine_of(world, receiver)
            world = after(world, receiver, machine, machine.receive(note, epoch))
    return world


_FOR_SOURCE = {Note.VERIFIED, Note.REFUSED, Note.OWNED, Note.LOST, Note.FORGOTTEN}
_ASKING = {State.FROZEN, State.COMMITTED}


def without_dead_letters(world: World, bounds: Bounds) -> World:
    """The same without notes that can never mean anything any more, so that there are fewer worlds.

    Each attempt has an epoch of its own, and only a crash brings back what was before.
    """
    if world.crashes < bounds.crashes:
        return world

    def is_alive(letter: tuple[int, Note, int]) -> bool:
        receiver, note, epoch = letter
        side = world.sides[receiver]
        if note in _FOR_SOURCE:
            return side.epoch == epoch and side.state in _ASKING
        return note is not Note.OFFER or epoch > side.newest

    return world._replace(notes=frozenset(filter(is_alive, world.notes)))


def explore(bounds: Bounds) -> int:
    """Every history within the bounds; the number of worlds.  Raises Wrong."""
    seen, frontier = {START}, [START]
    while frontier:
        for world in steps(frontier.pop(), bounds):
            following = without_dead_letters(world, bounds)
            if following not in seen:
                seen.add(following)
                frontier.append(following)
    settled: dict[Any, World] = {}
    for world in seen:  # the network forgets, so what there is of notes does not matter
        settled.setdefault((world.sides, world.disks, world.written, world.interrupted), world)
    for world in settled.values():
        states = [side.state for side in settle(world).sides]
        owners = sum(state in (State.RUNNING, State.ENDED) for state in states)
        require(owners == 1, "nobody owns the task", world)
    return len(seen)


def test_every_history_without_crashes() -> None:
    assert explore(Bounds(attempts=3, crashes=0)) > 2_000


@pytest.fixture
def _short_leaps(monkeypatch: pytest.MonkeyPatch) -> None:
    """So short that it matters if one lands too early, within the few attempts of a history."""
    monkeypatch.setattr(handoff, "LEAP", 4)


@pytest.mark.usefixtures("_short_leaps")
def test_every_history_with_a_crash() -> None:
    assert explore(Bounds(attempts=2, crashes=1)) > 2_000


@pytest.mark.nightly
@pytest.mark.timeout(7200)
@pytest.mark.usefixtures("_short_leaps")
@pytest.mark.parametrize(
    "bounds", [Bounds(4, 0), Bounds(3, 1), Bounds(2, 2), Bounds(2, 3)], ids=str
)
def test_every_longer_history(bounds: Bounds) -> None:
    assert explore(bounds) > 10_000


Step = Callable[..., list[Effect]]


def late(step: Step) -> Step:
    """The record is written after what depends on it."""
    return lambda *args, **more: sorted(
        step(*args, **more), key=lambda effect: effect.do is Act.RECORD
    )


def never(step: Step) -> Step:
    """The record is not written."""
    return lambda *args, **more: [
        effect for effect in step(*args, **more) if effect.do not in (Act.RECORD, Act.WRITE)
    ]


def impatient_destination(step: Step) -> Step:
    """What was staged starts by itself after a while."""

    def nudge(machine: Handoff) -> list[Effect]:
        if machine.state is not State.STAGED:
            return step(machine)
        machine.state, machine.owned = State.RUNNING, machine.epoch
        return [Effect(do, machine.epoch) for do in (Act.RUN, Act.RECORD, Note.OWNED)]

    return nudge


def impatient_source(step: Step) -> Step:
    """It goes on after the deadline even though it has committed the task."""

    def expire(machine: Handoff, reason: str) -> list[Effect]:
        if machine.state is State.COMMITTED:
            machine.state = State.FROZEN
        return step(machine, reason)

    return expire


def without_leap(step: Step) -> Step:
    """After a crash it counts on from what was recorded."""

    def recovered(saved: Saved) -> Any:
        machine, effects = step(saved)
        if effects and effects[-1].do is Act.RESTART:
            machine.epoch = machine.owned = saved.epoch
            machine.newest = saved.newest
        return machine, effects

    return staticmethod(recovered)  # type: ignore[return-value]


@pytest.mark.usefixtures("_short_leaps")
@pytest.mark.parametrize(
    ("name", "wrongly"),
    [
        ("_answered_for", never),
        ("_answered_for", late),
        ("_commit", never),
        ("_commit", late),
        ("intend", never),
        ("forgo", never),
        ("keep", never),
        ("staged", never),
        ("_begin", never),
        ("_let_go", never),
        ("end", never),
        ("nudge", impatient_destination),
        ("expire", impatient_source),
        ("recovered", without_leap),
    ],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_what_would_be_wrong_is_noticed(
    name: str, wrongly: Callable[[Step], Step], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each of these machines is broken in one place; the first commits before the disk has it."""
    monkeypatch.setattr(Handoff, name, wrongly(getattr(Handoff, name)))
    enough = [Bounds(3, 1)] if wrongly is without_leap else [Bounds(2, 1), Bounds(2, 2)]
    with pytest.raises(Wrong):
        sum(map(explore, enough))
