"""The iterator of a loop that can be divided while it runs.

It is a generator, so that a task can be moved while it waits in it.  It knows the iterator of what
is iterated (`truth`), and what of that has been handed out.  What a part gives back counts only if
neither the loop itself nor the part has changed anything else meanwhile; if not, or if the part has
failed or was lost, the loop executes those iterations itself.  So the result is the undivided one.
"""

from __future__ import annotations

import itertools
import operator
import sys
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import FrameType, GeneratorType
from typing import Any, TypeVar

from hetmig.division import crew
from hetmig.division.merging import Merging, merging
from hetmig.division.parts import PYTHON, Done, Standing
from hetmig.division.sources import remainder
from hetmig.errors import DivisionRefused, HetmigError
from hetmig.interpreter.variables import assign

__all__ = ["Division", "PartEnd", "divide", "divisible", "is_part"]

T = TypeVar("T")
How = Callable[[Any, Any], Any] | tuple[Callable[[Any, Any], Any], Any]


def divisible(
    iterable: Iterable[T], *, merge: Mapping[str, How] | None = None, materialise: bool = False
) -> Iterator[T]:
    """Iterate; and let part of the iterations that remain be handed to other nodes meanwhile.

        for x in hetmig.divisible(items, merge={"total": operator.add, "best": (max, -inf)}):

    `merge` declares the variables that iterations hand on to one another, by name: a function that
    merges two values, which must be associative, and its identity, with which each part begins.
    The identity can be left out for sums, concatenations and unions of built-in types.  The parts
    are merged in the order of the iterations.  `materialise` allows to take all that remains of an
    iterator that can't be looked into, such as a generator, when the loop is divided.

    Undivided, and outside a task, it just iterates.
    """
    return _iterate(Division(iter(iterable), merging(merge or {}), materialise))


def divide(parts: int, to: str | Sequence[str] = ()) -> None:
    """In a task: divide the outermost divisible loop into so many parts, at its next iteration.

    One part stays; the others go to the nodes `to`, in turn, or to those that have least to do.
    If it is refused, the reason is written to standard error, and the loop goes on undivided.
    Outside a task it does nothing.  Raises ValueError for less than two parts.
    """
    if parts < 2:
        raise ValueError(f"a loop is divided into two parts or more, not into {parts}")
    if crew.current() is not None:
        names = [to] if isinstance(to, str) else list(to)
        crew.pending.append(crew.Request(parts, names))


class PartEnd(BaseException):
    """A part has done all its iterations; not for the program's eyes."""

    def __init__(self, done: Done) -> None:
        super().__init__("a part of a loop has ended")
        self.done = done


_active: list[weakref.ref[Division]] = []
"""The loops of this process that are being iterated, outermost first."""


