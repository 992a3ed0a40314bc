"""Generators that run, wait, delegate and end, and everything that drives them."""

import contextlib
import itertools
import sys

from hetmig.testing import point


def squares(n):
    for i in range(n):
        yield point(i) * i


def case_for_loop():
    total = []
    for value in squares(4):
        total.append(point(value))
    return total


def case_next_and_default():
    g = squares(2)
    return next(g), next(g), next(g, "none"), next(g, point("end"))


def case_send():
    def average():
        total, count, value = 0.0, 0, None
        while True:
            got = yield value
            if got is None:
                return total
            total, count = total + point(got), count + 1
            value = total / count

    g = average()
    out = [next(g)]
    for number in (3, 4, 5):
        out.append(g.send(number))
    try:
        g.send(None)
    except StopIteration as stop:
        out.append(stop.value)
    return out


def case_send_through_a_variable():
    g = squares(3)
    step = g.send
    return step(None), step(None), g.__next__()


def case_throw():
    def careful():
        while True:
            try:
                yield point("waiting")
            except ValueError as error:
                yield "caught", point(str(error)), repr(sys.exception())

    g = careful()
    return next(g), g.throw(ValueError("one")), next(g), g.throw(ValueError("two"))


def case_throw_through_a_chain():
    def inner():
        try:
            yield 1
        except KeyError:
            point("in the handler")
            yield 2
        return 3

    def outer():
        try:
            got = yield from inner()
        finally:
            point("cleaning")
        yield got

    def outermost():
        yield from outer()

    g = outermost()
    return next(g), g.throw(KeyError("k")), list(g)


def case_close():
    log = []

    def closing():
        try:
            yield 1
        finally:
            log.append(point("closed"))

    g = closing()
    next(g)
    g.close()
    return log


def case_yield_from():
    def inner(n):
        got = yield point(n)
        return got, n

    def outer():
        results = []
        for n in range(3):
            results.append((yield from inner(n)))
        return results

    g = outer()
    seen = [next(g)]
    try:
        for text in "abc":
            seen.append(g.send(text))
    except StopIteration as stop:
        seen.append(stop.value)
    return seen


def case_yield_from_a_list():
    def outer():
        yield from [1, 2]
        yield from point((3, 4))
        yield from range(5, 7)

    return [point(x) for x in outer()]


def tree(depth):
    if depth:
        yield from tree(depth - 1)
        yield point(depth)
        yield from tree(depth - 1)


def case_recursive_yield_from():
    out = []
    for value in tree(3):
        out.append(value)
    return out


def case_expressions_around_a_yield():
    def odd():
        return max(1, (yield point(1))) + [2, (yield 2), 3][1] * (yield {"k": (yield 3)}["k"])

    g = odd()
    out = [next(g)]
    try:
        for number in (5, 6, 7, 8):
            out.append(g.send(number))
    except StopIteration as stop:
        out.append(stop.value)
    return out


def case_generator_expression():
    out = []
    for value in (point(x) + y for x in range(2) for y in (10, 20) if x or y):
        out.append(value)
    return out


def case_pipeline():
    def numbers(limit):
        for n in range(limit):
            yield n

    def doubled(source):
        for n in source:
            yield n * 2

    def filtered(source):
        for n in source:
            if point(n) % 3:
                yield n

    total = 0
    for n in filtered(doubled(numbers(6))):
        total = total * 10 + n
    return total


def case_through_itertools():
    out = []
    for pair in zip(squares(3), itertools.count(5)):
        out.append(point(pair))
    for value in itertools.chain(squares(2), squares(2)):
        out.append(value)
    return out


def case_with_inside():
    log = []

    @contextlib.contextmanager
    def managed(name):
        log.append(("enter", point(name)))
        try:
            yield name.upper()
        except ValueError as error:
            log.append(("error", point(str(error))))
        finally:
            log.append(("exit", point(name)))

    def worker():
        with managed("a") as a:
            yield a
            with managed("b") as b:
                yield b
                raise ValueError("inside")
            yield "after b"

    for value in worker():
        log.append(value)
    return log


