"""Functions and classes of a script, and what they must still do in another version of Python."""

import abc
import collections
import contextlib
import dataclasses
import enum
import functools
import inspect
import linecache
import queue
import string
import threading
from typing import ClassVar, Generic, NamedTuple, Protocol, TypeVar, runtime_checkable

T = TypeVar("T")
FACTOR = 10


def plain(a, b=2, *, c=3, **more):
    "The text of plain."
    return a + b * c + FACTOR + len(more)


def outer(z, a, m):
    def inner(q):
        return [q + z * v for v in range(m)] + [a]

    def recursive(n):
        return 1 if n == 0 else n * recursive(n - 1)

    return inner, recursive


on_a_line = (lambda x: x + 1), (lambda x: x + 2), (lambda x: lambda: x * FACTOR)
constant = (lambda: 0), (lambda: 0), (lambda: 1)
in_text = f"{(lambda: 3)()} {(by_text := lambda: 4)()}"


def decorator(function):
    @functools.wraps(function)
    def wrapper(*args):
        return ("wrapped", function(*args))

    return wrapper


@decorator
@decorator
def decorated(x: int) -> str:
    return str(x)


def annotated(x: "Unknown", y: int = 1) -> T:  # noqa: F821  # nobody ever evaluates it
    return x, y


@functools.cache
def fibonacci(n):
    return n if n < 2 else fibonacci(n - 1) + fibonacci(n - 2)


@contextlib.contextmanager
def managed(x):
    yield x


@functools.singledispatch
def dispatched(x):
    "The text of dispatched."
    return "any", dispatched.dispatch(str) is dispatched.dispatch(object)


@dispatched.register
def _(x: int):
    return "int", dispatched("")


class Partial:
    partial = functools.partialmethod(lambda self, a, b=0, *, c: (a, b, c), 1, c=3)

    @functools.singledispatchmethod
    def dispatched(self, x):
        return "any"

    @dispatched.register
    def _(self, x: int):
        return "int"

    @functools.cached_property
    def cached(self):
        return [self.partial()]


class Base(abc.ABC):
    registry: ClassVar = []
    __slots__ = ("__hidden", "slot")

    def __init_subclass__(cls, **keywords):
        super().__init_subclass__(**keywords)
        Base.registry.append(cls.__name__)

    @abc.abstractmethod
    def name(self): ...

    @property
    def shout(self):
        return self.name() + "!"

    @classmethod
    def of_class(cls):
        return cls.__name__

    @staticmethod
    def double(x):
        return x * 2

    def __secret(self):
        self.__hidden = "secret"
        return self.__hidden

    def ask(self):
        return self.__secret()


class Child(Base):
    attribute: int = 3
    table: ClassVar = {"a": lambda self: 1}

    def name(self):
        return "child with a " + super().ask()

    class Nested:
        def items(self):
            return [x for x in range(3) if (lambda y: y)(x)]


class Slotted(Base):
    __slots__ = ("other",)

    def name(self):
        return "slotted"


@dataclasses.dataclass(order=True)
class Ordered:
    x: int
    y: list = dataclasses.field(default_factory=list, metadata={"k": 1})
    z: "ClassVar[int]" = 5
    w: str = "w"

    def total(self):
        return self.x + len(self.y)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Frozen:
    a: int
    b: float = 2.5
    _: dataclasses.KW_ONLY
    i: "dataclasses.InitVar[int]" = 0
    c: int = dataclasses.field(default=0, repr=False)

    def __post_init__(self, i):
        object.__setattr__(self, "c", i + self.a)


@dataclasses.dataclass(frozen=True)
class Derived(Frozen):
    g: str = "g"


@dataclasses.dataclass
class Root:
    """Refers to what derives from it, so that one is read while the other is not complete."""

    a: int

    def leaf(self):
        return Leaf(self.a, 2)


@dataclasses.dataclass
class Branch(Root):
    b: int


@dataclasses.dataclass
class Leaf(Branch):
    c: int = 3


class Point(NamedTuple):
    """A point."""

    x: int
    y: int = 7

    def norm(self):
        return self.x**2 + self.y**2


Named = collections.namedtuple("Named", "a b c", defaults=(1, 2))


class Color(enum.Enum):
    RED = 1
    GREEN = 2
    ALSO_RED = RED

    @property
    def lower(self):
        return self.name.lower()

    @classmethod
    def _missing_(cls, value):
        return cls.RED


class Planet(enum.Enum):
    EARTH = (1.0, 2.0)
    MARS = (0.5, 1.0)

    def __init__(self, mass, radius):
        self.mass = mass
        self.radius = radius

    def __str__(self):
        return "planet " + self.name

    def gravity(self):
        return self.mass / self.radius


class Permission(enum.IntFlag):
    R = 4
    W = 2
    RW = 6


class Text(enum.StrEnum):
    A = enum.auto()
    B = "bb"


@runtime_checkable
class Quacks(Protocol):
    def quack(self) -> str: ...


class Duck:
    def quack(self):
        return "quack"


class Box(Generic[T]):
    def __init__(self, value: T):
        self.value = value

    def get(self) -> T:
        return self.value


class OwnError(Exception):
    def __init__(self, code, extra):
        super().__init__(f"code {code}")
        self.code = code
        self.extra = extra


def of_prompt():
    """A function from a text that no file holds, as notebooks and dill make them."""
    text = "def asked(x):\n    return [x, FACTOR]\n"
    linecache.cache["<cell 7>"] = len(text), None, text.splitlines(keepends=True), "<cell 7>"
    exec(compile(text, "<cell 7>", "exec"), globals())
    return globals()["asked"]


