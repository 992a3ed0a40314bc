"""Values arrive as themselves: identities, cells, namespaces, classes, exceptions."""

from __future__ import annotations

import builtins
import collections
import contextvars
import dataclasses
import enum
import functools
import importlib
import logging
import os
import pickle
import sys
import types
import typing

import cloudpickle
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hetmig.errors import (
    ForgedParcel,
    MigrationRefused,
    NodeUnreachable,
    NotMigratable,
    VersionMismatch,
)
from hetmig.state import image as images
from hetmig.state import pickler
from hetmig.state.pickling import dumps, loads
from tests.state import values
from tests.state.elsewhere import SEND, THAW, run, run_script


def copied(value):
    return loads(dumps(value))


def dynamic(source, name="dynamic_module"):
    """A namespace which no module of that name owns: state, not an import."""
    namespace = {"__name__": name, "__builtins__": __builtins__}
    exec(source, namespace)
    return namespace


json_like = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary(),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(st.text(), inner)
        | st.tuples(inner, inner)
        | st.frozensets(st.integers())
    ),
)


@given(json_like)
def test_plain_data(value):
    assert copied(value) == value


@given(st.lists(st.sampled_from("abcdefg"), min_size=1, max_size=20), st.integers(1, 5))
def test_shared_objects_stay_shared(names, distinct):
    pool = [[i] for i in range(distinct)]
    data = {f"{i}{name}": pool[i % distinct] for i, name in enumerate(names)}
    data["self"] = data
    got = copied(data)
    assert got["self"] is got
    keys = [key for key in data if key != "self"]
    for left in keys:
        for right in keys:
            assert (got[left] is got[right]) == (data[left] is data[right])


def test_key():
    data = dumps([1], b"k" * 16)
    assert loads(data, b"k" * 16) == [1]
    with pytest.raises(ForgedParcel):
        loads(data)


def test_another_python_is_refused_before_unpickling():
    theirs = images.freeze_value([lambda: 1]).manifest()
    theirs["python"]["version"] = "3.2.0"
    theirs["python"]["magic"] = "00"
    data = images.parcel.join(images.parcel.seal(theirs, [b"not even a pickle"], None))
    with pytest.raises(VersionMismatch, match=r"3\.2\.0"):
        loads(data)


# -- functions


def test_functions_of_modules_travel_by_name():
    assert copied(values.plain) is values.plain
    assert copied(values.cached) is values.cached
    assert copied(len) is len
    assert copied(values.Point.method) is values.Point.method


def test_nested_function_keeps_its_real_module():
    got = copied(values.closure(5))
    assert got(1) == 7
    assert got.__globals__ is vars(values)
    assert got.__module__ == values.__name__


def test_cells_stay_shared_and_the_original_unharmed():
    add, show = values.counter()
    add()
    new_add, new_show = copied((add, show))
    assert [new_add(), new_add(), new_show(), show()] == [2, 3, 3, 1]
    assert new_add.__closure__[0] is new_show.__closure__[0]


def test_cell_itself():
    add, _ = values.counter()
    cell, new_add = copied((add.__closure__[0], add))
    assert cell is new_add.__closure__[0]


def test_mutual_recursion():
    even, odd = copied(values.recursive())
    assert even(10)
    assert not odd(10)
    assert even.__closure__[0].cell_contents is odd


def test_empty_cell_stays_empty():
    with pytest.raises(NameError):
        copied(values.never_bound())()


def test_cell_in_itself():
    cell = types.CellType()
    cell.cell_contents = [cell]
    got = copied(cell)
    assert got.cell_contents[0] is got


def test_attributes_of_a_function():
    function = values.with_annotations()
    got = copied(function)
    assert got.extra == [got]
    for name in ("__name__", "__qualname__", "__doc__", "__defaults__", "__kwdefaults__"):
        assert getattr(got, name) == getattr(function, name)
    assert got.__annotations__ == function.__annotations__


def test_default_that_is_changed():
    namespace = dynamic("def f(x=[]):\n    x.append(1)\n    return x\n")
    namespace["f"]()
    assert copied(namespace["f"])() == [1, 1]
    assert namespace["f"].__defaults__ == ([1],)


