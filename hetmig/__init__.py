"""hetmig moves a running Python program to another machine, where it carries on mid-loop.

    @hetmig.migratable                  mark a function as meant to move (it stays as it is)
    hetmig.migrate(to)                  in a task: go on at the node `to`, from here
    hetmig.checkpoint()                 in a task: keep a copy of it, to be started again from
    hetmig.progress(done, total, note)  in a task: how far it is
    hetmig.ignorable(thread)            in a task: that thread may stay behind
    for x in hetmig.divisible(items, merge={...}):      a loop that can be divided while it runs
    hetmig.divide(parts)                in a task: hand part of its iterations to other nodes
    hetmig.here()                       in a task: the name of the node it is on
    hetmig.receive(), receive_message()     in a task: the next message that was sent to it
    hetmig.send(task, x), request(task, x)  in a task: to another one, by its handle or name
    with hetmig.pinned(reason):         in a task: it does not move while it is in this block
    hetmig.open(path, mode, policy=)    a file that goes on working when the task has moved
    with hetmig.files(policy):          so do all files that are opened in this block
    hetmig.register(Type, freeze=, thaw=)       how objects of a type travel

    hetmig.connect(endpoint)            a connection: submit, run_script, tasks, nodes, drain
        .submit(function, *args)        a Task: result, migrate, send, request, replicate ...
        .with_options(name=).submit(f)  a Task with a name; .find(name) takes it up
        .resume(checkpoint)             the Task again, from a file, directory or URL
        .put(obj, at=node)              an ObjectRef: get, move, where, delete
        .spawn(Class, *args, at=node)   an Actor: its methods give futures; migrate, stop ...
    hetmig.put, hetmig.spawn            the same, in a task
    hetmig.Executor(nodes=...)          a concurrent.futures.Executor; future.task is the Task
    hetmig.aio.connect(endpoint)        the connection, for asyncio: await nodes.submit(f, x)
    hetmig.shared(obj)                  a proxy of an object that lives at one node; .lock
    hetmig.shared_buffer(size)          bytes or an array for several tasks: read, write

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
    from hetmig import aio
    from hetmig.client import Nodes, Task, connect
    from hetmig.division.loop import divide, divisible
    from hetmig.executor import Executor
    from hetmig.journey import Checkpoint, Hop
    from hetmig.messages import (
        Message,
        TaskRef,
        find,
        receive,
        receive_message,
        request,
        send,
    )
    from hetmig.redirection.opening import files, open
    from hetmig.remote import Actor, ObjectRef, put, spawn
    from hetmig.sharing.buffers import shared_buffer
    from hetmig.sharing.proxies import shared
    from hetmig.state.pickling import dumps, loads
    from hetmig.state.registry import register

__all__ = [
    "Actor",
    "Checkpoint",
    "Executor",
    "HetmigError",
    "Hop",
    "Message",
    "MigrationRefused",
    "NodeUnreachable",
    "Nodes",
    "NotMigratable",
    "ObjectRef",
    "Task",
    "TaskLost",
    "TaskRef",
    "Unauthorized",
    "VersionMismatch",
    "__version__",
    "aio",
    "checkpoint",
    "connect",
    "divide",
    "divisible",
    "dumps",
    "files",
    "find",
    "here",
    "ignorable",
    "loads",
    "migratable",
    "migrate",
    "open",
    "pinned",
    "progress",
    "put",
    "receive",
    "receive_message",
    "register",
    "request",
    "send",
    "shared",
    "shared_buffer",
    "spawn",
]

_register_copying()

# Loaded at first use: a runner needs neither, and it should start fast on a slow machine.
_LAZY = {
    "Actor": "hetmig.remote",
    "Checkpoint": "hetmig.journey",
    "Executor": "hetmig.executor",
    "Hop": "hetmig.journey",
    "Message": "hetmig.messages",
    "Nodes": "hetmig.client",
    "ObjectRef": "hetmig.remote",
    "Task": "hetmig.client",
    "TaskRef": "hetmig.messages",
    "aio": "hetmig.aio",
    "connect": "hetmig.client",
    "divide": "hetmig.division.loop",
    "divisible": "hetmig.division.loop",
    "dumps": "hetmig.state.pickling",
    "files": "hetmig.redirection.opening",
    "find": "hetmig.messages",
    "loads": "hetmig.state.pickling",
    "open": "hetmig.redirection.opening",
    "put": "hetmig.remote",
    "receive": "hetmig.messages",
    "receive_message": "hetmig.messages",
    "register": "hetmig.state.registry",
    "request": "hetmig.messages",
    "send": "hetmig.messages",
    "shared": "hetmig.sharing.proxies",
    "shared_buffer": "hetmig.sharing.buffers",
    "spawn": "hetmig.remote",
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'hetmig' has no attribute {name!r}")
    import importlib

    try:
        module = importlib.import_module(_LAZY[name])
        value = globals()[name] = module if name == "aio" else getattr(module, name)
    except ModuleNotFoundError as error:
        if str(error.name).partition(".")[0] != "zmq":
            raise
        message = f"pyzmq is not installed here: hetmig.{name} needs it, dumps and loads do not"
        raise HetmigError(message) from None
    return value


def load_ipython_extension(shell: Any) -> None:
    """`%load_ext hetmig`: cells of a notebook as tasks; see `hetmig.notebook`."""
    from hetmig.notebook.magics import load

    load(shell)


def unload_ipython_extension(shell: Any) -> None:
    """`%unload_ext hetmig`."""
    from hetmig.notebook.magics import unload

    unload(shell)


def __dir__() -> list[str]:
    return sorted(__all__)
