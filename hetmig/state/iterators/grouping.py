"""groupby and tee, whose iterators share state with one another.

A groupby and the group it has handed out step the same source; the copies of a tee read the same
nodes, each of which holds some of the items and knows the next.  Both relations arrive as they
were.
"""

from __future__ import annotations

import copy
import functools
import itertools
import sys
from collections.abc import Callable, Iterator
from typing import Any

from hetmig.errors import NotMigratable
from hetmig.interpreter.insides import ABSENT, object_at
from hetmig.interpreter.iterators import insides_of
from hetmig.state.iterators.resumed import Given, Reduced, primed, unwrapped

__all__ = ["REDUCERS"]

_Tee: Any = itertools._tee  # type: ignore[attr-defined]
_TeeNode: Any = itertools._tee_dataobject  # type: ignore[attr-defined]
_Grouper: Any = itertools._grouper  # type: ignore[attr-defined]

# -- rebuilding; these names stand in parcels


class _Key(functools.partial[Any]):
    """The key function of a rebuilt groupby: first tells keys that are known, then is the user's.

    A partial, because C calls what is in it directly, and because `__setstate__` exchanges that.
    """


class _Unlike:
    """A key that equals none, and does not ask the other key."""

    __hash__ = None  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        return False


def grouped(source: Iterator[Any], key: Any) -> Any:
    """A `groupby` at its start."""
    return itertools.groupby(Given(source), key)


def grouped_inside(
    source: Iterator[Any], key: Any, target: Any, current: Any, pending: tuple[Any, ...]
) -> Any:
    """A `groupby` whose last group has the key `target`, and which has read on to `current`.

    `pending` is the item it has read and not yet given.  Without one it stands in its group.
    """
    new_group = not pending or current is target
    first = pending if pending and new_group else (None,)
    front = first if new_group else (*first, *pending)
    known = [target] if new_group else [target, current]
    steering = None if key is None else _Key(lambda item: known.pop(0))
    # Without a key function the items are their own keys.
    made = itertools.groupby(primed(tuple(known) if key is None else front, source), steering)
    _, group = next(made)
    if not (pending and new_group):
        next(group)
    if not new_group:
        next(_Grouper(made, _Unlike()), None)
    if steering is not None:
        steering.__setstate__((key, (), {}, {}))  # type: ignore[attr-defined]
    return made


def group(parent: Any, target: Any) -> Any:
    """The group of a `groupby` which it is reading."""
    return _Grouper(parent, target)


def left_group() -> Any:
    """A group that its groupby has left: it gives nothing more."""
    return _Grouper(itertools.groupby(()), None)


def tee_node(values: list[Any], rest: Iterator[Any]) -> Any:
    """A tee that stands before `values`; all that stood at this node are copies of it."""
    return _Tee(primed(tuple(values), rest))


def tee_node_before(values: list[Any], node: Any) -> Any:
    """The same, where behind the values comes another node."""
    return tee_node(values, copy.copy(node))


def tee_at(node: Any, index: int) -> Any:
    """One of the copies, `index` items on."""
    made = copy.copy(node)
    for _ in range(index):
        next(made)
    return made


# -- reducing


def _reduce_groupby(iterator: Any) -> Reduced:
    held = insides_of(iterator)
    source, key = unwrapped(held["it"]), held["keyfunc"]
    if type(key) is _Key:
        key = key.func
    target, current = held["tgtkey"], held["currkey"]
    if target is ABSENT and current is ABSENT:
        return grouped, (source, key)
    if target is ABSENT:
        raise NotMigratable("a groupby that never gave a group, but has read a key, can't travel")
    if current is ABSENT:
        return grouped_inside, (source, key, target, target, ())
    return grouped_inside, (source, key, target, current, (held["currvalue"],))


def _reduce_grouper(iterator: Any) -> Reduced:
    held = insides_of(iterator)
    if insides_of(held["parent"])["currgrouper"] != id(iterator):
        return left_group, ()
    return group, (held["parent"], held["tgtkey"])


def _reduce_tee(iterator: Any) -> Reduced:
    held = insides_of(iterator)
    return tee_at, (held["node"], held["index"])


def _reduce_tee_node(node: Any) -> Reduced:
    """The items of this node and of those behind it, up to the next that somebody else holds."""
    values: list[Any] = []
    held = insides_of(node)
    while True:
        if held["running"]:
            raise NotMigratable("a tee is just taking an item from its source")
        values += map(object_at, held["values"][: held["numread"]])
        following = held.pop("next")
        if following is ABSENT:
            return tee_node, (values, unwrapped(held["it"]))
        at = [following]
        del following
        # One owner is the node before.  Any other may be a tee, or the pickler, which has seen it.
        if _owners(at) > _owners([object()]) + 1:
            return tee_node_before, (values, at[0])
        held = insides_of(at[0])


def _owners(single: list[Any]) -> int:
    return sys.getrefcount(single[0])


REDUCERS: dict[type, Callable[[Any], Reduced]] = {
    itertools.groupby: _reduce_groupby,
    _Grouper: _reduce_grouper,
    _Tee: _reduce_tee,
    _TeeNode: _reduce_tee_node,
}
