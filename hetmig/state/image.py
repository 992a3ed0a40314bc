"""The image of a task: its live stack, a call or a value, as bytes, and back.

All variables of all frames are pickled into one stream with one memo, so an object which two frames
share is one object at the destination as well.  Each variable is a pickle of its own in that
stream: so its size is known, and if it cannot travel, its name.
"""

from __future__ import annotations

import gc
import io
import pickle
import sys
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from types import CellType, ModuleType
from typing import Any, TypeVar

from hetmig.errors import (
    FrameAddress,
    MigrationRefused,
    NotMigratable,
    SourceChanged,
    UnsupportedFormat,
)
from hetmig.interpreter.activation import UNBOUND, Activation
from hetmig.state import parcel, rebuild
from hetmig.state.generators import Running, require_awaiters
from hetmig.state.manifest import make_manifest
from hetmig.state.namespaces import is_module_namespace, portable_items
from hetmig.state.paths import find_path
from hetmig.state.pickler import OUT_OF_BAND, Namespaces, Pickler
from hetmig.state.resources import remedy, type_name
from hetmig.state.vocabulary import PRELUDE, known_to_all
from hetmig.state.weak import WEAKLY_HELD, WeakTargets, pending_finalizers, restore_finalizer

__all__ = ["Image", "freeze", "freeze_call", "freeze_value", "require_portable", "thaw"]

T = TypeVar("T")

