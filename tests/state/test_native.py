"""Data in the machine's own format keeps its values, its identity and its shared memory."""

from __future__ import annotations

import array
import codecs
import collections
import ctypes
import importlib
import os
import pathlib
import pickletools
import pkgutil
import re
import struct
import sys
import threading
import types
import warnings
import zoneinfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hetmig.errors import MigrationRefused, NotMigratable
from hetmig.state.image import freeze_value
from hetmig.state.native import arrays, c_data, c_types, named, paths, views
from hetmig.state.native.numbers import Form, converted
from hetmig.state.pickling import dumps, loads
from tests.state import data_shapes, elsewhere

OTHER = {"little": "big", "big": "little"}[sys.byteorder]


def hop(value):
    return loads(dumps(value))


# -- numbers


CODES = {"signed": "bhiq", "unsigned": "BHIQ", "float": "fd"}


@given(st.data())
def test_numbers_of_other_machines(data):
    """What `struct` packs there and here are the same numbers, or one of them does not fit."""
    kind = data.draw(st.sampled_from(sorted(CODES)))
    there, here = (data.draw(st.sampled_from(CODES[kind])) for _ in range(2))
    order = data.draw(st.sampled_from(["little", "big"]))
    if kind == "float":
        numbers = data.draw(st.lists(st.floats(width=32)))
    else:
        bits = 8 * struct.calcsize(there)
        low, high = (
            (-(1 << bits - 1), (1 << bits - 1) - 1) if kind == "signed" else (0, (1 << bits) - 1)
        )
        numbers = data.draw(st.lists(st.integers(low, high)))
    mark = {"little": "<", "big": ">"}
    sent = struct.pack(f"{mark[order]}{len(numbers)}{there}", *numbers)
    try:
        expected = struct.pack(f"={len(numbers)}{here}", *numbers)
    except struct.error:
        expected = None
    forms = (
        Form(kind, struct.calcsize(f"={there}"), order),
        Form(kind, struct.calcsize(f"={here}")),
    )
    if expected is None:
        with pytest.raises(NotMigratable, match="does not fit into"):
            converted(sent, *forms)
    else:
        assert bytes(converted(sent, *forms)) == expected


def test_text_of_other_width():
    units = struct.pack("<3H", *map(ord, "aä€"))
    wide = converted(units, Form("text", 2, "little"), Form("text", 4))
    assert struct.unpack("=3I", wide) == tuple(map(ord, "aä€"))
    for number in (0xD83D, 0x1F600):
        size = 2 if number < 1 << 16 else 4
        one = struct.pack({2: "=H", 4: "=I"}[size], number)
        with pytest.raises(NotMigratable, match="another number of places"):
            converted(one, Form("text", size), Form("text", 6 - size))


def test_kinds_are_not_mixed():
    with pytest.raises(NotMigratable, match="signed numbers there and float here"):
        converted(b"", Form("signed", 4), Form("float", 4))


# -- array.array


class Tagged(array.array):
    pass


def test_array_of_another_machine():
    made = arrays.new_array(array.array, "l", 4, OTHER, struct.pack(
        {"little": "<2i", "big": ">2i"}[OTHER], 1, -2))  # fmt: skip
    assert (made.typecode, made.tolist()) == ("l", [1, -2])
    with pytest.raises(NotMigratable, match=r"array.array\('i'\): 1099511627776 does not fit"):
        arrays.new_array(array.array, "i", 8, sys.byteorder, struct.pack("=q", 1 << 40))
    with pytest.raises(NotMigratable, match="no type code 'z'"):
        arrays.new_array(array.array, "z", 1, sys.byteorder, b"")


def test_arrays_are_shared_and_grow():
    big = array.array("d", range(20_000))
    parcel = dumps([big, big])
    big.append(1)  # nobody holds its memory
    one, other = loads(parcel)
    assert one is other
    assert one == big[:-1]
    one.append(2)


def test_array_of_a_derived_type():
    tagged = Tagged("b", [1, -1])
    tagged.note = [tagged]
    arrived = hop(tagged)
    assert type(arrived) is Tagged
    assert arrived.note[0] is arrived
    assert arrived.tolist() == [1, -1]


