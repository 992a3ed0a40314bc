"""Data of every kind, for the table of docs/data.md and for interpreters of other machines.

Each example is made by a function, and `seen` says what a program sees of it: the same text on
every machine, if it has arrived as what it was.  Needs neither pytest nor numpy.
"""

from __future__ import annotations

import array
import asyncio
import bz2
import codecs
import collections
import concurrent.futures
import ctypes
import datetime
import decimal
import enum
import fractions
import functools
import gzip
import hashlib
import hmac
import io
import logging
import lzma
import mmap
import os
import pathlib
import queue
import random
import re
import socket
import sqlite3
import struct
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
import types
import uuid
import weakref
import zipfile
import zlib
import zoneinfo

import hetmig


class Color(enum.Enum):
    RED = 1


class Access(enum.Flag):
    READ = enum.auto()
    WRITE = enum.auto()


class Inner(ctypes.Structure):
    _fields_ = (("tag", ctypes.c_char * 4), ("half", ctypes.c_short))


class Record(ctypes.Structure):
    _fields_ = (
        ("flag", ctypes.c_bool),
        ("count", ctypes.c_long),
        ("size", ctypes.c_size_t),
        ("ratio", ctypes.c_double),
        ("name", ctypes.c_wchar * 3),
        ("inner", Inner * 2),
        ("next", ctypes.c_void_p),
    )


class Derived(Record):
    _fields_ = (("more", ctypes.c_int64),)


class Bits(ctypes.Structure):
    _fields_ = (("low", ctypes.c_uint, 3), ("high", ctypes.c_int, 5), ("rest", ctypes.c_uint, 24))


class Wire(ctypes.BigEndianStructure):
    _pack_ = 1
    _layout_ = "ms"
    _fields_ = (
        ("kind", ctypes.c_uint8),
        ("length", ctypes.c_uint32),
        ("parts", ctypes.c_int16 * 2),
    )


class Little(ctypes.LittleEndianStructure):
    _fields_ = (("length", ctypes.c_uint32),)


class Either(ctypes.Union):
    _fields_ = (("number", ctypes.c_uint32), ("bytes", ctypes.c_uint8 * 4))


class Octets(ctypes.Union):
    _fields_ = (("one", ctypes.c_uint8), ("other", ctypes.c_int8))


class Linked(ctypes.Structure):
    pass


Linked._fields_ = (("next", ctypes.POINTER(Linked)), ("value", ctypes.c_int))


class Node:
    """Its hash is that of its name, and its friends may include itself."""

    def __init__(self, name):
        self.friends = set()
        self.by_node = {}
        self.name = name

    def __hash__(self):
        return hash(self.name)

    def __eq__(self, other):
        return type(other) is Node and self.name == other.name


def wrapped(make, name="value"):
    return lambda: types.SimpleNamespace(**{name: make()})


# -- examples that travel


def arrays():
    codes = [code for code in "bBhHiIlLqQfd" if code in array.typecodes]
    return [array.array(code, [1, 2, 100]) for code in codes] + [array.array("l"), text_array()]


def text_array():
    return array.array("u" if "w" not in array.typecodes else "w", "aä€")


def negative_arrays():
    return [array.array(code, [-1, -100, 3]) for code in "bhilqfd"]


def structures():
    record = Record(True, -5, 7, 0.1, "aä€")
    record.inner[0].tag, record.inner[1].half = b"a\0b", -3
    return [record, Derived(False, 1, more=1 << 40), Inner(b"xy", 2)]


def bit_fields():
    bits = Bits(5, -3, 0xABCDEF)
    return bits


def endian_structures():
    return [Wire(1, 0x01020304, (1, -2)), Little(0x01020304)]


def c_values():
    return [
        ctypes.c_int(-5),
        ctypes.c_uint64(1 << 63),
        ctypes.c_long(7),
        ctypes.c_bool(True),
        ctypes.c_char(b"x"),
        ctypes.c_wchar("€"),
        ctypes.c_float(0.5),
        ctypes.c_double(float("inf")),
        ctypes.c_int.__ctype_be__(3),
        ctypes.c_void_p(),
        ctypes.c_char_p(),
        ctypes.POINTER(ctypes.c_int)(),
    ]


