"""The tests of interpreter/ and state/ hold in every supported CPython, not only in this one.

Both reach into CPython, so each version runs the whole of them in a process of its own.  One that
dies by a signal has failed.  They run beside the other tests: see conftest.py.
"""

from __future__ import annotations

import faulthandler
import signal

import pytest

from tests.interpreters import FREE_THREADED, RUNNING, VERSIONS
from tests.other_versions import SECONDS

OTHERS = [version for version in (*VERSIONS, FREE_THREADED) if version != RUNNING]
ALIKE = [pytest.param(name, marks=pytest.mark.nightly) for name in ("arm64", "armhf")]
"""CPUs in emulation that resemble one which is tested anyway; minutes each.  Programs move to and
from them in the sample of the matrix."""
# the first to wait for its turn waits for all before it
patient = pytest.mark.timeout(SECONDS * len(OTHERS))


@pytest.mark.slow
@pytest.mark.foreign
@patient
@pytest.mark.parametrize("interpreter", ["s390x", *ALIKE])
def test_the_interpreter_tests_pass_on(interpreter, beside):
    must_pass(interpreter, beside)


# i386: 32-bit pointers, at full speed where the host is an x86-64
@pytest.mark.slow
@patient
@pytest.mark.parametrize("interpreter", [*OTHERS, "i386"])
def test_the_tests_pass_in(interpreter, beside):
    must_pass(interpreter, beside)


def must_pass(name, beside):
    faulthandler.cancel_dump_traceback_later()  # the children have timeouts of their own
    beside.hurry()
    run = beside.result(name)
    if "skipped" in run:
        pytest.skip(run["skipped"])
    code, output = run["code"], run["output"]
    assert code >= 0, f"CPython {name} died by {signal.Signals(-code).name}\n{output}"
    assert code == 0, f"CPython {name}\n{output}"
