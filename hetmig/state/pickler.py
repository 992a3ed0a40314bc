"""The pickler behind every parcel.

Plain data is pickle's, classes are cloudpickle's.  This pickler differs where a *running* program
needs more than a submitted one: cells and namespaces keep their identity, whole modules can be the
state of a task, exceptions keep their causes, iterators their place, and what would silently arrive
as something else is refused by name.
"""

from __future__ import annotations

import copyreg
import functools
import io
import pickle
from collections.abc import Callable
from types import CodeType, TracebackType
from typing import Any, Generic, Literal, TypeVar

import cloudpickle

from hetmig.state import constants, package_classes, registry
from hetmig.state.code import attribute_names, submodules
from hetmig.state.generators import Running
from hetmig.state.namespaces import NamespaceOf, imported_as
from hetmig.state.native.tensors import Memory
from hetmig.state.reducers import USUAL, Reducers
from hetmig.state.references import Reference, reference
from hetmig.state.tracebacks import Passed
from hetmig.state.vocabulary import MEMO
from hetmig.state.weak import WeakTargets

__all__ = ["OUT_OF_BAND", "Namespaces", "Pickler"]

T = TypeVar("T")

Namespaces = Literal["whole", "referenced"]

OUT_OF_BAND = 1 << 16
"""Buffers of this many bytes or more travel beside the pickle, uncopied."""


class _Tables:
    """The tables of cloudpickle and `copyreg` as one, made anew only when a program adds to it."""

    def __init__(self) -> None:
        self._copyreg: dict[type, Any] = {}
        self._flat: dict[type, Any] = dict(cloudpickle.Pickler.dispatch_table)

    def flat(self) -> dict[type, Any]:
        """Both of them, as they are now."""
        if self._copyreg != copyreg.dispatch_table:
            self._copyreg = dict(copyreg.dispatch_table)
            self._flat = {**cloudpickle.Pickler.dispatch_table, **self._copyreg}
        return self._flat


_tables = _Tables()


class _AtFirstUse(Generic[T]):
    """An attribute that is made when somebody asks for it: most dumps need few of them."""

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, instance: Any, owner: type) -> T:
        made: T = self._make()
        instance.__dict__[self._name] = made
        return made


_BEGUN = pickle.Pickler(io.BytesIO())
_BEGUN.memo = MEMO
_AT_THE_BEGINNING = _BEGUN.memo
"""What all picklers know; quicker to take over than a dict."""