def test_only_what_a_submitted_function_refers_to_travels():
    namespace = dynamic(
        "import threading\n"
        "lock = threading.Lock()\n"
        "limit = 3\n"
        "def helper(x):\n    return x < limit\n"
        "def job(x):\n    return helper(x) and Local().ok\n"
        "class Local:\n    ok = limit\n"
    )
    got = copied(namespace["job"])
    assert got(1) == 3
    assert "lock" not in got.__globals__
    assert got.__globals__ is got.__globals__["helper"].__globals__


def test_globals_of_nested_code_and_class_bodies_travel():
    namespace = dynamic(
        "a, b, c = 1, 2, 3\n"
        "def job():\n"
        "    class Inner:\n"
        "        value = a\n"
        "    return Inner.value, (lambda: b)(), [c for _ in 'x']\n"
    )
    assert copied(namespace["job"])() == (1, 2, [3])


def test_two_functions_sent_apart_share_one_namespace():
    namespace = dynamic(
        "total = 0\ndef add():\n    global total\n    total += 1\ndef show():\n    return total\n"
    )
    add, show = copied([namespace["add"], namespace["show"]])
    add()
    assert show() == 1
    assert namespace["total"] == 0


def test_function_reached_again_through_its_own_closure():
    namespace = dynamic(
        "limit = 3\n"
        "def make():\n"
        "    held = []\n"
        "    def f():\n        return held[0], limit\n"
        "    held.append(f)\n"
        "    return f\n"
    )
    got = copied(namespace["make"]())
    assert got() == (got, 3)


def test_namespace_that_is_also_plain_data():
    namespace = dynamic("def f():\n    return x\nx = 1\n")
    got, function = copied([namespace, namespace["f"]])
    got["x"] = 2
    assert function() == 2
    assert got["f"] is function


def test_builtins_are_not_copied():
    assert copied({"b": vars(__import__("builtins"))})["b"] is vars(__import__("builtins"))


def test_submodule_reached_through_its_package(tmp_path):
    source = """
import xml.etree.ElementTree
def job():
    return xml.etree.ElementTree.XML("<a/>").tag
"""
    send = source + SEND + "import sys\nsend(sys.argv[1], images.freeze_call(job))\n"
    run_script(tmp_path / "script.py", send, tmp_path / "parcel")
    assert run(THAW + "print(arrive(sys.argv[1])[0]())", tmp_path / "parcel") == "a\n"


def test_lru_cache_of_a_local_function():
    namespace = dynamic(
        "import functools\n"
        "@functools.lru_cache(maxsize=9, typed=True)\n"
        "def fib(n):\n    return n if n < 2 else fib(n - 1) + fib(n - 2)\n"
    )
    got = copied(namespace["fib"])
    assert got(20) == 6765
    assert got.cache_parameters() == {"maxsize": 9, "typed": True}
    assert got.__wrapped__.__globals__["fib"] is got


# -- classes


CLASSES = """
import abc, dataclasses, enum, functools, typing
step = 10
class Base:
    def name(self):
        return "base"
class Job(Base):
    count = 0
    def name(self):
        return "job of " + super().name()
    @classmethod
    def make(cls):
        return cls()
    @staticmethod
    def fixed():
        return step
    @property
    def size(self):
        return 3
    @functools.cached_property
    def costly(self):
        return [self]
    def cls(self):
        return __class__
@dataclasses.dataclass
class Record:
    a: int
    b: list = dataclasses.field(default_factory=list)
class Colour(enum.Enum):
    RED = 1
    GREEN = 2
class Shape(abc.ABC):
    @abc.abstractmethod
    def area(self): ...
class Square(Shape):
    __slots__ = ("side",)
    def area(self):
        return self.side ** 2
Pair = typing.NamedTuple("Pair", [("x", int), ("y", int)])
T = typing.TypeVar("T")
class Box(typing.Generic[T]):
    item: T
class Trouble(Exception):
    def __init__(self, code, text):
        super().__init__(text)
        self.code = code
square = Square()
square.side = 4
everything = dict(job=Job(), record=Record(1), colour=Colour.RED, square=square, pair=Pair(1, 2),
                  box=Box[int], trouble=Trouble(3, "x"), colours=Colour)
"""

