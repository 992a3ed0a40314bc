"""Locks, thread-local data, queues and threads of a program that moves alone."""

from __future__ import annotations

import _thread
import collections
import logging
import queue
import threading
import types

import pytest

from hetmig.errors import NotMigratable
from hetmig.state import threads
from hetmig.state.pickling import dumps, loads
from tests.state import elsewhere, values


def copied(value):
    return loads(dumps(value))


@pytest.fixture
def another_thread():
    """A thread that lives as long as the test."""
    end = threading.Event()
    thread = threading.Thread(target=end.wait, name="another")
    thread.start()
    yield thread
    end.set()
    thread.join()


@pytest.mark.parametrize("locked", [False, True])
def test_a_lock_is_held_as_it_was(locked):
    lock = threading.Lock()
    if locked:
        lock.acquire()
    one, other = copied([lock, {"lock": lock}])
    assert other["lock"] is one is not lock
    assert one.locked() is locked


@pytest.mark.parametrize("make", [threading.RLock, threading._PyRLock])
def test_a_reentrant_lock_is_held_as_often(make):
    lock = make()
    for count in range(3):
        moved = copied(lock)
        for _ in range(count):
            moved.release()
        with pytest.raises(RuntimeError):
            moved.release()
        lock.acquire()


def test_what_another_thread_may_hold_is_refused(another_thread):
    lock, reentrant = threading.Lock(), threading.RLock()
    assert not copied(lock).locked()
    lock.acquire()
    with pytest.raises(NotMigratable, match=r"perhaps by the thread 'another'; release it"):
        dumps(lock)
    thread = threading.Thread(target=reentrant.acquire)
    thread.start()
    thread.join()
    with pytest.raises(NotMigratable, match="held by another thread"):
        dumps(reentrant)
    in_python = threading._PyRLock()
    in_python._owner, in_python._count = another_thread.ident, 1
    with pytest.raises(NotMigratable, match="held by another thread"):
        dumps(in_python)


def test_what_is_made_of_locks():
    lock = threading.RLock()
    condition = threading.Condition(lock)
    event = threading.Event()
    event.set()
    semaphore = threading.BoundedSemaphore(3)
    semaphore.acquire()
    barrier = threading.Barrier(1, timeout=7)
    with condition:
        moved = copied([lock, condition, event, semaphore, barrier])
    lock, condition, event, semaphore, barrier = moved
    assert condition._lock is lock
    condition.notify_all()  # it is held here too
    condition.release()
    with pytest.raises(RuntimeError):
        condition.notify()
    with condition:
        assert not condition.wait(0.001)
    assert event.is_set()
    event.clear()
    assert not event.wait(0)
    semaphore.release()
    with pytest.raises(ValueError, match="too many"):
        semaphore.release()
    assert barrier.wait() == 0


def test_waiters_are_refused(another_thread):
    with pytest.raises(NotMigratable, match="held, perhaps by the thread 'another'"):
        dumps(another_thread._target.__self__)


class Shared(threading.local):
    shared = "class"

    def __init__(self, number, *, name="none"):
        self.number, self.name = number, name


def test_thread_local_values_are_those_of_the_thread_that_moves():
    local = threading.local()
    local.value = [local]
    thread = threading.Thread(target=setattr, args=(local, "value", "theirs"))
    thread.start()
    thread.join()
    moved = copied(local)
    assert vars(moved) == {"value": [moved]}


def test_thread_local_data_with_an_init_of_its_own():
    local = Shared(1, name="some")
    local.number = 2
    del local.name
    moved = copied(local)
    assert vars(moved) == {"number": 2}
    seen = []
    thread = threading.Thread(target=lambda: seen.append(dict(vars(moved))))
    thread.start()
    thread.join()
    assert seen == [{"number": 1, "name": "some"}]
    assert vars(copied(Shared(1))) == {"number": 1, "name": "none"}


@pytest.mark.parametrize("make", [queue.Queue, queue.LifoQueue, queue.PriorityQueue])
def test_queues(make):
    original = make(3)
    for item in "cab":
        original.put(item)
    original.get()
    original.task_done()
    moved = copied(original)
    assert moved.unfinished_tasks == 2
    assert [moved.get_nowait() for _ in "12"] == [original.get_nowait() for _ in "12"]
    with pytest.raises(queue.Empty):
        moved.get(timeout=0.001)


@pytest.mark.parametrize("items", [[], [[]], [None], [queue.SimpleQueue], [[1], [1]]])
def test_simple_queue(items):
    original = queue.SimpleQueue()
    for taken in range(12):
        for item in (taken, *items):
            original.put(item)
        original.get()
        moved = copied(original)
        assert [moved.get() for _ in range(original.qsize())] == _content(original)
        assert moved.empty()
        while not original.empty():
            original.get()


def _content(simple):
    items = [simple.get() for _ in range(simple.qsize())]
    for item in items:
        simple.put(item)
    return items


def test_a_simple_queue_in_itself():
    original = queue.SimpleQueue()
    original.put(original)
    moved = copied(original)
    assert moved.get() is moved


