"""The standard library, migrated while it runs: refused or exact, never something else."""

import inspect

import cloudpickle
import pytest

from hetmig.testing import torture
from tests.cases import library

CASES = [
    pytest.param(function, id=name[5:])
    for name, function in inspect.getmembers(library, inspect.isfunction)
    if name.startswith("case_")
]


@pytest.fixture(autouse=True)
def by_value():
    cloudpickle.register_pickle_by_value(library)
    yield
    cloudpickle.unregister_pickle_by_value(library)


@pytest.mark.parametrize("case", CASES)
def test_moved_once_at_every_safe_point(case):
    assert torture(case).migrated >= 2  # raises for any outcome that differs


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
