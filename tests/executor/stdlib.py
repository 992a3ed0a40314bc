"""Runs the standard library's own tests of executors on `hetmig.Executor`.

`python -m tests.executor.stdlib [-v] [NAME ...]` runs all of them, or those whose name has one of
the words in it, and prints what was left out, and why.
"""

from __future__ import annotations

import faulthandler
import functools
import importlib
import sys
import time
import unittest
from collections.abc import Iterator

import hetmig
from hetmig.errors import NotMigratable, TaskLost
from hetmig.executor import TaskFuture
from hetmig.node.embedded import LocalNodes
from tests.executor.exceptions import reason_for

PACKAGE = "test.test_concurrent_futures"
"""A package since Python 3.12, and in the last releases of 3.11."""
WHERE = {
    "executor": ("ExecutorTest",),
    "test_process_pool": ("ProcessPoolExecutorTest",),
    "test_thread_pool": ("ThreadPoolExecutorTest",),
    "test_wait": ("WaitTests", "ThreadPoolWaitTests"),
    "test_as_completed": ("AsCompletedTests",),
    "test_shutdown": ("ExecutorShutdownTest", "ThreadPoolShutdownTest", "ProcessPoolShutdownTest"),
    "test_init": ("InitializerMixin", "FailingInitializerMixin"),
    "test_deadlock": ("ExecutorDeadlockTest",),
    "test_future": ("FutureTests",),
}
"""The classes, by module."""

_nodes: list[hetmig.Nodes] = []


class Shared(hetmig.Executor):
    """On the node that all these tests share."""

    def __init__(self, max_workers=None, *, mp_context=None, **more):
        super().__init__(max_workers, nodes=_nodes[0], **more)


def found(name: str):
    """A module of the package, with our names in place of those of the process pool."""
    module = importlib.import_module(f"{PACKAGE}.{name}")
    module.BrokenProcessPool = TaskLost  # of the one whose process is gone: the others go on
    module.PicklingError = NotMigratable
    if name == "test_future":
        module.Future = TaskFuture
    if hasattr(module, "assert_python_ok"):
        module.assert_python_ok = functools.partial(_on_us, module.assert_python_ok)
    return module


def _on_us(run, *arguments):
    """A program that makes an executor in another interpreter: let it be ours."""
    *options, program = arguments
    for name in ("Shared", "ThreadPoolExecutor"):
        program = program.replace(
            f"from concurrent.futures import {name}", f"from hetmig import Executor as {name}"
        )
    return run(*options, program, PYTHONPATH=":".join(filter(None, sys.path)), __isolated=False)


def cases() -> Iterator[unittest.TestCase]:
    for name, classes in WHERE.items():
        try:
            module = found(name)
        except ImportError:
            continue
        for each in classes:
            if hasattr(module, each):
                yield from _cases(getattr(module, each))


def _cases(mixin: type) -> Iterator[unittest.TestCase]:
    util = importlib.import_module(f"{PACKAGE}.util")
    needed = [util.BaseTestCase] if mixin.__name__ == "FutureTests" else [util.ExecutorMixin]
    needed.append(util.BaseTestCase)
    bases = (mixin, *[base for base in dict.fromkeys(needed) if not issubclass(mixin, base)])
    space = {"executor_type": Shared, "get_context": lambda self: None}
    made = type(mixin.__name__, bases, {**space, "__module__": mixin.__module__})
    for test in unittest.TestLoader().getTestCaseNames(made):
        if test in vars(mixin):  # and not in a base, which has its own turn
            yield made(test)


def name_of(case: unittest.TestCase) -> str:
    return f"{type(case).__name__}.{case._testMethodName}"


def main() -> int:
    words = [word for word in sys.argv[1:] if word != "-v"]
    verbose = "-v" in sys.argv
    passed, failed, left = 0, 0, []
    for case in cases():
        name = name_of(case)
        if words and not any(word in name for word in words):
            continue
        if reason := reason_for(name):
            left.append(f"{name}: {reason}")
            continue
        result, began = unittest.TestResult(), time.monotonic()
        faulthandler.dump_traceback_later(120, exit=True)
        case.run(result)
        faulthandler.cancel_dump_traceback_later()
        if verbose:
            print(f"{time.monotonic() - began:.1f} s {name}", flush=True)
        if result.skipped:
            left.append(f"{name}: {result.skipped[0][1]}")
        elif result.wasSuccessful():
            passed += 1
        else:
            failed += 1
            text = (result.errors + result.failures)[0][1].strip()
            print(f"FAILED {name}\n{text if verbose else text.splitlines()[-1]}", flush=True)
    if not passed + failed + len(left):
        print(f"nothing to run: this Python comes without {PACKAGE}, or no test has such a name")
        return 1
    print(*left, f"{passed} passed, {failed} failed, {len(left)} left out", sep="\n")
    return failed


def run_all() -> int:
    path = [place for place in map(str, sys.path) if place]
    with LocalNodes(1, path=path) as local:
        with hetmig.connect(local[0], keys=local.keys) as nodes:
            _nodes.append(nodes)
            with Shared() as executor:  # threads of the whole process are there from now on
                executor.submit(int).result()
            return main()


if __name__ == "__main__":
    sys.exit(bool(run_all()))
