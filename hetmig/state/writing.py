"""Writes an image, one variable after the other: each has its size, and a name if it must stay."""

from __future__ import annotations

import gc
import io
import pickle
from collections.abc import Callable, Collection, Sequence
from types import CellType, FunctionType, ModuleType
from typing import Any

from hetmig.errors import FrameAddress, NotMigratable
from hetmig.interpreter.activation import UNBOUND, Activation
from hetmig.state import parcel, portable_frames
from hetmig.state.generators import Running, require_awaiters
from hetmig.state.namespaces import is_module_namespace, portable_items
from hetmig.state.native.tensors import Memory
from hetmig.state.paths import find_path
from hetmig.state.pickler import OUT_OF_BAND, Namespaces, Pickler
from hetmig.state.portable_frames import Held
from hetmig.state.resources import remedy, type_name
from hetmig.state.vocabulary import MORE_THAN_A_VALUE
from hetmig.state.weak import WEAKLY_HELD, WeakTargets, pending_finalizers

__all__ = ["Writer"]

_USUAL_REMEDY = "drop it before a move, or say how its type travels with hetmig.register"
_MOST_BUFFERS = 1000  # beside the stream; parcels and messages are capped in their frames


def _keeper(buffers: list[parcel.Buffer]) -> Callable[[pickle.PickleBuffer], bool]:
    """The pickler's callback: which buffers stay in the stream, the others go to `buffers`."""

    # not a method of the writer: a cycle would keep all that the memo knows until it is collected
    def keep_in_band(buffer: pickle.PickleBuffer) -> bool:
        raw = buffer.raw()
        if raw.nbytes < OUT_OF_BAND or len(buffers) >= _MOST_BUFFERS:
            return True
        buffers.append(raw)
        return False

    return keep_in_band