def make():
    inner, recursive = outer(2, "A", 3)
    try:
        raise OwnError(4, [1]) from ValueError("v")
    except OwnError as error:
        raised = error
    slotted = Slotted()
    slotted.slot, slotted.other = 1, 2
    return {
        "plain": plain,
        "inner": inner,
        "recursive": recursive,
        "on_a_line": on_a_line,
        "constant": constant,
        "by_text": by_text,
        "decorated": decorated,
        "annotated": annotated,
        "fibonacci": fibonacci,
        "library": [queue.Queue(), threading.Event(), string.Template("$a")],
        "dispatched": dispatched,
        "methods": Partial(),
        "managed": managed,
        "asked": of_prompt(),
        "child": Child(),
        "slotted": slotted,
        "nested": Child.Nested(),
        "ordered": [Ordered(1, [2]), Ordered(0)],
        "frozen": {Frozen(a=1, i=3)},
        "derived": Derived(a=1),
        "root": Root(1),
        "point": Point(3),
        "named": Named(9),
        "red": Color.RED,
        "planet": Planet,
        "permission": Permission.RW,
        "text": Text.B,
        "quacks": [Quacks, Duck()],
        "box": Box[int](3),
        "raised": raised,
        "partial": functools.partial(plain, 1),
    }


def check(values):
    found = {name: _CHECKS[name](value) for name, value in values.items()}
    return {name: repr(value) for name, value in found.items()}


def _plain(function):
    return (
        function(1),
        function.__doc__,
        function.__code__.co_firstlineno,
        str(inspect.signature(function)),
        inspect.getsource(function),
    )


def _library(them):
    waiting, event, template = them
    waiting.put(1)
    event.set()
    return waiting.get(), waiting.empty(), event.wait(1), template.substitute(a=1)


def _managed(function):
    with function(4) as x:
        return x


def _child(child):
    cls = type(child)
    names = [cls.__annotations__, cls.__qualname__, cls.of_class(), cls.double(2)]
    base = cls.__mro__[1]
    return child.name(), child.shout, cls.table["a"](0), names, base.registry, abstract(base)


def abstract(cls):
    return sorted(cls.__abstractmethods__)


def _slotted(one):
    return one.slot, one.other, one.ask(), hasattr(one, "__dict__"), type(one).__slots__


def _ordered(pair):
    one, two = pair
    cls = type(one)
    fields = [(f.name, str(f.type), dict(f.metadata)) for f in dataclasses.fields(cls)]
    signature = str(inspect.signature(cls)), cls.__init__.__qualname__, cls.__match_args__
    return one, one == cls(1, [2]), one > two, one.total(), cls.z, fields, signature, cls.__hash__


def _frozen(kept):
    (one,) = kept
    cls = type(one)
    try:
        one.a = 3
    except dataclasses.FrozenInstanceError as error:
        refused = str(error)
    slots = cls.__slots__, hasattr(one, "__dict__")
    return one, cls(a=1, i=3) in kept, dataclasses.replace(one, a=2, i=1).c, slots, refused


def _derived(one):
    cls = type(one)
    return one, cls(a=4) == cls(a=4), cls(a=4, g="h") == cls(a=4), hash(cls(a=1)) == hash(one)


def _point(point):
    cls = type(point)
    texts = cls.__doc__, cls.x.__doc__, cls.__annotations__, cls._field_defaults
    return point, point.norm(), cls(1), point._replace(x=1), texts


def _red(red):
    cls = type(red)
    members = list(cls), list(cls.__members__), cls.ALSO_RED is red
    return red is cls.RED, members, cls("zz"), cls.GREEN.lower, cls(2)


def _planet(cls):
    return [str(p) for p in cls], cls.MARS.gravity(), cls.EARTH.mass, cls((0.5, 1.0))


def _permission(both):
    cls = type(both)
    return both is cls.RW, cls.R | cls.W is cls.RW, both == 6, list(cls), ~cls.R & cls.RW


def _text(member):
    return member == "bb", type(member).A.value, f"{member}", isinstance(member, str)


_CHECKS = {
    "plain": _plain,
    "inner": lambda function: (function(5), function.__qualname__),
    "recursive": lambda function: function(5),
    "on_a_line": lambda them: (them[0](1), them[1](1), them[2](1)()),
    "constant": lambda them: [one() for one in them],
    "by_text": lambda function: function(),
    "decorated": lambda f: (f(4), f.__wrapped__.__wrapped__(3), f.__annotations__),
    "annotated": lambda function: function(1),
    "fibonacci": lambda function: (function(30), function.cache_info()),
    "library": _library,
    "dispatched": lambda f: (
        f(1),
        f(""),
        f.__doc__,
        f.__name__,
        list(f.registry),
        f.__wrapped__(""),
    ),
    "methods": lambda one: (one.partial(2), one.dispatched(1), one.dispatched(""), one.cached),
    "managed": _managed,
    "asked": lambda f: (f(1), inspect.getsource(f), f.__code__.co_filename),
    "child": _child,
    "slotted": _slotted,
    "nested": lambda one: (one.items(), type(one).__qualname__),
    "ordered": _ordered,
    "frozen": _frozen,
    "derived": _derived,
    "root": lambda root: (root, root.leaf(), type(root).__mro__[-1]),
    "point": _point,
    "named": lambda one: (one, type(one)(1, 2, 3)._asdict(), type(one).__module__),
    "red": _red,
    "planet": _planet,
    "permission": _permission,
    "text": _text,
    "quacks": lambda pair: [isinstance(one, pair[0]) for one in (pair[1], 3)],
    "box": lambda one: (one.get(), type(one)[int]),
    "raised": lambda e: (e, e.code, e.extra, e.__cause__, str(e)),
    "partial": lambda function: function(b=4),
}
