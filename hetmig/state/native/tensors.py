"""numpy's arrays and scalars.  numpy itself is needed only by a program that has loaded it.

Every dtype says its byte order and size, so numbers arrive as they are; an array in the byte order
of its machine becomes one in that of the destination.  The exceptions: a long double is another
format everywhere, and stays.

Views of one memory go on sharing it.  That some of what is written shares memory is known only when
all is written, so then all is written once more: the memory, and what each array shows of it.
"""

from __future__ import annotations

import mmap
import pickle
import sys
from typing import Any

from hetmig.errors import NotMigratable

__all__ = [
    "BY_NAME",
    "Memory",
    "fill_objects",
    "new_objects",
    "new_scalar",
    "new_tensor",
    "new_window",
]

_PLAIN = frozenset("biufcmMSUV")
_PRECISION = (
    "the format of numpy's long double depends on the machine; convert it with astype('float64')"
)
_MAPPED = "a memory-mapped file belongs to this machine; copy what you need with numpy.array(...)"


class Memory:
    """Which arrays a pickler has met, and whose memory they show."""

    def __init__(self, shared: frozenset[int] = frozenset()) -> None:
        """`shared`: the identities of the owners whose memory several arrays show."""
        self.shared = shared
        self._met: dict[int, list[tuple[int, int]]] = {}
        self._owners: dict[int, Any] = {}
        self._arrays: list[Any] = []

    def note(self, array: Any, owner: Any) -> bool:
        """An array was met; whether it shares its memory with others."""
        low, high = _bounds(array)
        self._met.setdefault(id(owner), []).append((low, high))
        self._owners[id(owner)] = owner
        self._arrays.append(array)  # or another one could take its identity
        return id(owner) in self.shared

    def found_shared(self, written: Any) -> frozenset[int]:
        """The owners whose memory several of these arrays show, by identity.

        `written` has the identities of all objects that were written.
        """
        return self.shared | {
            key
            for key, ranges in self._met.items()
            if _overlap(ranges) or (not _is_array(self._owners[key]) and key in written)
        }


def _overlap(ranges: list[tuple[int, int]]) -> bool:
    reached = -1
    for low, high in sorted(ranges):
        if low < reached:
            return True
        reached = max(reached, high)
    return False


def _bounds(array: Any) -> tuple[int, int]:
    """The addresses of the first byte of an array, and of the one after its last."""
    low = high = array.__array_interface__["data"][0]
    if not array.size:
        return low, low
    for length, stride in zip(array.shape, array.strides, strict=True):
        low, high = low + min(0, (length - 1) * stride), high + max(0, (length - 1) * stride)
    return low, high + array.itemsize


def _numpy() -> Any:
    return sys.modules["numpy"]


def _is_array(obj: Any) -> bool:
    return isinstance(obj, _numpy().ndarray)


def _owner(array: Any) -> Any:
    """Who owns the memory of an array: an array, or some other object with a buffer."""
    while _is_array(array.base):
        array = array.base
    base = array.base.obj if isinstance(array.base, memoryview) else array.base
    if base is None or isinstance(base, bytes):  # nobody can change those
        return array
    return base


def _require_portable(dtype: Any) -> None:
    base = dtype.base
    if base.fields:
        for part in base.fields.values():
            _require_portable(part[0])
    elif base.char in ("g", "G"):
        raise NotMigratable(_PRECISION)


# -- arrays


def _reduce_array(pickler: Any, array: Any) -> Any:
    _require_portable(array.dtype)
    owner = _owner(array)
    if isinstance(owner, mmap.mmap):
        raise NotMigratable(_MAPPED)
    shares = pickler.memory.note(array, owner)
    if shares and owner is not array:
        return _window(array, owner)
    if type(array).__reduce__ is not _numpy().ndarray.__reduce__:
        return NotImplemented
    if array.dtype.kind == "O":
        made = new_objects, (type(array), array.shape, _order(array))
        state = array.ravel(order="A").tolist(), array.flags.writeable
        return *made, state, None, None, fill_objects
    if not _is_plain(array.dtype):
        return NotImplemented
    order = _order(array)
    flat = array.T if order == "F" else array
    data = pickle.PickleBuffer(_numpy().ascontiguousarray(flat).reshape(-1).view("u1"))
    native = array.dtype.isnative and not shares
    return new_tensor, (type(array), data, array.dtype, array.shape, order, native,
                        array.flags.writeable)  # fmt: skip


def _order(array: Any) -> str:
    return "F" if array.flags.f_contiguous and not array.flags.c_contiguous else "C"


def new_objects(cls: Any, shape: Any, order: str) -> Any:
    """An array of objects, which follow."""
    return _numpy().ndarray.__new__(cls, shape, object, None, 0, None, order)


def fill_objects(array: Any, state: tuple[list[Any], bool]) -> None:
    """Give an array its objects, in the order of its memory."""
    objects, writeable = state
    flat = (array if array.flags.c_contiguous else array.T).reshape(-1)
    for index, item in enumerate(objects):  # an assignment at once would look into sequences
        flat[index] = item
    array.flags.writeable = writeable


