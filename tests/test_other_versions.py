"""The tests of interpreter/ and state/ hold in every supported CPython, not only in this one.

Both reach into CPython, so each version runs the whole of them in a process of its own.  One that
dies by a signal has failed.
"""

from __future__ import annotations

import contextlib
import faulthandler
import os
import signal
import subprocess
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from tests.interpreters import FREE_THREADED, ROOT, RUNNING, VERSIONS, with_pytest

OTHERS = [version for version in (*VERSIONS, FREE_THREADED) if version != RUNNING]
EMULATED_CPUS = ("s390x", "arm64", "armhf")
ALIKE = [pytest.param(name, marks=pytest.mark.exhaustive) for name in ("arm64", "armhf")]
"""CPUs in emulation that resemble one which is tested anyway; minutes each."""
SECONDS = 900


ATTENTION = 2
"""So many interpreters run their tests at the same time."""
QUICK = "not slow and not exhaustive and not nightly"
EMULATED = (
    *("-m", QUICK, "--ignore=tests/interpreter/test_library.py"),
    *("tests/interpreter", "tests/state/test_image.py", "tests/state/test_generators.py"),
)
LIGHTLY = {"HETMIG_RANDOM_PROGRAMS": "5", "HETMIG_TORTURE": "8"}
NATIVE = (
    *("tests/interpreter", "tests/state", "tests/golden"),
    "--ignore=tests/state/test_portable_code.py",  # goes to other versions by itself
)
# the first to wait for its turn waits for all before it
patient = pytest.mark.timeout(SECONDS * len(OTHERS))


@pytest.fixture(scope="module")
def runs(request):
    """The test runs of all interpreters whose tests are selected, some at a time."""
    items = [item for item in request.session.items if item.module is request.module]
    with ThreadPoolExecutor(ATTENTION) as pool:
        names = [item.callspec.params["name"] for item in items if hasattr(item, "callspec")]
        yield {name: pool.submit(_test_in, name) for name in names}


@pytest.mark.slow
@pytest.mark.foreign
@patient
@pytest.mark.parametrize("name", ["s390x", *ALIKE])
def test_the_interpreter_tests_pass_on(name, runs):
    must_pass(name, runs[name])


# i386: 32-bit pointers, at full speed where the host is an x86-64
@pytest.mark.slow
@patient
@pytest.mark.parametrize("name", [*OTHERS, "i386"])
def test_the_tests_pass_in(name, runs):
    must_pass(name, runs[name])


def _test_in(name: str) -> tuple[int, str]:
    python, environment = with_pytest(name)
    if name in EMULATED_CPUS:
        return run_tests(python, environment | LIGHTLY, *EMULATED)
    return run_tests(python, environment, *NATIVE)


def must_pass(name: str, run: Future[tuple[int, str]]) -> None:
    faulthandler.cancel_dump_traceback_later()  # the children have timeouts of their own
    code, output = run.result()
    assert code >= 0, f"CPython {name} died by {signal.Signals(-code).name}\n{output}"
    assert code == 0, f"CPython {name}\n{output}"


def run_tests(python, environment, *arguments):
    """Run pytest there; return its exit code (negative: a signal) and the end of its output."""
    options = "-q -p no:cacheprovider -o timeout=120 -o faulthandler_timeout=100".split()
    command = [python, "-X", "faulthandler", "-m", "pytest", *options, *arguments]
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    ) as process:
        try:
            output, _ = process.communicate(timeout=SECONDS)
        finally:
            with contextlib.suppress(ProcessLookupError):  # it, and what it left behind
                os.killpg(process.pid, signal.SIGKILL)
    return process.returncode, output[-20_000:]
