"""What a frozen state calls while it is thawed.

Every name here stands in parcels and checkpoints: to rename one is to break the old ones.  The
functions work inside an `Assembly`, which knows what one thaw shares: the module that becomes
`__main__`, and the modules whose namespaces arrive by value.
"""

from __future__ import annotations

import collections
import contextlib
import contextvars
import functools
import importlib
import marshal
import sys
import threading
import weakref
from collections.abc import Callable, Mapping
from types import (
    AsyncGeneratorType,
    BuiltinFunctionType,
    CellType,
    ClassMethodDescriptorType,
    CodeType,
    CoroutineType,
    FunctionType,
    ModuleType,
    TracebackType,
)
from typing import Any, NamedTuple

from hetmig.errors import NotMigratable
from hetmig.interpreter import awaitables, revival
from hetmig.interpreter.activation import (
    NULL,
    UNBOUND,
    Activation,
    Generator,
    Resume,
    slot_names,
)
from hetmig.state import references, tracebacks
from hetmig.state.classes import make_class
from hetmig.state.tracebacks import Place

__all__ = ["Assembly", "assembling", "known_classes"]

_HEAP_TYPE = 1 << 9  # Py_TPFLAGS_HEAPTYPE: made by a class statement, not by C

_CONTAINERS = (list, dict, collections.OrderedDict, collections.defaultdict)

known_classes: weakref.WeakSet[type] = weakref.WeakSet()
"""Classes which are complete in this process; a copy that comes home does not overwrite them."""

_codes: weakref.WeakValueDictionary[bytes, CodeType] = weakref.WeakValueDictionary()


class Assembly:
    """What the objects of one thaw share."""

    def __init__(self, main: ModuleType | None, *, keep: bool = False) -> None:
        self.main = main
        self.keep = keep
        self.modules: dict[int, ModuleType] = {}
        self.hollow: dict[int, Hollow] = {}
        self.at_end: list[Callable[[], object]] = []
        self.looped: set[int] = set()
        self.outlines: dict[int, Any] = {}
        self.hollow_classes: set[type] = set()
        self.unfinished_classes: dict[type, Any] = {}
        self.texts: dict[int, Any] = {}
        self.first_tokens: dict[tuple[int, int], contextvars.Token[Any]] = {}


class _Current(threading.local):
    within: assembling | None = None


_current = _Current()


class assembling:
    """Thaw within this block; the namespace of the frozen `__main__` becomes that of `main`.

    With `keep`, what is in that namespace stays, but for what arrives under the same name.
    """

    def __init__(self, main: ModuleType | None, *, keep: bool = False) -> None:
        self._main = main
        self._keep = keep
        self._assembly: Assembly | None = None  # most need none

    def __enter__(self) -> None:
        self._before, _current.within = _current.within, self

    def __exit__(self, *exception: object) -> None:
        try:
            if self._assembly is not None and exception[0] is None:
                for action in self._assembly.at_end:
                    action()
        finally:
            _current.within = self._before

    @property
    def assembly(self) -> Assembly:
        """What the objects that are thawed in this block share."""
        if self._assembly is None:
            self._assembly = Assembly(self._main, keep=self._keep)
        return self._assembly


def _assembly() -> Assembly:
    if _current.within is None:
        raise RuntimeError("frozen state is thawed by hetmig.loads, not by pickle.loads")
    return _current.within.assembly


def first_tokens() -> dict[tuple[int, int], contextvars.Token[Any]]:
    """(id of context, id of variable) -> the token of the first value that was put back there."""
    return _assembly().first_tokens


def outlines() -> dict[int, Any]:
    """By the identity of a hollow portable generator, its outline and form."""
    return _assembly().outlines


def texts() -> dict[int, Any]:
    """By the identity of code of the library: what it was compiled from where it comes from.

    Only where that is another text than here.
    """
    return _assembly().texts


def hollow_classes() -> set[type]:
    """Portable classes of this state that lack their members, or what a library has to add."""
    return _assembly().hollow_classes