def _is_plain(dtype: Any) -> bool:
    return dtype.kind in _PLAIN and not dtype.hasobject


def new_tensor(
    cls: Any, data: Any, dtype: Any, shape: Any, order: str, native: bool, writeable: bool
) -> Any:
    """An array of these bytes; in the byte order of this machine, if it was in that of its own."""
    ndarray = _numpy().ndarray
    made = ndarray.__new__(cls, shape, dtype, data, 0, None, order)
    if native and not made.dtype.isnative:
        made = made.astype(made.dtype.newbyteorder("="))
    if not writeable:
        made.flags.writeable = False
    return made


def _reduce_masked(pickler: Any, array: Any) -> Any:
    _require_portable(array.dtype)
    if pickler.memory.note(array, _owner(array)):
        raise NotMigratable(
            "this masked array shares its data with another one; let it have a copy"
        )
    return NotImplemented


# -- windows


def _window(array: Any, owner: Any) -> Any:
    numpy = _numpy()
    if type(array) not in (numpy.ndarray, numpy.recarray, numpy.matrix):
        raise NotMigratable(
            f"a {type(array).__name__} that shares its memory with other arrays; let it have a copy"
        )
    if _is_array(owner):
        if not owner.flags.forc:
            raise NotMigratable(
                "arrays that share memory in an order of its own; make it contiguous with "
                "numpy.ascontiguousarray"
            )
        if owner.dtype.hasobject and (array.dtype != owner.dtype or owner.dtype.kind not in "OV"):
            raise NotMigratable(
                "strings of numpy's own, or fields with objects, that share memory; let each have "
                "a copy"
            )
        start, size = _bounds(owner)[0], owner.nbytes
    else:
        whole = numpy.frombuffer(owner, "u1")
        start, size = _bounds(whole)[0], whole.nbytes
    first = array.__array_interface__["data"][0]
    shown = (first - start, array.shape, array.strides, array.dtype, array.flags.writeable)
    return new_window, (type(array), owner, size, sys.byteorder, *shown)


def new_window(
    cls: Any,
    owner: Any,
    size: int,
    byteorder: str,
    offset: int,
    shape: Any,
    strides: Any,
    dtype: Any,
    writeable: bool,
) -> Any:
    """An array that shows a part of the memory of something else.

    Raises NotMigratable if that has other bytes on this machine.
    """
    numpy = _numpy()
    flat = owner
    if _is_array(owner):
        flat = (owner if owner.flags.c_contiguous else owner.T).reshape(-1)
        if flat.dtype.hasobject:
            return _of_objects(flat, offset, shape, strides, writeable)
    elif memoryview(owner).nbytes != size or (
        byteorder != sys.byteorder and not isinstance(owner, bytearray)
    ):
        raise NotMigratable(
            f"a numpy array shows the memory of a {type(owner).__name__}, which is another one on "
            "this machine; let it have a copy"
        )
    # strides and offsets are in bytes, whatever the items of the memory are
    made = numpy.ndarray.__new__(cls, shape, dtype, flat, offset, strides)
    if not writeable:
        made.flags.writeable = False
    return made


def _of_objects(flat: Any, offset: int, shape: Any, strides: Any, own: bool) -> Any:
    start = flat[offset // flat.itemsize :]
    made = _numpy().lib.stride_tricks.as_strided(start, shape, strides)
    if not own:
        made.flags.writeable = False
    return made


# -- scalars and the like


def _reduce_scalar(pickler: Any, scalar: Any) -> Any:
    numpy = _numpy()
    _require_portable(scalar.dtype)
    if isinstance(scalar, str | bytes):  # whose own idea of themselves ends before a NUL
        base: Any = str if isinstance(scalar, str) else bytes
        return type(scalar), (base.__getitem__(scalar, slice(None)),)
    if not _is_plain(scalar.dtype) or type(scalar).__reduce__ is not numpy.generic.__reduce__:
        return NotImplemented
    return new_scalar, (scalar.dtype, scalar.tobytes())


def new_scalar(dtype: Any, data: bytes) -> Any:
    """One number, date or record."""
    return _numpy().ndarray((), dtype, bytearray(data))[()]


def _reduce_info(pickler: Any, info: Any) -> Any:
    _require_portable(_numpy().dtype(info.dtype))
    return type(info), (info.dtype,)


def _reduce_random_state(pickler: Any, generator: Any) -> Any:
    # the one behind `numpy.random.random` and the like: they and it draw from one sequence
    module = sys.modules["numpy.random.mtrand"]
    shared = generator is getattr(module, "_rand", None)
    return (getattr, (module, "_rand")) if shared else NotImplemented


BY_NAME: dict[tuple[str, str], Any] = {
    ("numpy", "ndarray"): _reduce_array,
    ("numpy", "generic"): _reduce_scalar,
    ("numpy", "finfo"): _reduce_info,
    ("numpy", "iinfo"): _reduce_info,
    ("numpy.ma.core", "MaskedArray"): _reduce_masked,
    ("numpy.ma", "MaskedArray"): _reduce_masked,
    ("numpy.random.mtrand", "RandomState"): _reduce_random_state,
}