def test_big_buffers_are_beside_the_stream():
    for value in data_shapes.big_buffers():
        stream, buffer = freeze_value(value).frames
        assert len(stream) < 1000
        assert memoryview(buffer).nbytes == memoryview(value).nbytes


# -- struct.Struct


@pytest.mark.parametrize("form", ["<q", ">i", "!hh", "=b", "@4s", "bb?", "x"])
def test_formats_that_mean_the_same_everywhere(form):
    size = struct.calcsize(form)
    assert arrays.new_struct(form, size, OTHER).format == form


@pytest.mark.parametrize(("form", "size"), [("@i", 4), ("h", 2), ("=q", 8)])
def test_native_formats_of_another_order(form, size):
    assert arrays.new_struct(form, size, sys.byteorder).size == size
    with pytest.raises(NotMigratable, match="begin the format with"):
        arrays.new_struct(form, size, OTHER)


# -- ctypes


class Packed(ctypes.Structure):
    _pack_ = 1
    _layout_ = "ms"
    _fields_ = (("a", ctypes.c_uint8), ("b", ctypes.c_double))


def test_classes_of_a_script():
    class Point(ctypes.Structure):
        _fields_ = (("x", ctypes.c_int), ("y", ctypes.c_short * 2))

        def norm(self):
            return self.x + sum(self.y)

    class Wire(ctypes.BigEndianStructure):
        _pack_ = 1
        _layout_ = "ms"
        _fields_ = (("kind", ctypes.c_uint8), ("length", ctypes.c_uint32))

    class Tree(ctypes.Structure):
        pass

    Tree._fields_ = (("left", ctypes.POINTER(Tree)), ("value", ctypes.c_int))

    parcel = dumps([Point(1, (2, 3)), Wire(1, 2), Tree(value=5)])
    point, wire, tree = loads(parcel)
    assert point.norm() == 6
    assert bytes(wire) == b"\1\0\0\0\2"
    assert (tree.value, bool(tree.left)) == (5, False)


def test_classes_of_a_script_in_another_process(tmp_path):
    parcel = tmp_path / "parcel"
    elsewhere.run_script(
        tmp_path / "script.py",
        """
        import ctypes, pathlib, sys, hetmig

        class Point(ctypes.Structure):
            _fields_ = (("x", ctypes.c_int), ("y", ctypes.c_long * 2))
            def total(self):
                return self.x + sum(self.y)

        class Wire(ctypes.BigEndianStructure):
            _pack_ = 1
            _layout_ = "ms"
            _fields_ = (("kind", ctypes.c_uint8), ("length", ctypes.c_uint32))

        class Either(ctypes.Union):
            _fields_ = (("a", ctypes.c_int), ("b", ctypes.c_float))

        class Three(ctypes.Array):
            _type_, _length_ = Point, 3

        values = [Point(1, (2, 3)), Wire(1, 2), Either(b=1.0), Three(Point(7)), Point]
        for portable in (False, True):
            parcel = hetmig.dumps(values, portable=portable)
            pathlib.Path(f"{sys.argv[1]}{portable}").write_bytes(parcel)
        """,
        parcel,
    )
    said = """
        import ctypes, pathlib, sys, hetmig
        point, wire, either, three, cls = hetmig.loads(pathlib.Path(sys.argv[1]).read_bytes())
        print(point.total(), bytes(wire), either.b, three[0].x, len(three), type(point) is cls)
    """
    for portable in (False, True):
        assert elsewhere.run(said, f"{parcel}{portable}") == (
            "6 b'\\x01\\x00\\x00\\x00\\x02' 1.0 7 3 True\n"
        )


def test_a_class_of_a_script_in_another_order():
    with pytest.raises(NotMigratable, match="define it in a module"):
        c_types.complete_class(Packed, ({"_hetmig_byte_order_": OTHER}, None))


def test_integer_types_keep_their_size():
    simple = c_types.simple_type
    assert simple("c_long", "signed", 4, "") is ctypes.c_int32
    assert simple("c_long", "signed", 8, "") is ctypes.c_int64
    assert simple("c_ulong", "unsigned", 8, "") is ctypes.c_uint64
    assert simple("c_wchar", "text", 2, "") is ctypes.c_wchar
    swapped = simple("c_int", "signed", 4, OTHER)
    assert swapped is not ctypes.c_int
    assert bytes(swapped(1)) == (1).to_bytes(4, OTHER)


