"""Types which cloudpickle does not know, or gets wrong, and dill knows."""

from __future__ import annotations

import types
from collections.abc import Callable
from typing import Any

__all__ = ["dill_reducers"]

_TYPES: tuple[type, ...] = (
    super,
    types.ClassMethodDescriptorType,
    types.GetSetDescriptorType,
    types.MemberDescriptorType,
)
"""An explicit list: dill also carries locks, files and the like, which for us must stay."""


class _Recorder:
    """Takes the place of dill's pickler, and notes what it is told to save."""

    reduced: tuple[Any, ...]

    def save_reduce(self, *reduced: Any, obj: object = None) -> None:
        self.reduced = reduced


def _reduce(obj: Any) -> tuple[Any, ...]:
    import dill  # loaded when first needed: a tenth of a second, which few programs have to pay

    recorder = _Recorder()
    dill.Pickler.dispatch[type(obj)](recorder, obj)
    return recorder.reduced


def dill_reducers() -> dict[type, Callable[[Any], tuple[Any, ...]]]:
    """How each type on the list is reduced."""
    return dict.fromkeys(_TYPES, _reduce)
