"""What stays is refused by its path, with what its owner can do; everything else goes on."""

from __future__ import annotations

import asyncio
import collections
import concurrent.futures
import contextlib
import ctypes
import mmap
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import types
import weakref

import pytest

from hetmig.errors import NotMigratable
from hetmig.state.image import freeze_value
from hetmig.state.pickling import dumps, loads
from tests.state import values


@contextlib.contextmanager
def process():
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        yield child


@contextlib.contextmanager
def loop():
    made = asyncio.new_event_loop()
    yield made
    made.close()


@contextlib.contextmanager
def thread():
    end = threading.Event()
    running = threading.Thread(target=end.wait)
    running.start()
    yield running
    end.set()
    running.join()


@contextlib.contextmanager
def held_lock():
    lock = threading.RLock()
    holder = threading.Thread(target=lock.acquire)
    holder.start()
    holder.join()
    yield lock


def holding(value):
    return contextlib.nullcontext(value)


REFUSED = {
    "text file": (lambda: open(__file__), "open file", "close it"),
    "binary file": (lambda: open(__file__, "rb"), "open file", "close it"),
    "raw file": (lambda: open(__file__, "rb", buffering=0), "open file", "close it"),
    "temporary file": (lambda: tempfile.NamedTemporaryFile(), "open file", "close it"),
    "socket": (socket.socket, "socket", "close it"),
    "lock": (held_lock, "held by another thread", "release it"),
    "thread": (thread, "is alive", "join it"),
    "weak reference": (lambda: holding(weakref.ref(values.stateful)), "weak", "hold the object"),
    "weak proxy": (lambda: holding(weakref.proxy(values.stateful)), "weak", "hold the object"),
    "frame": (lambda: holding(sys._getframe()), "frame", "text"),
    "pointer": (lambda: holding(ctypes.pointer(ctypes.c_int(1))), "pointer", "points to"),
    "mmap": (lambda: mmap.mmap(-1, 10), "memory-mapped", "bytes"),
    "process": (process, "child process", "wait"),
    "event loop": (loop, "event loop", "create it"),
    "sys.flags": (lambda: holding(sys.flags), "describes this process", "copy"),
    "pool": (concurrent.futures.ThreadPoolExecutor, "pool", "shut it down"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_by_name(name):
    make, why, remedy = REFUSED[name]
    with make() as culprit:
        job = values.Point({"conns": [0, culprit]})
        with pytest.raises(NotMigratable) as caught:
            freeze_value(job, name="job")
    assert caught.value.variable == "job.x['conns'][1]"
    assert caught.value.data["type"].split(".")[-1] == type(culprit).__name__
    assert why in caught.value.reason
    assert remedy in caught.value.reason


def test_database():
    with contextlib.closing(sqlite3.connect(":memory:")) as connection:
        for value in (connection, connection.cursor()):
            with pytest.raises(NotMigratable, match="database connection"):
                dumps(value)


def test_long_double():
    numpy = pytest.importorskip("numpy")
    structured = numpy.zeros(2, dtype=[("a", "i4"), ("b", numpy.longdouble)])
    for value in (numpy.longdouble(1), numpy.zeros(2, numpy.clongdouble), structured):
        with pytest.raises(NotMigratable, match="long double"):
            dumps(value)
    plain = numpy.zeros(2, dtype=[("a", ">i4"), ("b", "f8", (2,))])
    assert (loads(dumps(plain)) == plain).all()


def test_own_reducer_of_a_subclass_counts():
    assert isinstance(loads(dumps(Reopening())), Reopening)


class Reopening(threading.local):
    def __reduce__(self):
        return Reopening, ()


class Slots:
    __slots__ = ("conn",)


def path_to(value):
    with pytest.raises(NotMigratable) as caught:
        freeze_value(value, name="v")
    return caught.value.variable


def test_paths():
    lock = values.immovable()
    slots = Slots()
    slots.conn = lock

    def closure():
        return lock

    class Local:
        held = lock

    assert path_to(lock) == "v"
    assert path_to(slots) == "v.conn"
    assert path_to(closure) == "v.lock"
    assert path_to({"a": (1, {2: [lock]})}) == "v['a'][1][2][0]"
    assert path_to({lock}) == "v element"
    assert path_to({lock: 1}) == "v key"
    assert path_to(collections.deque([slots])) == "v element.conn"
    assert path_to(types.SimpleNamespace(a=slots)) == "v.a.conn"
    assert path_to(Local) == "v.held"
    assert path_to([Local()]) == "v[0].held"
    assert path_to(ValueError(lock)) == "v.args[0]"
    assert path_to(types.MethodType(len, slots)) == "v.__self__.conn"


def test_object_without_a_path():
    class Hiding:
        def __reduce__(self):
            return Hiding, (values.immovable(),)

    with pytest.raises(NotMigratable, match=r"v \(mmap\.mmap\)"):
        freeze_value(Hiding(), name="v")


def test_error_in_somebodys_reducer_is_theirs():
    class Broken:
        def __reduce__(self):
            raise ZeroDivisionError("not today")

    with pytest.raises(NotMigratable, match="ZeroDivisionError: not today") as caught:
        freeze_value([Broken()], name="v")
    assert caught.value.variable == "v[0]"
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


def test_looking_for_the_path_runs_nobodys_code():
    class Trap:
        def __init__(self):
            self.lock = values.immovable()

        def __getattr__(self, name):
            raise AssertionError(name)

        def __eq__(self, other):
            raise AssertionError

        __hash__ = None

    assert path_to([Trap()]) == "v[0].lock"
