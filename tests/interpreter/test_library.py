"""The standard library, migrated while it runs: refused or exact, never something else."""

import inspect
import urllib.parse

import cloudpickle
import pytest

from hetmig.testing import torture
from tests.cases import library

# Most of their time they are in what C code has entered, or look at addresses.
RARELY = {
    "datetime_in_python",
    "deepcopy_knows_objects_by_address",
    "json_encoder_in_python",
    "pprint_knows_objects_by_address",
}


CASES = [
    pytest.param(function, id=name[5:])
    for name, function in inspect.getmembers(library, inspect.isfunction)
    if name.startswith("case_")
]

AT_MOST = 60
"""Safe points of each, chosen by chance: some have thousands."""


@pytest.fixture(autouse=True)
def by_value():
    cloudpickle.register_pickle_by_value(library)
    yield
    cloudpickle.unregister_pickle_by_value(library)


@pytest.mark.parametrize("case", CASES)
def test_moved_once_at_every_safe_point(case):
    if case.__name__ == "case_urllib_parse" and hasattr(urllib.parse.SplitResult, "_keep_empty"):
        pytest.skip("this Python's urllib.parse drops a private flag of its results in any pickle")
    report = torture(case, at_most=AT_MOST, seed=1)  # raises for any outcome that differs
    assert report.migrated + report.refusals == report.tried
    if case.__name__[5:] not in RARELY:
        assert report.migrated >= 2


@pytest.mark.parametrize(
    ("case", "name"),
    [
        (library.case_deepcopy_knows_objects_by_address, "copy.deepcopy"),
        (library.case_pprint_knows_objects_by_address, "pprint.PrettyPrinter._format"),
    ],
)
def test_what_remembers_addresses_is_refused_by_name(case, name):
    reasons = torture(case).reasons
    assert [reason for reason in reasons if reason.startswith(f"{name} knows objects by")]


def argparse_default():
    import argparse

    default = argparse.SUPPRESS
    for _ in range(2):
        pass
    return default is argparse.SUPPRESS


def pickletools_mark():
    import pickletools

    mark = pickletools.markobject
    for _ in range(2):
        pass
    return mark is pickletools.markobject


@pytest.mark.parametrize("program", [argparse_default, pickletools_mark])
def test_what_a_module_knows_by_identity(program):
    """A text, and an object with state: `argparse` and `pickletools` go wrong by it."""
    torture(program)
