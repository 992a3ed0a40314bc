"""The image of a task: its live stack, a call or a value, as bytes, and back.

All variables of all frames are pickled into one stream with one memo, so an object which two frames
share is one object at the destination as well.  Each variable is a pickle of its own in that
stream: so its size is known, and if it cannot travel, its name.
"""

from __future__ import annotations

import contextlib
import pickle
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any, TypeVar

from hetmig.errors import NotMigratable, UnsupportedFormat
from hetmig.interpreter.activation import Activation
from hetmig.state import parcel, rebuild, registry
from hetmig.state.manifest import is_portable, make_manifest
from hetmig.state.pickler import Namespaces
from hetmig.state.pins import require_unpinned
from hetmig.state.reading import Reader, refused
from hetmig.state.resources import type_name
from hetmig.state.room import Room, require_no_room
from hetmig.state.vocabulary import PRELUDE, known_to_all
from hetmig.state.writing import Writer

__all__ = [
    "Image",
    "freeze",
    "freeze_call",
    "freeze_for_any",
    "freeze_value",
    "require_portable",
    "thaw",
]

T = TypeVar("T")


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
    require_no_room()

    def write(writer: Writer) -> Image:
        require_unpinned()
        writer.introduce_constants()
        writer.runs(stack)
        names = writer.namespaces(stack)
        writer.dump(len(stack), "frames")
        description = [writer.activation(activation, names) for activation in stack]
        writer.dump(dict(extra or {}), "extra")
        writer.finalizers()
        return _image(writer, "frames", description)

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

    def write(writer: Writer) -> Image:
        registered = registry.of_program()
        writer.dump((len(args), list(keywords), *registered), "arguments")
        writer.dump(function, getattr(function, "__name__", type_name(function)))
        for index, value in enumerate(args):
            writer.dump(value, f"args[{index}]")
        for name, value in keywords.items():
            writer.dump(value, name)
        return _image(writer, "call", [])

    return _written("referenced", write, portable)


def freeze_value(
    value: object, *, name: str = "value", kind: str = "value", portable: bool = False
) -> Image:
    """The image of one value, such as a result or an exception.  Raises `NotMigratable`."""
    frames, is_portable = value_frames(value, name, portable=portable)
    return Image(kind, frames, portable=is_portable)


def freeze_for_any(freeze: Callable[..., Image]) -> Image:
    """What `freeze(portable=)` gives for whom it may come to, of whatever version of Python.

    What holds code is frozen again, portably, if it can be.  Raises `NotMigratable`.
    """
    pinned = freeze(portable=False)
    if not pinned.portable:
        with contextlib.suppress(NotMigratable):
            return freeze(portable=True)
    return pinned


def value_frames(
    value: object, name: str = "value", *, portable: bool = False
) -> tuple[list[parcel.Buffer], bool]:
    """The frames of the image of one value, and whether it is portable even if nobody asked for it.

    Raises `NotMigratable`.
    """

    def write(writer: Writer) -> tuple[list[parcel.Buffer], bool]:
        writer.dump(value, name)
        return writer.frames(), not writer.is_pinned

    return _written("referenced", write, portable)


def require_portable(value: object, name: str) -> None:
    """Raise `NotMigratable` for a value of a program that can't travel with it."""
    with Room():
        writer = Writer("referenced")
        writer.belongs_to_program()
        writer.dump(value, name)


def _written(namespaces: Namespaces, write: Callable[[Writer], T], portable: bool) -> T:
    """What `write` makes with a writer.

    It is called twice if there are weak references, or arrays that share memory.
    """
    with Room():
        first = Writer(namespaces, portable)
        written = write(first)
        if first.settled():
            return written
        second = Writer(namespaces, portable, first.held(), first.shared_memory())
        written = write(second)
        second.require_settled()
        return written


def _image(writer: Writer, kind: str, description: list[dict[str, Any]]) -> Image:
    return Image(kind, writer.frames(), description, not writer.is_pinned)


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
    reader = Reader(image.frames, image.portable)
    with Room(), rebuild.assembling(main):
        value = reader.stack() if image.kind == "frames" else reader.call()
        reader.imported()
        return value


def thaw_value(
    frames: Sequence[parcel.Buffer], *, main: ModuleType | None = None, keep: bool = False
) -> Any:
    """The value in the frames of an image; see `thaw`.

    With `keep`, `main` goes on with what it holds.
    """
    stream, *buffers = frames
    with Room(), rebuild.assembling(main, keep=keep):
        if stream[-1:] == pickle.STOP:
            whole = b"".join((PRELUDE, stream))
            try:
                return pickle.loads(whole, buffers=known_to_all(buffers))
            except Exception as error:
                raise refused(error, "value", None) from error
        reader = Reader(frames)
        value = reader.load("value")
        reader.imported()
        return value
