"""What the tasks of `test_versions` run."""

from __future__ import annotations

import operator
import os
import sys
import time
import types

import hetmig
from tests.division import loop_shapes


def version():
    return list(sys.version_info[:2])


def in_the_middle(*files):
    """Waits in nested loops, a generator and a `with` block, until the files are there."""
    seen, letters, numbers = [version()], [], []

    class Manager:
        def __enter__(self):
            return self

        def __exit__(self, *error):
            numbers.append(self.number)

        def count(self, n):
            for self.number in range(n):
                yield self.number

    def look(file):
        return os.path.exists(file)

    for i, file in enumerate(files):
        with Manager() as manager:
            for k in manager.count(2):
                letters.append(f"a{k}") if not i else None
                numbers.append(10 * i + k) if k == 0 or i else None
            print("waiting", i, flush=True)
            while not look(file):
                (lambda pause: time.sleep(pause))(0.001)
        seen.append(version())
    return [*seen, sorted(set(numbers)), letters]


def to_and_fro(there, here):
    found = [[version(), 1]]
    for count, name in enumerate((there, here), 2):
        found.append((hetmig.migrate(name), [version(), count])[1])
    return found


def divided(count, there=""):
    """Two parts, one of which begins in the other version; the loop itself may follow it."""
    out, texts = [], {}
    for x in hetmig.divisible(range(count), merge={"out": operator.add, "texts": operator.or_}):
        if x == 1:
            hetmig.divide(2)
        if x == 3 and there:
            hetmig.migrate(there)
        out.append((x, version()))
        texts[f"{x:02}"] = [letter for letter in "ab" if x % 2]
    return out, texts, version()


def shape(name, at, file):
    """A shape of loop, divided in iteration `at`; counted in a file, which is no variable."""

    def ask(number):
        with open(file, "ab") as counted:
            counted.write(b".")
            if counted.tell() == at:
                hetmig.divide(3)

    # what the one CPython calls this, and the other that
    text = repr(getattr(loop_shapes, name)(ask))
    return text.replace("integer division or modulo by zero", "division by zero")


def asks_for_its_address():
    kept = []
    print("waiting", flush=True)
    while id(kept) != 1:
        time.sleep(0.001)


def holds_what_is_not_there():
    """Its module is one that no other process can import."""
    module = sys.modules["only_in_this_process"] = types.ModuleType("only_in_this_process")
    exec("class Thing: pass", vars(module))
    thing = module.Thing()
    print("waiting", flush=True)
    while thing is not None:
        time.sleep(0.001)
