"""The image of a task: its live stack, a call or a value, as bytes, and back.

All variables of all frames are pickled into one stream with one memo, so an object which two frames
share is one object at the destination as well.  Each variable is a pickle of its own in that
stream: so its size is known, and if it cannot travel, its name.
"""

from __future__ import annotations

import gc
import io
import pickle
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from types import CellType, ModuleType
from typing import Any, TypeVar, cast

from hetmig.errors import (
    FrameAddress,
    MigrationRefused,
    NotMigratable,
    SourceChanged,
    UnsupportedFormat,
)
from hetmig.interpreter.activation import UNBOUND, Activation, Generator, Resume
from hetmig.interpreter.generators import GENERATORS, frame_of
from hetmig.state import parcel, portable_frames, rebuild, registry
from hetmig.state.generators import Running, require_awaiters
from hetmig.state.manifest import is_portable, make_manifest
from hetmig.state.namespaces import is_module_namespace, portable_items
from hetmig.state.native.tensors import Memory
from hetmig.state.paths import find_path
from hetmig.state.pickler import OUT_OF_BAND, Namespaces, Pickler
from hetmig.state.pins import require_unpinned
from hetmig.state.portable_frames import Held, Outline, activation_of
from hetmig.state.resources import remedy, type_name
from hetmig.state.room import Room
from hetmig.state.vocabulary import PRELUDE, known_to_all
from hetmig.state.weak import WEAKLY_HELD, WeakTargets, pending_finalizers, restore_finalizer

__all__ = ["Image", "freeze", "freeze_call", "freeze_value", "require_portable", "thaw"]

T = TypeVar("T")

_USUAL_REMEDY = "drop it before a move, or say how its type travels with hetmig.register"
# Ends a stream that has submodules to import behind it; a value alone ends in pickle's own mark.
_MORE_THAN_A_VALUE = b"+"
_MOST_BUFFERS = 1000  # beside the stream; parcels and messages are capped in their frames


