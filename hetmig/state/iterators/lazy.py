"""The iterators of itertools that pass on what they take from others, and zip, map and filter.

Each is built anew by its constructor over the very iterators that it held.
"""

from __future__ import annotations

import itertools
import operator
from collections.abc import Callable, Iterator
from typing import Any

from hetmig.interpreter.insides import ABSENT, tuple_at
from hetmig.interpreter.iterators import insides_of
from hetmig.state.iterators.quiet import quietly
from hetmig.state.iterators.resumed import Given, Reduced, primed, unwrapped

__all__ = ["REDUCERS"]

# -- rebuilding; these names stand in parcels


def over(constructor: Callable[..., Any], before: tuple[Any, ...], *sources: Any) -> Any:
    """`constructor(*before, *sources)`, where the sources are iterators and stay themselves."""
    return constructor(*before, *map(Given, sources))


def enumerated(source: Iterator[Any], index: int) -> Iterator[Any]:
    """An `enumerate` that has come to `index`."""
    return enumerate(Given(source), index)


def strictly(constructor: Any, before: tuple[Any, ...], *sources: Any) -> Any:
    """A `zip` or `map` with `strict=True`."""
    return constructor(*before, *map(Given, sources), strict=True)


def sliced(source: Iterator[Any], skip: int, stop: int | None, step: int) -> Iterator[Any]:
    """The rest of an `islice`."""
    return itertools.islice(Given(source), skip, stop, step)


def stopped_takewhile() -> Iterator[Any]:
    """A `takewhile` that has met what it does not take."""
    made = itertools.takewhile(bool, (0,))
    next(made, None)
    return made


def started_dropwhile(source: Iterator[Any]) -> Iterator[Any]:
    """A `dropwhile` that drops no more."""
    made = itertools.dropwhile(operator.not_, primed((True,), source))
    next(made)
    return made


def chained(active: Iterator[Any], source: Iterator[Any]) -> Iterator[Any]:
    """A `chain` in the middle of one of its parts."""
    return itertools.chain.from_iterable(primed((Given(active),), source))


def cycled(source: Iterator[Any], saved: list[Any]) -> Iterator[Any]:
    """A `cycle` in its first round, which has saved these items so far."""
    made = itertools.cycle(primed(tuple(saved), source))
    for _ in saved:
        next(made)
    return made


def cycled_again(source: Iterator[Any], saved: list[Any]) -> Iterator[Any]:
    """A `cycle` over items it has saved, before it the end of a round: what pickle makes of one."""
    made: Any = itertools.cycle(Given(source))
    with quietly():
        made.__setstate__((saved, 1))
    rebuilt: Iterator[Any] = made
    return rebuilt


def longest(sources: list[Iterator[Any]], fillvalue: Any) -> Iterator[Any]:
    """A `zip_longest`."""
    return itertools.zip_longest(*map(Given, sources), fillvalue=fillvalue)


def accumulated(
    source: Iterator[Any], function: Any, initial: Any, total: tuple[Any, ...]
) -> Iterator[Any]:
    """An `accumulate`, with its total if it has one already."""
    if not total:
        return itertools.accumulate(Given(source), function, initial=initial)
    if total[0] is None:  # which `initial=` would take for no value
        made = itertools.accumulate(primed(total, source), function)
    else:
        made = itertools.accumulate(Given(source), function, initial=total[0])
    next(made)
    return made


def paired(source: Iterator[Any], old: Any) -> Iterator[Any]:
    """A `pairwise` that has taken `old`, which is to come again."""
    made = itertools.pairwise(primed((None, old), source))
    next(made)
    return made


def batches(source: Iterator[Any], size: int, strict: bool) -> Iterator[Any]:
    """A `batched`."""
    batched: Any = itertools.batched  # type: ignore[attr-defined]  # new in 3.12
    options = {"strict": True} if strict else {}
    made: Iterator[Any] = batched(Given(source), size, **options)
    return made


# -- reducing


def _over(cls: Any, *names: str, function: bool = False) -> Callable[[Any], Reduced]:
    def reduce(iterator: Any) -> Reduced:
        held = insides_of(iterator)
        before = (held["func"],) if function else ()
        return (over, (cls, before, *(unwrapped(held[name]) for name in names)))

    return reduce


def _reduce_as_told(iterator: Any) -> Reduced:
    """zip, map and filter tell what they are made from."""
    cls, arguments, *strict = iterator.__reduce__()
    count = 0 if cls is zip else 1
    sources = map(unwrapped, arguments[count:])
    return strictly if strict and strict[0] else over, (cls, arguments[:count], *sources)


