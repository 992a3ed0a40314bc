"""hetmig moves a running Python program to another machine, where it carries on mid-loop.

    @hetmig.migratable                  mark a function as meant to move (it stays as it is)
    hetmig.migrate(to)                  in a task: go on at the node `to`, from here
    hetmig.checkpoint()                 in a task: keep a copy of it, to be started again from
    hetmig.progress(done, total, note)  in a task: how far it is
    hetmig.ignorable(thread)            in a task: that thread may stay behind
    hetmig.here()                       in a task: the name of the node it is on
    with hetmig.pinned(reason):         in a task: it does not move while it is in this block
    hetmig.open(path, mode)             a file that is opened again where the task goes
    hetmig.register(Type, freeze=, thaw=)       how objects of a type travel

    hetmig.connect(endpoint)            a connection: submit, run_script, tasks, nodes, drain
        .submit(function, *args)        a Task: result, migrate, where, checkpoint, replicate ...
        .resume(checkpoint)             the Task again, from a file, directory or URL
        .put(obj, at=node)              an ObjectRef: get, move, where, delete
        .spawn(Class, *args, at=node)   an Actor: its methods give futures; migrate, stop ...
    hetmig.put, hetmig.spawn            the same, in a task

    hetmig.dumps(obj), loads(data)      any Python value as bytes, and back

All errors are subclasses of hetmig.HetmigError; each says what to do next.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hetmig._version import __version__
from hetmig.errors import (
    HetmigError,
    MigrationRefused,
    NodeUnreachable,
    NotMigratable,
    TaskLost,
    Unauthorized,
    VersionMismatch,
)
from hetmig.state.copying import register as _register_copying
from hetmig.state.pins import pinned
from hetmig.task import checkpoint, here, ignorable, migratable, migrate, progress

if TYPE_CHECKING:
    from hetmig.client import Nodes, Task, connect
    from hetmig.journey import Checkpoint, Hop
    from hetmig.remote import Actor, ObjectRef, put, spawn
    from hetmig.state.files import open
    from hetmig.state.pickling import dumps, loads
    from hetmig.state.registry import register

__all__ = [
    "Actor",
    "Checkpoint",
    "HetmigError",
    "Hop",
    "MigrationRefused",
    "NodeUnreachable",
    "Nodes",
    "NotMigratable",
    "ObjectRef",
    "Task",
    "TaskLost",
    "Unauthorized",
    "VersionMismatch",
    "__version__",
    "checkpoint",
    "connect",
    "dumps",
    "here",
    "ignorable",
    "loads",
    "migratable",
    "migrate",
    "open",
    "pinned",
    "progress",
    "put",
    "register",
    "spawn",
]

_register_copying()

# Loaded at first use: a runner needs neither, and it should start fast on a slow machine.
_LAZY = {
    "Actor": "hetmig.remote",
    "Checkpoint": "hetmig.journey",
    "Hop": "hetmig.journey",
    "Nodes": "hetmig.client",
    "ObjectRef": "hetmig.remote",
    "Task": "hetmig.client",
    "connect": "hetmig.client",
    "dumps": "hetmig.state.pickling",
    "loads": "hetmig.state.pickling",
    "open": "hetmig.state.files",
    "put": "hetmig.remote",
    "register": "hetmig.state.registry",
    "spawn": "hetmig.remote",
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'hetmig' has no attribute {name!r}")
    import importlib

    try:
        value = globals()[name] = getattr(importlib.import_module(_LAZY[name]), name)
    except ModuleNotFoundError as error:
        if str(error.name).partition(".")[0] != "zmq":
            raise
        message = f"pyzmq is not installed here: hetmig.{name} needs it, dumps and loads do not"
        raise HetmigError(message) from None
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