def case_handled_exceptions():
    def inner():
        try:
            raise KeyError("inner")
        except KeyError:
            yield point(repr(sys.exception()))
            try:
                raise
            except KeyError as again:
                yield repr(again.__context__), point(repr(sys.exception()))
        yield repr(sys.exception())

    out = []
    try:
        raise ValueError("outer")
    except ValueError:
        for value in inner():
            out.append((value, point(repr(sys.exception()))))
        try:
            raise
        except ValueError as error:
            out.append(repr(error.__context__))
    return out


def case_exception_out_of_a_generator():
    def failing():
        yield 1
        point("about to fail")
        raise LookupError("from inside")

    out = []
    try:
        for value in failing():
            out.append(value)
    except LookupError as error:
        out.append((str(error), point(repr(error.__context__))))
    return out


def case_stop_iteration_becomes_runtime_error():
    def bad():
        yield 1
        point(1)
        raise StopIteration("oops")

    try:
        for _ in bad():
            pass
    except RuntimeError as error:
        return str(error), repr(error.__cause__)


def case_return_value():
    def one():
        yield
        return point("result")

    def two():
        return (yield from one())

    g = two()
    next(g)
    try:
        next(g)
    except StopIteration as stop:
        return stop.value


def case_closure_over_a_generator():
    count = 0

    def counter():
        nonlocal count
        while count < 4:
            count += point(1)
            yield count

    def total():
        return sum(list(out)) + count

    out = []
    for value in counter():
        out.append(value)
    return out, total()


def case_generator_in_an_object():
    class Reader:
        def __init__(self, n):
            self.source = squares(n)
            self.seen = []

        def read(self):
            for value in self.source:
                self.seen.append(value)
                if point(value) > 3:
                    return value
            return None

    reader = Reader(5)
    return reader.read(), reader.read(), reader.read(), reader.seen


def case_two_owners():
    g = squares(6)
    pair = [g, g]
    out = []
    while (value := next(pair[0], None)) is not None:
        out.append((value, point(next(pair[1], None))))
    return out, pair[0] is pair[1]


def case_holds_itself():
    def selfish():
        me = yield
        while True:
            got = yield point(me is box[0])
            if got:
                return

    box = [selfish()]
    next(box[0])
    out = [box[0].send(box[0])]
    out.append(next(box[0]))
    return out


def case_coroutine_driven_by_hand():
    class Ready:
        def __init__(self, value):
            self.value = value

        def __await__(self):
            got = yield point(self.value)
            return got, self.value

    async def leaf(n):
        return await Ready(n)

    async def main():
        out = []
        for n in range(3):
            out.append(await leaf(n))
        return out

    coroutine = main()
    sent = [coroutine.send(None)]
    try:
        while True:
            sent.append(coroutine.send(len(sent)))
    except StopIteration as stop:
        return sent, stop.value


def case_async_generator_driven_by_hand():
    class Pause:
        def __await__(self):
            yield point("pause")

    async def numbers(n):
        try:
            for i in range(n):
                await Pause()
                yield point(i)
        finally:
            point("finally")

    async def main():
        out = []
        async for value in numbers(3):
            out.append(point(value))
        out.append([value async for value in numbers(2)])
        return out

    coroutine = main()
    sent = []
    try:
        while True:
            sent.append(coroutine.send(None))
    except StopIteration as stop:
        return sent, stop.value


def case_async_with_driven_by_hand():
    log = []

    class Managed:
        async def __aenter__(self):
            log.append(point("enter"))
            return self

        async def __aexit__(self, kind, error, trace):
            log.append(("exit", point(kind and kind.__name__)))
            return kind is ValueError

    async def main():
        async with Managed():
            log.append("body")
        async with Managed():
            raise ValueError("swallowed")
        return "done"

    try:
        main().send(None)
    except StopIteration as stop:
        return stop.value, log
