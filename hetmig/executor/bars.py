"""`map` with a progress bar of tqdm's, as its `process_map` is for processes."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Sized
from contextlib import nullcontext
from typing import Any

from hetmig.errors import HetmigError
from hetmig.executor.pool import Executor

__all__ = ["task_map"]


def task_map(
    fn: Callable[..., Any],
    *iterables: Iterable[Any],
    executor: Executor | None = None,
    max_workers: int | None = None,
    nodes: Any = None,
    keys: Any = None,
    timeout: float | None = None,
    chunksize: int = 1,
    tqdm_class: Any = None,
    **bar: Any,
) -> list[Any]:
    """`list(map(fn, *iterables))` on nodes, with a bar of how many results are there.

    What is not for the executor is for the bar: `desc`, `unit`, `total`, `disable`, `file` ...
    With `executor` it is not shut down afterwards.  `tqdm_class` is `tqdm.auto.tqdm` unless given.
    """
    made = _tqdm() if tqdm_class is None else tqdm_class
    sized = [len(items) for items in iterables if isinstance(items, Sized)]
    bar.setdefault("total", min(sized) if sized else None)
    using: Any = nullcontext(executor)
    if executor is None:
        using = Executor(max_workers, nodes=nodes, keys=keys)
    with using as chosen:
        results = chosen.map(fn, *iterables, timeout=timeout, chunksize=chunksize)
        return list(made(results, **bar))


def _tqdm() -> Any:
    try:
        return importlib.import_module("tqdm.auto").tqdm
    except ModuleNotFoundError:
        raise HetmigError('tqdm is not installed here: pip install "hetmig[tqdm]"') from None