def unfinished_classes() -> dict[type, Any]:
    """Those of them that have their members, and what the library has to do."""
    return _assembly().unfinished_classes


def at_end(action: Callable[[], object]) -> None:
    """Have `action` called when all of this state is thawed."""
    _assembly().at_end.append(action)


# -- modules and namespaces


def module(name: str) -> ModuleType:
    """The module of that name, imported if need be."""
    found = sys.modules.get(name)
    spec = getattr(found, "__spec__", None)
    if found is None or getattr(spec, "_initializing", False):  # perhaps by another thread
        importlib.import_module(name)
        found = sys.modules[name]
    return found


def module_namespace(name: str) -> dict[str, Any]:
    """The namespace of the module of that name: the very dict, not a copy."""
    return vars(module(name))


def new_namespace(name: str, is_main: bool) -> dict[str, Any]:
    """An empty namespace for the state of a module that travels by value."""
    assembly = _assembly()
    main = assembly.main
    if is_main and main is not None:
        target, assembly.main = main, None
    else:
        target = ModuleType(name)
    namespace = vars(target)
    if target is not main or not assembly.keep:
        namespace.clear()
    assembly.modules[id(namespace)] = target
    return namespace


def module_of(namespace: dict[str, Any]) -> ModuleType:
    """The module to a namespace that travelled by value."""
    found = _assembly().modules.get(id(namespace))
    if found is None:
        raise NotMigratable("a module's namespace is held as a plain dict beside the module")
    return found


def fill_module(module: ModuleType, items: dict[str, Any]) -> None:
    """Give a module the rest of its namespace."""
    vars(module).update(items)


def import_submodules(names: list[str]) -> None:
    """Import what code reaches as an attribute of its package, as far as it exists here."""
    for name in names:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)


# -- code, functions, cells, classes


def code(data: bytes) -> CodeType:
    """A code object of this very Python version; the same each time, so its re-entries are too."""
    known = _codes.get(data)
    if known is None:
        known = _codes[data] = marshal.loads(data)
    return known


def referenced_code(module_name: str, path: str, digest: bytes) -> CodeType:
    """The code at that place in a module here, which must be the one that the source meant."""
    return references.resolve(module(module_name), path, digest)


def new_cell() -> CellType:
    """An empty cell; `fill_cell` may follow."""
    return CellType()


def fill_cell(cell: CellType, content: tuple[object]) -> None:
    """Give a cell its content."""
    (cell.cell_contents,) = content


def new_function(
    code: CodeType, namespace: dict[str, Any], closure: tuple[CellType, ...] | None
) -> FunctionType:
    """A function which still lacks its attributes."""
    return FunctionType(code, namespace, closure=closure)


def fill_function(function: FunctionType, state: dict[str, Any]) -> None:
    """Give a function its attributes, and its namespace what it refers to there."""
    function.__globals__.update(state.pop("globals", {}))
    function.__dict__.update(state.pop("__dict__", {}))
    for name, value in state.items():
        setattr(function, name, value)


def new_class(constructor: Callable[..., type], *args: Any) -> type:
    """A class which still lacks its members, or the one of this process if it comes home."""
    return make_class(constructor, *args)


def fill_class(cls: type, filling: tuple[Callable[[type, Any], Any], Any]) -> None:
    """Give a new class its members."""
    setter, state = filling
    if cls not in known_classes:
        setter(cls, state)
        known_classes.add(cls)


def lru_cache(function: Callable[..., Any], maxsize: int | None, typed: bool) -> Any:
    """An `lru_cache` around a function.  It starts empty."""
    return functools.lru_cache(maxsize, typed)(function)


def cached_property(function: Callable[[Any], Any]) -> Any:
    """A `cached_property`; its name follows as state."""
    return functools.cached_property(function)


# -- generators


RESUMES = {how.value: how for how in Resume}
"""The members of `Resume` by their values; to call `Resume` takes longer."""


