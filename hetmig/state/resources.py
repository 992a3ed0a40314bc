"""What is tied to this machine or this process, and what its owner can do about it."""

from __future__ import annotations

import _thread
import contextlib
import ctypes
import io
import mmap
import select
import socket
import sys
import threading
import types
import weakref
from typing import Any

__all__ = ["refusals", "remedy", "type_name"]

_CLOSE = "close it before a move and open it again after"
_END = "close it and drop the variable before a move, and open another after"
_LOCAL = "create it where it is used, or drop it before a move"

_FILE = ("an open file belongs to this machine", _CLOSE)
_SOCKET = ("a socket is a connection of this machine", _CLOSE)
_LOCK = ("a lock may be held by another thread", "release it before a move")
_THREAD = ("a thread belongs to this process", "join it and drop the variable before a move")
_SUSPENDED = (
    "a suspended generator or coroutine does not travel inside data yet",
    "exhaust or drop it before a move",
)
_WEAK = (
    "a weak reference is tied to this process",
    "hold the object itself, or drop the reference",
)
_FRAME = ("a frame or traceback is tied to this process", "drop it, or keep its text")
_NATIVE = (
    "the bytes of a ctypes object depend on this machine",
    "copy its values into Python objects",
)
_DATABASE = ("a database connection belongs to this process", _END)
_PROCESS = (
    "a child process belongs to this machine",
    "wait for it and drop the variable before a move",
)
_POOL = (
    "a pool of workers belongs to this process",
    "shut it down and drop the variable before a move",
)
_PRECISION = (
    "the format of numpy's long double depends on the machine",
    "convert it with astype('float64')",
)
_MAPPED = ("a memory-mapped file belongs to this machine", "copy what you need with bytes(...)")

Reason = tuple[str, str]

_BY_TYPE: dict[type, Reason] = {
    io.FileIO: _FILE,
    io.TextIOWrapper: _FILE,
    io.BufferedReader: _FILE,
    io.BufferedWriter: _FILE,
    io.BufferedRandom: _FILE,
    io.BufferedRWPair: _FILE,
    socket.socket: _SOCKET,
    type(_thread.allocate_lock()): _LOCK,
    type(threading.RLock()): _LOCK,
    threading.Thread: _THREAD,
    types.GeneratorType: _SUSPENDED,
    types.CoroutineType: _SUSPENDED,
    types.AsyncGeneratorType: _SUSPENDED,
    weakref.ReferenceType: _WEAK,
    weakref.ProxyType: _WEAK,
    weakref.CallableProxyType: _WEAK,
    types.FrameType: _FRAME,
    types.TracebackType: _FRAME,
    ctypes.Structure.__mro__[-2]: _NATIVE,  # ctypes' own base of all its data
    mmap.mmap: _MAPPED,
    memoryview: (
        "only a view of a whole bytes or bytearray object travels",
        "hold bytes(...) of it",
    ),
    type(sys.flags): ("sys.flags describes this process", "copy the values you need"),
    type(sys.version_info): ("sys.version_info describes this Python", "use tuple(...) of it"),
}
with contextlib.suppress(AttributeError):
    _BY_TYPE[type(select.poll())] = _SOCKET
with contextlib.suppress(AttributeError):
    _BY_TYPE[select.epoll] = _SOCKET

# Looked up only if the program has loaded the module: to load them all would cost a runner dear.
_BY_NAME: dict[tuple[str, str], Reason] = {
    ("sqlite3", "Connection"): _DATABASE,
    ("sqlite3", "Cursor"): _DATABASE,
    ("subprocess", "Popen"): _PROCESS,
    ("concurrent.futures", "Executor"): _POOL,
    ("concurrent.futures", "Future"): _POOL,
    ("multiprocessing.pool", "Pool"): _POOL,
    ("multiprocessing.process", "BaseProcess"): _PROCESS,
    ("ssl", "SSLContext"): ("a TLS context holds keys of this process", _LOCAL),
    ("ssl", "SSLSocket"): (_SOCKET[0], _END),
    ("asyncio", "AbstractEventLoop"): ("an event loop belongs to this process", _LOCAL),
    ("asyncio", "Future"): ("an asyncio future belongs to its event loop", _LOCAL),
    ("tempfile", "_TemporaryFileWrapper"): (_FILE[0], _END),
    ("tempfile", "TemporaryDirectory"): ("a temporary directory is on this machine", _LOCAL),
    ("numpy", "longdouble"): _PRECISION,
    ("numpy", "clongdouble"): _PRECISION,
    ("numpy", "memmap"): _MAPPED,
    ("zmq", "Socket"): (_SOCKET[0], _END),
    ("zmq", "Context"): (_SOCKET[0], _END),
}

NUMPY_PRECISION = _PRECISION


def refusals() -> dict[type, Reason]:
    """Each type that stays, with (why, what to do), as far as its module is loaded."""
    found = dict(_BY_TYPE)
    for (module, name), reason in _BY_NAME.items():
        cls = getattr(sys.modules.get(module), name, None)
        if isinstance(cls, type):
            found[cls] = reason
    return found


def remedy(culprit: object) -> str:
    """What the owner of an object that cannot travel can do; "" if its type is not known here."""
    reasons = refusals()
    for cls in type(culprit).__mro__:
        if cls in reasons:
            return reasons[cls][1]
    return ""


def type_name(value: Any) -> str:
    """The qualified name of a value's type, without `builtins`."""
    cls = type(value)
    return (
        cls.__qualname__ if cls.__module__ == "builtins" else f"{cls.__module__}.{cls.__qualname__}"
    )
