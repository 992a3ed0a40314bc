"""Python code that C code has entered: moved exactly, or refused by the name of the C code.

`@through("name")` says what stands between; None where the outcome may be either, by version.
"""

import contextlib
import functools
import gc
import operator
import re
import weakref

from hetmig.testing import point


def through(name):
    def mark(function):
        function.through = name
        return function

    return mark


def work(x=1):
    """Something with safe points of every kind inside."""
    for _ in range(2):
        x = point(x)
    return x


@through("sorted(...)")
def case_sorted_key():
    return sorted([3, 1, 2], key=lambda x: -work(x))


@through("sort(...)")
def case_list_sort_key():
    numbers = [3, 1, 2]
    numbers.sort(key=work)
    return numbers


@through("max(...)")
def case_max_key():
    return max([3, 1, 2], key=work), min([3, 1, 2], key=work)


@through("list(...)")
def case_list_of_map():
    return list(map(work, [1, 2, 3]))


@through("a loop's iterator")
def case_map_in_a_for():
    total = 0
    for value in map(work, [1, 2, 3]):
        total += value
    return total


@through("tuple(...)")
def case_tuple_of_filter():
    return tuple(filter(work, [0, 1, 2]))


@through("reduce(...)")
def case_reduce():
    return functools.reduce(lambda a, b: work(a) + work(b), [1, 2, 3], 10)


@through(None)
def case_partial():
    def plus(a, b):
        return work(a) + b

    add = functools.partial(plus, 5)
    return add(2) + add(3)


@through(None)
def case_sum_of_a_generator():
    return sum(work(x) for x in range(3))


@through(None)
def case_join_of_a_generator():
    return "-".join(str(work(x)) for x in range(3))


@through("sub(...)")
def case_re_sub():
    return re.compile("[0-9]").sub(lambda found: str(work(int(found.group())) + 1), "a1b2c3")


@through(None)
def case_any_all():
    return any(work(x) > 5 for x in range(3)), all(work(x) < 5 for x in range(3))


@through(None)
def case_eval_and_exec():
    names = {"work": work}
    exec("value = [work(1), work(2)]", names)
    return eval("work(3) + work(4)", names), names["value"]


@through("cached(...)")
def case_lru_cache():
    @functools.lru_cache
    def cached(n):
        return work(n) + (cached(n - 1) if n else 0)

    return cached(3)


@through("the call")
def case_operator_methodcaller():
    class Worker:
        def run(self, n):
            return work(n)

    return operator.methodcaller("run", 4)(Worker())


@through("__call__(...)")
def case_method_wrapper():
    return work.__call__(3)


@through(None)
def case_constructor():
    class Made:
        def __init__(self, n):
            self.n = work(n)

    return Made(2).n + Made(3).n


@through(None)
def case_new():
    class New:
        def __new__(cls, n):
            made = super().__new__(cls)
            made.n = work(n)
            return made

    return New(2).n


@through(None)
def case_instance_call():
    class Callable:
        def __call__(self, n):
            return work(n) * 2

    callable_object = Callable()
    return callable_object(3) + callable_object(4)


@through(None)
def case_enter_and_exit():
    class Guard:
        def __enter__(self):
            return work(1)

        def __exit__(self, *error):
            work(2)
            return error[0] is ValueError

    out = []
    for i in range(2):
        with Guard() as value:
            out.append(value + work(i))
            if i:
                raise ValueError(i)
    return out


@through("a loop's iterator")
def case_python_iterator():
    class Countdown:
        def __init__(self, n):
            self.n = n

        def __iter__(self):
            work(1)
            return self

        def __next__(self):
            self.n -= 1
            if self.n < 0:
                raise StopIteration
            return work(self.n)

    return [x for x in Countdown(3)], next(Countdown(2)), list(Countdown(1))


@through("an operator")
def case_arithmetic():
    class Number:
        def __init__(self, n):
            self.n = n

        def __add__(self, other):
            return Number(work(self.n) + getattr(other, "n", other))

        def __radd__(self, other):
            return Number(other + work(self.n))

        def __neg__(self):
            return Number(-work(self.n))

        def __iadd__(self, other):
            self.n += work(other)
            return self

        def __bool__(self):
            return bool(work(self.n))

        def __len__(self):
            return work(7)

    a = Number(1)
    a += 5
    b = (a + Number(2)) + 3
    c = 10 + b
    flag = "yes" if Number(0) or not Number(1) else "no"
    return c.n, (-c).n, flag, len(a)


@through("a comparison")
def case_comparison_and_hash():
    class Key:
        def __init__(self, n):
            self.n = n

        def __eq__(self, other):
            return work(self.n) == other.n

        def __lt__(self, other):
            return work(self.n) < other.n

        def __hash__(self):
            return hash(work(self.n))

    one, two = Key(1), Key(2)
    table = {one: "one", two: "two"}
    return (
        one == two,
        one < two,
        [k.n for k in sorted([two, one])],
        table[Key(2)],
        Key(1) in [two, one],
        len({one, Key(1)}),
    )