class Division:
    """The state of one loop."""

    def __init__(
        self, truth: Iterator[Any], merge: dict[str, Merging], materialise: bool = False
    ) -> None:
        self.truth = truth
        self.merge = merge
        self.materialise = materialise
        self.ahead: list[tuple[int, crew.Handle]] = []
        """What is to be done next, in order: how many iterations, and who does them (None: we)."""
        self.items: list[Sequence[Any]] = []
        """What of the iterations that are handed out must not change."""
        self.before: dict[str, str] = {}
        """The digests of all else that must not, by name."""
        self.begun: dict[str, Any] | None = None
        """Of a part: the accumulators as it began."""
        self.spoilt = ""
        """Of a part: what it has met that the loop would have met otherwise."""
        self.started = False

    def __getstate__(self) -> dict[str, Any]:
        return vars(self)

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        if self.started:
            _active.append(weakref.ref(self))

    def enter(self, frame: FrameType, iterator: FrameType) -> None:
        """The first iteration is about to begin."""
        self.started = True
        _active.append(weakref.ref(self))
        if self.begun is not None:
            standing = Standing(frame, iterator, self.merge)
            self.before = standing.digests(self.items, crew.surroundings())

    def leave(self) -> None:
        """The loop has ended, or was left: nobody needs what is still being done for it."""
        _active[:] = [known for known in _active if known() not in (None, self)]
        if not _active:
            crew.forget_own()
        self.give_up()

    def give_up(self) -> None:
        """Do the rest ourselves."""
        handles = [handle for _, handle in self.ahead if handle is not None]
        self.ahead = []
        if handles:
            crew.cancel(handles)

    def take_own(self) -> bool:
        """The next iteration is ours, as long as we have some: True if we have no more."""
        count, handle = self.ahead[0]
        if count > 0:
            self.ahead[0] = count - 1, handle
            return False
        del self.ahead[0]
        return True

    # Dividing ---------------------------------------------------------------------------------

    def wanted(self) -> bool:
        """Whether it is this loop that should serve the request that waits."""
        for known in _active:
            other = known()
            if other is self:
                return True
            if other is not None and (other.ahead or operator.length_hint(other.truth, 1)):
                return False
        return True

    def prepare(self, frame: FrameType, iterator: FrameType) -> _Plan | None:
        """The parts that are wanted, frozen.  None if that is refused: whoever asked was told."""
        request, team = crew.pending.popleft(), crew.current()
        if team is None:
            return None
        try:
            return self._plan(request, team, Standing(frame, iterator, self.merge))
        except HetmigError as error:
            crew.told(request, 0, error)
        except Exception as error:  # of an object that can't be copied, say
            refused = DivisionRefused(f"the loop can't be divided: {type(error).__name__}: {error}")
            crew.told(request, 0, refused)
        return None

    def _plan(self, request: crew.Request, team: crew.Crew, standing: Standing) -> _Plan:
        rest = self._rest()
        own = self.ahead[0] if self.ahead else (len(rest), None)
        count = min(own[0], len(rest)) if own[1] is None else 0
        parts = min(request.parts, count)
        if parts < 2:
            raise DivisionRefused(f"nothing is left to hand out: {count} iterations remain here")
        items = self.items if self.items and (self.ahead or self.begun is not None) else [rest]
        now = standing.digests(items, team.surroundings())
        if self.ahead or self.begun is not None:
            _require_same(self.before, now)
        bounds = [count * index // parts for index in range(parts + 1)]
        frozen: list[Any] = []
        for start, stop in itertools.pairwise(bounds[1:]):
            begun = standing.begin()
            part = Division(iter(rest[start:stop]), self.merge)
            part.items, part.begun = [rest[start:stop]], begun
            with standing.part(begun, _iterate(part)) as activation:
                frozen.append(team.freeze([activation]))
        return _Plan(request, frozen, bounds, items, now)

    def _rest(self) -> Sequence[Any]:
        try:
            return remainder(self.truth)
        except DivisionRefused:
            if not self.materialise:
                raise
        self.truth = iter(list(self.truth))
        return remainder(self.truth)

    def send(self, plan: _Plan) -> None:
        """Let the parts run."""
        try:
            handles = crew.send(plan.frozen, plan.request.to)
        except HetmigError as error:
            crew.told(plan.request, 0, error)
            return
        counts = [stop - start for start, stop in itertools.pairwise(plan.bounds)]
        after = self.ahead[1:]
        self.ahead = list(zip(counts, [None, *handles], strict=True)) + after
        self.items, self.before = plan.items, plan.before
        crew.told(plan.request, len(counts), None)

    # Merging ----------------------------------------------------------------------------------

    def settle(self, given: Any, frame: FrameType, iterator: FrameType) -> None:
        """What became of the part that is first in order."""
        count, _ = self.ahead[0]
        if not isinstance(given, Done):
            self.ahead[0] = count, None
            return
        try:
            standing = Standing(frame, iterator, self.merge)
            _require_same(self.before, standing.digests(self.items, crew.surroundings()))
            self._require_same_items()
            values = standing.merged(given)
        except HetmigError as error:
            crew.note(f"hetmig: the loop goes on undivided: {error}\n")
            self.give_up()
            return
        assign(frame, values)
        for stream, text in given.output:
            crew.write(stream, text)
        deque(itertools.islice(self.truth, count), maxlen=0)
        del self.ahead[0]

    def _require_same_items(self) -> None:
        """Raise DivisionRefused if a list that is iterated has other items now."""
        if type(self.truth) is not type(iter([])):
            return
        now, rest = remainder(self.truth), self.items[0]
        behind = len(rest) - len(now)
        if behind < 0 or not all(map(operator.is_, now, rest[behind:])):
            raise DivisionRefused("the list that is iterated has changed")

    def finish(self, frame: FrameType, iterator: FrameType) -> None:
        """Raises PartEnd with what this part gives back."""
        if self.spoilt:
            raise DivisionRefused(self.spoilt)
        standing = Standing(frame, iterator, self.merge)
        _require_same(self.before, standing.digests(self.items, crew.surroundings()))
        assert self.begun is not None
        raise PartEnd(standing.done(self.begun))


class _Plan:
    """Parts, ready to be sent."""

    def __init__(
        self,
        request: crew.Request,
        frozen: list[Any],
        bounds: list[int],
        items: list[Sequence[Any]],
        before: dict[str, str],
    ) -> None:
        self.request, self.frozen, self.bounds = request, frozen, bounds
        self.items, self.before = items, before


def _require_same(before: Mapping[str, str], now: Mapping[str, str]) -> None:
    """Raise DivisionRefused, naming what has changed."""
    if before[PYTHON] != now[PYTHON]:
        raise DivisionRefused(
            f"it moved from Python {before[PYTHON]} to {now[PYTHON]} while parts were out, and "
            "what must stay as it is can't be compared between the two"
        )
    changed = [name for name in {**before, **now} if before.get(name) != now.get(name)]
    if changed:
        raise DivisionRefused(
            f"its iterations change {', '.join(changed)}: what is not declared in merge= must stay "
            "as it is while parts are out"
        )


def spoil(reason: str) -> DivisionRefused:
    """This part can give nothing back, whatever becomes of the error that is to be raised."""
    for known in _active:
        division = known()
        if division is not None and division.begun is not None:
            division.spoilt = reason
    return DivisionRefused(reason)


def is_part(value: object) -> bool:
    """Whether a value on the stack of a frame is the iterator of a loop that is a part."""
    if not isinstance(value, GeneratorType) or value.gi_frame is None:
        return False
    division = value.gi_frame.f_locals.get("division")
    return isinstance(division, Division) and division.begun is not None


def _iterate(division: Division) -> Iterator[Any]:
    try:
        division.enter(sys._getframe(1), sys._getframe(0))
        while True:
            if crew.pending and division.wanted():
                plan = division.prepare(sys._getframe(1), sys._getframe(0))
                if plan is not None:
                    division.send(plan)
                del plan
            if not division.ahead:
                for item in division.truth:
                    yield item
                    if crew.pending:
                        break
                else:
                    break
            elif division.ahead[0][1] is not None:
                given = crew.result(division.ahead[0][1])
                division.settle(given, sys._getframe(1), sys._getframe(0))
                del given
            elif not division.take_own():
                for item in division.truth:
                    yield item
                    break
                else:
                    break
        if division.begun is not None:
            division.finish(sys._getframe(1), sys._getframe(0))
    finally:
        division.leave()
