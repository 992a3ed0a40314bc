"""`hetmig run --checkpoint`: a script that goes on where it was, however often it is killed."""

from __future__ import annotations

import argparse
import contextlib
import queue
import signal
import socket
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hetmig.commands.common import (
    EXIT_AGAIN,
    EXIT_OK,
    UsageError,
    chosen,
    open_nodes,
    place,
    seconds,
    whole_number,
)
from hetmig.errors import HetmigError, NoCheckpoint, NotMigratable

if TYPE_CHECKING:
    from hetmig.client import Nodes, Task
    from hetmig.journey import Checkpoint
    from hetmig.state.checkpoint import Loaded, Name

__all__ = ["add_options", "check_unused", "nodes_for", "run", "tell_resumed"]

_EVERY = 30.0
_GRACE = 20.0
_LOCK_SECONDS = 5.0


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add --checkpoint and what belongs to it."""
    parser.add_argument(
        "--checkpoint",
        metavar="DIR|URL",
        help="keep copies there, and go on from the newest; without --on, on a node of its own",
    )
    parser.add_argument(
        "--every", metavar="SECONDS", type=seconds, help=f"how often (default: {_EVERY:g})"
    )
    parser.add_argument(
        "--keep", metavar="N", type=whole_number, help="how many of them to keep (default: 3)"
    )
    parser.add_argument(
        "--grace",
        metavar="SECONDS",
        type=seconds,
        help=f"after SIGTERM, how long to try to make the last one (default: {_GRACE:g})",
    )
    parser.add_argument(
        "--anew", action="store_true", help="forget the copies that are there, and begin anew"
    )


def check_unused(arguments: argparse.Namespace) -> None:
    """Without --checkpoint the other options mean nothing.  Raises UsageError."""
    for option in ("every", "keep", "grace", "anew"):
        if getattr(arguments, option):
            raise UsageError(f"--{option} goes with --checkpoint DIR")


def run(arguments: argparse.Namespace) -> int:
    """Run the script from its newest checkpoint, or from its beginning; its exit code."""
    from hetmig.state.checkpoint import prune
    from hetmig.state.stores import Directory, locked, store_at

    events: queue.SimpleQueue[str] = queue.SimpleQueue()
    # Before anything is started: a batch system may end us at any time.
    signal.signal(signal.SIGTERM, lambda signum, frame: events.put("stop"))
    store = store_at(arguments.checkpoint)
    # After a kill the node of the last start may need a moment to notice.
    with locked(store, _LOCK_SECONDS) as held:
        if isinstance(store, Directory):
            store.sweep()
        batch = _Batch(arguments, events)
        if arguments.anew:
            batch.forget()
        with nodes_for(arguments, held) as nodes:
            code = batch.run(nodes)
        # When the node has gone, nobody writes one any more.
        if code == EXIT_OK and batch.series is not None:
            prune(store, batch.series, 0)
    return code


@contextlib.contextmanager
def nodes_for(arguments: argparse.Namespace, held: Sequence[int] = ()) -> Iterator[Nodes]:
    """A connection to the node that was named, by --on or $HETMIG_NODE, or to one of our own.

    Our own holds these descriptors as long as it lives.
    """
    if arguments.node is None:
        with _own_node(arguments.keys, held) as nodes:
            yield nodes
        return
    with open_nodes(arguments) as nodes:
        yield nodes


@contextlib.contextmanager
def _own_node(keys: str | None, held: Sequence[int]) -> Iterator[Nodes]:
    """A node for this one purpose, which ends with this process."""
    from hetmig.client import connect
    from hetmig.node.embedded import LocalNode
    from hetmig.node.keys import Keyring

    keyring = Keyring.open(keys)
    path = [entry for entry in sys.path if entry]
    name, command = socket.gethostname(), [sys.executable]
    node = LocalNode(name, command, path, keyring.directory, sturdy=True, inherit=held)
    try:
        node.wait_until_ready()
        with connect(node, keys=keyring) as nodes:
            yield nodes
    finally:
        node.stop()


class _Batch:
    """One start of the command."""

    def __init__(self, arguments: argparse.Namespace, events: queue.SimpleQueue[str]) -> None:
        from hetmig.node.checkpoint_keys import finder
        from hetmig.node.keys import Keyring
        from hetmig.state.checkpoint import digest_of

        self.series: str | None = None
        """Under which the checkpoints of this script lie, once that is known."""
        self._arguments = arguments
        self._place: str = arguments.checkpoint
        self._script: str = arguments.script
        self._events = events
        self._find = finder(Keyring.open(arguments.keys).directory)
        self._of = digest_of(Path(self._script).read_text("utf-8"), arguments.arguments)
        self._told = ""

    def forget(self) -> None:
        """Remove all checkpoints that are there."""
        from hetmig.state.checkpoint import names_in
        from hetmig.state.stores import store_at

        store = store_at(self._place)
        for name in names_in(store):
            store.remove(str(name))

    def run(self, nodes: Nodes) -> int:
        """Go on from the newest checkpoint that can be put back."""
        loaded = self._found(None)
        while True:
            if loaded is None:
                task = self._begin(nodes)
                self.series = task.id
            else:
                task = nodes.resume(loaded)
                self.series = loaded.name.series
            try:
                return self._follow(task)
            except NotMigratable as error:
                if loaded is None or task.last_checkpoint() is not None:
                    raise
                _say(f"{loaded.where} can't be put back: {error}")
                loaded = self._found(loaded.name)
            except KeyboardInterrupt:
                task.cancel()
                if self._are_there():
                    _say(f"the checkpoints stay in {self._place}")
                raise

    def _begin(self, nodes: Nodes) -> Task:
        arguments = self._arguments
        return chosen(nodes, arguments).run_script(
            self._script,
            arguments.arguments,
            checkpoint=self._place,
            every=arguments.every or _EVERY,
            stdin=sys.stdin,
            keep=max(1, arguments.keep or 3),
        )

    def _found(self, before: Name | None) -> Loaded | None:
        """The newest good checkpoint; None if there has never been any."""
        from hetmig.state.checkpoint import load, names_in
        from hetmig.state.stores import store_at

        if before is None and not names_in(store_at(self._place)):
            return None
        try:
            loaded = load(self._place, self._find, before=before)
        except NoCheckpoint as error:
            raise NoCheckpoint(f"{error}; --anew begins anew") from error
        except HetmigError as error:
            raise type(error)(f"{error}; --anew forgets them and begins anew") from error
        settings = loaded.task["checkpoint"]
        if settings.get("of") != self._of:
            ran = " ".join(loaded.task.get("argv") or [str(loaded.task.get("name"))])
            raise UsageError(
                f"the checkpoints in {self._place} are of `{ran}`, which had other arguments or "
                f"another text: `hetmig resume {self._place}` goes on with that one, --anew forgets"
                " it"
            )
        if self._arguments.every:
            settings["every"] = self._arguments.every
        if self._arguments.keep:
            settings["keep"] = self._arguments.keep
        tell_resumed(loaded)
        return loaded

    def _follow(self, task: Task) -> int:
        from hetmig.commands.script import wait

        task.add_checkpoint_callback(self._tell)
        task.add_done_callback(lambda _: self._events.put("end"))
        if self._events.get() == "stop":
            return self._stop(task)
        code = wait(task)
        if code != EXIT_OK and self._are_there():
            _say(f"the checkpoints stay in {self._place}: the same command goes on from the last")
        return code

    def _are_there(self) -> bool:
        from hetmig.state.checkpoint import names_in
        from hetmig.state.stores import store_at

        return bool(names_in(store_at(self._place)))

    def _stop(self, task: Task) -> int:
        """We are to end, soon."""
        from hetmig.commands.script import wait

        try:
            saved = task.checkpoint(stop=True, timeout=self._arguments.grace or _GRACE)
        except HetmigError as error:
            if task.done() and not task.cancelled() and task.exception() is None:
                return wait(task)  # it came to its end in the very moment
            last = task.last_checkpoint()
            _say(f"no last checkpoint: {error}")
            _say(f"stopped; the newest is {last.where}" if last else "stopped, with none at all")
            task.cancel()
        else:
            _say(f"checkpointed at {_stood(saved.function, saved.file, saved.line)} and stopped")
        return EXIT_AGAIN

    def _tell(self, saved: Checkpoint | None, reason: str) -> None:
        """A checkpoint that fails time and again is worth one line."""
        if saved is None and reason != self._told:
            _say(f"no checkpoint this time: {reason}")
        self._told = reason


def tell_resumed(loaded: Loaded) -> None:
    """Say what goes on, and from when."""
    from hetmig.node.freezing import stood_at

    for where, reason in loaded.skipped:
        _say(f"{where} is of no use: {reason}")
    taken = float(loaded.about["time"])
    when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(taken))
    where = _stood(**stood_at(loaded.parcel.manifest.get("frames") or []))
    _say(
        f"{loaded.task['name']} goes on from checkpoint {loaded.name.number} of {when}"
        f" ({_ago(taken)}), at {where}"
    )


def _stood(function: object, file: object, line: object) -> str:
    number = line if isinstance(line, int) else 0
    return f"{function} ({place(str(file), number)})"


def _ago(taken: float) -> str:
    from hetmig.commands.tasks import duration

    return f"{duration(max(time.time() - taken, 0.0))} ago"


def _say(text: str) -> None:
    print(f"hetmig: {text}", file=sys.stderr, flush=True)