class Hollow(NamedTuple):
    """A generator that holds nothing yet, and the form of what it will hold."""

    generator: Generator
    activation: Activation
    bound: int
    nulls: int


def generator(
    code: CodeType,
    namespace: dict[str, Any],
    offset: int,
    resume: str,
    bound: int,
    nulls: int,
    inner: bool,
    raised: tuple[int, ...],
    *names: str,
) -> Generator:
    """A generator that holds nothing yet; see `revival.new_generator`."""
    made = revival.new_generator(code, namespace, offset, resume, bound, nulls, inner, raised)
    how = RESUMES[resume]
    if how in (Resume.CREATED, Resume.YIELDED):
        form = Activation(code, namespace, offset, how, [], [])
        _assembly().hollow[id(made)] = Hollow(made, form, bound, nulls)
    elif not isinstance(made, AsyncGeneratorType):  # those are begun by what awaits them
        revival.prime(made)
    return _named(made, names)


def referenced_generator(module_name: str, path: str, digest: bytes, *rest: Any) -> Generator:
    """The same as `generator`, of code in a module here; see `referenced_code`."""
    found = module(module_name)
    return generator(references.resolve(found, path, digest), vars(found), *rest)


def standing_generator(
    module_name: str, path: str, digest: bytes, offset: int, bound: int, nulls: int, *names: str
) -> Generator:
    """One which will stand at a `yield`, and handles no exception."""
    found = module(module_name)
    code = references.resolve(found, path, digest)
    made = revival.new_generator(code, vars(found), offset, "yielded", bound, nulls, False, ())
    return _named(made, names) if names else made


def fill_standing(made: Any, held: tuple[object, ...]) -> None:
    """Give such a generator what it is to hold, and let it stand."""
    revival.stand(made, held)


def looped_generator(*outline: Any) -> Generator:
    """An async generator that its event loop closes if it is dropped before its end."""
    made = generator(*outline)
    _assembly().looped.add(id(made))
    return made


def _begins(made: object) -> contextlib.AbstractContextManager[None]:
    """In this block an async generator may begin: it belongs to its event loop, or to none."""
    if id(made) not in _assembly().looped:
        return awaitables.belonging_to()
    from hetmig.state import event_loop  # imports asyncio

    return awaitables.belonging_to(event_loop.finalize)


def fill_generator(made: Generator, held: tuple[Any, ...]) -> None:
    """Give a generator what it is to hold, and let it stand where the original stood.

    `held`: what its slots hold and its stack, without the empty places, the exceptions being
    handled, and what its code refers to in its namespace, if that travels by value.
    """
    form, bound, nulls = form_of(made)
    slots, stack, form.handled, *names = held
    form.globals.update(*names)
    taken, rest = iter(slots), iter(stack)
    places = len(slot_names(form.code))
    form.slots = [next(taken) if bound >> i & 1 else UNBOUND for i in range(places)]
    depth = nulls.bit_length() - 1
    form.stack = [NULL if nulls >> i & 1 else next(rest) for i in range(depth)]
    complete_generator(made, form)


def form_of(made: Generator) -> tuple[Activation, int, int]:
    """The form of a hollow generator, once: what it is still to be given."""
    return _assembly().hollow.pop(id(made))[1:]


def complete_generator(made: Generator, form: Activation) -> None:
    """Give a generator all that it is to hold."""
    revival.fill(made, form)
    if form.resume is Resume.CREATED:
        return
    if not isinstance(made, AsyncGeneratorType):
        revival.prime(made)
    elif revival.stands_at_value(form):
        with _begins(made):
            revival.prime(made)


def closed_generator(code: CodeType, *names: str) -> Generator:
    """A generator that has come to its end."""
    with awaitables.belonging_to():
        return _named(revival.closed_generator(code, {}), names)


def _named(made: Generator, names: tuple[str, ...]) -> Generator:
    if names:
        made.__name__, made.__qualname__ = names
    return made