def test_values_that_do_not_fit():
    small = ctypes.c_int8()
    with pytest.raises(NotMigratable, match="300 does not fit into c_byte"):
        c_data.fill_data(small, (300, None))
    with pytest.raises(NotMigratable, match="other fields here"):
        c_data.fill_data(Packed(), ([("a", 1)], None))
    bits = data_shapes.Bits()
    with pytest.raises(NotMigratable, match=r"9 does not fit into Bits\.low"):
        c_data.fill_data(bits, ([("low", 9), ("high", 0), ("rest", 0)], None))


def test_parts_share_memory():
    record, inner, one, _ = hop(data_shapes.c_parts())
    one.half = 77
    assert record.inner[1].half == inner[1].half == 77
    table = ((ctypes.c_int * 2) * 3)()
    whole, row = hop([table, table[2]])
    row[1] = 5
    assert whole[2][1] == 5


def test_cycles_and_attributes():
    record = Packed(1, 0.5)
    record.own = [record]
    arrived = hop(record)
    assert arrived.own[0] is arrived
    assert (arrived.a, arrived.b) == (1, 0.5)


def test_long_doubles():
    for number in (0.1, -0.0, float("inf"), 1e308):
        assert hop(ctypes.c_longdouble(number)).value == number
    more = ctypes.c_longdouble(1)
    if ctypes.c_longdouble is ctypes.c_double:
        return
    memory = (ctypes.c_ubyte * ctypes.sizeof(more)).from_buffer(more)
    lowest = 0 if sys.byteorder == "little" else -1
    memory[lowest] = 1  # what a double has not
    with pytest.raises(NotMigratable, match="use c_double"):
        dumps(more)


def test_not_a_number():
    assert str(hop(ctypes.c_double(float("nan"))).value) == "nan"


REFUSED = {
    "buffer": lambda: ctypes.c_int.from_buffer(bytearray(8)),
    "contents": lambda: ctypes.pointer(Packed()).contents,
    "text": lambda: ctypes.c_char_p(b"x"),
    "object": lambda: ctypes.py_object(3),
    "resized": lambda: resized(),
    "array of pointers": lambda: (ctypes.c_void_p * 2)(1, 2),
}


def resized():
    value = (ctypes.c_int * 2)()
    ctypes.resize(value, 64)
    return value


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name):
    with pytest.raises(NotMigratable, match="; ") as caught:
        freeze_value([REFUSED[name]()], name="v")
    assert caught.value.variable == "v[0]"


def test_union_in_another_layout():
    layout, data = c_data._content(data_shapes.ambiguous_union())
    assert bytes(hop(data_shapes.ambiguous_union())) == data
    with pytest.raises(NotMigratable, match="which of its fields is meant"):
        c_data.fill_data(data_shapes.Either(), (((8, *layout[1:]), data), None))


# -- memoryview


@given(st.data())
def test_windows(data):
    size = data.draw(st.integers(0, 40))
    kind = data.draw(st.sampled_from(["B", "h", "d"]))
    base = array.array(kind, range(size)) if kind != "B" else bytearray(range(size))
    index = st.none() | st.integers(-50, 50)
    step = data.draw(st.none() | st.integers(1, 5) | st.integers(-5, -1))
    view = memoryview(base)[data.draw(index) : data.draw(index) : step]
    if data.draw(st.booleans()):
        view = view[data.draw(index) : data.draw(index)]
    arrived_base, arrived = hop([base, view])
    assert arrived.tolist() == view.tolist()
    assert (arrived.format, arrived.readonly) == (view.format, view.readonly)
    if len(arrived):
        arrived[0] = arrived[0] + 1 if arrived[0] < 200 else 0
        assert memoryview(arrived_base).tolist() != memoryview(base).tolist()


