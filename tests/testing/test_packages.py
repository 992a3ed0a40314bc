"""Packages from PyPI, migrated while they run: refused by name or exact, never something else."""

import inspect
import tomllib
from pathlib import Path

import cloudpickle
import pytest

from hetmig.testing import torture
from tests.testing import packages

NAMES = [name[5:] for name, _ in inspect.getmembers(packages, inspect.isfunction)]
AT_MOST = 150
MOVING = {"chevron", "markdown", "pycparser", "simpleeval", "tabulate", "tinycss2", "tomlkit"}
"""Those which can move at a good share of their safe points."""


@pytest.fixture(autouse=True)
def by_value():
    cloudpickle.register_pickle_by_value(packages)
    yield
    cloudpickle.unregister_pickle_by_value(packages)


def case(name):
    pytest.importorskip(name, reason=f"{name} is not installed: see the extra test-packages")
    return getattr(packages, f"case_{name}")


@pytest.mark.parametrize("name", NAMES)
def test_moved_once_at_some_safe_points(name):
    report = torture(case(name), at_most=AT_MOST, seed=1)
    # A cache of the library's (linecache), filled by a capture, may make later runs a bit shorter.
    assert 0 <= min(AT_MOST, report.points) - report.tried <= 2
    assert report.migrated + report.refusals == report.tried
    if name in MOVING:
        assert report.share > 0.2, str(report)


@pytest.mark.parametrize("name", sorted(MOVING))
def test_moved_to_another_process(name):
    report = torture(case(name), at_most=8, seed=2, where="process")
    assert report.migrated >= 1, str(report)


def sorted_dict():
    from sortedcontainers import SortedDict

    return list(SortedDict({"b": 2, "a": 1}))


def toml_array():
    import tomlkit

    document = tomlkit.document()
    document["deep"] = [1.5, True]
    return document.unwrap()


@pytest.mark.parametrize(
    ("package", "program"), [("sortedcontainers", sorted_dict), ("tomlkit", toml_array)]
)
def test_an_object_with_a_reduce_of_its_own_in_the_middle_of_a_method(package, program):
    pytest.importorskip(package, reason=f"{package} is not installed: see the extra test-packages")
    report = torture(program)
    assert any("knows whole objects only" in reason for reason in report.reasons)


def test_each_package_is_in_the_extra():
    text = (Path(__file__).parent.parent.parent / "pyproject.toml").read_text("utf-8")
    wanted = tomllib.loads(text)["project"]["optional-dependencies"]["test-packages"]
    # attrs makes classes, and is looked at in tests/state/test_attrs.py
    assert {item.partition(">")[0].replace("-", "_") for item in wanted} == {*NAMES, "attrs"}
    assert len(NAMES) >= 10