def test_a_lock_of_a_module_is_that_modules(monkeypatch):
    monkeypatch.setattr(values, "lock", threading.Lock(), raising=False)
    monkeypatch.setattr(values, "rlock", threading.RLock(), raising=False)
    monkeypatch.setattr(values.Point, "lock", threading.Lock(), raising=False)
    held = [values.lock, values.rlock, values.Point.lock]
    assert all(one is other for one, other in zip(copied(held), held, strict=True))
    data = dumps(held)
    for lock in held:
        lock.acquire()
    locked = dumps(held)
    assert all(one is other for one, other in zip(loads(locked), held, strict=True))
    assert values.lock.locked()
    with pytest.raises(Exception, match=r"values\.lock is held here"):
        loads(data)
    for lock in held:
        lock.release()
    assert all(one is other for one, other in zip(loads(locked), held, strict=True))
    assert values.lock.locked()
    assert values.Point.lock.locked()
    values.rlock.release()
    with pytest.raises(RuntimeError):
        values.rlock.release()
    values.Point.lock = None
    values.lock = None
    one, _, two = loads(locked)  # where its import does not make it
    assert one.locked()
    assert two.locked()


def test_the_lock_of_logging_is_that_of_logging():
    assert copied(logging._lock) is logging._lock


def test_threads_that_have_ended_or_not_begun():
    done = []
    ended = threading.Thread(target=done.append, args=(1,), name="worker", daemon=True)
    ended.extra = [ended]
    ended.start()
    ended.join()
    moved = copied(ended)
    assert (moved.name, moved.daemon, moved.is_alive()) == ("worker", True, False)
    assert moved.extra == [moved]
    moved.join()
    with pytest.raises(RuntimeError):
        moved.start()
    fresh = threading.Timer(0, print)
    moved = copied(fresh)
    assert not moved.is_alive()
    assert (moved.interval, moved.function) == (0, print)
    started = copied(threading.Thread(target=done.append, args=(2,)))
    started.start()
    started.join()
    assert started.name.startswith("Thread-")
    assert copied(threading.main_thread()) is threading.main_thread()


class Worker(threading.Thread):
    def __init__(self, job):
        super().__init__(name="a worker")
        self.job = job

    def run(self):
        self.job.append(self.name)


def test_threads_of_a_class_of_ones_own():
    fresh = Worker([])
    moved = copied(fresh)
    moved.start()
    moved.join()
    assert moved.job == ["a worker"]
    again = copied(moved)
    assert again.job == ["a worker"]
    assert not again.is_alive()


def test_a_living_thread_is_refused_unless_it_may_stay(another_thread):
    with pytest.raises(NotMigratable, match=r"thread 'another' is alive.*join it") as caught:
        dumps({"worker": another_thread})
    assert caught.value.variable == "value['worker']"
    assert threads.others(ignorable=False) == ["another"]
    setattr(another_thread, threads.IGNORABLE, True)
    assert threads.others(ignorable=False) == []
    assert threads.others(ignorable=True) == ["another"]
    moved = copied(another_thread)
    assert not moved.is_alive()
    assert another_thread.is_alive()


@pytest.mark.parametrize("known", [False, True], ids=["unknown", "known to threading"])
@pytest.mark.parametrize("module", ["program", "hetmig.node.runner"])
def test_threads_below_the_threading_module_are_noticed_but_for_our_own(module, known):
    begun, end, ended = (threading.Event() for _ in "123")

    def wait():
        if known:  # as pyzmq asks in the thread that sends a large message first
            threading.current_thread()
        begun.set()
        end.wait()
        ended.set()

    body = types.FunctionType(
        wait.__code__, {**globals(), "__name__": module}, None, None, wait.__closure__
    )
    _thread.start_new_thread(body, ())
    begun.wait()
    found = threads.others(ignorable=False)
    end.set()
    ended.wait()
    if module == "program":
        (name,) = found
        assert name.startswith(("Dummy-", "_thread "))
    else:
        assert found == []


def test_in_another_process(tmp_path):
    path = tmp_path / "parcel"
    program = elsewhere.SEND + (
        "import sys, threading, queue\n"
        "sys.path.insert(0, sys.argv[2])\n"
        "import with_lock\n"
        "from hetmig.state.image import freeze_value\n"
        "lock, jobs = threading.Condition(), queue.Queue()\n"
        "jobs.put(lock); lock.acquire(); with_lock.lock.acquire()\n"
        "send(sys.argv[1], freeze_value([lock, jobs, with_lock.lock, with_lock.locked]))\n"
    )
    (tmp_path / "with_lock.py").write_text(
        "import threading\nlock = threading.Lock()\ndef locked(held=lock):\n return held.locked()\n"
    )
    elsewhere.run(program, path, tmp_path)
    arrived = elsewhere.THAW + (
        "sys.path.insert(0, sys.argv[2])\n"
        "lock, jobs, held, locked = arrive(sys.argv[1])\n"
        "lock.release()\n"
        "print(jobs.get() is lock, held.locked(), locked())\n"
    )
    assert elsewhere.run(arrived, path, tmp_path) == "True True True\n"


def test_a_deque_of_locks_keeps_them_apart():
    locks = collections.deque([threading.Lock(), threading.Lock()])
    locks[1].acquire()
    assert [lock.locked() for lock in copied(locks)] == [False, True]
