"""Which modules are the program's own: found out anew whenever others are loaded."""

import sys
from types import ModuleType
from unittest import mock

import pytest

from hetmig.state.modules import OwnModules, look_at_modules


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A module of the program's, with a list in it."""
    (tmp_path / "looked_at.py").write_text("held = []\n")
    monkeypatch.syspath_prepend(tmp_path)
    import looked_at  # type: ignore[import-not-found]

    yield looked_at
    sys.modules.pop("looked_at", None)


def _names():
    return [name for name, _ in look_at_modules()]


def test_what_stays_the_same_is_looked_at_once(own):
    assert look_at_modules() is look_at_modules()


def test_a_module_that_is_added_and_removed(own):
    assert "looked_at" in _names()
    del sys.modules["looked_at"]
    assert "looked_at" not in _names()
    sys.modules["looked_at"] = own
    assert "looked_at" in _names()


def test_a_module_under_another_name(own, monkeypatch):
    assert "looked_at" in _names()
    del sys.modules["looked_at"]
    monkeypatch.setitem(sys.modules, "renamed", own)
    assert "looked_at" not in _names()
    assert "renamed" in _names()


def test_a_module_that_is_replaced(own):
    held = OwnModules().changed()["looked_at"]["held"]
    other = ModuleType("looked_at")
    other.__file__, other.held = own.__file__, [1]
    sys.modules["looked_at"] = other
    assert OwnModules().changed()["looked_at"]["held"] is other.held is not held


@pytest.mark.parametrize(
    "odd", [None, mock.ANY, mock.MagicMock(__eq__=mock.Mock(side_effect=OSError))]
)
def test_a_module_that_is_replaced_by_something_odd(own, odd):
    assert "looked_at" in _names()
    sys.modules["looked_at"] = odd
    assert "looked_at" not in _names()


def test_a_module_that_gets_its_file_later(own, monkeypatch):
    made = ModuleType("made_here")
    monkeypatch.setitem(sys.modules, "made_here", made)
    made.held = []
    modules = OwnModules()
    assert "made_here" not in modules.changed()
    made.__file__ = own.__file__
    assert "made_here" in modules.changed()