CHECK_CLASSES = """
job = everything["job"]
assert job.name() == "job of base" and type(job).make().fixed() == 10 and job.size == 3
assert job.costly[0] is job and job.cls() is type(job)
record = everything["record"]
cls = type(record)
assert record == cls(1) and record.b == [] and dataclasses.asdict(record) == {"a": 1, "b": []}
assert dataclasses.replace(record, a=2).a == 2
assert dataclasses.fields(cls)[0].default is dataclasses.MISSING
assert typing.get_type_hints(cls) == {"a": int, "b": list}, typing.get_type_hints(cls)
assert everything["colour"] is everything["colours"].RED and len(everything["colours"]) == 2
assert everything["square"].area() == 16
assert everything["pair"].y == 2 and everything["pair"]._replace(x=5).x == 5
assert typing.get_type_hints(typing.get_origin(everything["box"]))["item"].__name__ == "T"
trouble = everything["trouble"]
assert trouble.code == 3 and trouble.args == ("x",)
try:
    next(base for base in type(everything["square"]).__mro__ if base.__name__ == "Shape")()
except TypeError:
    pass
else:
    raise AssertionError("no longer abstract")
print("right")
"""


def test_classes_arrive_whole_in_another_process(tmp_path):
    send = CLASSES + SEND + "import sys\nsend(sys.argv[1], images.freeze_value(everything))\n"
    run_script(tmp_path / "script.py", send, tmp_path / "parcel")
    receive = THAW + "import dataclasses, typing\neverything = arrive(sys.argv[1])\n"
    assert run(receive + CHECK_CLASSES, tmp_path / "parcel") == "right\n"


def test_classes_travel_on(tmp_path):
    send = CLASSES + SEND + "import sys\nsend(sys.argv[1], images.freeze_value(everything))\n"
    run_script(tmp_path / "script.py", send, tmp_path / "one")
    relay = THAW + SEND + "send(sys.argv[2], images.freeze_value(arrive(sys.argv[1])))"
    run(relay, tmp_path / "one", tmp_path / "two")
    receive = THAW + "import dataclasses, typing\neverything = arrive(sys.argv[1])\n"
    assert run(receive + CHECK_CLASSES, tmp_path / "two") == "right\n"


def test_class_that_comes_home_is_not_overwritten():
    namespace = dynamic("class Job:\n    count = 0\n    def run(self):\n        return 1\n")
    cls = namespace["Job"]
    data = dumps(cls())
    cls.count, method = 5, cls.run
    got = loads(data)
    assert type(got) is cls
    assert cls.count == 5
    assert cls.run is method


def test_instances():
    point = values.Point([1])
    point.me = point
    got = copied(point)
    assert got.me is got
    assert got.x == [1]
    slotted = values.Slotted()
    slotted.left = slotted
    got = copied(slotted)
    assert got.left is got
    assert not hasattr(got, "right")


_OF_PYTHON = [
    *(value for value in vars(types).values() if isinstance(value, type)),
    *(value for value in vars(builtins).values() if isinstance(value, type)),
    *(collections.OrderedDict, contextvars.Context, values.Sentinel, list[int]),
]


@pytest.mark.parametrize("cls", _OF_PYTHON, ids=str)
def test_classes_that_are_everywhere_the_same(cls):
    assert copied([cls]) == [cls]


def test_a_class_that_says_it_were_a_builtin():
    pretender = type("int", (), {"__module__": "builtins", "mine": 1})
    assert copied(pretender).mine == 1


# -- modules


def test_modules():
    assert copied([os.path, sys, values]) == [os.path, sys, values]


def test_module_that_nobody_can_import():
    module = types.ModuleType("made_up")
    exec("x = [1]\ndef f():\n    return x", vars(module))
    got, function = copied([module, module.f])
    assert isinstance(got, types.ModuleType)
    assert got.__name__ == "made_up"
    assert function.__globals__ is vars(got)
    assert got.f is function
    assert got.x is not module.x


