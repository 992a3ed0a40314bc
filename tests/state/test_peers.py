"""What cloudpickle and dill carry, hetmig carries too, or refuses for a reason that is given here.

dill brings an object of each type that it knows of.  For the types that both have ways of their own
for, there are examples here, as far as dill brings none.
"""

from __future__ import annotations

import abc
import collections
import contextvars
import dataclasses
import functools
import io
import json
import logging
import os
import pickle
import subprocess
import sys
import types
import typing
import weakref

import cloudpickle
import pytest

from hetmig.errors import NotMigratable
from hetmig.state.pickling import dumps, loads
from tests.state.elsewhere import ROOT

FILE = "an open file is tied to the machine, and what is made of it may differ: see hetmig.open"
WEAKLY_HELD = "what it leads to does not travel, so it would arrive dead"

REFUSED = {
    "FileType": FILE,
    "FileHandlerType": FILE,
    "RotatingFileHandlerType": FILE,
    "TemporaryFileType": FILE,
    "BufferedRandomType": FILE,
    "BufferedReaderType": FILE,
    "BufferedWriterType": FILE,
    "TextWrapperType": FILE,
    "PyBufferedRandomType": FILE,
    "PyBufferedReaderType": FILE,
    "PyBufferedWriterType": FILE,
    "PyTextWrapperType": FILE,
    "TarFileType": "it is being written; dill's copy would go on with a file of its own",
    "ReferenceType": WEAKLY_HELD,
    "ProxyType": WEAKLY_HELD,
    "CallableProxyType": WEAKLY_HELD,
    "PyCapsuleType": "it holds an address of the process; dill's is of use in that process alone",
    "SocketType": "dill's duplicates a descriptor of the process",
    "ShelveType": "a database belongs to the machine",
    "LockType": "another thread may hold it",
    "RLockType": "another thread may hold it",
}
"""Of what dill pickles, that which may be refused: it is right to.  Not every version of dill and
Python brings each."""

ANOTHER_TYPE = {"OdictIteratorType": "over an OrderedDict with nothing in it: so it yields nothing"}

WALK = """
import json, re, sys
from dill import _objects
import hetmig

def told(obj):
    try:
        return re.sub("0x[0-9a-f]+", "", repr(obj)), sorted(vars(obj))
    except ReferenceError:
        return "a dead reference"
    except TypeError:
        return re.sub("0x[0-9a-f]+", "", repr(obj))

def outcome(obj):
    try:
        arrived = hetmig.loads(hetmig.dumps(obj))
    except hetmig.HetmigError as error:
        return ["refused", str(error)]
    if type(arrived) is not type(obj):
        return ["another type", repr(type(arrived))]
    try:
        equal = bool(arrived == obj)
    except Exception:
        equal = False
    same = equal or told(arrived) == told(obj)
    return ["carried" if same else "another", "" if same else f"{told(arrived)} {told(obj)}"]

print(json.dumps([
    {name: outcome(obj) for name, obj in sorted(table.items())}
    for table in (_objects.succeeds, _objects.failures)
]))
"""


@pytest.fixture(scope="module")
def walked(tmp_path_factory):
    """What became of what dill pickles, and of what it does not, by dill's name of the type."""
    pytest.importorskip("dill")
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    ended = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", WALK],
        capture_output=True,
        text=True,
        cwd=tmp_path_factory.mktemp("dill"),  # it leaves files behind
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        timeout=120,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout.splitlines()[-1])


def test_what_dill_can(walked):
    carried, _ = walked
    other = {name: said for name, said in carried.items() if said[0] != "carried"}
    allowed = {name: ["refused"] for name in REFUSED} | {n: ["another type"] for n in ANOTHER_TYPE}
    assert {n: said for n, said in other.items() if said[:1] != allowed.get(n)} == {}
    assert len(carried) - len(other) > 140