@dataclass(frozen=True)
class Image:
    """Frozen state, ready to be sealed.

    `frames` are the pickle stream and the buffers beside it.  Those buffers are the program's own
    memory: send or copy them before the program goes on.
    """

    kind: str
    """"frames", "call", "value" or "script"."""
    frames: list[parcel.Buffer]
    description: list[dict[str, Any]] = field(default_factory=list)
    """What a person wants to know of each frame, outermost first; goes into the manifest."""
    portable: bool = False
    """Whether every supported version of Python can read it; else it is pinned to this one."""

    @property
    def nbytes(self) -> int:
        """Bytes of all frames."""
        return sum(memoryview(frame).nbytes for frame in self.frames)

    def manifest(self, task: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """The manifest for a parcel with this image."""
        count = len(self.frames)
        return make_manifest(self.kind, self.description, count, task, portable=self.portable)

    @classmethod
    def of_parcel(cls, opened: parcel.Parcel) -> Image:
        """The image in an opened parcel.  Call `manifest.check_python` before."""
        kind = opened.manifest.get("kind")
        if not isinstance(kind, str) or not opened.frames:
            raise UnsupportedFormat("the parcel holds no image")
        description = list(opened.manifest.get("frames", []))
        return cls(kind, list(opened.frames), description, is_portable(opened.manifest))


def freeze(
    stack: Sequence[Activation], extra: Mapping[str, Any] | None = None, *, portable: bool = False
) -> Image:
    """The image of a live stack, outermost frame first, and of what `extra` names.

    The stack and all it reaches stay as they are.  With `portable`, every supported version of
    Python can go on with it; without, this one.  Raises `NotMigratable`, naming the variable.
    """

    def write(writer: _Writer) -> Image:
        require_unpinned()
        writer.runs(stack)
        names = writer.namespaces(stack)
        writer.dump(len(stack), "frames")
        description = [writer.activation(activation, names) for activation in stack]
        writer.dump(dict(extra or {}), "extra")
        writer.finalizers()
        return writer.image("frames", description)

    return _written("whole", write, portable)


def freeze_call(
    function: Callable[..., Any],
    args: Sequence[Any] = (),
    kwargs: Mapping[str, Any] | None = None,
    *,
    portable: bool = False,
) -> Image:
    """The image of a call that is still to be made.

    Functions of `__main__` travel by value with the globals they refer to; see `freeze` for
    `portable`.
    Raises `NotMigratable`, naming the argument.
    """
    keywords = dict(kwargs or {})

    def write(writer: _Writer) -> Image:
        registered = registry.of_program()
        writer.dump((len(args), list(keywords), *registered), "arguments")
        writer.dump(function, getattr(function, "__name__", type_name(function)))
        for index, value in enumerate(args):
            writer.dump(value, f"args[{index}]")
        for name, value in keywords.items():
            writer.dump(value, name)
        return writer.image("call", [])

    return _written("referenced", write, portable)


def freeze_value(
    value: object, *, name: str = "value", kind: str = "value", portable: bool = False
) -> Image:
    """The image of one value, such as a result or an exception.  Raises `NotMigratable`."""
    frames, is_portable = value_frames(value, name, portable=portable)
    return Image(kind, frames, portable=is_portable)


def value_frames(
    value: object, name: str = "value", *, portable: bool = False
) -> tuple[list[parcel.Buffer], bool]:
    """The frames of the image of one value, and whether it is portable even if nobody asked for it.

    Raises `NotMigratable`.
    """

    def write(writer: _Writer) -> tuple[list[parcel.Buffer], bool]:
        writer.introduce(value)
        writer.dump(value, name)
        return writer.frames(), not writer.is_pinned

    return _written("referenced", write, portable)


def require_portable(value: object, name: str) -> None:
    """Raise `NotMigratable` for a value of a program that can't travel with it."""
    with Room():
        writer = _Writer("referenced")
        writer.belongs_to_program()
        writer.dump(value, name)


def _written(namespaces: Namespaces, write: Callable[[_Writer], T], portable: bool) -> T:
    """What `write` makes with a writer.

    It is called twice if there are weak references, or arrays that share memory.
    """
    with Room():
        first = _Writer(namespaces, portable)
        written = write(first)
        if first.settled():
            return written
        second = _Writer(namespaces, portable, first.held(), first.shared_memory())
        written = write(second)
        second.require_settled()
        return written


def thaw(image: Image, *, main: ModuleType | None = None) -> Any:
    """What was frozen: (stack, extra), (function, args, kwargs), or the value.

    The namespace of the frozen `__main__` becomes that of `main`, if given: a runner makes such a
    module, puts it into `sys.modules["__main__"]` and hands it over, so that names resolve there
    and the next freeze finds it again.

    Runs code that the image names: only thaw what came in an authenticated parcel, of this Python
    version.  Raises `MigrationRefused`, naming the variable and what is missing.
    """
    if image.kind not in ("frames", "call"):
        return thaw_value(image.frames, main=main)
    reader = _Reader(image.frames, image.portable)
    with Room(), rebuild.assembling(main):
        value = reader.stack() if image.kind == "frames" else reader.call()
        reader.import_submodules()
        return value


def thaw_value(frames: Sequence[parcel.Buffer], *, main: ModuleType | None = None) -> Any:
    """The value in the frames of an image; see `thaw`."""
    stream, *buffers = frames
    with Room(), rebuild.assembling(main):
        if stream[-1:] == pickle.STOP:
            whole = b"".join((PRELUDE, stream))
            try:
                return pickle.loads(whole, buffers=known_to_all(buffers))
            except Exception as error:
                raise _refused(error, "value", None) from error
        reader = _Reader(frames)
        value = reader.load("value")
        reader.import_submodules()
        return value


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


class _Writer:
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

    def introduce(self, value: object) -> None:
        """Before anything else is written: what can be said of this value beforehand."""
        # the type, not the class it claims: that would ask what a weak proxy stands for
        frame = frame_of(cast(Generator, value)) if type(value) in GENERATORS else None
        if frame is not None:
            self._file.write(self._pickler.introduce(frame.f_globals))

    def dump(self, value: object, name: str, frame: FrameAddress | None = None) -> int:
        """Write `value`, which the program calls `name`; the bytes it took."""
        start, beside = self._file.tell(), len(self._buffers)
        self._pickler.last = value
        try:
            self._pickler.dump(value)
        except Exception as error:
            explained = _explained(error, value, self._pickler.last, name, frame)
            self._pickler.clear_memo()  # whoever keeps the error is not to keep all that it reached
            try:
                raise explained from error.with_traceback(None)
            finally:
                del explained  # or the error's traceback, this frame and the error are a cycle
        if self._pickler.weak is not None:
            self._pickler.weak.name((value, name, frame))
        size = self._file.tell() - start
        if len(self._buffers) > beside:
            size += sum(memoryview(buffer).nbytes for buffer in self._buffers[beside:])
        return size

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
            key: [self.variable(str(name), value, where[key]) for name, value in items.items()]
            for key, items in contents.items()
        }

    def variable(self, name: str, value: object, frame: FrameAddress) -> dict[str, Any]:
        """Write a variable; its description."""
        size = self.dump(value, name, frame)
        return {"name": name, "type": _content_type(value), "bytes": size}

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
        variables = [
            self.variable(name, value, where)
            for name, value in zip(own_names, held.variables, strict=True)
        ]
        stack = [self.variable("a temporary value", value, where) for value in held.stack]
        if held.handled:
            self.dump(held.handled, "exception being handled", where)
        own = names.pop(id(activation.globals), [])
        bound = [
            described
            for described, value in zip(variables, held.variables, strict=True)
            if value is not UNBOUND
        ]
        return {
            **_place(activation, where),
            "variables": own if namespace is activation.globals else bound,
            "globals": [] if namespace is activation.globals else own,
            "stack": [{"type": item["type"], "bytes": item["bytes"]} for item in stack],
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
        place = activation.offset, activation.resume.value, len(slots), len(stack)
        head = code, namespace, *place, *rest, bool(handled)
        return head, activation.slot_names, Held(slots, stack, handled)

    def image(self, kind: str, description: list[dict[str, Any]]) -> Image:
        """What was written."""
        return Image(kind, self.frames(), description, not self.is_pinned)

    def frames(self) -> list[parcel.Buffer]:
        """What was written, as bytes."""
        require_awaiters(self._pickler)
        if submodules := self._pickler.reachable_submodules():
            self.dump(submodules, "submodules")
            self._file.write(_MORE_THAN_A_VALUE)
        # Not getbuffer(): a view of it in a reference cycle crashes the collector of CPython 3.12.
        return [self._file.getvalue(), *self._buffers]


def _place(activation: Activation, where: FrameAddress) -> dict[str, Any]:
    return {
        "function": where.function,
        "file": where.file,
        "line": where.line,
        "offset": activation.offset,
        "resume": activation.resume.value,
    }


def _content_type(value: object) -> str:
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
    return NotMigratable(reason, frame=frame, variable=path, type=type_name(culprit))


class _Reader:
    """Reads one image."""

    def __init__(self, frames: Sequence[parcel.Buffer], portable: bool = False) -> None:
        stream, *buffers = frames
        self._portable = portable
        self._more = stream[-1:] == _MORE_THAN_A_VALUE
        self._unpickler = pickle.Unpickler(
            io.BytesIO(b"".join((PRELUDE, stream))), buffers=known_to_all(buffers)
        )

    def load(self, name: str, frame: FrameAddress | None = None) -> Any:
        """Read the next value, which the program calls `name`."""
        try:
            return self._unpickler.load()
        except Exception as error:
            raise _refused(error, name, frame) from error

    def import_submodules(self) -> None:
        """Import what was named at the end, if anything."""
        if self._more:
            rebuild.import_submodules(self.load("submodules"))

    def stack(self) -> tuple[list[Activation], dict[str, Any]]:
        """The activations, outermost first, and what was frozen beside them."""
        filling = []
        for _ in range(self.load("namespaces")):
            namespace = self.load("namespace")
            filling.append((namespace, self.load("namespace")))
        for namespace, names in filling:
            for name in names:
                namespace[name] = self.load(str(name))
        stack = [self._activation() for _ in range(self.load("frames"))]
        extra = self.load("extra")
        while (finalizer := self.load("finalizer")) is not None:
            restore_finalizer(*finalizer)
        return stack, extra

    def _activation(self) -> Activation:
        if self._portable:
            return self._portable_activation()
        code, namespace, offset, resume, slots, depth, generator, named, handles = self.load("code")
        local = self.load("namespace") if named else None
        made = Activation(code, namespace, offset, Resume(resume), [], [])
        names = (*made.slot_names, *["a temporary value"] * slots)[:slots]
        made.slots, made.stack, made.handled = self._held(names, depth, handles, made.address)
        made.namespace, made.generator = local, generator
        return made

    def _portable_activation(self) -> Activation:
        code, namespace, place, generator, named = self.load("code")
        local = self.load("namespace") if named else None
        outline = Outline(*place)
        where = FrameAddress(code.co_qualname, code.co_filename, code.co_firstlineno)
        held = self._held(outline.names, outline.depth, bool(outline.handled), where)
        try:
            return activation_of(code, namespace, outline, held, local=local, generator=generator)
        except NotMigratable as error:
            raise _refused(error, "the frame", where) from error

    def _held(self, names: Sequence[str], depth: int, handles: bool, where: FrameAddress) -> Held:
        """What a frame holds."""
        variables = [self.load(name, where) for name in names]
        stack = [self.load("a temporary value", where) for _ in range(depth)]
        handled = self.load("exception being handled", where) if handles else []
        return Held(variables, stack, handled)

    def call(self) -> tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]:
        """The function and its arguments."""
        count, keywords, *registered = self.load("arguments")
        for registration in registered:
            registry.learn(registration)
        function = self.load("function")
        args = tuple(self.load(f"args[{index}]") for index in range(count))
        return function, args, {name: self.load(name) for name in keywords}


def _refused(error: Exception, name: str, frame: FrameAddress | None) -> MigrationRefused:
    """Why what the program calls `name` cannot be rebuilt here."""
    reason = f"{name} cannot be rebuilt at the destination: {_missing(error)}"
    if isinstance(error, SourceChanged):
        return SourceChanged(reason, frame=frame, variable=name, **error.data)
    return MigrationRefused(reason, frame=frame, variable=name)


def _missing(error: Exception) -> str:
    """What the destination lacks, and what to do about it."""
    if isinstance(error, ModuleNotFoundError):
        name = error.name or str(error)
        return (
            f"the module {name!r} is not installed there; install it on the node, or call "
            f"cloudpickle.register_pickle_by_value({name}) before submitting"
        )
    if isinstance(error, AttributeError | ImportError):
        return (
            f"{error}; the module there differs from the one here: install the same version on the "
            "node, or register it with cloudpickle.register_pickle_by_value before submitting"
        )
    if isinstance(error, NotMigratable):
        return error.reason
    return f"{type(error).__name__}: {error}"