def test_module_registered_by_value(tmp_path, monkeypatch):
    (tmp_path / "private_module.py").write_text("unit = 3\ndef f(x):\n    return x * unit\n")
    monkeypatch.syspath_prepend(tmp_path)
    module = importlib.import_module("private_module")
    by_name = images.freeze_call(module.f, (2,))
    cloudpickle.register_pickle_by_value(module)
    try:
        by_value = images.freeze_call(module.f, (2,))
    finally:
        cloudpickle.unregister_pickle_by_value(module)
        del sys.modules["private_module"]
    monkeypatch.undo()
    function, args, _ = images.thaw(by_value)
    assert function(*args) == 6
    with pytest.raises(MigrationRefused, match="'private_module' is not installed") as caught:
        images.thaw(by_name)
    assert "register_pickle_by_value" in str(caught.value)
    assert caught.value.variable == "function"


def test_module_that_differs_at_the_destination(monkeypatch):
    data = dumps([values.plain])
    monkeypatch.delattr(values, "plain")
    with pytest.raises(MigrationRefused, match="plain"):
        loads(data)


# -- exceptions


def raised(make):
    try:
        make()
    except BaseException as error:
        return error
    raise AssertionError


def test_exception_that_pickle_cannot_rebuild():
    error = values.Picky(7, "text")
    error.add_note("a note")
    got = copied(error)
    assert type(got) is values.Picky
    assert (got.code, got.args, got.__notes__) == (7, ("7: text",), ["a note"])


def test_cause_and_context():
    def fail():
        try:
            raise KeyError(1)
        except KeyError as error:
            try:
                raise values.Picky(1, "x") from error
            except values.Picky:
                raise ValueError(2) from None

    error = raised(fail)
    got = copied(error)
    assert got.__suppress_context__
    assert got.__cause__ is None
    assert isinstance(got.__context__, values.Picky)
    assert got.__context__.__cause__ is got.__context__.__context__
    assert got.__context__.__cause__.args == (1,)