def c_arrays():
    return [
        (ctypes.c_long * 3)(1, -2, 3),
        ((ctypes.c_short * 2) * 2)((1, 2), (3, 4)),
        (ctypes.c_char * 4)(b"a", b"\0", b"b"),
        (ctypes.c_wchar * 4)("a", "€"),
        (ctypes.c_bool * 3)(True, False, True),
        (Inner * 2)(Inner(b"q", 1)),
    ]


def c_parts():
    """A structure, and parts of it which share its memory."""
    record = structures()[0]
    return [record, record.inner, record.inner[1], record.inner[1].tag]


def c_types():
    return [ctypes.c_int, ctypes.c_double, ctypes.c_short * 3, ctypes.POINTER(Record), Record]


def unions():
    return [Octets(200)]


def ambiguous_union():
    return Either(0x01020304)


def views():
    data = bytearray(range(48))
    numbers = array.array("h", range(10))
    return [
        data,
        memoryview(data),
        memoryview(data)[5:20:3],
        memoryview(data)[::-1],
        memoryview(data)[40:3:-7],
        memoryview(data).toreadonly()[2:],
        memoryview(data).cast("B", (2, 4, 6)),
        memoryview(data)[0:0],
        numbers,
        memoryview(numbers)[3:7],
        memoryview(b"bytes")[1:3],
        released(),
    ]


def released():
    view = memoryview(b"x")
    view.release()
    return view


def cast_views():
    return [memoryview(bytearray(range(24))).cast("i")[1:5:2]]


def paths():
    return [
        pathlib.PurePosixPath("/a/b.txt"),
        pathlib.PureWindowsPath("C:\\a", "b"),
        pathlib.Path("data", "x.csv"),
        pathlib.Path("/etc/hosts"),
        pathlib.Path(),
    ]


def dates():
    berlin = zoneinfo.ZoneInfo("Europe/Berlin")
    return [
        datetime.date(2024, 2, 29),
        datetime.datetime(2024, 10, 27, 2, 30, fold=1, tzinfo=berlin),
        datetime.time(1, 2, 3, 4),
        datetime.timedelta(days=-1, microseconds=1),
        datetime.timezone(datetime.timedelta(hours=2), "X"),
        datetime.datetime(2024, 1, 1, tzinfo=datetime.UTC),
        time.struct_time(range(9)),
    ]


def decimals():
    return [
        decimal.Decimal("-0.10"),
        decimal.Decimal("sNaN12"),
        decimal.Decimal("1E+1000"),
        decimal.Context(prec=5, rounding=decimal.ROUND_UP),
        fractions.Fraction(1, 3),
        1 + 2j,
    ]


def numbers():
    return [sys.maxsize + 1, -(1 << 200), 1 << 63, 0.1, float("-inf"), -0.0, range(1 << 70)]


def texts():
    return ["\udc80\ud800", "a\0b", "😀", "ß", b"\xff\0", bytearray(b"x"), "x" * 70_000]


def singletons():
    return [None, True, ..., NotImplemented, Color.RED, Access.READ | Access.WRITE, int, os, re.I]


def patterns():
    return [
        re.compile(r"(?i)(?P<word>\w+)", re.VERBOSE),
        re.compile(rb"x", re.DOTALL),
        re.search("b(c)", "abcd"),
    ]


def identifiers():
    return [uuid.UUID(int=1 << 127), uuid.NAMESPACE_DNS, codecs.lookup("utf-8"), os.environ]


def generators_of_numbers():
    seeded = random.Random(5)
    seeded.gauss(0, 1)
    return [seeded, random.SystemRandom()]


def formats():
    return [struct.Struct("<lhd"), struct.Struct(">I"), struct.Struct("4s2B")]


def native_format():
    return struct.Struct("@hl")


def hashed():
    strings = {"a", "b", ("c", 1), frozenset({"d"})}
    objects = [object() for _ in range(3)]
    return [strings, {"a": 1, 2: "b"}, (objects, set(objects)), collections.Counter("aab")]


def cyclic_sets():
    node, other = Node("one"), Node("two")
    node.friends = {node, other}
    other.friends = frozenset({node})
    node.by_node = {node: other, other: node}
    return node


def streams():
    text, data = io.StringIO("a\r\nb", newline=""), io.BytesIO(b"abcdef")
    text.read(2)
    data.seek(3)
    return [text, data]


