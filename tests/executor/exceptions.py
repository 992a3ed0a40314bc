"""The standard library's tests that say nothing about an executor of tasks, and why."""

from __future__ import annotations

_PROCESSES = "looks at the pool's processes; here each call has one of its own"
_THREADS = "looks at the pool's threads; here each call has a process of its own"
_SHARES = "its calls share a list, lock or semaphore with the program, which other processes can't"
_CONTEXT = "uses what multiprocessing gives to children of this process"
_REASON = "raises hetmig's error, which says what was in the way, and not the one expected"

REASONS = {
    "ProcessPoolExecutorTest.test_idle_process_reuse_multiple": _PROCESSES,
    "ProcessPoolExecutorTest.test_idle_process_reuse_one": _PROCESSES,
    "ProcessPoolExecutorTest.test_killed_child": _PROCESSES,
    "ProcessPoolExecutorTest.test_max_tasks_early_shutdown": _PROCESSES,
    "ProcessPoolExecutorTest.test_max_tasks_per_child": _PROCESSES,
    "ProcessPoolExecutorTest.test_max_tasks_per_child_defaults_to_spawn_context": _PROCESSES,
    "ProcessPoolExecutorTest.test_python_finalization_error": _PROCESSES,
    "ProcessPoolExecutorTest.test_force_shutdown_workers": _PROCESSES,
    "ProcessPoolExecutorTest.test_force_shutdown_workers_invalid_op": _PROCESSES,
    "ProcessPoolExecutorTest.test_force_shutdown_workers_stops_pool": _PROCESSES,
    "ProcessPoolExecutorTest.test_kill_workers": _PROCESSES,
    "ProcessPoolExecutorTest.test_terminate_workers": _PROCESSES,
    "ProcessPoolExecutorTest.test_process_pool_executor_terminate_workers": _PROCESSES,
    "ProcessPoolExecutorTest.test_process_pool_executor_kill_workers": _PROCESSES,
    "ProcessPoolExecutorTest.test_ressources_gced_in_workers": _CONTEXT,
    "ProcessPoolExecutorTest.test_saturation": _CONTEXT,
    "ProcessPoolExecutorTest.test_traceback": "asks for multiprocessing's type of the cause",
    "ProcessPoolShutdownTest.test_context_manager_shutdown": "makes a process pool",
    "ProcessPoolShutdownTest.test_del_shutdown": "makes a process pool",
    "ProcessPoolShutdownTest.test_shutdown_no_wait": "makes a process pool",
    "ProcessPoolShutdownTest.test_processes_terminate": _PROCESSES,
    "ThreadPoolExecutorTest.test_default_workers": "asks for the number of threads by default",
    "ThreadPoolExecutorTest.test_executor_map_current_future_cancel": _SHARES,
    "ThreadPoolExecutorTest.test_map_submits_without_iteration": _SHARES,
    "ThreadPoolExecutorTest.test_hang_global_shutdown_lock": "forks, and makes a thread pool",
    "ThreadPoolExecutorTest.test_idle_thread_reuse": _THREADS,
    "ThreadPoolExecutorTest.test_saturation": _THREADS,
    "ThreadPoolShutdownTest.test_context_manager_shutdown": "makes a thread pool",
    "ThreadPoolShutdownTest.test_del_shutdown": "makes a thread pool",
    "ThreadPoolShutdownTest.test_shutdown_no_wait": "makes a thread pool",
    "ThreadPoolShutdownTest.test_thread_names_assigned": "makes a thread pool",
    "ThreadPoolShutdownTest.test_thread_names_default": "makes a thread pool",
    "ThreadPoolShutdownTest.test_threads_terminate": _SHARES,
    "ThreadPoolWaitTests.test_pending_calls_race": _SHARES,
    "ExecutorDeadlockTest.test_error_at_task_unpickle": f"{_REASON}: MigrationRefused",
    "ExecutorDeadlockTest.test_error_during_result_pickle_on_worker": f"{_REASON}: TaskFailed",
    "ExecutorDeadlockTest.test_error_during_result_unpickle_in_result_handler": (
        f"{_REASON}: MigrationRefused"
    ),
    "ExecutorDeadlockTest.test_exit_at_task_unpickle": f"{_REASON}: NotMigratable",
    "ExecutorDeadlockTest.test_exit_during_result_pickle_on_worker": f"{_REASON}: TaskLost",
    "ExecutorDeadlockTest.test_exit_during_result_unpickle_in_result_handler": (
        f"{_REASON}: SystemExit itself"
    ),
    "ExecutorDeadlockTest.test_gh105829_should_not_deadlock_if_wakeup_pipe_full": _PROCESSES,
    "ExecutorDeadlockTest.test_shutdown_deadlock_pickle": _THREADS,
}


def reason_for(name: str) -> str:
    """Why it is left out; "" if it is not."""
    return REASONS.get(name, "")