@pytest.mark.parametrize(
    ("error", "names"),
    [
        (StopIteration(5), ["value", "args"]),
        (SystemExit(3), ["code"]),
        (OSError(2, "gone", "file"), ["errno", "strerror", "filename", "args"]),
        (FileNotFoundError(2, "gone", "a", None, "b"), ["filename", "filename2"]),
        (ImportError("no", name="n", path="p"), ["name", "path", "msg"]),
        (UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad"), ["object", "start", "reason"]),
        (SyntaxError("bad", ("f", 1, 2, "text")), ["filename", "lineno", "text", "msg"]),
        (KeyError("k"), ["args"]),
        (NodeUnreachable("no node", tried=3), ["message", "data"]),
        (NotMigratable("why", variable="a.b"), ["reason", "variable", "frame"]),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else "",
)
def test_fields_of_exceptions(error, names):
    got = copied(error)
    assert type(got) is type(error)
    assert [getattr(got, name) for name in names] == [getattr(error, name) for name in names]


def test_exception_group():
    group = ExceptionGroup("several", [ValueError(1), values.Picky(2, "x")])
    group.__cause__ = KeyError(3)
    got = copied(group)
    assert [type(error) for error in got.exceptions] == [ValueError, values.Picky]
    assert got.__cause__.args == (3,)


def test_exception_in_itself():
    error = ValueError()
    error.__context__ = other = KeyError(error)
    got = copied(error)
    assert got.__context__.args[0] is got
    assert other.args[0] is error


# -- what must be identical


def test_sentinels_stay_themselves():
    for value in (values.MISSING, values.SENTINEL, dataclasses.MISSING, ..., NotImplemented):
        assert copied(value) is value
    assert copied(values.stateful).state == 1
    assert copied([object()])[0] is not None


def test_sentinels_that_know_their_names_stay_themselves():
    for value in (values.SHIFT, values.UNSET):
        assert copied([value, value]) == [value, value]
    assert copied(values.action) is not values.action  # it has another name


def test_streams_and_environment_are_those_of_the_destination():
    assert copied([sys.stdout, os.environ])[1] is os.environ
    assert copied(sys.__stdin__) is sys.stdin
    assert copied(logging.getLogger("a.b")) is logging.getLogger("a.b")


def test_views_show_their_dict():
    for make in (dict, collections.OrderedDict):
        mapping = make(a=1)
        got, keys, items, amounts, proxy = copied(
            [
                mapping,
                mapping.keys(),
                mapping.items(),
                mapping.values(),
                types.MappingProxyType(mapping),
            ]
        )
        got["b"] = 2
        assert list(keys) == ["a", "b"]
        assert list(items) == [("a", 1), ("b", 2)]
        assert list(amounts) == [1, 2]
        assert proxy["b"] == 2
        assert type(keys) is type(mapping.keys())


def test_descriptors():
    for value in (
        dict.__dict__["fromkeys"],
        values.Slotted.__dict__["left"],
        type.__dict__["__dict__"],
        int.__add__,
        str.join,
    ):
        assert copied(value) is value or copied(value) == value
    assert copied(vars(values.Point))["method"] is values.Point.method
    assert copied(vars(values.Slotted))["left"] is values.Slotted.left
    assert copied(vars(type))["mro"] is vars(type)["mro"]


def test_super():
    point = values.Point(3)
    got = copied([super(values.Point, point), point])
    assert got[0].__self__ is got[1]


def test_typing():
    for value in (list[int], int | str, typing.Literal["a"], typing.Any):
        assert copied(value) == value
    namespace = dynamic("import typing\nN = typing.NewType('N', int)\nP = typing.ParamSpec('P')\n")
    assert copied(namespace["N"]).__supertype__ is int
    assert copied(namespace["P"]).__name__ == "P"


def test_partials_and_methods():
    point = values.Point(3)
    method, partial, same = copied([point.method, functools.partial(values.plain, 1), point])
    assert method() == 3
    assert method.__self__ is same
    assert partial() == 2


def test_enum_of_the_standard_library():
    assert copied(enum.Flag) is enum.Flag


def test_a_view_that_may_only_be_read():
    data = bytearray(b"abc")
    data, view = copied([data, memoryview(data).toreadonly()])
    assert view.readonly
    data[0] = 120
    assert view[0] == 120


def test_memoryview_of_a_whole_buffer():
    data = bytearray(b"abc")
    got, view = copied([data, memoryview(data)])
    view[0] = ord("x")
    assert got == b"xbc"


# -- big and deep


def test_big_buffers_are_neither_copied_nor_read_only():
    numpy = pytest.importorskip("numpy")
    big, small = numpy.arange(100_000), numpy.arange(10)
    image = images.freeze_value([big, small, big])
    assert len(image.frames) == 2
    assert numpy.shares_memory(numpy.frombuffer(image.frames[1], dtype=big.dtype), big)
    got = loads(dumps([big, small, big]))
    got[0][0] = 7
    assert got[2][0] == 7
    assert (got[0][1:] == big[1:]).all()
    big.flags.writeable = False
    assert not copied(big).flags.writeable


class Holder:
    """Has a buffer of its own beside the stream, as an array does."""

    def __init__(self, buffer):
        self.buffer = buffer

    def __reduce_ex__(self, protocol):
        return Holder, (pickle.PickleBuffer(self.buffer),)


def test_very_many_buffers_fit_into_one_parcel():
    shared = bytearray(pickler.OUT_OF_BAND)
    image = images.freeze_value([Holder(shared) for _ in range(1100)])
    assert len(image.frames) == 1001
    assert len(images.thaw(image)) == 1100


def test_deep_nesting():
    nested = []
    for _ in range(500):  # 3.12 has a limit of its own, which cannot be raised
        nested = [nested]
    got = copied(nested)
    for _ in range(500):
        (got,) = got
    assert got == []


def test_too_deep_is_refused_by_name():
    nested = []
    for _ in range(200_000):
        nested = [nested]
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(1_000_000)
    try:
        with pytest.raises(NotMigratable, match="nested too deeply") as caught:
            images.freeze_value(nested, name="tree")
        assert sys.getrecursionlimit() == 1_000_000
    finally:
        sys.setrecursionlimit(before)
    assert caught.value.variable == "tree"


def test_at_the_end_of_the_stack():
    def down(n):
        return down(n - 1) if n else copied([values.Point(1), values.closure(2)])[1](1)

    depth = sys.getrecursionlimit() - 150
    assert down(depth - len(__import__("inspect").stack())) == 4