def coroutine_wrapper(coroutine: CoroutineType[Any, Any, Any]) -> Any:
    """What `await` makes of a coroutine where it is asked for an iterator."""
    return coroutine.__await__()


def async_step(generator: AsyncGeneratorType[Any, Any], value: object) -> Any:
    """What `asend(value)` gives; `begin_async_step` may follow."""
    with _begins(generator):
        return generator.asend(value)


def begin_async_step(step: Any, _: object) -> None:
    """Have it drive its generator to where that is to stand, when the generator is complete."""
    _assembly().at_end.append(functools.partial(step.send, None))


def closed_async_step() -> Any:
    """One that has been awaited."""
    with awaitables.belonging_to():
        step: Any = revival.async_sample().asend(None)
    step.close()
    return step


# -- exceptions


def new_exception(cls: type[BaseException], *args: Any) -> BaseException:
    """An exception with these `args`, made without the `__init__` of the user's class.

    That one may take other arguments than it handed on; what it stored arrives as state.
    """
    base = next(parent for parent in cls.__mro__ if not parent.__flags__ & _HEAP_TYPE)
    made: BaseException = base.__new__(cls, *args)
    base.__init__(made, *args)  # type: ignore[misc]  # the base is a C class: no override
    return made


def same(value: object) -> object:
    """What two objects of the source have in common at the destination."""
    return value


def traceback(places: list[Place]) -> TracebackType | None:
    """A traceback that shows these places."""
    return tracebacks.traceback(places)


def fill_exception(
    exception: BaseException, state: tuple[Any, Any, Any, bool, TracebackType | None]
) -> None:
    """Give an exception its attributes, those it was raised from, and where it has passed by."""
    attributes, cause, context, suppress, traceback = state
    if attributes:
        set_state = getattr(exception, "__setstate__", exception.__dict__.update)
        set_state(attributes)
    exception.__cause__ = cause
    exception.__context__ = context
    exception.__suppress_context__ = suppress
    exception.__traceback__ = traceback


# -- subclasses of dict and list


def native_base(cls: type) -> type:
    """Which of the built-in containers a class is, in the end."""
    return next(parent for parent in cls.__mro__ if parent in _CONTAINERS)


def new_container(cls: type, *args: Any) -> Any:
    """An empty instance, made without the `__init__` of the user's class."""
    base: Any = native_base(cls)
    made = base.__new__(cls)
    base.__init__(made, *args)
    return made


def fill_container(container: Any, filling: tuple[Any, list[Any]]) -> None:
    """Give a subclass of dict or list its attributes, and its items past its own methods."""
    state, items = filling
    set_state = getattr(container, "__setstate__", None)
    if state is not None and set_state is not None:
        set_state(state)
    elif state is not None:
        attributes, slots = state if isinstance(state, tuple) else (state, None)
        if attributes:
            vars(container).update(attributes)
        for name, value in (slots or {}).items():
            object.__setattr__(container, name, value)
    base: Any = native_base(type(container))
    if base is list:
        list.extend(container, items)
    else:
        for key, value in items:
            base.__setitem__(container, key, value)


# -- views


_VIEWS: Mapping[str, Callable[[Any], Any]] = {
    "keys": lambda mapping: mapping.keys(),
    "values": lambda mapping: mapping.values(),
    "items": lambda mapping: mapping.items(),
}


def view(mapping: Any, kind: str) -> Any:
    """The "keys", "values" or "items" of a dict, which go on showing that dict."""
    return _VIEWS[kind](mapping)


def attribute(owner: type, name: str) -> BuiltinFunctionType:
    """A descriptor as it lies in its class."""
    found: BuiltinFunctionType = vars(owner)[name]
    return found


def bound(owner: type, name: str, obj: object) -> Any:
    """The method of this class, bound to an object that may call another one by its name."""
    descriptor = vars(owner)[name]
    if isinstance(descriptor, ClassMethodDescriptorType):
        return descriptor.__get__(None, obj)  # type: ignore[arg-type]
    return descriptor.__get__(obj, type(obj))