class Pickler(pickle.Pickler):
    """Pickles the state of a task.  Several `dump` calls share one memo, hence identities.

    With `namespaces="whole"`, a namespace that is no importable module's is state of the task and
    travels complete; with "referenced", only what the shipped functions refer to does.
    Raises `NotMigratable` for what must stay, and whatever the reducers of others raise.
    """

    memo: Any
    weak: WeakTargets | None = None
    """What is known of the objects that weak references lead to, if one was met."""

    of_program: bool
    """Whether this is part of a program that is frozen, with its event loop if it has one."""

    running: Running | None = None
    """The generators among the frames of the stack that is frozen."""

    def __init__(
        self,
        file: Any,
        *,
        namespaces: Namespaces = "referenced",
        portable: bool = False,
        buffer_callback: Callable[[pickle.PickleBuffer], Any] | None = None,
    ) -> None:
        super().__init__(file, 5, True, buffer_callback)  # named arguments take longer
        # flat: a lookup in cloudpickle's ChainMap costs a microsecond per object
        self.dispatch_table = _tables.flat()
        self.memo = _AT_THE_BEGINNING
        self.namespaces = namespaces
        self.of_program = namespaces == "whole"
        self.portable = portable
        """Whether every version of Python is to read it: no bytecode then."""
        self.pinned = False
        """Whether something was pickled that only this minor version of Python can read."""
        self.last: object = None
        """The object reduced last; if a dump fails, it is the one that could not be."""
        self.awaiting: dict[int, Any] = {}
        """Async generators in an `await`, by identity; None when what awaits them was met."""
        self._packages: set[str] = set()
        self._codes: list[CodeType] = []
        self._imported: dict[int, str | None] = {}

    _for_classes = _AtFirstUse[Any](lambda: cloudpickle.Pickler(io.BytesIO()))
    _standins = _AtFirstUse[dict[int, NamespaceOf]](dict)
    _known = _AtFirstUse[dict[int, dict[str, Any]]](dict)
    _sent = _AtFirstUse[dict[int, set[str]]](dict)
    _passed = _AtFirstUse[dict[int, Passed]](dict)
    _homes = _AtFirstUse[dict[int, tuple[CodeType, str | None, dict[str, Any]]]](dict)

    @functools.cached_property
    def _reducers(self) -> Reducers:
        return Reducers(of_program=self.of_program, portable=self.portable)

    @functools.cached_property
    def memory(self) -> Memory:
        """Whose memory the arrays show which were met."""
        return Memory()

    def reducer_override(self, obj: Any) -> Any:
        """Reduce what is not plain data; called by the C pickler."""
        self.last = obj
        kind = type(obj)
        reducer = USUAL.get(kind) or self._reducers[kind]
        return NotImplemented if reducer is None else reducer(self, obj)

    def reduce_class(self, cls: type) -> Any:
        """Let cloudpickle reduce a class."""
        return self._for_classes.reducer_override(cls)

    def namespace(self, namespace: dict[str, Any], *, empty: bool = False) -> object:
        """What to pickle so that it becomes this namespace; the same dict each time.

        `empty`: before anything else of a program, and its items are left to whoever dumps it.
        """
        key = id(namespace)
        if key in self._known:
            return namespace
        if key not in self._standins:
            known = MEMO if empty else self.memo.copy()
            if key in known:  # it is being pickled as the plain dict it also is
                self._known[key] = namespace
                return namespace
            self._standins[key] = NamespaceOf(namespace, empty=empty)
        return self._standins[key]

    def adopt(self, standin: NamespaceOf) -> None:
        """From now on the namespace is found in the memo where its stand-in was put."""
        memo = self.memo.copy()
        index, _ = memo.pop(id(standin))
        memo[id(standin.namespace)] = (index, standin.namespace)
        self.memo = memo
        self._known[id(standin.namespace)] = standin.namespace

    def first_sent(self, namespace: dict[str, Any], names: list[str]) -> list[str]:
        """Those of these names of a namespace which were not sent before; they are from now on."""
        sent = self._sent.setdefault(id(namespace), set())
        fresh = [name for name in names if name not in sent]
        sent.update(fresh)
        return fresh

    def passed(self, traceback: TracebackType | None) -> Passed | None:
        """What to pickle for the traceback of an exception; the same object each time."""
        if traceback is None:
            return None
        return self._passed.setdefault(id(traceback), Passed(traceback))

    def home(self, code: CodeType, namespace: dict[str, Any]) -> CodeType:
        """Note that code runs in this namespace, whose module may be its source; return the code.

        Without it code travels as bytes.
        """
        if id(code) not in self._homes:
            self._homes[id(code)] = code, self.imported_as(namespace), namespace
        return code

    def imported_as(self, namespace: dict[str, Any]) -> str | None:
        """The same as `namespaces.imported_as`, asked once."""
        key = id(namespace)
        if key not in self._imported:
            self._imported[key] = imported_as(namespace)
        return self._imported[key]

    def reference(self, code: CodeType, namespace: dict[str, Any]) -> Reference | None:
        """How the destination finds code of a module in its own modules, if it should."""
        name = self.imported_as(namespace)
        if name is None:
            return None
        self.note_code(code)
        self.pinned = True  # a fingerprint of bytecode
        return reference(code, name)

    def introduce_constants(self) -> bytes:
        """Before the first dump: know the constants that are compared by identity.

        What is to be written.
        """
        known, written = constants.introduce(len(MEMO))
        self.memo = {**MEMO, **known}
        return written

    def place(self, code: CodeType) -> Reference | None:
        """How the destination finds code in its own modules, if it should."""
        name, _ = self.home_of(code)
        return None if name is None else reference(code, name)

    def home_of(self, code: CodeType) -> tuple[str | None, dict[str, Any]]:
        """What `home` noted: the module that may be its source, and the namespace it runs in."""
        _, name, namespace = self._homes.get(id(code), (code, None, {}))
        return name, namespace

    def note_code(self, code: CodeType) -> None:
        """Remember code that travels."""
        self._codes.append(code)

    def note_package(self, name: str) -> None:
        """Remember a package that travels by reference."""
        self._packages.add(name)

    def classes_of_instances(self) -> list[tuple[Any, ...]]:
        """What is told of the importable classes of all instances that were dumped so far."""
        reducers = self.__dict__.get("_reducers")
        if reducers is None or not reducers.decided:
            return []
        others = self.dispatch_table, registry.registrations()
        found = (cls for cls in reducers.decided if not any(cls in each for each in others))
        return package_classes.described(found)

    def reachable_submodules(self) -> list[str]:
        """The submodules to import at the destination, for all that was dumped so far."""
        if not self._packages:
            return []
        return submodules(self._packages, set().union(*map(attribute_names, self._codes)))