def archives():
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w") as archive:
        archive.writestr("a.txt", "hello")
    tape = io.BytesIO()
    with tarfile.open(fileobj=tape, mode="w") as made:
        info = tarfile.TarInfo("b")
        info.size = 3
        made.addfile(info, io.BytesIO(b"abc"))
    tape.seek(0)
    return [zipfile.ZipFile(memory), tarfile.open(fileobj=tape)]


def closed_file():
    with open(__file__, encoding="utf-8") as file:
        return file


def locks():
    return [threading.Lock(), threading.RLock(), threading.Event(), queue.Queue()]


def loggers():
    return [logging.getLogger("a.b"), logging.getLogger()]


def ended_thread():
    thread = threading.Thread(target=int)
    thread.start()
    thread.join()
    return thread


def weak_references():
    node = Node("held")
    table = weakref.WeakKeyDictionary({node: 1})
    return [node, weakref.ref(node), table, weakref.WeakSet([node])]


def big_buffers():
    return [array.array("i", range(40_000)), (ctypes.c_int * 30_000)(*range(30_000))]


def library_iterators():
    found = re.finditer("a", "banana")
    next(found)
    return [found, enumerate("ab"), zip("ab", "cd", strict=True)]


def partials():
    return [functools.partial(int, base=2), functools.lru_cache(seven), operator_of(3)]


def seven():
    return 7


def operator_of(n):
    import operator

    return operator.itemgetter(n)


def registered():
    return Robot("r2")


class Robot:
    """What no pickler can take apart."""

    def __init__(self, name):
        self.name = name
        self.lock = mmap.mmap(-1, 1)


hetmig.register(Robot, freeze=lambda robot: robot.name, thaw=Robot)


# -- what a program sees of them


def seen(value):
    """A text that says everything that a program can see of one of these values."""
    for kinds, see in _SEEN:
        if isinstance(value, kinds):
            return f"{_kind(value)}:{see(value)}"
    if type(value) is object:
        return "object"
    return repr(value)


def _kind(value):
    if isinstance(value, ctypes.Array | ctypes._SimpleCData | ctypes._Pointer):
        return "c"
    return type(value).__name__


def _see_c(value):
    if isinstance(value, ctypes.Union):
        return bytes(value)
    if isinstance(value, ctypes.Structure):
        names = [name for cls in reversed(type(value).__mro__) for name, *_ in
                 vars(cls).get("_fields_", ())]  # fmt: skip
        return [(name, seen(getattr(value, name))) for name in names]
    if isinstance(value, ctypes.Array):
        return [seen(item) for item in value]
    if isinstance(value, ctypes._Pointer):
        return bool(value)
    return repr(value.value), ctypes.sizeof(value) if value._type_ in "bhilqBHILQfd" else 0


def _see_view(view):
    try:
        return view.tolist(), view.format, view.readonly, view.shape
    except ValueError:
        return "released"


def _see_node(node):
    friends = sorted(friend.name for friend in node.friends)
    return node.name, friends, node in node.friends, sorted(n.name for n in node.by_node)


def _see_set(value):
    return sorted(map(seen, value))


def _see_random(value):
    return "" if isinstance(value, random.SystemRandom) else [value.gauss(0, 1), value.random()]


def _see_class(cls):
    return cls._length_ if hasattr(cls, "_length_") else ""