def _reduce_enumerate(iterator: Any) -> Reduced:
    _, (source, index) = iterator.__reduce__()
    return enumerated, (unwrapped(source), index)


def _reduce_islice(iterator: Any) -> Reduced:
    held = insides_of(iterator)
    if held["it"] is ABSENT:
        return itertools.islice, ((), 0)
    taken = held["cnt"]
    stop = None if held["stop"] == -1 else max(held["stop"] - taken, 0)
    return sliced, (unwrapped(held["it"]), max(held["next"] - taken, 0), stop, held["step"])


def _reduce_takewhile(iterator: Any) -> Reduced:
    held = insides_of(iterator)
    if held["stop"]:
        return stopped_takewhile, ()
    return over, (itertools.takewhile, (held["func"],), unwrapped(held["it"]))


def _reduce_dropwhile(iterator: Any) -> Reduced:
    held = insides_of(iterator)
    source = unwrapped(held["it"])
    if held["start"]:
        return started_dropwhile, (source,)
    return over, (itertools.dropwhile, (held["func"],), source)


def _reduce_chain(iterator: Any) -> Reduced:
    held = insides_of(iterator)
    source, active = unwrapped(held["source"]), unwrapped(held["active"])
    if source is ABSENT:
        return itertools.chain, () if active is ABSENT else (active,)
    if active is ABSENT:
        return over, (itertools.chain.from_iterable, (), source)
    return chained, (active, source)


def _reduce_cycle(iterator: Any) -> Reduced:
    held = insides_of(iterator)
    saved = held["saved"]
    if held["it"] is ABSENT:
        start = held["index"] % len(saved) if saved else 0
        return itertools.cycle, (saved[start:] + saved[:start],)
    again = held.get("firstpass")
    return cycled_again if again else cycled, (unwrapped(held["it"]), list(saved))


def _reduce_zip_longest(iterator: Any) -> Reduced:
    held = insides_of(iterator)
    parts = tuple_at(held["parts"], held["size"]) if held["active"] else []
    sources = [iter(()) if part is ABSENT else unwrapped(part) for part in parts]
    return longest, (sources, held["fillvalue"])


def _reduce_accumulate(iterator: Any) -> Reduced:
    held = insides_of(iterator)
    waiting = held["total"] is ABSENT or held["initial"] is not None
    function = None if held["binop"] is ABSENT else held["binop"]
    total = () if waiting else (held["total"],)
    return accumulated, (unwrapped(held["it"]), function, held["initial"], total)


def _reduce_pairwise(iterator: Any) -> Reduced:
    held = insides_of(iterator)
    if held["it"] is ABSENT:
        return itertools.pairwise, ((),)
    source = unwrapped(held["it"])
    if held["old"] is ABSENT:
        return over, (itertools.pairwise, (), source)
    return paired, (source, held["old"])


def _reduce_batched(iterator: Any) -> Reduced:
    held = insides_of(iterator)
    if held["it"] is ABSENT or held["size"] < 1:  # versions mark the end in either way
        return batches, (iter(()), 1, False)
    return batches, (unwrapped(held["it"]), held["size"], bool(held.get("strict")))


def _reduce_count(iterator: Any) -> Reduced:
    held = insides_of(iterator)
    value = held["cnt"] if held["long_cnt"] is ABSENT else held["long_cnt"]
    return itertools.count, (value, held["step"])


def _reduce_repeat(iterator: Any) -> Reduced:
    held = insides_of(iterator)
    times = () if held["cnt"] < 0 else (held["cnt"],)
    return itertools.repeat, (held["element"], *times)


REDUCERS: dict[type, Callable[[Any], Reduced]] = {
    zip: _reduce_as_told,
    map: _reduce_as_told,
    filter: _reduce_as_told,
    enumerate: _reduce_enumerate,
    itertools.accumulate: _reduce_accumulate,
    itertools.chain: _reduce_chain,
    itertools.compress: _over(itertools.compress, "data", "selectors"),
    itertools.count: _reduce_count,
    itertools.cycle: _reduce_cycle,
    itertools.dropwhile: _reduce_dropwhile,
    itertools.filterfalse: _over(itertools.filterfalse, "it", function=True),
    itertools.islice: _reduce_islice,
    itertools.pairwise: _reduce_pairwise,
    itertools.repeat: _reduce_repeat,
    itertools.starmap: _over(itertools.starmap, "it", function=True),
    itertools.takewhile: _reduce_takewhile,
    itertools.zip_longest: _reduce_zip_longest,
}
if (_batched := getattr(itertools, "batched", None)) is not None:
    REDUCERS[_batched] = _reduce_batched
