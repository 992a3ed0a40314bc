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
    withdrawn: int
    """The newest attempt after which the source went on: parcels up to it are out of date."""
    interrupted: tuple[int, int]
    intended: tuple[int, int]
    begun: frozenset[int]
    """Attempts which the destination has begun to run."""
    attempts: int
    crashes: int
    ended: bool
    """The end was published."""


FIRST = Handoff(State.RUNNING, 1).saved, Handoff().saved
START = World(FIRST, FIRST, FIRST, frozenset(), -1, (-1, -1), (-1, -1), frozenset(), 0, 0, False)


class Wrong(AssertionError):
    """Something that must never happen."""


def require(condition: bool, what: str, world: World) -> None:
    if not condition:
        raise Wrong(what, world)


class Stepped(NamedTuple):
    """What a step has made of a machine."""

    saved: Saved
    lasting: Saved
    interrupted: int
    intended: int
    effects: list[Effect]

    @classmethod
    def of(cls, machine: Handoff, effects: list[Effect]) -> Stepped:
        # what has come of an intention is in the state, and fewer worlds are fewer to look at
        intended = machine.intended if machine.lasting != machine.saved else -1
        return cls(machine.saved, machine.lasting, machine.interrupted, intended, effects)


@functools.cache  # the worlds are many, the machines in them few; explore() clears these
def come_back(record: Saved) -> Stepped:
    return Stepped.of(*Handoff.recovered(record))


@functools.cache
def stepped(
    saved: Saved, interrupted: int, intended: int, step: Callable[..., list[Effect]], *how: Any
) -> Stepped:
    machine = Handoff.restored(saved)
    machine.interrupted, machine.intended = interrupted, intended
    return Stepped.of(machine, step(machine, *how))


def a_step(world: World, node: int, step: Callable[..., list[Effect]], *how: Any) -> Stepped:
    """What the node becomes by it."""
    return stepped(world.sides[node], world.interrupted[node], world.intended[node], step, *how)


def with_one(pair: tuple[Any, Any], node: int, value: Any) -> tuple[Any, Any]:
    """The pair with another value for this node."""
    return (value, pair[1]) if node == 0 else (pair[0], value)


def after(world: World, node: int, now: Stepped, done: int | None = None) -> World:
    """The world after a step of one node, or its first effects; checks what must never happen."""
    disks, written = world.disks, world.written
    notes, withdrawn, begun = world.notes, world.withdrawn, world.begun
    for effect in now.effects[:done]:
        match effect.do:
            case Note():
                if effect.do is Note.LOST:
                    require(effect.epoch not in begun, "it swears, and has run it", world)
                notes |= {(1 - node, effect.do, effect.epoch)}
            case Act.RECORD:
                disks = with_one(disks, node, now.lasting)
                written = with_one(written, node, now.lasting)
            case Act.WRITE:
                written = with_one(written, node, now.lasting)
            case Act.GO_ON:
                withdrawn = max(withdrawn, *(side.newest for side in world.sides))
            case Act.RUN:
                require(effect.epoch > withdrawn, "an older copy came to life", world)
                require(not world.ended, "it runs again after its end", world)
                begun |= {effect.epoch}
            case Act.RESTART:
                withdrawn = max(withdrawn, world.sides[node].newest)
                require(not world.ended, "it runs again after its end", world)
            case Act.LOSE:
                require(False, "the task is lost", world)
    following = world._replace(
        sides=with_one(world.sides, node, now.saved),
        disks=disks,
        written=written,
        notes=notes,
        withdrawn=withdrawn,
        interrupted=with_one(world.interrupted, node, now.interrupted),
        intended=with_one(world.intended, node, now.intended),
        begun=begun,
    )
    both_own = all(side.state in OWNING for side in following.sides)
    require(not both_own, "two nodes own the task", following)
    return following


