"""A C function between two Python frames is noticed, named and refused; the program goes on."""

import inspect

import cloudpickle
import pytest

from hetmig.testing import torture
from tests.cases import boundaries

CASES = [
    pytest.param(function, id=name[5:])
    for name, function in inspect.getmembers(boundaries, inspect.isfunction)
    if name.startswith("case_")
]


@pytest.fixture(autouse=True)
def by_value():
    cloudpickle.register_pickle_by_value(boundaries)
    yield
    cloudpickle.unregister_pickle_by_value(boundaries)


@pytest.mark.parametrize("case", CASES)
def test_refused_by_name_or_exact(case):
    report = torture(case)  # raises for any outcome that differs
    assert report.migrated >= 1
    for error in report.refused:
        assert error.frame is not None
        assert error.frame.line > 0
    if case.through is not None:
        named = [error for error in report.refused if error.variable == case.through]
        assert named, report.reasons
        for error in named:
            assert error.reason.startswith(f"{case.through} is a C-level call between ")
            lines, first = inspect.getsourcelines(case)
            if error.frame.function == case.__name__:
                assert first <= error.frame.line < first + len(lines)
                assert error.frame.file == boundaries.__file__
