"""The generator behind the functions of the `random` module is one per process, not a value."""

import random

import hetmig
from hetmig.testing import torture


def shuffled(count):
    random.seed(5)  # both run in Python, in methods of the module's own generator
    items = list(range(count))
    random.shuffle(items)
    return items, random.random()


def test_the_generator_of_the_module_is_the_one_there():
    report = torture(shuffled, args=(4,))
    assert report.refused == []
    assert report.migrated > 5


def test_other_generators_are_values():
    own = random.Random(3)
    copy = hetmig.loads(hetmig.dumps(own))
    assert copy is not own
    assert copy.random() == own.random()