_USUAL_REMEDY = "drop it before a move, or give its class a __reduce__ method"
# Nested calls the pickler may take, however deep the program stands: less than 1 MB of C stack.
_ROOM = 4000
_LOW = 1000  # as Python begins with
# Ends a stream that has submodules to import behind it; a value alone ends in pickle's own mark.
_MORE_THAN_A_VALUE = b"+"
_MOST_BUFFERS = 1000  # beside the stream; parcels and messages are capped in their frames
_one_limit = threading.RLock()  # the limit is one for all threads, so they take turns


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

    @property
    def nbytes(self) -> int:
        """Bytes of all frames."""
        return sum(memoryview(frame).nbytes for frame in self.frames)

    def manifest(self, task: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """The manifest for a parcel with this image."""
        return make_manifest(self.kind, self.description, len(self.frames), task)

    @classmethod
    def of_parcel(cls, opened: parcel.Parcel) -> Image:
        """The image in an opened parcel.  Call `manifest.check_python` before."""
        kind = opened.manifest.get("kind")
        if not isinstance(kind, str) or not opened.frames:
            raise UnsupportedFormat("the parcel holds no image")
        return cls(kind, list(opened.frames), list(opened.manifest.get("frames", [])))


def freeze(stack: Sequence[Activation], extra: Mapping[str, Any] | None = None) -> Image:
    """The image of a live stack, outermost frame first, and of what `extra` names.

    The stack and all it reaches stay as they are.  Raises `NotMigratable`, naming the variable.
    """

    def write(writer: _Writer) -> Image:
        writer.runs(stack)
        names = writer.namespaces(stack)
        writer.dump(len(stack), "frames")
        description = [writer.activation(activation, names) for activation in stack]
        writer.dump(dict(extra or {}), "extra")
        writer.finalizers()
        return writer.image("frames", description)

    return _written("whole", write)


def freeze_call(
    function: Callable[..., Any], args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
) -> Image:
    """The image of a call that is still to be made.

    Functions of `__main__` travel by value with the globals they refer to.
    Raises `NotMigratable`, naming the argument.
    """
    keywords = dict(kwargs or {})

    def write(writer: _Writer) -> Image:
        writer.dump((len(args), list(keywords)), "arguments")
        writer.dump(function, getattr(function, "__name__", type_name(function)))
        for index, value in enumerate(args):
            writer.dump(value, f"args[{index}]")
        for name, value in keywords.items():
            writer.dump(value, name)
        return writer.image("call", [])

    return _written("referenced", write)


def freeze_value(value: object, *, name: str = "value", kind: str = "value") -> Image:
    """The image of one value, such as a result or an exception.  Raises `NotMigratable`."""
    return Image(kind, value_frames(value, name))


def value_frames(value: object, name: str = "value") -> list[parcel.Buffer]:
    """The frames of the image of one value.  Raises `NotMigratable`."""

    def write(writer: _Writer) -> list[parcel.Buffer]:
        writer.dump(value, name)
        return writer.frames()

    return _written("referenced", write)


def require_portable(value: object, name: str) -> None:
    """Raise `NotMigratable` for a value of a program that can't travel with it."""
    with _Room():
        writer = _Writer("referenced")
        writer.belongs_to_program()
        writer.dump(value, name)


def _written(namespaces: Namespaces, write: Callable[[_Writer], T]) -> T:
    """What `write` makes with a writer; it is called twice if there are weak references."""
    with _Room():
        first = _Writer(namespaces)
        written = write(first)
        if first.settled():
            return written
        second = _Writer(namespaces, first.held())
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
    reader = _Reader(image.frames)
    with _Room(), rebuild.assembling(main):
        value = reader.stack() if image.kind == "frames" else reader.call()
        reader.import_submodules()
        return value


def thaw_value(frames: Sequence[parcel.Buffer], *, main: ModuleType | None = None) -> Any:
    """The value in the frames of an image; see `thaw`."""
    stream, *buffers = frames
    with _Room(), rebuild.assembling(main):
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


class _Room:
    """Lets the pickler nest, however deep the program stands and whatever limit it has set.

    A higher limit of the program's own would let a deeply nested list overflow the C stack.
    """

    def __enter__(self) -> None:
        _one_limit.acquire()
        before = self._before = sys.getrecursionlimit()
        # nobody stands deeper than the limit allows: as long as it is low, that says enough
        sys.setrecursionlimit((before if before <= _LOW else _depth()) + _ROOM)

    def __exit__(self, *exception: object) -> None:
        sys.setrecursionlimit(self._before)
        _one_limit.release()


def _depth() -> int:
    """How deep this thread stands, or some more.  To walk the frames would make them all."""
    low, high = 0, 256
    while _stands(high):
        low, high = high, 2 * high
    while high - low > 256:
        middle = (low + high) // 2
        low, high = (middle, high) if _stands(middle) else (low, middle)
    return high


def _stands(depth: int) -> bool:
    try:
        sys._getframe(depth)
    except ValueError:
        return False
    return True


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

    def __init__(self, namespaces: Namespaces, strong: Collection[int] | None = None) -> None:
        """`strong`: the identities of the objects that an earlier writing has met."""
        self._file = io.BytesIO()
        self._buffers: list[parcel.Buffer] = []
        self._pickler = Pickler(
            self._file, namespaces=namespaces, buffer_callback=_keeper(self._buffers)
        )
        if strong is not None:
            self._pickler.weak = WeakTargets(strong)

    def dump(self, value: object, name: str, frame: FrameAddress | None = None) -> int:
        """Write `value`, which the program calls `name`; the bytes it took."""
        file, buffers, pickler = self._file, self._buffers, self._pickler
        start, beside = file.tell(), len(buffers)
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
        size = file.tell() - start
        if len(buffers) > beside:
            size += sum(memoryview(buffer).nbytes for buffer in buffers[beside:])
        return size

    def settled(self) -> bool:
        """Whether no weak reference was left without what it leads to."""
        return self._pickler.weak is None or not self._pickler.weak.met

    def held(self) -> Collection[int]:
        """The identities of all objects written, for the second writing.  Keep this writer alive.

        Raises NotMigratable if a weak reference leads elsewhere.
        """
        strong: Collection[int] = self._pickler.memo.copy()
        assert self._pickler.weak is not None
        self._pickler.weak.forget(strong)
        if not self.settled():
            gc.collect()  # what nothing holds may only not have been collected yet
            self._pickler.weak.forget(strong)
        self.require_settled()
        return strong

    def require_settled(self) -> None:
        """Raise NotMigratable for an object that only a weak reference leads to."""
        if not self.settled():
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
        resume = activation.resume.value
        head = (
            self._pickler.home(activation.code, activation.globals),
            activation.globals,
            activation.offset,
            resume,
            len(activation.slots),
            len(activation.stack),
            activation.generator,
            namespace is not None,
            bool(activation.handled),
        )
        self.dump(head, "code", where)
        if namespace is not None:
            self.dump(namespace, "namespace", where)
        bound = []
        for variable, value in zip(activation.slot_names, activation.slots, strict=True):
            size = self.dump(value, variable, where)
            if value is not UNBOUND:
                bound.append({"name": variable, "type": _content_type(value), "bytes": size})
        stack = [
            {
                "type": _content_type(value),
                "bytes": self.dump(value, "a temporary value", where),
            }
            for value in activation.stack
        ]
        if activation.handled:
            self.dump(activation.handled, "exception being handled", where)
        own = names.pop(id(activation.globals), [])
        return {
            "function": where.function,
            "file": where.file,
            "line": where.line,
            "offset": activation.offset,
            "resume": resume,
            "variables": own if namespace is activation.globals else bound,
            "globals": [] if namespace is activation.globals else own,
            "stack": stack,
        }

    def image(self, kind: str, description: list[dict[str, Any]]) -> Image:
        """What was written."""
        return Image(kind, self.frames(), description)

    def frames(self) -> list[parcel.Buffer]:
        """What was written, as bytes."""
        require_awaiters(self._pickler)
        if submodules := self._pickler.reachable_submodules():
            self.dump(submodules, "submodules")
            self._file.write(_MORE_THAN_A_VALUE)
        # Not getbuffer(): a view of it in a reference cycle crashes the collector of CPython 3.12.
        return [self._file.getvalue(), *self._buffers]


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

    def __init__(self, frames: Sequence[parcel.Buffer]) -> None:
        stream, *buffers = frames
        self._more = stream[-1:] == _MORE_THAN_A_VALUE
        self._unpickler = pickle.Unpickler(
            io.BytesIO(b"".join((PRELUDE, stream))), buffers=known_to_all(buffers)
        )

    def load(self, name: str, frame: Activation | None = None) -> Any:
        """Read the next value, which the program calls `name`."""
        try:
            return self._unpickler.load()
        except Exception as error:
            raise _refused(error, name, frame.address if frame else None) from error

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
        code, namespace, offset, resume, slots, depth, generator, named, handles = self.load("code")
        activation = Activation(
            code=code,
            globals=namespace,
            namespace=self.load("namespace") if named else None,
            offset=offset,
            resume=rebuild.RESUMES[resume],
            slots=[],
            stack=[],
            generator=generator,
        )
        names = activation.slot_names
        if len(names) != slots:
            names = (*names, *["a temporary value"] * slots)[:slots]
        activation.slots = [self.load(name, activation) for name in names]
        activation.stack = [self.load("a temporary value", activation) for _ in range(depth)]
        if handles:
            activation.handled = self.load("exception being handled", activation)
        return activation

    def call(self) -> tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]:
        """The function and its arguments."""
        count, keywords = self.load("arguments")
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
