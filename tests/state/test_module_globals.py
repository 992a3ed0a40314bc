"""Objects of modules are found by their places, as modules come, grow and go."""

from __future__ import annotations

import gc
import sys
import weakref
from contextvars import ContextVar
from types import ModuleType

import pytest

from hetmig.state.module_globals import place_of


def new_module(monkeypatch: pytest.MonkeyPatch, name: str) -> ModuleType:
    module = ModuleType(name)
    monkeypatch.setitem(sys.modules, name, module)
    return module


def test_what_a_module_gets_later_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    module = new_module(monkeypatch, "growing")
    first: ContextVar[int] = ContextVar("first")
    second: ContextVar[int] = ContextVar("second")
    module.first = first  # type: ignore[attr-defined]
    assert place_of(first) == ("growing", "first")
    assert place_of(second) is None
    module.second = second  # type: ignore[attr-defined]
    assert place_of(second) == ("growing", "second")
    assert place_of(first) == ("growing", "first")


def test_the_first_place_counts_as_long_as_it_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    value: ContextVar[int] = ContextVar("value")
    for name in ("earlier", "later"):
        new_module(monkeypatch, name).value = value  # type: ignore[attr-defined]
    assert place_of(value) == ("earlier", "value")
    monkeypatch.delitem(sys.modules, "earlier")
    assert place_of(value) == ("later", "value")


def test_what_has_gone_is_not_looked_for() -> None:
    """New objects lie where the old ones lay, most of the time."""
    for number in range(50):
        name, module = f"passing_{number}", ModuleType("passing")
        value: ContextVar[int] = ContextVar("value")
        module.value = value  # type: ignore[attr-defined]
        sys.modules[name] = module
        try:
            assert place_of(value) == (name, "value")
        finally:
            del sys.modules[name]
        del module, value


def test_another_module_of_the_name_is_searched(monkeypatch: pytest.MonkeyPatch) -> None:
    values: list[ContextVar[int]] = [ContextVar("value"), ContextVar("value")]
    for number, value in enumerate(values):
        module = new_module(monkeypatch, "replaced")
        vars(module).update(value=value, **dict.fromkeys("xy"[:number]))  # more than before
        assert place_of(value) == ("replaced", "value")
    assert place_of(values[0]) is None


def test_what_lies_in_a_class_of_the_module_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    module = new_module(monkeypatch, "with_class")
    value: ContextVar[int] = ContextVar("value")
    module.Class = type("Class", (), {"__module__": "with_class", "value": value})  # type: ignore[attr-defined]
    assert place_of(value) == ("with_class", "Class.value")
    module.more = 1  # type: ignore[attr-defined]
    assert place_of(value) == ("with_class", "Class.value")


def test_what_was_searched_may_go() -> None:
    module = ModuleType("passing")
    value: ContextVar[int] = ContextVar("value")
    module.value = value  # type: ignore[attr-defined]
    sys.modules["passing"] = module
    try:
        assert place_of(value) == ("passing", "value")
    finally:
        del sys.modules["passing"]
    gone = weakref.ref(module)
    del module
    gc.collect()
    assert gone() is None
    assert place_of(value) is None
