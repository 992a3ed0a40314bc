"""The statements and expressions of the language reference's chapters 6 to 8, one by one."""

import collections
import contextlib
import dataclasses
import functools
import sys

from hetmig.testing import point


def case_displays():
    numbers = [point(1), *[point(2), 3], *(point(n) for n in (4,))][:3]
    return {point("k"): point("v"), **{"a": point(1)}}, {point(1), 2}, (point(3), *numbers)


def case_comprehensions_of_every_kind():
    flat = [point(x) * y for x in range(3) if point(x) != 1 for y in (10, 20)]
    names = {point(n) for n in "abca"}
    table = {n: [point(m) for m in range(n)] for n in range(3)}
    last = [seen := point(n) for n in range(3)]
    return flat, sorted(names), table, last, seen


def case_comprehension_over_an_outer_variable():
    def scale(factor):
        return [[point(factor) * n for n in row] for row in ((1, 2), (3,))]

    return scale(2), scale(point(3))


def case_walrus_and_conditional():
    out = []
    while (n := point(len(out))) < 3:
        out.append(n if point(n) % 2 else -n)
    return out, n


def case_chained_comparisons():
    return [point(1) < point(n) <= point(3) != point(2) for n in range(5)]


def case_augmented_assignment():
    class Box:
        total = 1

    box, items = Box(), {"n": [1, 2]}
    box.total += point(2)
    items["n"][point(0)] -= point(5)
    items["n"] += [point(3)]
    items["n"][0:1] *= point(2)
    return box.total, items


def case_slices_and_subscripts():
    row = list(range(10))
    row[point(1) : point(4)] = [point("x")]
    del row[point(-1)]
    return row[point(0) : point(5) : point(2)], row[point(3)]


def case_unpacking():
    first, *middle, (left, right) = point([1, 2, 3, (4, 5)])
    middle[point(0)], box = point((7, 8))
    return first, middle, left, right, box


def case_f_strings():
    width, value = 8, 3.14159
    return f"{point(value):{point(width)}.3f}|{point('x')!r:>5}|{point(width)=}"


def case_lambdas_and_defaults():
    def made(n, double=point(2), *, shift=point(1)):
        return (lambda x, by=point(n): x * by * double + shift)(point(3))

    return made(4), made(5, shift=point(9))


def case_nonlocal_and_global():
    count = 0

    def bump():
        nonlocal count
        count += point(1)
        return count

    return [bump() for _ in range(3)], count


def case_deleted_and_never_bound():
    if point(0):
        never = 1
    gone = point(2)
    del gone
    out = []
    for read in (lambda: gone, lambda: never):  # noqa: F821
        try:
            out.append(read())
        except NameError as error:
            out.append(point(type(error).__name__))
    return out


def case_super_and_class_cell():
    class Base:
        def value(self, n):
            return point(n) + 1

        @classmethod
        def make(cls):
            return point(cls.__name__)

    class Derived(Base):
        def value(self, n):
            return super().value(point(n)) * 2, __class__.__name__

        @classmethod
        def make(cls):
            return super().make() + "!"

    return Derived().value(3), Derived.make()


def case_decorators_that_wrap():
    def twice(function):
        @functools.wraps(function)
        def wrapper(*args, **kwargs):
            return function(*args, **kwargs), function(*args, **kwargs)

        return wrapper

    @twice
    @twice
    def work(n, *, plus=0):
        return point(n) + plus

    return work(1), work(2, plus=3), work.__name__


def case_decorator_being_applied():
    def tagged(tag):
        def decorate(function):
            function.tag = point(tag)
            return function

        return decorate

    @tagged(point("t"))
    def work():
        return point(1)

    return work(), work.tag


def case_dataclass():
    @dataclasses.dataclass
    class Item:
        name: str
        price: float
        tags: list = dataclasses.field(default_factory=list)

        def __post_init__(self):
            self.name = point(self.name).upper()

        def total(self, n):
            return sum([self.price for _ in range(point(n))])

    items = [Item("pen", 2.5), Item("ink", 4.0, ["blue"])]
    return [item.total(2) for item in items], repr(items), items[0] == Item("pen", 2.5)


def case_named_tuple():
    Pair = collections.namedtuple("Pair", "left right")
    pair = Pair(point(1), right=point(2))
    return pair._replace(left=point(5)), pair


def case_match():
    def kind(value):
        match point(value):
            case {"type": "circle", "r": r} if point(r) > 1:
                return "big circle", r
            case [first, *rest] if rest:
                return "list", point(first), rest
            case str() | bytes() as text:
                return "text", point(len(text))
            case _:
                return "other"

    return [kind(v) for v in ({"type": "circle", "r": 3}, [1, 2, 3], "abc", b"", 7)]


def case_with_of_several_items():
    log = []

    class Managed:
        def __init__(self, name):
            self.name = name

        def __enter__(self):
            log.append(("enter", point(self.name)))
            return self

        def __exit__(self, kind, error, trace):
            log.append(("exit", point(self.name), kind and kind.__name__))
            return self.name == "b"

    with Managed("a") as a, Managed("b"):
        log.append(a.name)
        raise ValueError(point("inside"))
    with contextlib.ExitStack() as stack:
        stack.enter_context(Managed("c"))
        stack.callback(log.append, point("callback"))
    return log


def case_return_in_finally_and_loops():
    out = []
    for n in range(4):
        try:
            if n == 1:
                continue
            if n == 3:
                break
            out.append(point(n))
        finally:
            out.append(("finally", point(n)))
    else:
        out.append("never")
    return out


def case_exception_group():
    out = []
    try:
        raise ExceptionGroup("g", [ValueError(1), TypeError(2), KeyError(3)])
    except* ValueError as group:
        out.append(point([str(e) for e in group.exceptions]))
    except* (TypeError, KeyError) as group:
        out.append([type(e).__name__ for e in group.exceptions])
        point(repr(sys.exception()))
    return out


def case_raise_from():
    try:
        try:
            raise KeyError(point("first"))
        except KeyError as error:
            raise ValueError("second") from point(error)
    except ValueError as error:
        return repr(error.__cause__), error.__suppress_context__, point(1)


def case_executed_code():
    source = "total = 0\nfor n in range(3):\n    total += point(n)\n"
    space = {"point": point}
    exec(source, space)
    return space["total"], eval("[point(n) for n in range(3)]", {"point": point})


def case_import_inside():
    import colorsys
    from fractions import Fraction as F

    return point(F(1, 3) + F(point(1), 6)), colorsys.rgb_to_hsv(1, 0, point(0))


def case_deep_recursion():
    def down(n):
        if n == 0:
            return point(0)
        return down(n - 1) + 1

    before = sys.getrecursionlimit()
    sys.setrecursionlimit(max(before, 7000))
    try:
        return down(300)
    finally:
        sys.setrecursionlimit(before)


def case_properties_and_items():
    class Sheet:
        def __init__(self):
            self.cells = {}

        @property
        def size(self):
            return point(len(self.cells))

        @size.setter
        def size(self, n):
            self.cells = {i: point(i) for i in range(n)}

        def __getitem__(self, key):
            return point(self.cells[key])

        def __setitem__(self, key, value):
            self.cells[key] = point(value)

        def __delitem__(self, key):
            del self.cells[point(key)]

        def __call__(self, n):
            return point(n) + self.size

        def __getattr__(self, name):
            if name.startswith("_"):
                raise AttributeError(name)
            return point(name)

    sheet = Sheet()
    sheet.size = 3
    sheet[7] = "x"
    del sheet[0]
    return sheet.size, sheet[7], sheet(5), sheet.anything, sheet.cells
