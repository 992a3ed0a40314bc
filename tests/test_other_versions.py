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

import pytest

from tests.interpreters import FREE_THREADED, ROOT, RUNNING, VERSIONS, with_pytest

OTHERS = [version for version in (*VERSIONS, FREE_THREADED) if version != RUNNING]
ALIKE = [pytest.param(name, marks=pytest.mark.exhaustive) for name in ("arm64", "armhf")]
"""CPUs in emulation that resemble one which is tested anyway; minutes each."""
SECONDS = 900


@pytest.mark.slow
@pytest.mark.foreign
@pytest.mark.timeout(SECONDS + 60)
@pytest.mark.parametrize("name", ["s390x", *ALIKE])
def test_the_interpreter_tests_pass_on(name: str) -> None:
    quick = "not slow and not exhaustive"
    paths = "tests/interpreter", "tests/state/test_image.py"
    must_pass(name, "-m", quick, *paths, HETMIG_RANDOM_PROGRAMS="10")


# i386: 32-bit pointers, at full speed where the host is an x86-64
@pytest.mark.slow
@pytest.mark.timeout(SECONDS + 60)
@pytest.mark.parametrize("name", [*OTHERS, "i386"])
def test_the_tests_pass_in(name: str) -> None:
    must_pass(name, "tests/interpreter", "tests/state")


def must_pass(name: str, *arguments: str, **settings: str) -> None:
    python, environment = with_pytest(name)
    faulthandler.cancel_dump_traceback_later()  # the child has timeouts of its own
    code, output = run_tests(python, {**environment, **settings}, *arguments)
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
