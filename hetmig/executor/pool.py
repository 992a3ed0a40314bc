"""The executor itself."""

from __future__ import annotations

import contextlib
import itertools
import os
import sys
import time
import weakref
from collections import deque
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor as StandardExecutor
from typing import Any, Literal, ParamSpec, TypeVar, overload

from hetmig.bundles import call_initialized, chunked
from hetmig.client import Nodes, connect
from hetmig.executor.dispatcher import Dispatcher, Work, members_of
from hetmig.executor.futures import TaskFuture
from hetmig.handing_in import Call
from hetmig.node.embedded import LocalNodes
from hetmig.node.keys import Keyring
from hetmig.options import settings

__all__ = ["Executor"]

P = ParamSpec("P")
V = TypeVar("V")


class Executor(StandardExecutor):
    """Executes calls as tasks on nodes, at most `max_workers` at a time.

    `nodes` is a connection (`hetmig.connect`), an address, or a sequence of such: each call goes to
    the node that has least to do of them.  A connection stays open; what is connected here, with
    `keys`, is closed at the shutdown.  Without `nodes`, a node on this machine is started, and
    ended then.  `max_workers` is the sum of the nodes' slots unless given.

    `initializer(*initargs)` is called in each task, before the function.  `needs` and `files` are
    as for `hetmig.migratable`.  With `echo`, what tasks write is written here.
    """

    def __init__(
        self,
        max_workers: int | None = None,
        *,
        nodes: Nodes | str | Sequence[Nodes | str] | None = None,
        initializer: Callable[..., object] | None = None,
        initargs: tuple[Any, ...] = (),
        keys: str | os.PathLike[str] | Keyring | None = None,
        needs: Mapping[str, Any] | None = None,
        files: str | None = None,
        echo: bool = True,
    ) -> None:
        if max_workers is not None and max_workers <= 0:
            raise ValueError("max_workers must be greater than 0")
        if initializer is not None and not callable(initializer):
            raise TypeError("initializer must be a callable")
        self._initializer, self._initargs = initializer, initargs
        self._settings = settings(needs=needs, files=files)
        with contextlib.ExitStack() as owned:
            members = members_of(_connections(nodes, keys, echo, owned))
            most = max_workers or sum(member.slots for member in members)
            self._dispatcher = Dispatcher(members, most, owned.pop_all())
        self._max_workers = most
        self._submitted: weakref.WeakSet[TaskFuture[Any]] = weakref.WeakSet()
        self._forgotten = weakref.finalize(self, self._dispatcher.shut, wait=False, cancel=False)
        self._forgotten.atexit = False

    @property
    def _broken(self) -> str:
        return self._dispatcher.broken

    @overload
    def submit(
        self, fn: Callable[P, Coroutine[Any, Any, V]], /, *args: P.args, **kwargs: P.kwargs
    ) -> TaskFuture[V]: ...
    @overload
    def submit(self, fn: Callable[P, V], /, *args: P.args, **kwargs: P.kwargs) -> TaskFuture[V]: ...
    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> TaskFuture[Any]:
        """Run `fn(*args, **kwargs)` as a task, as soon as it is its turn; the future of it.

        `future.task` is the Task.  Raises RuntimeError after the shutdown, BrokenExecutor.
        """
        return self._put(fn, args, kwargs, fn)

    def _put(
        self,
        function: Callable[..., Any],
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        shown: Callable[..., Any],
    ) -> TaskFuture[Any]:
        initializer, initargs, more = self._initializer, self._initargs, self._settings

        def call() -> Call:
            if initializer is None:
                return Call(function, args, kwargs, more, described=shown)
            prepared = initializer, initargs, function, args, kwargs
            return Call(call_initialized, prepared, None, more, described=shown)

        future: TaskFuture[Any] = TaskFuture()
        self._dispatcher.put(Work(future, call))
        self._submitted.add(future)
        return future

    def map(
        self,
        fn: Callable[..., Any],
        *iterables: Iterable[Any],
        timeout: float | None = None,
        chunksize: int = 1,
        buffersize: int | None = None,
    ) -> Iterator[Any]:
        """The results of `map(fn, *iterables)`, in order; the calls are made at the same time.

        `chunksize` items make one task.  With `buffersize` the iterables are read only so far ahead
        that so many chunks are not fetched yet.  Raises TimeoutError `timeout` s from now, and what
        a call has raised.
        """
        if chunksize < 1:
            raise ValueError("chunksize must be >= 1.")
        if buffersize is not None and not isinstance(buffersize, int):
            raise TypeError("buffersize must be an integer or None")
        if buffersize is not None and buffersize < 1:
            raise ValueError("buffersize must be None or > 0")
        items = zip(*iterables, strict=False)
        end = None if timeout is None else time.monotonic() + timeout
        futures = deque(
            _submit_chunk(self, fn, chunk)
            for chunk in itertools.islice(_chunks(items, chunksize), buffersize)
        )
        more = _chunks(items, chunksize)
        return _results(weakref.ref(self), fn, futures, more if buffersize else iter(()), end)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Take nothing more, and close what was opened as soon as all that was submitted has ended.

        With `wait` it returns then; `cancel_futures` cancels what has not begun.
        """
        self._forgotten.detach()
        self._dispatcher.shut(wait=wait, cancel=cancel_futures)

    def abort(self) -> None:
        """Shut down without waiting: cancel what has not begun, and end what runs, where it is."""
        self.shutdown(wait=False, cancel_futures=True)
        for future in list(self._submitted):
            if future.running():
                with contextlib.suppress(Exception):  # it has just ended, or its node is silent
                    future.task.cancel()

    def __exit__(self, kind: Any, *raised: Any) -> Literal[False]:
        """Shut down; Ctrl-C also ends what runs, as it ends the processes of a process pool."""
        if kind is not None and issubclass(kind, KeyboardInterrupt):
            self.abort()
        self.shutdown(wait=True)
        return False


def _submit_chunk(
    executor: Executor, fn: Callable[..., Any], chunk: list[Any]
) -> TaskFuture[list[Any]]:
    return executor._put(chunked(fn), (fn, chunk), {}, fn)


def _chunks(items: Iterator[Any], size: int) -> Iterator[list[Any]]:
    while chunk := list(itertools.islice(items, size)):
        yield chunk


def _results(
    executor: weakref.ref[Executor],
    fn: Callable[..., Any],
    futures: deque[TaskFuture[list[Any]]],
    more: Iterator[list[Any]],
    end: float | None,
) -> Iterator[Any]:
    """The executor can be forgotten meanwhile; what was given on is not kept."""
    try:
        while futures:
            if (living := executor()) is not None and (chunk := next(more, None)) is not None:
                futures.append(_submit_chunk(living, fn, chunk))
            del living
            left = None if end is None else end - time.monotonic()
            try:
                results = futures[0].result(left)
            finally:
                futures.popleft().cancel()
            results.reverse()
            while results:
                yield results.pop()
    finally:
        for future in futures:
            future.cancel()


def _connections(
    nodes: Nodes | str | Sequence[Nodes | str] | None,
    keys: str | os.PathLike[str] | Keyring | None,
    echo: bool,
    owned: contextlib.ExitStack,
) -> list[Nodes]:
    if nodes is None:
        path = [os.path.abspath(place) for place in sys.path]
        local = owned.enter_context(LocalNodes(1, names=["local"], path=path))
        return [owned.enter_context(connect(local[0], keys=local.keys, echo=echo))]
    several = [nodes] if isinstance(nodes, (str, Nodes)) else list(nodes)
    if not several:
        raise ValueError("nodes is empty: leave it out for a node on this machine")
    return [
        each
        if isinstance(each, Nodes)
        else owned.enter_context(connect(each, keys=keys, echo=echo))
        for each in several
    ]
