"""What the C structures of itertools (itertoolsmodule.c) hold, with witnesses that prove it."""

from __future__ import annotations

import gc
import itertools
import sys
from collections.abc import Callable, Iterator
from typing import Any

from hetmig.interpreter import cpython
from hetmig.interpreter.insides import ABSENT, Insides, Witness, numbers_at, tuple_at

__all__ = ["ITERTOOLS", "anything"]

_TEE_CELLS = 57
"""How many items a node of `itertools.tee` holds (LINKCELLS)."""

Witnesses = Iterator[Witness]


def anything(raw: object) -> bool:
    """For fields that only lie between others."""
    return True


def _referent(obj: object, cls: type) -> Any:
    return next(part for part in gc.get_referents(obj) if type(part) is cls)


def _accumulate() -> Witnesses:
    first: Any = object()
    source = iter([first])
    made = itertools.accumulate(source, max, initial=first)
    yield made, {"total": ABSENT, "it": source, "binop": max, "initial": first}
    next(made)
    yield made, {"total": first, "initial": None}
    yield itertools.accumulate(source), {"binop": ABSENT, "it": source}


def _batched() -> Witnesses:
    source = iter("abc")
    made = itertools.batched(source, 2)  # type: ignore[attr-defined]  # new in 3.12
    yield made, {"it": source, "size": 2}
    if cpython.BATCHED_STRICT:
        yield itertools.batched(source, 2, strict=True), {"strict": True}  # type: ignore[attr-defined]
        yield made, {"strict": False}


def _chain() -> Witnesses:
    part = iter("ab")
    source = iter([part])
    made = itertools.chain.from_iterable(source)
    yield made, {"source": source, "active": ABSENT}
    next(made)
    yield made, {"source": source, "active": part}
    list(made)
    yield made, {"source": ABSENT, "active": ABSENT}


def _chosen(cls: Any) -> Callable[[], Witnesses]:
    def witnesses() -> Witnesses:
        pool = ("a", "b", "c")
        made = cls(pool, 2)
        own = {"indices": anything, "pool": pool, "r": 2, "stopped": 0}
        if cls is itertools.permutations:
            own["cycles"] = anything
        yield made, {**own, "result": ABSENT}
        last = [next(made), next(made)][-1]
        places = tuple(pool.index(item) for item in last)
        own["indices"] = lambda raw: numbers_at(raw, 2) == places
        yield made, {**own, "result": last}
        list(made)
        yield made, {"pool": pool, "stopped": 1}

    return witnesses


def _compress() -> Witnesses:
    data, selectors = iter("ab"), iter([1, 0])
    yield itertools.compress(data, selectors), {"data": data, "selectors": selectors}


def _count() -> Witnesses:
    yield itertools.count(5), {"cnt": 5, "long_cnt": ABSENT, "step": 1}
    start, step = 1 << 70, 1 << 71
    counter = itertools.count(start, step)
    yield counter, {"cnt": sys.maxsize, "long_cnt": start, "step": step}


def _cycle() -> Witnesses:
    source = iter("abc")
    made = itertools.cycle(source)
    saved = _referent(made, list)
    start = {"firstpass": 0} if cpython.CYCLE_FIRST_PASS else {}
    yield made, {"it": source, "saved": saved, **start}
    for _ in range(5):
        next(made)
    yield made, {"it": ABSENT, "saved": saved, "index": 2}


def _half_way(cls: Any, flag: str) -> Callable[[], Witnesses]:
    def witnesses() -> Witnesses:
        source = iter([1, 1, 0, 1])
        made = cls(bool if flag == "stop" else _is_one, source)
        func = bool if flag == "stop" else _is_one
        yield made, {"func": func, "it": source, flag: 0}
        list(made) if flag == "stop" else next(made)
        yield made, {"func": func, "it": source, flag: 1}

    return witnesses


def _is_one(value: int) -> bool:
    return value == 1


def _filtering(cls: Any) -> Callable[[], Witnesses]:
    def witnesses() -> Witnesses:
        source = iter([(1, 2)])
        yield cls(max, source), {"func": max, "it": source}

    return witnesses


def _groupby() -> Witnesses:
    source = iter(["one", "two", "three"])
    made = itertools.groupby(source, len)
    yield made, {"it": source, "keyfunc": len, "tgtkey": ABSENT, "currkey": ABSENT}
    _, grouper = next(made)
    yield made, {"tgtkey": 3, "currkey": 3, "currvalue": "one", "currgrouper": id(grouper)}
    next(grouper)
    yield made, {"tgtkey": 3, "currkey": ABSENT, "currvalue": ABSENT}
    list(grouper)
    yield made, {"tgtkey": 3, "currkey": 5, "currvalue": "three"}


def _grouper() -> Witnesses:
    parent = itertools.groupby("ab")
    key, grouper = next(parent)
    yield grouper, {"parent": parent, "tgtkey": key}


def _islice() -> Witnesses:
    source = iter(range(20))
    made = itertools.islice(source, 1, 9, 3)
    yield made, {"it": source, "next": 1, "stop": 9, "step": 3, "cnt": 0}
    next(made)
    yield made, {"it": source, "next": 4, "stop": 9, "step": 3, "cnt": 2}
    list(made)
    yield made, {"it": ABSENT}
    yield itertools.islice(source, 2, None), {"next": 2, "stop": -1, "step": 1}


