"""A program that leaves in many places, each time for another version of Python."""

import contextlib
import dataclasses
import sys

from tests.state.portable_child import leave

seen = []
COUNT = 0


@dataclasses.dataclass
class Box:
    n: int
    kids: list = dataclasses.field(default_factory=list)

    def visit(self, f, depth=0):
        seen.append(("visit", self.n))
        for i, kid in enumerate(self.kids):
            with contextlib.suppress(KeyError):
                f(kid, i)
                kid.visit(f, depth + 1)
        return depth


class Manager:
    def __init__(self, tag):
        self.tag = tag

    def __enter__(self):
        seen.append("in " + self.tag)
        return self

    def __exit__(self, *error):
        seen.append(("out " + self.tag, error[0] and error[0].__name__))
        leave()
        return error[0] is ValueError


def generate(n):
    for i in range(n):
        got = yield i
        seen.append(got)
        leave()


def delegate():
    return (yield from generate(2))


def job():
    global COUNT
    total = 0
    names = {"a": 1, "b": 2, "c": 3}

    def bump(k):
        nonlocal total
        total += k
        leave()
        return total

    def each(kid, i):
        leave()
        if i == 1:
            raise KeyError(i)
        seen.append(("kid", kid.n))

    Box(1, [Box(2), Box(3, [Box(4)]), Box(5)]).visit(each)
    for _ in [1, 2]:
        for k, v in names.items():
            with Manager(k) as manager, Manager("x" + k):
                try:
                    if v == 2:
                        raise ValueError(k)
                    total += [bump(v), 5, leave()][1] + len(f"{manager.tag}{bump(1)}")
                except ValueError as e:
                    leave()
                    seen.append((sys.exception() is e, str(e)))
                    raise
                finally:
                    leave()
                    total += 1
        COUNT += 1
        for x in delegate():
            total += x
        while (total := total + 1) % 7:
            leave()
        total += sum([y * total for y in range(3)])
        total += (lambda q, z=2: q + bump(z))(3) if not leave() else 0
    return total, COUNT, len(seen), [repr(item) for item in seen]
