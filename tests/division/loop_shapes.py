"""Loops that are divided: each takes `ask`, called with a number at each iteration."""

from __future__ import annotations

import array
import contextlib
import functools
import operator
from collections import Counter, deque
from collections.abc import Callable
from typing import Any

import hetmig

Ask = Callable[[int], None]

WORDS = "the quick brown fox jumps over the lazy dog and runs away from it".split()


def a_sum(ask: Ask) -> Any:
    acc = 0
    for x in hetmig.divisible(range(12), merge={"acc": operator.add}):
        ask(x)
        acc += x * x
    return acc, x


def lists_in_order(ask: Ask) -> Any:
    out: list[int] = []
    alias = out
    for x in hetmig.divisible([5, 3, 8, 1, 9, 2, 7], merge={"out": operator.add}):
        ask(x)
        out.append(x)
        out.append(-x)
    return out, alias is out, alias


def rebound_list(ask: Ask) -> Any:
    out: list[int] = [0]
    alias = out
    for x in hetmig.divisible((5, 3, 8, 1, 9, 2, 7), merge={"out": (operator.iadd, [])}):
        ask(x)
        out = [*out, x]
    return out, alias is out, alias


def text(ask: Ask) -> Any:
    said = ">"
    for number, word in hetmig.divisible(enumerate(WORDS), merge={"said": operator.add}):
        ask(number)
        said += f" {number}:{word}"
    return said, number, word


def counted(ask: Ask) -> Any:
    letters: Counter[str] = Counter("e")
    longest = ""
    merge: Any = {
        "letters": (Counter.__add__, Counter()),
        "longest": (lambda a, b: b if len(b) > len(a) else a, ""),
    }
    for word in hetmig.divisible(WORDS, merge=merge):
        ask(len(word))
        letters.update(word)
        if len(word) > len(longest):
            longest = word
    return letters, longest


def extremes(ask: Ask) -> Any:
    low, high = 10**9, -(10**9)
    merge = {"low": (min, 10**9), "high": (max, -(10**9))}
    for x in hetmig.divisible([4, 8, 1, 5, 9, 2], merge=merge):
        ask(x)
        low, high = min(low, x), max(high, x)
    return low, high


def zipped(ask: Ask) -> Any:
    dot = 0
    pairs = zip([1, 2, 3, 4, 5], (9, 8, 7, 6, 5), strict=True)
    for a, b in hetmig.divisible(pairs, merge={"dot": operator.add}):
        ask(a)
        dot += a * b
    return dot, a, b, list(pairs)


def views(ask: Ask) -> Any:
    table = {word: len(word) for word in WORDS}
    keys: list[str] = []
    for word, size in hetmig.divisible(table.items(), merge={"keys": operator.iadd}):
        ask(size)
        keys += [word] * size
    total = 0
    for size in hetmig.divisible(table.values(), merge={"total": operator.add}):
        ask(size)
        total += size
    return keys, total


def arrays(ask: Ask) -> Any:
    total = 0.0
    for x in hetmig.divisible(array.array("d", [1, 2, 4, 8, 16]), merge={"total": operator.add}):
        ask(int(x))
        total += x
    return total


def strings_and_bytes(ask: Ask) -> Any:
    shown, summed = "", 0
    for letter in hetmig.divisible("abcäöü", merge={"shown": operator.add}):
        ask(0)
        shown += letter.upper()
    for byte in hetmig.divisible(b"bytes", merge={"summed": operator.add}):
        ask(0)
        summed += byte
    return shown, summed


def generated(ask: Ask) -> Any:
    squares = (n * n for n in range(9))
    total = 0
    for x in hetmig.divisible(squares, merge={"total": operator.add}, materialise=True):
        ask(x)
        total += x
    return total, next(squares, None)


def temporaries(ask: Ask) -> Any:
    found: dict[str, int] = {}
    last = even = None
    for x in hetmig.divisible(range(10), merge={"found": (operator.or_, {})}):
        ask(x)
        square = x * x
        last = square - 1
        if square % 2 == 0:
            even = x
            continue
        found[str(x)] = square + len([k for k in range(x) if k % 2])
    return found, last, even, square


def breaks(ask: Ask) -> Any:
    acc = 0
    for x in hetmig.divisible(range(10), merge={"acc": operator.add}):
        ask(x)
        if x == 7:
            break
        acc += x
    else:
        acc = -1
    return acc, x


def returns(ask: Ask) -> Any:
    out: list[int] = []
    with contextlib.suppress(ValueError):
        for x in hetmig.divisible(range(10), merge={"out": operator.add}):
            ask(x)
            try:
                if x * x > 40:
                    return "left", x, out
            finally:
                out.append(x)
    return "through", out


