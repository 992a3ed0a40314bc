"""Reads an image, and says which variable cannot be rebuilt here, and why."""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable, Sequence
from typing import Any

from hetmig.errors import FrameAddress, MigrationRefused, NotMigratable, SourceChanged
from hetmig.interpreter.activation import Activation
from hetmig.state import package_classes, parcel, rebuild, registry
from hetmig.state.portable_frames import Held, Outline, activation_of
from hetmig.state.vocabulary import MORE_THAN_A_VALUE, PRELUDE, known_to_all
from hetmig.state.weak import restore_finalizer

__all__ = ["Reader", "refused"]


class Reader:
    """Reads one image."""

    def __init__(self, frames: Sequence[parcel.Buffer], portable: bool = False) -> None:
        stream, *buffers = frames
        self._portable = portable
        self._more = stream[-1:] == MORE_THAN_A_VALUE
        self._unpickler = pickle.Unpickler(
            io.BytesIO(b"".join((PRELUDE, stream))), buffers=known_to_all(buffers)
        )

    def load(self, name: str) -> Any:
        """Read the next value, which the program calls `name`."""
        try:
            return self._unpickler.load()
        except Exception as error:
            raise refused(error, name, None) from error

    def load_each(self, names: Sequence[str], where: Callable[[], FrameAddress]) -> list[Any]:
        """Read as many values as there are names, which the program calls them by.

        `where` says which frame holds them, if anybody asks: to find its line takes a while.
        """
        found: list[Any] = []
        load = self._unpickler.load
        try:
            for _ in names:
                found.append(load())
        except Exception as error:
            raise refused(error, names[len(found)], where()) from error
        return found

    def imported(self) -> None:
        """Import what was named at the end, and compare the classes that were described there."""
        if not self._more:
            return
        told = self.load("what is imported")
        rebuild.import_submodules([name for name in told if isinstance(name, str)])
        try:
            package_classes.require([each for each in told if not isinstance(each, str)])
        except NotMigratable as error:
            raise refused(error, "an object", None) from error

    def stack(self) -> tuple[list[Activation], dict[str, Any]]:
        """The activations, outermost first, and what was frozen beside them."""
        filling = []
        for _ in range(self.load("namespaces")):
            namespace = self.load("namespace")
            filling.append((namespace, self.load("namespace")))
        for namespace, names in filling:
            self._fill(namespace, names)
        stack = [self._activation() for _ in range(self.load("frames"))]
        extra = self.load("extra")
        while (finalizer := self.load("finalizer")) is not None:
            restore_finalizer(*finalizer)
        return stack, extra

    def _fill(self, namespace: dict[str, Any], names: Sequence[str]) -> None:
        load, name = self._unpickler.load, ""
        try:
            for name in names:  # one by one: what is read next may look at those before
                namespace[name] = load()
        except Exception as error:
            raise refused(error, str(name), None) from error

    def _activation(self) -> Activation:
        if self._portable:
            return self._portable_activation()
        code, namespace, offset, resume, slots, depth, generator, named, handles = self.load("code")
        local = self.load("namespace") if named else None
        made = Activation(code, namespace, offset, rebuild.RESUMES[resume], [], [])
        names = made.slot_names
        if len(names) != slots:
            names = (*names, *["a temporary value"] * slots)[:slots]
        held = self._held(names, depth, handles, lambda: made.address)
        made.slots, made.stack, made.handled = held
        made.namespace, made.generator = local, generator
        return made

    def _portable_activation(self) -> Activation:
        code, namespace, place, generator, named = self.load("code")
        local = self.load("namespace") if named else None
        outline = Outline(*place)
        where = FrameAddress(code.co_qualname, code.co_filename, code.co_firstlineno)
        held = self._held(outline.names, outline.depth, bool(outline.handled), lambda: where)
        try:
            return activation_of(code, namespace, outline, held, local=local, generator=generator)
        except NotMigratable as error:
            raise refused(error, "the frame", where) from error

    def _held(
        self, names: Sequence[str], depth: int, handles: bool, where: Callable[[], FrameAddress]
    ) -> Held:
        """What a frame holds."""
        variables = self.load_each(names, where)
        stack = self.load_each(["a temporary value"] * depth, where) if depth else []
        handled = self.load_each(["exception being handled"], where)[0] if handles else []
        return Held(variables, stack, handled)

    def call(self) -> tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]:
        """The function and its arguments."""
        count, keywords, *registered = self.load("arguments")
        for registration in registered:
            registry.learn(registration)
        function = self.load("function")
        args = tuple(self.load(f"args[{index}]") for index in range(count))
        return function, args, {name: self.load(name) for name in keywords}


def refused(error: Exception, name: str, frame: FrameAddress | None) -> MigrationRefused:
    """Why what the program calls `name` cannot be rebuilt here."""
    reason = f"{name} cannot be rebuilt at the destination: {_missing(error)}"
    if isinstance(error, SourceChanged):
        return SourceChanged(reason, frame=frame, variable=name, **error.data)
    data = error.data if isinstance(error, NotMigratable) else {}
    return MigrationRefused(reason, frame=frame, variable=name, **data)


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