_SEEN = (
    (codecs.CodecInfo, lambda codec: codec.name),
    ((list, tuple), lambda items: [seen(item) for item in items]),
    ((set, frozenset), _see_set),
    (str, ascii),
    (dict, lambda items: sorted((seen(key), seen(item)) for key, item in items.items())),
    (
        array.array,
        lambda numbers: [
            numbers.typecode if numbers.typecode not in "uw" else "text",
            numbers.tolist(),
        ],
    ),
    (type(ctypes.c_int).__mro__[0], lambda cls: ctypes.sizeof(cls)),
    ((ctypes.Structure, ctypes.Union, ctypes.Array, ctypes._SimpleCData, ctypes._Pointer), _see_c),
    (type, _see_class),
    (memoryview, _see_view),
    (pathlib.PurePath, str),
    (Node, _see_node),
    (Robot, lambda robot: robot.name),
    (random.Random, _see_random),
    (struct.Struct, lambda form: (form.format, form.size)),
    ((io.StringIO, io.BytesIO), lambda stream: (stream.tell(), stream.getvalue())),
    (io.TextIOWrapper, lambda file: (file.closed or file.tell(), file.name.rpartition("/")[2])),
    ((enumerate, zip), list),
    (zipfile.ZipFile, lambda archive: archive.read("a.txt")),
    (tarfile.TarFile, lambda tape: (tape.next().name, tape.extractfile("b").read(), tape.next())),
    (re.Match, lambda match: (match.span(), match.groups())),
    (re.Pattern, lambda pattern: (pattern.pattern, pattern.flags)),
    (types.ModuleType, lambda module: module.__name__),
    (types.BuiltinFunctionType, lambda function: function.__name__),
    (threading.Thread, lambda thread: thread.is_alive()),
    (queue.Queue, lambda found: found.qsize()),
    (threading.Event, lambda event: event.is_set()),
    ((type(threading.Lock()), type(threading.RLock())), lambda lock: lock.acquire(False)),
    (weakref.ref, lambda reference: seen(reference())),
    ((weakref.WeakKeyDictionary, weakref.WeakSet), lambda found: sorted(k.name for k in found)),
    (type(re.finditer("", "")), lambda found: [match.span() for match in found]),
    (type(os.environ), lambda found: found is os.environ),
    (decimal.Context, lambda context: (context.prec, context.rounding)),
    (logging.Logger, lambda logger: logger.name),
    (types.SimpleNamespace, lambda space: seen(vars(space))),
    (functools.partial, lambda made: (made.args, made.keywords)),
    (type(functools.lru_cache(int)), lambda made: made()),
    (datetime.tzinfo, str),
)


# -- examples that stay


def open_file():
    return open(__file__, encoding="utf-8")


def reopening_file():
    file = hetmig.open(__file__, encoding="utf-8")
    file.readline()
    next(file)
    return file


def carried_file():
    file = hetmig.open(__file__, encoding="utf-8", policy="carry")
    next(file)
    return file


def temporary_file():
    return tempfile.NamedTemporaryFile()


def temporary_directory():
    return tempfile.TemporaryDirectory()


def socket_():
    return socket.socket()


def process():
    return subprocess.Popen([sys.executable, "-c", ""], stdin=subprocess.PIPE)


def live_thread():
    thread = threading.Thread(target=threading.Event().wait, daemon=True)
    thread.start()
    return thread


def gzip_reader():
    return gzip.GzipFile(fileobj=io.BytesIO(gzip.compress(b"abc")))


def bz2_reader():
    return bz2.BZ2File(io.BytesIO(bz2.compress(b"abc")))


def lzma_reader():
    return lzma.LZMAFile(io.BytesIO(lzma.compress(b"abc")))


def zip_member():
    return archives()[0].open("a.txt")


def pointer():
    return ctypes.pointer(ctypes.c_int(1))


def linked():
    first = Linked(value=1)
    return Linked(ctypes.pointer(first), 2)


def function_pointer():
    return ctypes.CFUNCTYPE(ctypes.c_int)(lambda: 1)


def borrowed_memory():
    return ctypes.c_int.from_buffer(bytearray(8))


def wide_numbers():
    most = 1 << 8 * array.array("l").itemsize - 2
    return [array.array("l", [most]), array.array("L", [most])]


def event_loop():
    return asyncio.new_event_loop()


def shared_memory():
    from multiprocessing.shared_memory import SharedMemory

    return SharedMemory(create=True, size=10)


def hash_object():
    return hashlib.sha256(b"abc")


def other_hashes():
    return [hashlib.blake2b()]


def keyed_hash():
    return hmac.new(b"k", digestmod="sha256")


def compressor():
    return zlib.compressobj()


def database():
    return sqlite3.connect(":memory:")


def pool():
    return concurrent.futures.ThreadPoolExecutor()


def memory_map():
    return mmap.mmap(-1, 10)


def library():
    return ctypes.CDLL(None)


def free(value):
    """Give back what an example that stays has taken."""
    if isinstance(value, ctypes.CDLL):
        return  # whose attributes are functions of C, and what their names say
    names = ("kill", "close", "cleanup", "unlink", "shutdown")
    if found := [name for name in names if hasattr(value, name)]:
        getattr(value, found[0])()
        if "unlink" in found:
            value.unlink()
    if isinstance(value, subprocess.Popen):
        value.stdin.close()
        value.wait()