def returns_from_finally(ask: Ask) -> Any:
    acc, log = 0, []
    try:
        for x in hetmig.divisible([3, 1, 4, 1, 5, 9, 2], merge={"acc": operator.add}):
            ask(x)
            acc += x
            if x == 9:
                return acc, log
    finally:
        log.append("finally")
    return None


def with_else(ask: Ask) -> Any:
    acc = 0
    for x in hetmig.divisible(range(8), merge={"acc": operator.add}):
        ask(x)
        acc += x
        if acc > 10**6:
            break
    else:
        acc *= 2
    return acc


def raises(ask: Ask) -> Any:
    acc: list[float] = []
    try:
        for x in hetmig.divisible([5, 4, 3, 0, 2, 0, 1], merge={"acc": operator.add}):
            ask(x)
            acc.append(60 / x)
    except ZeroDivisionError as error:
        return acc, x, str(error)
    return None


def handles(ask: Ask) -> Any:
    bad: list[str] = []
    total = 0.0
    for x in hetmig.divisible([5, 0, 3, 0, 2, 0, 1], merge={"bad": [], "total": operator.add} and {
        "bad": operator.add, "total": operator.add
    }):  # fmt: skip
        ask(x)
        try:
            total += 60 // x
        except ZeroDivisionError as error:
            bad.append(f"{x}: {error}")
    return bad, total


def nested(ask: Ask) -> Any:
    rows: list[int] = []
    for a in hetmig.divisible(range(4), merge={"rows": operator.add}):
        row = 0
        for b in hetmig.divisible(range(3), merge={"row": operator.add}):
            ask(b)
            row += a * b
        rows.append(row)
    return rows, row


def in_a_call(ask: Ask) -> Any:
    def inner(a: int) -> int:
        got = 0
        for b in hetmig.divisible(range(3), merge={"got": operator.add}):
            ask(b)
            got += a * b
        return got

    rows: list[int] = []
    for a in hetmig.divisible(range(4), merge={"rows": operator.add}):
        rows.append(inner(a))
    return rows


def in_a_loop(ask: Ask) -> Any:
    out = []
    for row in ([1, 2, 3], [4, 5, 6, 7]):
        total = 0
        with contextlib.ExitStack() as stack:
            stack.callback(out.append, "left")
            for x in hetmig.divisible(row, merge={"total": operator.add}):
                ask(x)
                total += x
        out.append(total)
    return out


def comprehensions(ask: Ask) -> Any:
    out: list[Any] = []
    for x in hetmig.divisible(range(6), merge={"out": operator.add}):
        ask(x)
        y = x + 1
        out.append([y * k for k in range(3)])
        out.append(sum(y + k for k in range(x)))
        out.append(dict.fromkeys("ab", y))
    return out, y


def nonlocal_accumulator(ask: Ask) -> Any:
    acc = 100

    def add(x: int) -> None:
        nonlocal acc
        acc += x

    for x in hetmig.divisible(range(7), merge={"acc": operator.add}):
        ask(x)
        add(x)
    return acc, add.__closure__[0].cell_contents if add.__closure__ else None


def late_lambdas(ask: Ask) -> Any:
    """Each lambda sees the variable's last value: a part's would see that part's."""
    out: list[Any] = []
    for x in hetmig.divisible(range(6), merge={"out": operator.add}):
        ask(x)
        out.append(lambda: x)  # noqa: B023
    return [f() for f in out]


class Walker:
    def __init__(self) -> None:
        self.scale = 3

    def scaled(self, x: int) -> int:
        return self.scale * x


class Twice(Walker):
    def scaled(self, x: int) -> int:
        return 2 * x

    def walk(self, ask: Ask) -> Any:
        acc = 0
        for x in hetmig.divisible(range(6), merge={"acc": operator.add}):
            ask(x)
            acc += super().scaled(x) + self.scaled(x)
        return acc


def methods(ask: Ask) -> Any:
    return Twice().walk(ask)


def in_a_handler(ask: Ask) -> Any:
    out: list[Any] = []
    try:
        raise KeyError("k")
    except KeyError:
        for x in hetmig.divisible(range(5), merge={"out": operator.add}):
            ask(x)
            try:
                int("x")
            except ValueError as error:
                out.append((x, repr(error.__context__)))
    return out


def mutated_item(ask: Ask) -> Any:
    """Undeclared: what parts do to their copies of the items is lost."""
    rows = [[n] for n in range(6)]
    acc = 0
    for row in hetmig.divisible(rows, merge={"acc": operator.add}):
        ask(row[0])
        row.append(row[0] + 1)
        acc += row[0]
    return rows, acc


