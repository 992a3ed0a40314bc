"""The program under torture: what is run, with fresh arguments and a fresh surrounding each time.

A task carries more than its variables: the data of its own modules, the state of `random` and the
like (see `hetmig.state.ambient` and `hetmig.state.modules`).  So does a program here, and each of
its runs begins with the same.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import cloudpickle

from hetmig.errors import FrameAddress, NotMigratable
from hetmig.interpreter.activation import Activation
from hetmig.interpreter.reentry import prepare
from hetmig.state import context_variables, image
from hetmig.state.ambient import Ambient, present, put_back
from hetmig.state.image import Image
from hetmig.state.modules import OwnModules, put_back_modules
from hetmig.state.parcel import Buffer
from hetmig.testing.drivers import driven
from hetmig.testing.stops import Stop

__all__ = ["Frozen", "Process", "Program", "Surroundings", "frozen", "name_of", "thaw"]

_CONSTANTS = (int, float, complex, bool, str, bytes, type(None))
_DATA = (*_CONSTANTS, list, dict, set, bytearray)


def name_of(function: Callable[..., object]) -> str:
    """What to call a program."""
    return str(getattr(function, "__qualname__", None) or repr(function))


class _Modules(OwnModules):
    """The data of some modules, whole: a run begins with all of it, not with what has changed."""

    def __init__(self, names: Iterable[str]) -> None:
        wanted = set(names)
        self._chosen = [pair for pair in super()._modules() if pair[0] in wanted]
        super().__init__()
        self._names = {name: set(vars(module)) for name, module in self._chosen}
        for name, variables in self._before.items():
            self._arrived[name] = {k for k, v in variables.items() if type(v) in _CONSTANTS}

    def _modules(self) -> Iterator[tuple[str, ModuleType]]:
        return iter(self._chosen)

    def restore(self) -> None:
        """Give the modules back the very objects they had."""
        for name, module in self._chosen:
            for key in vars(module).keys() - self._names[name]:
                delattr(module, key)
        put_back_modules(
            {
                name: {k: v for k, v in held.items() if "." not in k or type(v) in _DATA}
                for name, held in self._before.items()
            }
        )


class Process(Ambient):
    """The state of the process, which can be set back to what it was."""

    def __init__(self, arrived: Mapping[str, Any] | None = None) -> None:
        super().__init__(arrived)
        self._whole = present()

    def restore(self) -> None:
        """Leave no trace of a run in this process."""
        put_back(self._whole)


class Surroundings:
    """What a program has besides its variables: data of modules, and state of the process."""

    def __init__(self, modules: Iterable[str], arrived: Mapping[str, Any] | None = None) -> None:
        """`arrived` is the process's state which came along from the source."""
        self._modules = _Modules(modules)
        self._process = Process(arrived)

    def changed(self) -> dict[str, Any]:
        """What must travel beside the stack."""
        return {
            "context": context_variables.current(),
            "ambient": self._process.changed(),
            "modules": self._modules.changed(),
        }

    def restore(self) -> None:
        """Leave no trace of a run in this process."""
        self._modules.restore()
        self._process.restore()

    def freeze(
        self, stack: list[Activation], result: object, arguments: object, portable: bool = False
    ) -> Image:
        """An image of its own: the program, whose buffers `image.freeze` lends, goes on."""
        extra = {"result": result, "arguments": arguments, **self.changed()}
        return _own(image.freeze(stack, extra, portable=portable))


@dataclass(frozen=True)
class Frozen:
    """A program frozen at one of its safe points."""

    where: FrameAddress
    image: Image
    written: str
    """What it had written to standard output by then."""


class Program:
    """A callable, its arguments, and what surrounds it."""

    def __init__(
        self,
        function: Callable[..., object],
        args: Sequence[Any],
        kwargs: Mapping[str, Any] | None,
        modules: Iterable[ModuleType | str],
    ) -> None:
        """Raises NotMigratable for arguments which can't travel."""
        self.name = name_of(function)
        self.arguments: object = ()
        """Those of the latest run."""
        self._run = driven(function)
        given = tuple(args), dict(kwargs or {})
        self._given = _value(given, "the arguments") if args or kwargs else None
        module = getattr(function, "__module__", None) or ""
        self.surroundings = Surroundings([module, *map(_name, modules)])
        self._at_first = _value(self.surroundings.changed()["modules"], "the data of modules")

    def fresh(self) -> tuple[Callable[[], object], Callable[[], object]]:
        """What runs the program once more, from the same beginning, and tells its arguments."""
        self.restore()
        put_back_modules(image.thaw(self._at_first))
        if self._given is None:
            return self._run, tuple
        args, kwargs = held = self.arguments = image.thaw(self._given)
        # no function of ours: its frame would stand between the harness and the program
        return functools.partial(self._run, *args, **kwargs), lambda: held

    def restore(self) -> None:
        """Leave no trace of a run in this process."""
        self.surroundings.restore()

    def freeze(self, stop: Stop, *, portable: bool = False) -> Image:
        """An image of the program where it stands.  Raises NotMigratable."""
        return frozen(stop, self.arguments, self.surroundings, portable=portable)


def frozen(
    stop: Stop, arguments: object, surroundings: Surroundings, *, portable: bool = False
) -> Image:
    """An image of a program where it stands.  Raises NotMigratable."""
    try:
        return surroundings.freeze(*stop.capture(), arguments, portable)
    except RecursionError:
        raise NotMigratable("the state is nested too deeply", frame=stop.where) from None


def thaw(moved: Image) -> tuple[Callable[[], object], dict[str, Any]]:
    """Thaw as a process does that has never seen the program: what goes on, and what came along."""
    cloudpickle.cloudpickle._DYNAMIC_CLASS_TRACKER_BY_ID.clear()
    stack, extra = image.thaw(moved)
    put_back(extra["ambient"])
    put_back_modules(extra["modules"])
    return functools.partial(extra.pop("context").run, prepare(stack), extra.pop("result")), extra


def _value(value: object, name: str) -> Image:
    return _own(image.freeze_value(value, name=name))


def _own(lent: Image) -> Image:
    frames: list[Buffer] = [bytes(frame) for frame in lent.frames]
    return dataclasses.replace(lent, frames=frames)


def _name(module: ModuleType | str) -> str:
    return module if isinstance(module, str) else module.__name__