class Writer:
    """Writes one image."""

    def __init__(
        self,
        namespaces: Namespaces,
        portable: bool = False,
        strong: Collection[int] | None = None,
        shared: frozenset[int] = frozenset(),
    ) -> None:
        """`strong`: the identities of the objects that an earlier writing has met; `shared`: those
        of the objects among them whose memory several arrays show.
        """
        self._file = io.BytesIO()
        self._buffers: list[parcel.Buffer] = []
        self._pickler = Pickler(
            self._file,
            namespaces=namespaces,
            portable=portable,
            buffer_callback=_keeper(self._buffers),
        )
        if strong is not None:
            self._pickler.weak = WeakTargets(strong)
        if shared:
            self._pickler.memory = Memory(shared)

    @property
    def is_pinned(self) -> bool:
        """Whether only this minor version of Python can read what was written."""
        return self._pickler.pinned

    def introduce_constants(self) -> None:
        """Before anything else of a program is written: what it may compare by identity."""
        self._file.write(self._pickler.introduce_constants())

    def dump(self, value: object, name: str, frame: FrameAddress | None = None) -> int:
        """Write `value`, which the program calls `name`; the bytes it took."""
        return self.dump_each((value,), (name,), frame)[0]

    def dump_each(
        self, values: Sequence[object], names: Sequence[str], frame: FrameAddress | None = None
    ) -> list[int]:
        """Write several values, one after the other; the bytes each took."""
        file, buffers, pickler = self._file, self._buffers, self._pickler
        sizes = []
        start, beside = file.tell(), len(buffers)
        for value, name in zip(values, names, strict=True):
            pickler.last = value
            try:
                pickler.dump(value)
            except Exception as error:
                explained = _explained(error, value, pickler.last, name, frame)
                pickler.clear_memo()  # whoever keeps the error is not to keep all that it reached
                try:
                    raise explained from error.with_traceback(None)
                finally:
                    del explained  # or the error's traceback, this frame and the error are a cycle
            if pickler.weak is not None:
                pickler.weak.name((value, name, frame))
            end = file.tell()
            size, start = end - start, end
            if buffers and len(buffers) > beside:
                size += sum(memoryview(buffer).nbytes for buffer in buffers[beside:])
                beside = len(buffers)
            sizes.append(size)
        return sizes

    def settled(self) -> bool:
        """Whether no weak reference was left without what it leads to, and no array with a copy of
        memory that others show, too.
        """
        return self._has_targets() and not self.shared_memory()

    def _has_targets(self) -> bool:
        return self._pickler.weak is None or not self._pickler.weak.met

    def shared_memory(self) -> frozenset[int]:
        """The identities of the objects whose memory several arrays show."""
        memory = vars(self._pickler).get("memory")
        return memory.found_shared(self._pickler.memo.copy()) if memory else frozenset()

    def held(self) -> Collection[int]:
        """The identities of all objects written, for the second writing.  Keep this writer alive.

        Raises NotMigratable if a weak reference leads elsewhere.
        """
        strong: Collection[int] = self._pickler.memo.copy()
        if self._pickler.weak is None:
            return strong
        self._pickler.weak.forget(strong)
        if not self._has_targets():
            gc.collect()  # what nothing holds may only not have been collected yet
            self._pickler.weak.forget(strong)
        self.require_settled()
        return strong

    def require_settled(self) -> None:
        """Raise NotMigratable for an object that only a weak reference leads to."""
        if not self._has_targets():
            assert self._pickler.weak is not None
            reference, what = self._pickler.weak.met[0]
            root, name, frame = what
            raise _explained(NotMigratable(WEAKLY_HELD), root, reference, name, frame)

    def finalizers(self) -> None:
        """Write each living `weakref.finalize` whose object was written, and None after them."""
        written: set[int] = set()
        while waiting := [item for item in pending_finalizers() if id(item[0]) not in written]:
            strong = self._pickler.memo.copy()
            fresh = [item for item in waiting if id(item[1]) in strong]
            if not fresh:
                break
            for finalizer, *rest in fresh:
                written.add(id(finalizer))
                self.dump((finalizer, *rest), "finalizer")
        self.dump(None, "finalizers")

    def belongs_to_program(self) -> None:
        """What follows travels as part of a program."""
        self._pickler.of_program = True

    def runs(self, stack: Sequence[Activation]) -> None:
        """Say which generators are among the frames that follow."""
        self._pickler.running = Running(stack)

    def namespaces(self, stack: Sequence[Activation]) -> dict[int, list[dict[str, Any]]]:
        """Write the namespaces of all frames; what each holds, if it travels."""
        frames = {id(activation.globals): activation for activation in reversed(stack)}
        where = {key: activation.address for key, activation in frames.items()}
        standins = {
            key: self._pickler.namespace(activation.globals, empty=True)
            for key, activation in frames.items()
        }
        self.dump(len(standins), "namespaces")
        contents: dict[int, dict[str, Any]] = {}
        for key, standin in standins.items():
            self.dump(standin, "namespace", where[key])
            namespace = frames[key].globals
            names = [] if is_module_namespace(namespace) else list(namespace)
            contents[key] = portable_items(namespace, names)
            self.dump(names, "namespace", where[key])
        return {
            key: self.variables([str(name) for name in items], list(items.values()), where[key])
            for key, items in contents.items()
        }

    def variables(
        self, names: Sequence[str], values: Sequence[object], frame: FrameAddress
    ) -> list[dict[str, Any]]:
        """Write variables; the descriptions of those that have a value."""
        sizes = self.dump_each(values, names, frame)
        return [
            {"name": name, "type": _content_type(value), "bytes": size}
            for name, value, size in zip(names, values, sizes, strict=True)
            if value is not UNBOUND
        ]

    def activation(
        self, activation: Activation, names: dict[int, list[dict[str, Any]]]
    ) -> dict[str, Any]:
        """Write one frame; its description."""
        where = activation.address
        namespace = activation.namespace
        head, own_names, held = self._parts(activation)
        self.dump(head, "code", where)
        if namespace is not None:
            self.dump(namespace, "namespace", where)
        bound = self.variables(own_names, held.variables, where)
        temporary = ["a temporary value"] * len(held.stack)
        stack = [
            {"type": _content_type(value), "bytes": size}
            for value, size in zip(
                held.stack, self.dump_each(held.stack, temporary, where), strict=True
            )
        ]
        if held.handled:
            self.dump(held.handled, "exception being handled", where)
        own = names.pop(id(activation.globals), [])
        return {
            "function": where.function,
            "file": where.file,
            "line": where.line,
            "offset": activation.offset,
            "resume": activation.resume._value_,  # what `value` looks up
            "variables": own if namespace is activation.globals else bound,
            "globals": [] if namespace is activation.globals else own,
            "stack": stack,
        }

    def _parts(self, activation: Activation) -> tuple[tuple[Any, ...], Sequence[str], Held]:
        """Where a frame stands; the names of its variables; what it holds."""
        namespace = activation.globals
        code = self._pickler.home(activation.code, namespace)
        rest = activation.generator, activation.namespace is not None
        if self._pickler.portable:
            outline, held = portable_frames.taken_apart(self._pickler, activation)
            return (code, namespace, tuple(outline), *rest), outline.names, held
        slots, stack, handled = activation.slots, activation.stack, activation.handled
        place = activation.offset, activation.resume._value_, len(slots), len(stack)
        head = code, namespace, *place, *rest, bool(handled)
        return head, activation.slot_names, Held(slots, stack, handled)

    def frames(self) -> list[parcel.Buffer]:
        """What was written, as bytes."""
        require_awaiters(self._pickler)
        told = [*self._pickler.reachable_submodules(), *self._pickler.classes_of_instances()]
        if told:
            self.dump(told, "what is imported")
            self._file.write(MORE_THAN_A_VALUE)
        # Not getbuffer(): a view of it in a reference cycle crashes the collector of CPython 3.12.
        return [self._file.getvalue(), *self._buffers]


_USUAL = (type(None), bool, int, float, str, list, tuple, dict, set, FunctionType, ModuleType)
_NAMES: dict[type, str] = {cls: cls.__name__ for cls in _USUAL}


def _content_type(value: object) -> str:
    if (name := _NAMES.get(type(value))) is not None:
        return name
    if type(value) is CellType:  # isinstance() would ask a weak proxy for its object
        try:
            value = value.cell_contents
        except ValueError:
            return "empty cell"
    return type_name(value)


def _explained(
    error: Exception, root: object, culprit: object, name: str, frame: FrameAddress | None
) -> NotMigratable:
    """What cannot travel, by its path, why, and what its owner can do."""
    path = find_path(root, culprit, name) or name
    if isinstance(error, RecursionError) or isinstance(error.__cause__, RecursionError):
        reason = f"{name} is nested too deeply to travel: flatten it, for instance into a list"
        return NotMigratable(reason, frame=frame, variable=name)
    known = isinstance(error, NotMigratable)
    why = error.reason if isinstance(error, NotMigratable) else f"{type(error).__name__}: {error}"
    advice = remedy(culprit) or ("" if known else _USUAL_REMEDY)
    reason = f"{path} ({type_name(culprit)}) cannot travel: {why}{advice and '; '}{advice}"
    return NotMigratable(reason, frame=frame, variable=path, type=type_name(culprit), why=why)
