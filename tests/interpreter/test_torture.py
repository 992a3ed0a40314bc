"""Every case, migrated at every safe point: the outcome is that of the unmigrated run."""

import importlib
import inspect
import os
import pkgutil
import subprocess
import sys
from pathlib import Path

import cloudpickle
import pytest

import tests.cases
from hetmig.testing import ping_pong, torture

ROOT = Path(__file__).parent.parent.parent


def _cases():
    for module_info in pkgutil.iter_modules(tests.cases.__path__):
        module = importlib.import_module(f"tests.cases.{module_info.name}")
        for name, function in inspect.getmembers(module, inspect.isfunction):
            if name.startswith("case_"):
                yield pytest.param(module, function, id=f"{module_info.name}.{name[5:]}")


# the library is not of our making, nor made to be moved: it has a test of its own
CASES = [case for case in _cases() if not case.id.startswith("library.")]
# the boundaries have a test of their own for this, with their refusals by name
PLAIN = [case for case in CASES if not case.id.startswith("boundaries.")]

# A case may have hundreds of safe points, and runs on many interpreters: by default some are tried,
# spread over the whole run.  HETMIG_TORTURE is how many, or "all", which moves all to and fro, too.
TORTURE = os.environ.get("HETMIG_TORTURE", "14")
ALL = TORTURE == "all"
SAMPLE = None if ALL else int(TORTURE)
ENOUGH = 8
"""Of so many safe points of any case there is one where it can move."""
HOPPING = ("loops", "calls", "exceptions", "generators")
TO_AND_FRO = [case for case in CASES if ALL or case.id.partition(".")[0] in HOPPING]

# Where a case may refuse to move: Python code that C code has entered (constructors, `with`,
# decorators made by functools), and a traceback in a variable.
REFUSALS = (
    "is a C-level call between",
    "a class body can't move",
    "cannot travel: a frame or traceback",
    "logging.getLogger()",  # pytest's own handlers
    "by their addresses",  # parts of the library, such as inspect.unwrap
    "made (",  # an object half-made, whose __reduce__ finds its parts missing
)


@pytest.fixture
def by_value():
    """Have a case's module travel as the state of the program, as that of a script does."""
    registered = []

    def register(module):
        cloudpickle.register_pickle_by_value(module)
        registered.append(module)

    yield register
    for module in registered:
        cloudpickle.unregister_pickle_by_value(module)


# hot code has other instructions, which leave other things behind while they run
@pytest.mark.parametrize("warm_up", [0, 20], ids=["cold", "hot"])
@pytest.mark.parametrize(("module", "case"), PLAIN)
def test_moved_once_at_every_safe_point(module, case, warm_up, by_value):
    by_value(module)
    report = torture(case, at_most=SAMPLE, seed=1, warm_up=warm_up)
    assert report.migrated >= (SAMPLE is None or SAMPLE >= ENOUGH)
    unexpected = [
        reason for reason in report.reasons if not any(known in reason for known in REFUSALS)
    ]
    assert unexpected == []


@pytest.mark.slow  # on an emulated CPU, where each process takes seconds to start
@pytest.mark.skipif(not hasattr(os, "fork"), reason="each hop is a fork")
@pytest.mark.parametrize(("module", "case"), TO_AND_FRO)
def test_moved_at_every_safe_point_in_one_run(module, case):
    # in a process of its own: this one has threads, and a fork of it would have half of their locks
    command = [sys.executable, "-X", "faulthandler", "-m", __name__, module.__name__, case.__name__]
    run = subprocess.run(
        command, cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=100
    )
    assert run.returncode == 0, run.stderr
    assert int(run.stdout) >= 1


def main(module_name, case_name):
    """Print how often a case was moved."""
    module = importlib.import_module(module_name)
    cloudpickle.register_pickle_by_value(module)
    print(ping_pong(getattr(module, case_name)).migrated)


if __name__ == "__main__":
    main(*sys.argv[1:])
