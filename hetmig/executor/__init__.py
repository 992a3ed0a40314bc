"""A `concurrent.futures.Executor` whose calls are tasks, each of which can move while it runs.

with hetmig.Executor(nodes=["tcp://one:7717", "tcp://two:7717"]) as executor:
    future = executor.submit(job, paths)        # a concurrent.futures.Future
    future.task.move("two")                     # its Task
    print(future.result(), list(executor.map(abs, range(-5, 5), chunksize=3)))
"""

from hetmig.executor.bars import task_map
from hetmig.executor.dispatcher import ExecutorBroken
from hetmig.executor.futures import TaskFuture
from hetmig.executor.pool import Executor

__all__ = ["Executor", "ExecutorBroken", "TaskFuture", "task_map"]