def undeclared_set(ask: Ask) -> Any:
    seen: set[int] = set()
    out: list[int] = []
    for x in hetmig.divisible([1, 2, 1, 3, 2, 4, 3, 1], merge={"out": operator.add}):
        ask(x)
        if x in seen:
            continue
        seen.add(x)
        out.append(x)
    return out, sorted(seen)


def grows(ask: Ask) -> Any:
    """The list becomes longer while it is iterated."""
    work = [3, 1, 2]
    acc = 0
    for x in hetmig.divisible(work, merge={"acc": operator.add}):
        ask(x)
        acc += x
        if x > 0 and len(work) < 12:
            work.append(x - 1)
    return acc, work


def hidden_list(kept: list[list[int]] = []) -> list[int]:  # noqa: B006
    """A list that no variable of the loop's function leads to."""
    if not kept:
        kept.append([])
    return kept[0]


def changes_a_hidden_list(ask: Ask) -> Any:
    hidden_list()[:] = range(9)
    acc = 0
    for x in hetmig.divisible(hidden_list(), merge={"acc": operator.add}):
        ask(x)
        acc += x
        if x == 2:
            hidden_list()[7] = 1000
    return acc


def shrinks(ask: Ask) -> Any:
    work = list(range(10))
    acc = 0
    for x in hetmig.divisible(work, merge={"acc": operator.add}):
        ask(x)
        acc += x
        if x == 2:
            del work[6:]
    return acc, work


def memory_of_one(ask: Ask) -> Any:
    """Only some iterations, all in one part, change what others look at."""
    flags = {"hot": False}
    acc = 0
    for x in hetmig.divisible(range(10), merge={"acc": operator.add}):
        ask(x)
        if x == 3:
            flags["hot"] = True
        acc += 100 if flags["hot"] else 1
    return acc, flags


def folded(ask: Ask) -> Any:
    window: deque[int] = deque([1])
    total: dict[str, list[int]] = {"all": []}
    merge: Any = {
        "window": (deque.extend, deque()),
        "total": (lambda a, b: {k: a.get(k, []) + b.get(k, []) for k in {**a, **b}}, {}),
    }
    for x in hetmig.divisible(range(9), merge=merge):
        ask(x)
        window.append(x)
        total.setdefault("odd" if x % 2 else "even", []).append(x)
    return window, total


def products(ask: Ask) -> Any:
    """Matrices: associative and not commutative."""
    m = ((1, 0), (0, 1))
    for x in hetmig.divisible(range(1, 8), merge={"m": (times, ((1, 0), (0, 1)))}):
        ask(x)
        m = times(m, ((x, 1), (1, 0)))
    return m


def times(a: Any, b: Any) -> Any:
    return tuple(
        tuple(sum(a[i][k] * b[k][j] for k in range(2)) for j in range(2)) for i in range(2)
    )


def two_names(ask: Ask) -> Any:
    """Each accumulator would be an object of its own in a part."""
    out: list[int] = []
    also = out
    for x in hetmig.divisible(range(6), merge={"out": operator.add, "also": operator.add}):
        ask(x)
        out.append(x)
        also.append(-x)
    return out, also is out


def deleted(ask: Ask) -> Any:
    acc, y = 0, "there"
    for x in hetmig.divisible(range(7), merge={"acc": operator.add}):
        ask(x)
        y = str(x)
        acc += len(y)
        del y
    try:
        return acc, y  # noqa: F821
    except UnboundLocalError:
        return acc, "unbound"


def while_inside(ask: Ask) -> Any:
    steps = 0
    for start in hetmig.divisible(range(1, 15), merge={"steps": operator.add}):
        ask(start)
        n = start
        while n != 1:
            n = n // 2 if n % 2 == 0 else 3 * n + 1
            steps += 1
    return steps, n, functools.reduce(operator.add, range(3))


DIVIDED = [
    a_sum, lists_in_order, rebound_list, text, counted, extremes, zipped, views, arrays,
    strings_and_bytes, generated, temporaries, breaks, returns, returns_from_finally, with_else,
    raises, handles, nested, in_a_call, in_a_loop, comprehensions, nonlocal_accumulator, methods,
    folded, products, while_inside,
]  # fmt: skip
"""Parts of these are merged."""

TAKEN_BACK = [
    late_lambdas, in_a_handler, mutated_item, undeclared_set, grows, shrinks,
    changes_a_hidden_list, memory_of_one, deleted, two_names,
]  # fmt: skip
"""Of these some divisions are not possible, and the loop does the work itself."""
