"""Suspended generators, coroutines and async generators, defined in a script."""

import contextlib
import sys


def walk(n):
    total = 0
    for i, letter in enumerate("abcdefgh"):
        for j in range(n):
            try:
                got = yield i * j + total, letter
                total += got or 0
            except ValueError as error:
                yield "caught", str(error), sys.exception() is error
            finally:
                total += 1


def closing():
    kept = []

    def add(x):
        kept.append(x)
        return list(kept)

    k = 0
    while True:
        x = yield add(k)
        k += x or 1


def delegating():
    return (yield from walk(2))


class Future:
    def __init__(self, x):
        self.x = x

    def __await__(self):
        y = yield self.x
        return (self.x, y)


async def coroutine(q):
    return [await Future(x + q) for x in (1, 2)] if q < 0 else (await Future(1), await Future(q))


async def async_generator():
    for x in range(5):
        y = yield x
        if y:
            yield ("got", y)


class Manager:
    left = False

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.left = True


def managed(log):
    with Manager() as a, Manager() as b:
        for x in [1, 2, 3]:
            yield x, a.left
    log.append((a.left, b.left))
    yield log


def lambdas():
    return [(lambda: (yield 1))(), (lambda: ((yield 2), (yield 3)))(), (x * 2 for x in range(9))]


def sent(step):
    try:
        return step.send(None)
    except StopIteration as end:
        return end.value


def holding_itself():
    kept = []

    def made():
        yield 1
        yield len(kept), kept[0] is itself

    itself = made()
    next(itself)
    kept.append(itself)
    return itself


def make():
    values = {"walk": walk(3), "closing": closing(), "delegating": delegating()}
    next(values["walk"])
    values["walk"].send(5)
    next(values["closing"])
    values["closing"].send(2)
    next(values["delegating"])
    next(values["delegating"])
    values["coroutine"] = coroutine(7)
    values["coroutine"].send(None)
    values["async"] = async_generator()
    sent(values["async"].__anext__())
    sent(values["async"].asend(9))
    values["managed"] = managed([])
    next(values["managed"])
    values["lambdas"] = lambdas()
    for one in values["lambdas"]:
        next(one)
    values["fresh"] = walk(1)
    values["expression"] = (x * y for x in [1, 2] for y in range(2))
    values["done"] = walk(0)
    list(values["done"])
    values["itself"] = holding_itself()
    values["handling"] = walk(2)
    next(values["handling"])
    values["handling"].throw(ValueError("boo"))
    return values


def check(values):
    walking, waiting = values["walk"], values["async"]
    found = {
        "walk": [walking.send(1), walking.throw(ValueError("x")), next(walking), list(walking)],
        "closing": [values["closing"].send(3), next(values["closing"])],
        "delegating": [values["delegating"].gi_yieldfrom is None, list(values["delegating"])],
        "async": [
            sent(waiting.__anext__()),
            sent(waiting.asend(4)),
            sent(waiting.__anext__()),
        ],
        "managed": list(values["managed"]),
        "lambdas": [list(one) for one in values["lambdas"]],
        "fresh": [list(values["fresh"]), values["fresh"].__name__, list(values["done"])],
        "expression": list(values["expression"]),
        "itself": next(values["itself"]),
        "handling": [next(values["handling"]), list(values["handling"])],
    }
    with contextlib.suppress(StopIteration):
        found["coroutine"] = [values["coroutine"].send("y")]
        values["coroutine"].send("z")
    return {name: repr(value) for name, value in found.items()}
