"""Tasks that wait inside a call, for the tests of nodes; see test_waiting."""

from __future__ import annotations

import contextvars
import decimal
import hashlib
import logging
import os
import queue
import random
import signal
import socket
import subprocess
import sys
import threading
import time
import traceback
import warnings
import weakref
from pathlib import Path
from time import sleep

import hetmig

level = contextvars.ContextVar("level", default=0)


def sleeps(seconds: float) -> tuple[str | None, float]:
    """Where it woke up, and how long it has slept by this machine's clock."""
    started = time.time()
    print("asleep")
    sleep(seconds)
    return hetmig.here(), time.time() - started


def sleeps_in_a_loop(count: int) -> tuple[int, str | None]:
    print("asleep")
    done = 0
    for _ in range(count):
        time.sleep(0.01)
        done += 1
    return done, hetmig.here()


class Pausing:
    pause = time.sleep


def sleep_is_itself(stop: str) -> list[object]:
    """What `time.sleep` looks like, and what it says to nonsense."""
    kept = [time.sleep, sleep, Pausing.pause]
    held = time.sleep
    if stop:
        hetmig.migrate(stop)
    found: list[object] = [time.sleep is held, all(one is held for one in kept), held.__name__]
    found += [sleep is held, Pausing().pause is held, held.__self__ is time]
    for nonsense in (-1, "1", None, float("nan"), float("inf"), 1e300, 1 << 100):
        try:
            time.sleep(nonsense)  # type: ignore[arg-type]
        except Exception as error:
            found.append(f"{type(error).__name__}: {error}")
    for nothing in (0, 0.0, False, 1e-9):
        found.append(time.sleep(nothing))
    return found


def interrupted_sleep() -> list[str]:
    """An exception from a handler of the program's own ends the sleep."""

    def ring(signum: int, frame: object) -> None:
        raise TimeoutError("rang")

    signal.signal(signal.SIGALRM, ring)
    print("asleep")
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        time.sleep(60)
    except TimeoutError as error:
        return [entry.name for entry in traceback.extract_tb(error.__traceback__)]
    return []


def handled_sleep() -> tuple[int, bool]:
    """A handler that returns does not end it."""
    rung = []
    signal.signal(signal.SIGALRM, lambda signum, frame: rung.append(signum))
    started = time.monotonic()
    signal.setitimer(signal.ITIMER_REAL, 0.01, 0.01)
    time.sleep(0.1)
    signal.setitimer(signal.ITIMER_REAL, 0)
    return min(len(rung), 3), time.monotonic() - started >= 0.1


