"""Random programs, migrated at every safe point: none of them notices."""

from __future__ import annotations

import contextlib
import faulthandler
import linecache
import os
import pickle
import signal
import subprocess
import sys
import tempfile
import traceback
import types
import warnings
from pathlib import Path
from random import Random

import cloudpickle
import hypothesis
import pytest
from hypothesis import strategies as st

from hetmig.testing import ping_pong, torture
from tests.interpreter.random_programs import program

ROOT = Path(__file__).parent.parent.parent
COUNT = int(os.environ.get("HETMIG_RANDOM_PROGRAMS", "100"))
LEAST = 0.4
"""The share of the safe points at which programs must be able to move: not all is refused."""
SECONDS = 60
"""After so long a program counts as hanging, in a child process of its own."""

# What refuses to move for a while, and may: see tests/interpreter/test_torture.py.
REFUSALS = (
    "is a C-level call between",
    "the exit of a `with` block or `finally` is being decided",
    "a class body can't move",
    "the task has ended, and what its variables held is being finalized",
    "cannot travel: a frame or traceback",
)

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="each program is a fork")


@contextlib.contextmanager
def loaded(source, name):
    """Give a function that runs `source`, as a module which travels by value."""
    filename = f"<{name}>"
    module = types.ModuleType(name)
    module.__file__ = filename
    linecache.cache[filename] = (len(source), None, source.splitlines(True), filename)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SyntaxWarning)  # `return` in `finally`, `1 is 1`, ...
        code = compile(source, filename, "exec")
    sys.modules[name] = module
    cloudpickle.register_pickle_by_value(module)
    try:
        if "def main():" in source:
            exec(code, vars(module))
            yield module.main
        else:
            yield types.FunctionType(code, vars(module))
    finally:
        cloudpickle.unregister_pickle_by_value(module)
        del sys.modules[name], linecache.cache[filename]


def tortured(source, name="random_program"):
    with loaded(source, name) as run:
        report = torture(run)
    return report.migrated, report.tried, sorted(report.reasons)


def played(source, name="random_program"):
    with loaded(source, name) as run:
        report = ping_pong(run)
    return report.migrated, report.tried, sorted(report.reasons)


def in_child(function, source):
    """What `function` returns in a child process; a crash or an error there is an error here."""
    reader, writer = os.pipe()
    with tempfile.TemporaryFile("w+") as dump:
        pid = os.fork()
        if pid == 0:
            status = 1
            try:
                faulthandler.enable(dump)
                signal.alarm(SECONDS)  # ends it
                with open(writer, "wb") as stream:
                    stream.write(pickle.dumps(function(source)))
                status = 0
            except BaseException:
                traceback.print_exc(file=dump)
                dump.flush()
            finally:
                os._exit(status)
        os.close(writer)
        with open(reader, "rb") as stream:
            answer = stream.read()
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        dump.seek(0)
        assert code == 0, f"the child ended with {code}\n{dump.read()}\n{source}"
    return pickle.loads(answer)


def torture_some(count, seed=None):
    """Torture programs that Hypothesis makes; print at how many of how many places they moved."""
    settings = hypothesis.settings(
        max_examples=count,
        deadline=None,
        derandomize=seed is None,
        database=None,
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    moved, tried = [], []

    @settings
    @hypothesis.given(st.randoms(use_true_random=False))
    def check(random):
        source = program(random)
        migrated, places, reasons = in_child(tortured, source)
        unexpected = [r for r in reasons if not any(known in r for known in REFUSALS)]
        assert unexpected == [], source
        moved.append(migrated)
        tried.append(places)

    (check if seed is None else hypothesis.seed(seed)(check))()
    print(sum(moved), sum(tried))


def play_some(count):
    """Migrate programs again and again at each safe point they come to; print as above."""
    runs = [in_child(played, program(Random(seed))) for seed in range(count)]
    print(sum(migrated for migrated, _, _ in runs), sum(tried for _, tried, _ in runs))


def run(*arguments):
    # in a process of its own: this one has threads, and a fork of it would have half of their locks
    command = [sys.executable, "-X", "faulthandler", "-m", __name__, *map(str, arguments)]
    done = subprocess.run(
        command, cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    moved, tried = map(int, done.stdout.split())
    return moved, moved / tried


def test_moved_once_at_every_safe_point():
    """To look further: HETMIG_RANDOM_PROGRAMS=5000 HETMIG_RANDOM_SEED=1 pytest (this file)."""
    seed = os.environ.get("HETMIG_RANDOM_SEED")
    moved, share = run("torture_some", COUNT, *([seed] if seed else []))
    assert moved > COUNT
    assert share > LEAST


@pytest.mark.slow
def test_moved_at_every_safe_point_in_one_run():
    moved, share = run("play_some", 20)
    assert moved > 20
    assert share > LEAST


def crash():
    """Torture a program that crashes."""
    in_child(tortured, "import os\ndef main(): os.kill(os.getpid(), 11)\n")


def test_a_crash_fails_with_the_program_that_crashed():
    with pytest.raises(AssertionError, match=r"ended with -11(?s:.*)Fatal Python error(?s:.*)kill"):
        run("crash")


if __name__ == "__main__":
    globals()[sys.argv[1]](*map(int, sys.argv[2:]))