@given(st.data())
def test_windows_that_were_cast(data):
    base = bytearray(range(96))
    form = data.draw(st.sampled_from(["b", "h", "i", "q", "d", "@l"]))
    size = struct.calcsize(form)
    start = data.draw(st.integers(0, 8)) * size
    count = data.draw(st.integers(0, (96 - start) // size))
    view = memoryview(base)[start : start + count * size].cast(form)
    if count % 2 == 0 and count and data.draw(st.booleans()):
        view = view.cast("B").cast(form, (2, count // 2))
    elif data.draw(st.booleans()):
        view = view[:: data.draw(st.sampled_from([1, 2, 3, -1, -2]))]
    arrived = hop(view)
    assert arrived.tolist() == view.tolist()
    assert (arrived.format, arrived.shape) == (view.format, view.shape)
    assert arrived.strides == view.strides or not len(view)


def test_a_cast_view_of_another_machine():
    window = views.Window(False, 0, 2, 1, "i", 4, OTHER)
    with pytest.raises(NotMigratable, match="shows other values on this machine"):
        views.new_view(bytearray(8), *window)
    assert views.new_view(bytearray(8), *window._replace(cast="b", itemsize=1)).tolist() == [0, 0]


# -- pathlib


def test_paths_of_the_other_kind_of_system():
    here = type(pathlib.Path())
    other = "windows" if os.name == "posix" else "posix"
    assert paths.concrete_path(other, "a/b") == here("a", "b")
    absolute = {"windows": "C:\\x", "posix": "/x"}[other]
    with pytest.raises(NotMigratable, match="another kind of system"):
        paths.concrete_path(other, absolute)
    assert str(paths.pure_path(other, absolute)) == absolute


def test_paths_are_named_as_all_versions_name_them():
    names = {
        arg for _, arg, _ in pickletools.genops(b"".join(freeze_value(pathlib.Path("x")).frames))
    }
    assert not any("_local" in str(name) for name in names)


# -- hashes


def test_sets_that_hold_what_holds_them():
    node = data_shapes.cyclic_sets()
    for value in (node, node.friends, {node: node}):
        arrived = hop(value)
        found = arrived if value is node else next(n for n in arrived if n.name == "one")
        assert found in found.friends
        assert found.by_node[found].by_node == {} or found in found.by_node


def test_a_hash_that_needs_more_is_refused_by_name():
    class Odd:
        def __init__(self):
            self.parts = [1]
            self.seen = {self}

        def __hash__(self):
            return hash(tuple(self.parts))

    with pytest.raises(MigrationRefused, match="parts"):
        hop(Odd())


# -- names


def public_objects():
    """Every class and function that the standard library names in public."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for module in list(sys.modules.values()):
            name = getattr(module, "__name__", "")
            public = not any(part.startswith("_") for part in name.split("."))
            if public and name.partition(".")[0] in sys.stdlib_module_names:
                for value in list(vars(module).values()):
                    if isinstance(value, type | types.FunctionType):
                        yield value


def test_public_names_lead_back():
    for module in pkgutil.iter_modules(importlib.import_module("importlib").__path__, "importlib."):
        importlib.import_module(module.name)
    count = 0
    for value in public_objects():
        reduced = named.reduce_by_public_name(value)
        if reduced is not None:
            function, arguments = reduced
            assert function(*arguments) is value
            if value is not type(threading.Lock()):  # whose only name in all versions is there
                assert not re.search(r"\._|^_", arguments[0].__name__), arguments
            count += 1
    assert count > 5


@pytest.mark.parametrize("value", [os.getcwd, re.error, warnings.catch_warnings, os.environ])
def test_named_objects_are_the_same(value):
    assert hop(value) is value


def test_codecs_and_environment():
    codec = codecs.lookup("latin-1")
    assert hop(codec) == codec
    assert hop(collections.OrderedDict(a=codec))["a"].name == "iso8859-1"


def test_missing_time_zone(tmp_path):
    """The zone is named, and what to do."""
    parcel = tmp_path / "zone"
    parcel.write_bytes(dumps(zoneinfo.ZoneInfo("Europe/Berlin")))
    said = elsewhere.run(
        """
        import sys, zoneinfo
        from pathlib import Path
        from hetmig import loads, MigrationRefused
        zoneinfo.reset_tzpath(to=[])
        sys.modules["tzdata"] = None
        try:
            print(loads(Path(sys.argv[1]).read_bytes()))
        except MigrationRefused as error:
            print(error)
        """,
        parcel,
    )
    assert "Europe/Berlin" in said
    assert "tzdata" in said