def test_what_dill_can_not(walked):
    """Nothing arrives as something else here either, and much arrives."""
    _, others = walked
    assert {n: said for n, said in others.items() if said[0].startswith("another")} == {}
    assert sum(said[0] == "carried" for said in others.values()) > 10


# -- the types with ways of their own


class Abstract(abc.ABC):
    @property
    @abc.abstractmethod
    def value(self): ...


class Plain:
    slot = property(len)
    method = classmethod(len)
    static = staticmethod(len)

    def bound(self): ...


class Slotted:
    __slots__ = ("part",)


def examples():
    """An object of each type that cloudpickle or dill pickle in a way of their own."""
    cell = (lambda x: lambda: x)(1).__closure__[0]
    ordered = collections.OrderedDict(a=1)
    lines = io.TextIOWrapper(io.BytesIO(b"a"))
    plain = Plain()
    return [
        *(None, NotImplemented, ..., True, 1, 0.5, "x", b"x", bytearray(b"x"), (1,), [1], {1: 2}),
        *({1}, frozenset({1}), range(3), slice(1, 2), memoryview(b"x"), 1j),
        *({}.keys(), {}.values(), {}.items(), ordered.keys(), ordered.values(), ordered.items()),
        *(cell, cell.__class__, compile("1", "x", "eval"), lambda: 1, len, plain.bound, [].append),
        *(vars(Plain)["slot"], vars(Plain)["method"], vars(Plain)["static"]),
        *(vars(Slotted)["part"], types.FunctionType.__dict__["__code__"], str.__dict__["join"]),
        *(int.__dict__["__add__"], int.__dict__["from_bytes"], (1).__add__),
        *(types, types.ModuleType("own"), Plain, Abstract, type(None), super(Plain, plain)),
        *(types.MappingProxyType({}), typing.TypeVar("T"), typing.List[int], list[int]),  # noqa: UP006
        *(logging.getLogger(), logging.getLogger("a"), weakref.WeakSet(), weakref.ref(Plain)),
        *(weakref.proxy(Plain), contextvars.copy_context(), functools.lru_cache(len)),
        *(dataclasses.MISSING, dataclasses.KW_ONLY, dataclasses._HAS_DEFAULT_FACTORY),
        *(dataclasses._FIELD, pickle.PickleBuffer(b"x"), lines),
    ]


OF_DILL = {"_thread", "_io", "_pyio"}
"""Locks and files, of which dill brings its own."""
WITHOUT_EXAMPLE = {
    "abc.abstractclassmethod": "deprecated; a class method that is abstract",
    "abc.abstractproperty": "the same of a property",
    "abc.abstractstaticmethod": "the same of a static method",
    "abc.abstractmethod": "a function, which returns what it is given",
    "builtins.PyCapsule": "nothing in Python makes one",
    "weakref.ProxyType": "dill brings one",
}


def _name(cls):
    return f"{cls.__module__}.{cls.__qualname__}"


def test_every_type_has_an_example():
    dill = pytest.importorskip("dill")
    theirs = {*dill.Pickler.dispatch, *cloudpickle.Pickler._dispatch_table}
    ours = {type(value) for value in examples()}
    missing = {
        _name(cls)
        for cls in theirs - ours
        if isinstance(cls, type)
        and _name(cls) not in WITHOUT_EXAMPLE
        and cls.__module__ not in OF_DILL
        and not cls.__module__.startswith("numpy")
    }
    assert missing == set()


@pytest.mark.parametrize("value", examples(), ids=lambda value: type(value).__name__)
def test_each_type(value):
    if isinstance(value, io.TextIOWrapper):
        with pytest.raises(NotMigratable, match="open file"):
            dumps(value)
        return
    arrived = loads(dumps(value))
    assert type(arrived) is (memoryview if type(value) is pickle.PickleBuffer else type(value)) or (
        type(value) is pickle.PickleBuffer and arrived == b"x"
    )
