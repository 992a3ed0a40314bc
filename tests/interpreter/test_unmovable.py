"""Code that can't move wherever it stands is refused by name."""

import importlib
import logging
import sys

import pytest

from hetmig.errors import NotMigratable
from hetmig.interpreter.generators import capture_suspended
from hetmig.testing import point, torture


class Left:
    def __del__(self):
        for _ in range(2):
            pass


def leaves():
    left = Left()
    return [left.__class__.__name__]


def holds_on():
    left = Left()
    del left
    return 5


def test_a_finalizer_behind_the_end_of_a_task_is_refused():
    report = torture(leaves)
    assert report.migrated >= 1
    assert "the task has ended, and what its variables held is being finalized" in report.reasons


def test_a_finalizer_within_a_task_is_refused_or_exact():
    assert torture(holds_on).migrated >= 1


def distinct(items):
    """Counts objects by address, as libraries do."""
    seen = {}
    for item in items:
        seen[id(item)] = point(item)
    return len(seen)


def counts_distinct():
    one = [1]
    return distinct([one, one, [1]])


def has_an_id(record):
    return point(record.id)


class Record:
    id = 3


def uses_another_id():
    return has_an_id(Record())


def test_code_that_looks_at_addresses():
    report = torture(counts_distinct)
    assert report.migrated >= 1
    (reason,) = report.reasons
    assert reason.startswith(f"{__name__}.distinct knows objects by their addresses")
    assert torture(uses_another_id).refused == []


def imports():
    sys.modules.pop("colorsys", None)
    module = importlib.import_module("colorsys")
    return module.__name__


def test_an_import():
    report = torture(imports)
    assert report.migrated >= 1
    assert any(reason.startswith("an import is going on") for reason in report.reasons)


def logs():
    logger = logging.getLogger(f"{__name__}.fresh")
    logger.manager._clear_cache()  # so that it must look its level up, and lock
    return logger.isEnabledFor(logging.DEBUG)


def test_a_library_that_holds_its_lock():
    assert torture(logs).migrated >= 1  # raises for any outcome that differs


def test_a_suspended_generator_that_looks_at_addresses_stays():
    def remembering(values):
        known = {id(value) for value in values}
        for value in values:
            yield id(value) in known

    generator = remembering([[], []])
    next(generator)
    with pytest.raises(NotMigratable, match="by their addresses"):
        capture_suspended(generator)
