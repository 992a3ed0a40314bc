"""Call stacks: callers and callees, calls pending inside expressions, recursion, closures."""

from hetmig.testing import point


def twice(x):
    for _ in range(2):
        x += 1
    return point(x)


def case_calls_pending_in_an_expression():
    out = []
    for i in range(4):
        out.append(twice(i) + [twice(i + 1), twice(i + 2)][0] * twice(3) - {"k": twice(9)}["k"])
    return out


def case_arguments_of_every_kind():
    def show(a, b=2, /, c=3, *rest, d, e=5, **more):
        total = 0
        for value in (a, b, c, *rest, d, e, *more.values()):
            total = total * 7 + point(value)
        return total, rest, sorted(more)

    return [
        show(1, d=4),
        show(1, 2, 3, 4, 5, d=6),
        show(1, d=twice(2), e=twice(3), z=26),
        show(twice(0), twice(1), c=twice(2), d=twice(3), y=25, z=26),
    ]


def case_star_calls():
    def add(*numbers, **named):
        total = 0
        for n in (*numbers, *named.values()):
            total += point(n)
        return total

    def pass_on(function, *args, **kwargs):
        return function(*args, **kwargs) + 1

    return pass_on(add, 1, 2, 3), pass_on(add, 4, x=5), add(*[6, 7], **{"y": 8})


def case_recursion():
    def fib(n):
        return n if n < 2 else fib(n - 1) + fib(n - 2)

    def depth(n):
        if n == 0:
            return point(0)
        result = depth(n - 1)
        return result + 1

    return fib(7), depth(30)


def case_mutual_recursion_of_locals():
    def even(n):
        return True if n == 0 else odd(n - 1)

    def odd(n):
        return False if n == 0 else even(n - 1)

    return [even(n) for n in range(6)], [odd(5)]


def case_shared_cells():
    count = 0
    names = []

    def bump(by):
        nonlocal count
        for _ in range(by):
            count += 1
        return count

    def note(name):
        names.append((name, count))
        return point(count)

    for i in range(4):
        bump(i)
        note(f"n{i}")
        count *= 2
        bump(1)
    return count, names


def case_a_cell_that_is_empty_at_first():
    def use():
        return late + 1

    out = []
    for i in range(4):
        if i == 2:
            late = 40
        try:
            out.append(use())
        except NameError as error:
            out.append(type(error).__name__)
    return out, late


def case_argument_in_a_cell():
    def outer(value, *rest, key=None):
        def inner():
            nonlocal value
            value += 1
            return value, rest, key

        out = []
        for _ in range(3):
            out.append(inner())
            key = point(len(out))
        return out

    return outer(1, 2, 3, key="k")


def case_methods_properties_and_super():
    class Base:
        def __init__(self, n):
            self.n = n

        def work(self, k):
            for _ in range(k):
                self.n += 1
            return point(self.n)

        @property
        def double(self):
            total = 0
            for _ in range(2):
                total += self.n
            return total

        def __getitem__(self, index):
            total = 0
            for i in range(index):
                total += i + self.n
            return total

    class Derived(Base):
        def work(self, k):
            result = super().work(k)
            for _ in range(2):
                result += super().work(1)
            return result

    one = Derived(1)
    return one.work(3), one.double, one[4], one.n


def case_wrapped_function():
    import functools

    def logged(function):
        @functools.wraps(function)
        def wrapper(*args, **kwargs):
            log.append(function.__name__)
            result = function(*args, **kwargs)
            log.append(result)
            return result

        return wrapper

    log = []

    @logged
    def power(base, exponent=2):
        result = 1
        for _ in range(exponent):
            result *= base
        return point(result)

    return power(3), power(2, exponent=5), log


def case_global_state():
    global _counter
    _counter = 0
    for i in range(5):
        _add(i)
    return _counter


def _add(n):
    global _counter
    for _ in range(n):
        _counter += 1


def case_short_circuits_and_chained_comparisons():
    out = []
    for i in range(8):
        out.append(point(i) and twice(i) or twice(-i))
        out.append(0 < twice(i) < 7 <= twice(i + 3))
        out.append((n := twice(i)) + n)
        out.append(f"{twice(i):>4}|{point(i)!r}")
        out.append(twice(i) if i % 2 else -twice(i))
    return out


def case_lambda_and_default():
    steps = [lambda x, k=k: x * 10 + k for k in range(4)]
    value = 0
    for step in steps:
        value = step(value)
    return value


def case_deep_stack_of_mixed_frames():
    def level(n):
        pending = [n, (n, str(n))]
        if n == 0:
            return point(1)
        for i in range(2):
            if i:
                return pending[0] + level(n - 1) * 3 - len(pending[1])
        return None

    return level(25)