def sleeps_in_threads() -> float:
    started = time.monotonic()
    workers = [threading.Thread(target=time.sleep, args=(0.05,)) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return time.monotonic() - started


def in_input(path: str) -> str:
    read, write = os.pipe()
    _until(path, lambda: os.write(write, b"line\n"))
    with open(read) as sys.stdin:
        print("waiting")
        line = input()
    sys.stdin = sys.__stdin__
    os.close(write)
    return line


def in_recv(path: str) -> str:
    read, write = socket.socketpair()
    _until(path, lambda: write.sendall(b"line"))
    with read, write:
        print("waiting")
        return read.recv(10).decode()


def in_acquire(path: str) -> str:
    lock = threading.Lock()
    lock.acquire()
    _until(path, lock.release)
    print("waiting")
    lock.acquire()
    return "line"


def in_wait(path: str) -> str:
    child = subprocess.Popen([sys.executable, "-c", _UNTIL, path])
    print("waiting")
    child.wait()
    return "line"


_UNTIL = "import os, sys, time\nwhile not os.path.exists(sys.argv[1]): time.sleep(0.01)"


def in_a_long_call() -> bytes:
    """C code that looks at no signals."""
    print("waiting")
    return hashlib.pbkdf2_hmac("sha256", b"password", b"salt", 1 << 30)


def in_a_greedy_call() -> int:
    """The same, which lets no other thread run."""
    print("waiting")
    return sum(range(1 << 36))


def _until(path: str, act: object) -> None:
    """In a thread that may stay behind: do something once the file is there."""

    def run() -> None:
        subprocess.run([sys.executable, "-c", _UNTIL, path], check=True)
        act()  # type: ignore[operator]

    thread = threading.Thread(target=run, name="helper", daemon=True)
    hetmig.ignorable(thread).start()


def with_threads(stop: str) -> list[object]:
    """Moves with a thread that may stay behind, and not with another."""
    end = threading.Event()
    found: list[object] = []
    other = threading.Thread(target=end.wait, name="other")
    other.start()
    try:
        hetmig.migrate(stop)
    except hetmig.NotMigratable as error:
        found.append(error.reason)
    end.set()
    other.join()
    forever = threading.Event()
    helper = hetmig.ignorable(threading.Thread(target=time.sleep, args=(3600,), daemon=True))
    helper.start()
    found.append(helper.is_alive())
    del end, forever
    hetmig.migrate(stop)
    return [*found, helper.is_alive(), other.is_alive(), threading.active_count(), hetmig.here()]


def with_process_state(stop: str) -> list[object]:
    """Uses what belongs to a thread or a process, before and after."""
    lock, local, jobs = threading.RLock(), threading.local(), queue.Queue[int]()
    local.value = [1]
    jobs.put(3)
    token = level.set(1)
    inner = level.set(2)
    context = contextvars.copy_context()
    decimal.getcontext().prec = 5
    current = decimal.getcontext()
    draw = random.random
    random.seed(3)
    draw()
    node = jobs.mutex
    seen = weakref.WeakValueDictionary({"lock": lock})
    with lock, decimal.localcontext() as local_context:
        local_context.prec = 3
        if stop:
            hetmig.migrate(stop)
        found: list[object] = [decimal.getcontext() is local_context, +decimal.Decimal("1.23456")]
    found += [decimal.getcontext() is current, +decimal.Decimal("1.23456789")]
    found += [local.value, jobs.get_nowait(), level.get(), context[level]]
    level.reset(inner)
    found.append(level.get())
    level.reset(token)
    found += [level.get(), draw(), random.random(), seen["lock"] is lock]
    found.append(node is jobs.mutex and jobs.not_empty._lock is node)  # type: ignore[attr-defined]
    try:
        lock.release()
    except RuntimeError as error:
        found.append(str(error))
    return found


class Shouting(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        record.msg = str(record.msg).upper()
        return True


def logs(stop: str) -> None:
    """Logs in its own manner, before and after."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s %(message)s")
    logger = logging.getLogger("program.part")
    logger.addFilter(Shouting())
    logging.getLogger("program.quiet").setLevel(logging.ERROR)
    logging.addLevelName(25, "NOTICE")
    (handler,) = logging.getLogger().handlers
    logger.info("before")
    if stop:
        hetmig.migrate(stop)
    logger.info("after")
    logger.log(25, "noticed")
    logging.getLogger("program.quiet.deeper").warning("not shown")
    assert [handler] == logging.getLogger().handlers
    handler.setLevel(logging.ERROR)
    logger.info("not shown")


def warns(stop: str) -> list[object]:
    """Filters warnings, and records them."""
    found: list[object] = []
    warnings.simplefilter("error", UserWarning)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warnings.warn("one", stacklevel=1)
        if stop:
            hetmig.migrate(stop)
        warnings.warn("two", stacklevel=1)
    found += [str(warning.message) for warning in caught]
    try:
        warnings.warn("three", stacklevel=1)
    except UserWarning as error:
        found.append(f"raised {error}")
    return found


def polls(path: str) -> str | None:
    """Whenever it has slept, what comes next is inside a constructor that C code has called."""
    print("polling", flush=True)
    while not Path(path).exists():
        time.sleep(0.01)
    return hetmig.here()