def _pairwise() -> Witnesses:
    first, second = object(), object()
    source = iter([first, second])
    made = itertools.pairwise(source)
    yield made, {"it": source, "old": ABSENT}
    next(made)
    yield made, {"it": source, "old": second}
    list(made)
    yield made, {"it": ABSENT, "old": ABSENT}


def _product() -> Witnesses:
    made = itertools.product("ab", "cd", repeat=2)
    pools = _referent(made, tuple)
    yield made, {"pools": pools, "result": ABSENT, "stopped": 0}
    last = [next(made) for _ in range(6)][-1]
    places = tuple(map(tuple.index, pools, last))
    own = {"result": last, "stopped": 0, "indices": lambda raw: numbers_at(raw, 4) == places}
    yield made, {"pools": pools, **own}
    list(made)
    yield made, {"pools": pools, "stopped": 1}


def _repeat() -> Witnesses:
    element = object()
    yield itertools.repeat(element, 5), {"element": element, "cnt": 5}
    yield itertools.repeat(element), {"element": element, "cnt": -1}


def _tee() -> Witnesses:
    made, _ = itertools.tee("abc")
    node = _referent(made, itertools._tee_dataobject)  # type: ignore[attr-defined]
    yield made, {"node": node, "index": 0}
    next(made)
    yield made, {"node": node, "index": 1}


def _tee_node() -> Witnesses:
    source = iter(list(range(1000, 1000 + _TEE_CELLS + 1)))
    lagging, leading = itertools.tee(source)
    node = _referent(lagging, itertools._tee_dataobject)  # type: ignore[attr-defined]
    taken = [next(leading) for _ in range(2)]

    def held(raw: Any) -> bool:
        return list(raw[: len(taken)]) == list(map(id, taken))

    yield node, {"it": source, "numread": 2, "running": 0, "next": ABSENT, "values": held}
    taken += [next(leading) for _ in range(_TEE_CELLS - 1)]
    following = _referent(leading, itertools._tee_dataobject)  # type: ignore[attr-defined]
    last = taken.pop()
    yield node, {"numread": _TEE_CELLS, "next": following, "values": held}
    taken = [last]
    yield following, {"it": source, "numread": 1, "next": ABSENT, "values": held}


def _zip_longest() -> Witnesses:
    parts = [iter("ab"), iter("c")]
    made = itertools.zip_longest(*parts, fillvalue=max)
    own = {"size": 2, "result": anything, "fillvalue": max}
    yield made, {**own, "active": 2, "parts": lambda raw: tuple_at(raw, 2) == parts}
    next(made)
    next(made)
    yield made, {**own, "active": 1, "parts": lambda raw: tuple_at(raw, 2) == [parts[0], ABSENT]}


def _table() -> dict[type, Insides]:
    chosen = "pool* indices:pointer result* r stopped:int"
    permuted = "pool* indices:pointer cycles:pointer result* r stopped:int"
    found: dict[type, Insides] = {
        itertools.accumulate: Insides("total* it* binop* initial*", _accumulate),
        itertools.chain: Insides("source* active*", _chain),
        itertools.combinations: Insides(chosen, _chosen(itertools.combinations)),
        itertools.combinations_with_replacement: Insides(
            chosen, _chosen(itertools.combinations_with_replacement)
        ),
        itertools.permutations: Insides(permuted, _chosen(itertools.permutations)),
        itertools.compress: Insides("data* selectors*", _compress),
        itertools.count: Insides("cnt long_cnt* step*", _count),
        itertools.cycle: Insides(
            "it* saved* index" + " firstpass:int" * cpython.CYCLE_FIRST_PASS, _cycle
        ),
        itertools.dropwhile: Insides(
            "func* it* start:long", _half_way(itertools.dropwhile, "start")
        ),
        itertools.takewhile: Insides("func* it* stop:long", _half_way(itertools.takewhile, "stop")),
        itertools.starmap: Insides("func* it*", _filtering(itertools.starmap)),
        itertools.filterfalse: Insides("func* it*", _filtering(itertools.filterfalse)),
        itertools.groupby: Insides(
            "it* keyfunc* tgtkey* currkey* currvalue* currgrouper:pointer", _groupby
        ),
        itertools._grouper: Insides("parent* tgtkey*", _grouper),  # type: ignore[attr-defined]
        itertools.islice: Insides("it* next stop step cnt", _islice),
        itertools.pairwise: Insides("it* old*", _pairwise),
        itertools.product: Insides("pools* indices:pointer result* stopped:int", _product),
        itertools.repeat: Insides("element* cnt", _repeat),
        itertools._tee: Insides("node* index:int", _tee),  # type: ignore[attr-defined]
        itertools._tee_dataobject: Insides(  # type: ignore[attr-defined]
            f"it* numread:int running:int next* values:{_TEE_CELLS}", _tee_node
        ),
        itertools.zip_longest: Insides(
            "size active parts:pointer result:pointer fillvalue*", _zip_longest
        ),
    }
    if (batched := getattr(itertools, "batched", None)) is not None:
        found[batched] = Insides("it* size" + " strict:bool" * cpython.BATCHED_STRICT, _batched)
    return found


ITERTOOLS = _table()
"""The structure of each type of itertools."""
