"""`memoryview`: a window on another object, which travels along and goes on being shown.

A view in the format of its object is a range of items, and so arrives wherever the object does.
One that was cast shows bytes: those of more than one each mean the same only on machines of one
kind.
"""

from __future__ import annotations

import struct
import sys
from typing import Any, NamedTuple

from hetmig.errors import NotMigratable
from hetmig.interpreter.buffers import address_of_buffer
from hetmig.state.native.arrays import means_the_same

__all__ = ["REDUCERS", "Window", "new_view", "released_view"]

_OWN_WAY = (
    "only a view of a whole object, of a range of its items, or of a range of its bytes travels; "
    "hold bytes(...) of it"
)


class Window(NamedTuple):
    """What a view shows of its object, in items of the view or of the object."""

    readonly: bool
    start: int
    """The first item; of a view that was cast, the first byte."""
    length: int
    step: int
    cast: str = ""
    """The format that it was cast to."""
    itemsize: int = 1
    order: str = ""
    shape: tuple[int, ...] = ()


def _reduce(pickler: Any, view: Any) -> Any:
    try:
        base = view.obj
    except ValueError:
        return released_view, ()
    with memoryview(base) as whole:
        return new_view, (base, *_window(view, whole))


def _window(view: Any, whole: Any) -> tuple[Any, ...]:
    offset = address_of_buffer(view) - address_of_buffer(whole)
    frozen = view.readonly and not whole.readonly
    as_whole = ("format", "itemsize", "ndim", "shape", "strides", "nbytes")
    if not offset and all(getattr(view, name) == getattr(whole, name) for name in as_whole):
        return (frozen,)
    alike = (view.format, view.itemsize) == (whole.format, whole.itemsize)
    if alike and view.ndim == whole.ndim == 1:
        start, shift = divmod(offset, whole.strides[0] or 1)
        step, rest = divmod(view.strides[0], whole.strides[0] or 1)
        if not shift and not rest:
            return tuple(Window(frozen, start, view.shape[0], step))
    if not whole.contiguous:
        raise NotMigratable(_OWN_WAY)
    return tuple(_cast(view, offset, frozen))


def _cast(view: Any, offset: int, frozen: bool) -> Window:
    form, size = view.format, view.itemsize
    if view.ndim == 1 and view.strides[0] % size == 0:
        step, shape = view.strides[0] // size, ()
    elif view.c_contiguous:
        step, shape = 1, view.shape
    else:
        raise NotMigratable(_OWN_WAY)
    count = view.nbytes // size if size else 0
    return Window(frozen, offset, count, step, form, size, sys.byteorder, shape)


def new_view(base: Any, readonly: bool, *rest: Any) -> Any:
    """A view of an object.  Raises NotMigratable if it would show something else here."""
    view = memoryview(base)
    if rest:
        view = _shown(view, Window(readonly, *rest))
    return view.toreadonly() if readonly else view


def _shown(whole: Any, window: Window) -> Any:
    if not window.cast:
        return whole[_range(window.start, window.length, window.step)]
    if struct.calcsize(whole.format) > 1 or window.itemsize > 1:
        form = f"@{window.cast.lstrip('@')}"
        if window.order != sys.byteorder or not means_the_same(form, window.itemsize, window.order):
            raise NotMigratable(
                f"this memoryview was cast to {window.cast!r}, and shows other values on this "
                "machine: hold the object, or what was read from it"
            )
    size, step = window.itemsize, window.step
    span = abs(step) * (window.length - 1) + 1 if window.length else 0
    first = window.start - (span - 1) * size if step < 0 and span else window.start
    shown = whole.cast("B")[first : first + span * size].cast(window.cast)
    if window.shape:
        made = shown.cast("B").cast(window.cast, window.shape)
        return made
    start = len(shown) - 1 if step < 0 else 0
    part = shown[_range(start, window.length, step)]
    return part


def _range(start: int, count: int, step: int) -> slice:
    if not count:
        return slice(0, 0)
    stop = start + count * step
    return slice(start, None if stop < 0 else stop, step or 1)


def released_view() -> Any:
    """One that shows nothing any more."""
    view = memoryview(b"")
    view.release()
    return view


REDUCERS: dict[type, Any] = {memoryview: _reduce}
