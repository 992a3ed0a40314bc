"""joblib on nodes: `joblib.parallel_config(backend="hetmig", nodes=...)`, once this is imported.

    import joblib, hetmig.joblib

    with joblib.parallel_config("hetmig", nodes=["tcp://one:7717", "tcp://two:7717"], n_jobs=8):
        joblib.Parallel()(joblib.delayed(job)(n) for n in range(100))

`nodes`, `keys`, `initializer`, `initargs`, `needs`, `files` and `echo` are those of
`hetmig.Executor`.  Without `nodes` a node on this machine does the work.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from hetmig.errors import HetmigError

if TYPE_CHECKING:
    from hetmig.executor import Executor, TaskFuture

try:
    joblib: Any = importlib.import_module("joblib")
    _base: Any = importlib.import_module("joblib._parallel_backends")
except ModuleNotFoundError:
    raise HetmigError('joblib is not installed here: pip install "hetmig[joblib]"') from None

__all__ = ["NodesBackend"]

_Automatic: Any = getattr(_base, "AutoBatchingMixin", object)
_Backend: Any = _base.ParallelBackendBase


class NodesBackend(_Automatic, _Backend):  # type: ignore[misc]
    """Each batch of joblib's calls is a task; small calls are put together, as joblib does it."""

    supports_retrieve_callback = True
    supports_timeout = True
    supports_inner_max_num_threads = False
    uses_threads = False
    supports_sharedmem = False

    def __init__(self, nesting_level: int | None = None, **options: Any) -> None:
        names = ("nodes", "keys", "initializer", "initargs", "needs", "files", "echo")
        self._options = {name: options.pop(name) for name in names if name in options}
        self._executor: Executor | None = None
        super().__init__(nesting_level=nesting_level, **options)

    def configure(self, n_jobs: int = 1, parallel: Any = None, **_: Any) -> int:
        """Connect; the number of tasks at a time.  -1 is as many as run at full speed."""
        from hetmig.executor import Executor

        if n_jobs == 0:
            raise ValueError("n_jobs == 0 in Parallel has no meaning")
        most = n_jobs if n_jobs is not None and n_jobs > 0 else None
        self.parallel = parallel
        self._executor = Executor(most, **self._options)
        return self._executor._max_workers

    def effective_n_jobs(self, n_jobs: int | None) -> int:
        """So many, unless it is asked before there is a connection."""
        if self._executor is not None:
            return self._executor._max_workers
        return n_jobs if n_jobs is not None and n_jobs > 0 else int(joblib.cpu_count())

    def submit(
        self, func: Callable[[], Any], callback: Callable[[Any], object] | None = None
    ) -> TaskFuture[Any]:
        """A batch as a task; `callback` is told the future when it has ended."""
        assert self._executor is not None
        future = self._executor.submit(func)
        if callback is not None:
            future.add_done_callback(callback)
        return future

    apply_async = submit  # its name before joblib 1.5

    def retrieve_result_callback(self, out: TaskFuture[Any]) -> Any:
        """What a batch has given, or raises."""
        return out.result()

    def abort_everything(self, ensure_ready: bool = True) -> None:
        """A call has failed, or it took too long: end the others."""
        if self._executor is None:
            return
        self._executor.abort()
        self.terminate()
        if ensure_ready:
            self.configure(n_jobs=self.parallel.n_jobs, parallel=self.parallel)

    def terminate(self) -> None:
        """All is done."""
        executor, self._executor = self._executor, None
        if executor is not None:
            executor.shutdown()

    def get_nested_backend(self) -> tuple[Any, int | None]:
        """Within a task, joblib works one after the other."""
        return _base.SequentialBackend(nesting_level=(self.nesting_level or 0) + 1), None


joblib.register_parallel_backend("hetmig", NodesBackend)