def recovered(world: World, node: int) -> Iterator[World]:
    """The node is killed, or has a power failure, and comes back."""
    world = world._replace(crashes=world.crashes + 1)
    # after() compares with what the node was before the crash
    yield after(world, node, come_back(world.written[node]))
    if world.disks[node] == world.written[node]:
        return
    # what has run for a moment is done again by whoever owns it then, as after any power failure
    written = with_one(world.written, node, world.disks[node])
    world = world._replace(written=written, begun=frozenset())
    yield after(world, node, come_back(world.disks[node]))


def all_of(
    world: World, bounds: Bounds, node: int, step: Callable[..., list[Effect]], *how: Any
) -> Iterator[World]:
    """A step of a node: done, or with a crash after some of its effects."""
    now = a_step(world, node, step, *how)
    yield after(world, node, now)
    if world.crashes < bounds.crashes:
        for done in range(1, len(now.effects)):
            yield from recovered(after(world, node, now, done), node)


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


def forgone(machine: Handoff) -> list[Effect]:
    """It is not going to be offered."""
    return machine.forgo(machine.intended)


def kept(machine: Handoff, quick: bool, tell: bool) -> list[Effect]:
    return machine.keep(machine.epoch, quick=quick, tell=tell)


def put_together(machine: Handoff, told: bool = False) -> list[Effect]:
    return machine.staged(machine.epoch, told=told)


def refused(machine: Handoff) -> list[Effect]:
    return machine.refuse(machine.epoch, "no")


def attempts(world: World, bounds: Bounds, node: int) -> Iterator[World]:
    """Its owner gets ready to hand the task over, does that, or lets it be."""
    if world.intended[node] == world.sides[node].newest:
        for step in (offered_at_once, offered_after_all, not_offered, forgone):
            yield from all_of(world, bounds, node, step)
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
            yield from all_of(world, bounds, node, Handoff.expire, "late")
            yield from all_of(world, bounds, node, Handoff.take_back, "late")
        if side.state in (State.STAGING, State.CLAIMED):
            for quick, tell in ((False, False), (True, False), (True, True)):
                yield from all_of(world, bounds, node, kept, quick, tell)
        if side.state in BUILDING:
            yield from all_of(world, bounds, node, put_together)
            yield from all_of(world, bounds, node, put_together, True)
        staged = side.state in (*BUILDING, State.STAGED)
        if staged and side.epoch not in world.begun:  # what has run can be put together again
            if side.state is not State.STAGED or bounds.crashes:  # a runner may die as well
                yield from all_of(world, bounds, node, refused)
        yield from all_of(world, bounds, node, Handoff.nudge)
        if world.crashes < bounds.crashes:
            yield from recovered(world, node)
    for receiver, note, epoch in world.notes:
        yield from all_of(world, bounds, receiver, Handoff.receive, note, epoch)


def settle(world: World) -> World:
    """From here on nothing is lost any more, and what was sent before has expired."""
    world = world._replace(notes=frozenset())
    for _ in range(SETTLING):
        for node in (0, 1):
            world = after(world, node, a_step(world, node, Handoff.nudge))
            if world.sides[node].state in BUILDING:
                world = after(world, node, a_step(world, node, put_together))
            elif world.sides[node].state is State.FROZEN:
                world = after(world, node, a_step(world, node, Handoff.expire, "late"))
        notes, world = world.notes, world._replace(notes=frozenset())
        for receiver, note, epoch in sorted(notes, key=repr):
            world = after(world, receiver, a_step(world, receiver, Handoff.receive, note, epoch))
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
    for cached in (come_back, stepped):
        cached.cache_clear()  # of a machine that was broken otherwise, or leaps less far
    seen, frontier = {START}, [START]
    while frontier:
        world = frontier.pop()
        for after_it in steps(world, bounds):
            if after_it == world:  # half of them, and comparing is cheaper than hashing
                continue
            following = without_dead_letters(after_it, bounds)
            known = len(seen)
            seen.add(following)
            if len(seen) > known:
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
@pytest.mark.parametrize("bounds", LONGER, ids=str)
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
