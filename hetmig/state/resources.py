"""What is tied to this machine or this process, and what its owner can do about it."""

from __future__ import annotations

import _thread
import contextlib
import functools
import io
import mmap
import operator
import select
import socket
import sys
import threading
import types
import weakref
from collections.abc import Callable
from typing import Any

__all__ = ["refusals", "remedy", "type_name"]

_STAY = "or keep the task here meanwhile: `with hetmig.pinned()`"
_CLOSE = f"close it before a move and open it again after, {_STAY}"
_END = f"close it and drop the variable before a move, and open another after, {_STAY}"
_LOCAL = "create it where it is used, or drop it before a move"

_FILE = (
    "an open file belongs to this machine",
    "close it before a move and open it again after, open it with hetmig.open or under "
    f"hetmig.files(policy), {_STAY}",
)
_DIGEST = (
    "the state of a hash can't be read",
    "keep what it was fed with, or take its digest() before a move",
)
_CODER = (
    "the state of a compressor, decompressor or parser can't be read",
    f"let it come to its end before a move, {_STAY}",
)
_SHARED = (
    "shared memory and what is made of it belong to the processes of this machine",
    _END,
)
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
_DATABASE = ("a database connection belongs to this process", _END)
_PROCESS = (
    "a child process belongs to this machine",
    f"wait for it and drop the variable before a move, {_STAY}",
)
_POOL = (
    "a pool of workers belongs to this process",
    "shut it down and drop the variable before a move",
)
_MAPPED = ("memory-mapped memory belongs to this machine", "copy what you need with bytes(...)")

Reason = tuple[str, str]

# Types that their module gives no name, and an object of each.
_NAMELESS: tuple[tuple[str, Callable[[Any], object], Reason], ...] = (
    ("zlib", operator.methodcaller("compressobj"), _CODER),
    ("zlib", operator.methodcaller("decompressobj"), _CODER),
)

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
    mmap.mmap: _MAPPED,
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
    ("tempfile", "TemporaryDirectory"): (
        "a temporary directory is on this machine",
        f"{_LOCAL}, {_STAY}",
    ),
    ("gzip", "GzipFile"): _CODER,
    ("bz2", "BZ2File"): _CODER,
    ("lzma", "LZMAFile"): _CODER,
    ("_bz2", "BZ2Compressor"): _CODER,
    ("_bz2", "BZ2Decompressor"): _CODER,
    ("_lzma", "LZMACompressor"): _CODER,
    ("_lzma", "LZMADecompressor"): _CODER,
    ("zipfile", "ZipExtFile"): _CODER,
    ("pyexpat", "XMLParserType"): _CODER,
    ("_hashlib", "HASH"): _DIGEST,
    ("_hashlib", "HMAC"): _DIGEST,
    ("_blake2", "blake2b"): _DIGEST,
    ("_blake2", "blake2s"): _DIGEST,
    ("multiprocessing.shared_memory", "SharedMemory"): _SHARED,
    ("multiprocessing.shared_memory", "ShareableList"): _SHARED,
    ("multiprocessing.synchronize", "SemLock"): _SHARED,
    ("multiprocessing.queues", "Queue"): _SHARED,
    ("multiprocessing.queues", "SimpleQueue"): _SHARED,
    ("multiprocessing.connection", "_ConnectionBase"): _SHARED,
    ("multiprocessing.managers", "BaseManager"): _PROCESS,
    ("multiprocessing.managers", "BaseProxy"): _PROCESS,
    ("dbm.dumb", "_Database"): _DATABASE,
    ("dbm.sqlite3", "_Database"): _DATABASE,
    ("ctypes", "CDLL"): ("a library is loaded in this process", f"load it again after, {_STAY}"),
    ("numpy", "memmap"): _MAPPED,
    ("zmq", "Socket"): (_SOCKET[0], _END),
    ("zmq", "Context"): (_SOCKET[0], _END),
}


def refusals() -> dict[type, Reason]:
    """Each type that stays, with (why, what to do), as far as its module is loaded."""
    found = dict(_BY_TYPE)
    for (module, name), reason in _BY_NAME.items():
        cls = getattr(sys.modules.get(module), name, None)
        if isinstance(cls, type):
            found[cls] = reason
    for module, make, reason in _NAMELESS:
        if module in sys.modules:
            found[_type_made(sys.modules[module], make)] = reason
    return found


@functools.cache  # a compressor takes a quarter of a megabyte
def _type_made(module: Any, make: Callable[[Any], object]) -> type:
    return type(make(module))


def remedy(culprit: object) -> str:
    """What the owner of an object that cannot travel can do; "" if its type is not known here."""
    if hasattr(type(culprit), "__hetmig_reduce__"):  # it has said that itself
        return ""
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