@through(None)
def case_subscripts():
    class Table(dict):
        def __missing__(self, key):
            return work(key) * 100

    class Row:
        def __getitem__(self, index):
            return work(index)

        def __setitem__(self, index, value):
            log.append((index, work(value)))

        def __delitem__(self, index):
            log.append(work(index))

        def __contains__(self, value):
            return work(value) == 3

    log = []
    row = Row()
    row[1] = row[2] + 5
    del row[8]
    row[4] += 1
    return Table()[3], row[6], 3 in row, 4 in row, log


@through(None)
def case_attributes():
    class Shown:
        def __init__(self):
            self.__dict__["seen"] = []

        @property
        def size(self):
            return work(4)

        @size.setter
        def size(self, value):
            self.seen.append(work(value))

        def __getattr__(self, name):
            return work(len(name))

        def __setattr__(self, name, value):
            if name == "special":
                self.seen.append((name, work(value)))
            else:
                object.__setattr__(self, name, value)

        @functools.cached_property
        def cached(self):
            return work(9)

    shown = Shown()
    shown.size = 5
    shown.size += 1
    shown.special = 3
    return shown.size, shown.missing, getattr(shown, "other"), shown.cached, shown.seen


@through(None)
def case_text_protocols():
    class Text:
        def __str__(self):
            return f"s{work(1)}"

        def __repr__(self):
            return f"r{work(2)}"

        def __format__(self, spec):
            return f"f{work(3)}{spec}"

        def __index__(self):
            return work(1)

    text = Text()
    return str(text), repr(text), f"{text} {text!r} {text:x}", "%s" % text, [5, 6, 7][text]


@through(None)
def case_descriptors_and_class_creation():
    class Tracked:
        def __set_name__(self, owner, name):
            log.append((name, work(1)))

        def __get__(self, instance, owner):
            return work(2)

        def __set__(self, instance, value):
            log.append(work(value))

    class Base:
        def __init_subclass__(cls, **kwargs):
            log.append((cls.__name__, work(3)))

    log = []

    class Made(Base):
        field = Tracked()

    made = Made()
    made.field = 6
    return made.field, log


@through(None)
def case_class_and_static_methods():
    class Tools:
        factor = 3

        @classmethod
        def scaled(cls, n):
            return work(n) * cls.factor

        @staticmethod
        def plain(n):
            return work(n)

        def both(self, *args):
            return self.scaled(*args) + self.plain(*args)

    tools = Tools()
    bound = tools.both
    return tools.scaled(2), Tools.plain(3), tools.both(4), bound(5), bound(*[6])


@through(None)
def case_finalizers_and_callbacks():
    class Dying:
        def __init__(self, name):
            self.name = name

        def __del__(self):
            log.append(("del", work(1)))

    def note(_reference):
        log.append(("gone", work(2)))

    log = []
    one = Dying("one")
    reference = weakref.ref(one, note)
    del one
    value = [Dying("two"), work(3)][1] + len([Dying("three")])
    gc.collect()
    return value, log, reference() is None


@through(None)
def case_a_star_call_whose_arguments_run_code():
    class Lazy:
        def __init__(self, n):
            self.n = n

        def __iter__(self):
            work(1)
            return iter([self.n, work(2)])

        def keys(self):
            return ["key"]

        def __getitem__(self, name):
            return work(5)

    def add(*numbers, key=0):
        total = key
        for n in numbers:
            total += work(n)
        return total

    return add(*Lazy(1)), add(*Lazy(2), **Lazy(3)), add(7, *Lazy(4), key=1)


def _confusing(self, *rest):
    """Callable as a function, and as `__iter__` or `__del__` of the object it is called with."""
    seen = []
    for _ in range(2):
        seen.append(point(len(rest)))
    return iter(seen)


@through(None)
def case_a_star_call_that_runs_the_callee_for_its_arguments():
    class Trap:
        __iter__ = _confusing

    class Closing:
        __del__ = _confusing

    out = [list(_confusing(*Trap())), list(_confusing(*[Closing()])), list(_confusing(*(1, 2)))]
    return out


@through(None)
def case_contextmanagers_of_the_library():
    log = []
    with contextlib.suppress(ValueError):
        work(1)
        raise ValueError
    with contextlib.ExitStack() as stack:
        stack.callback(lambda: log.append(work(2)))
        work(3)
    return log


@through("a loop's iterator")
def case_sentinel_iterator():
    values = [3, 2, 1, 0]
    out = []
    for value in iter(lambda: work(values.pop(0)), 0):
        out.append(value)
    return out
