"""What the collector leaves alone is found all the same.  In a child: it can't be taken back."""

from __future__ import annotations

import subprocess
import sys
import textwrap

_CHILD = """
import functools, gc, numbers, sys

def stop(*_):
    found.append(capture(sys._getframe(1), root=root, callee=sys._getframe()))
    return 17

def inner(*args):
    return stop(*args)

class Box:
    def bound(self, *args):
        return stop(*args)

half, bound = functools.partial(inner, 1), Box().bound
if {frozen!r}:
    from hetmig.interpreter import inherited
    inherited.leave_alone()
    assert gc.get_freeze_count() > 1000
    assert not any(each is half for each in gc.get_objects())
from hetmig import dumps, loads
from hetmig.interpreter.capture import capture

def job(function, arguments):
    return function(*arguments) + 1

found = []
for function in (half, bound):
    root = sys._getframe()
    try:
        assert job(function, (2,)) == 18
        print([activation.code.co_name for activation in found.pop()])
    except Exception as error:
        print(type(error).__name__, error)
(variables,) = loads(dumps([vars(numbers.Number)]))
numbers.Number.added = 1
print("added" in variables)
class Loop: pass
loop = Loop(); loop.self = loop
import weakref
seen = weakref.ref(loop)
del loop
gc.collect()
print(seen())
"""


def _prints(frozen: bool) -> list[str]:
    text = textwrap.dedent(_CHILD).format(frozen=frozen)
    done = subprocess.run(
        [sys.executable, "-c", text], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_partials_methods_and_classes_are_found_as_before() -> None:
    usual = _prints(frozen=False)
    assert _prints(frozen=True) == usual
    assert usual[:2] == ["['job', 'inner']", "['job', 'bound']"]
    assert usual[2:] == ["True", "None"]
