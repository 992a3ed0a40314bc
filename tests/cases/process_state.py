"""What belongs to a thread or to the process: locks, contexts, weak references, queues, logging."""

import contextvars
import decimal
import gc
import queue
import threading
import weakref

from hetmig.testing import point

level = contextvars.ContextVar("level", default="none")


def case_with_a_lock():
    lock, seen = threading.Lock(), []
    for i in range(2):
        with lock:
            seen.append((point(i), lock.locked(), lock.acquire(blocking=False)))
        seen.append(lock.locked())
    return seen


def case_with_a_reentrant_lock():
    lock, depth = threading.RLock(), []

    def descend(n):
        with lock:
            if n:
                descend(point(n - 1))
            depth.append(n)

    descend(2)
    try:
        lock.release()
    except RuntimeError:
        depth.append("not one too many")
    return depth


def case_condition_event_semaphore():
    condition, event = threading.Condition(), threading.Event()
    semaphore, seen = threading.BoundedSemaphore(2), []
    with condition, semaphore:
        point(1)
        condition.notify_all()
        event.set()
        seen.append(semaphore.acquire(blocking=False))
        seen.append(semaphore.acquire(blocking=False))
        semaphore.release()
    seen.append((event.is_set(), condition._is_owned()))
    return seen


def case_thread_local():
    local = threading.local()
    for i in range(3):
        local.total = getattr(local, "total", 0) + point(i)
    return local.total


def case_queues():
    jobs, taken = queue.Queue(), []
    simple = queue.SimpleQueue()
    for i in range(3):
        jobs.put(i)
        simple.put(point(i))
    while not jobs.empty():
        taken.append((jobs.get(), simple.get()))
        jobs.task_done()
        point(0)
    jobs.join()
    return taken, simple.qsize()


def case_contextvars():
    token = level.set("one")
    inner = level.set(point("two"))
    seen = [level.get()]
    level.reset(inner)
    seen.append(level.get())
    point(1)
    level.reset(token)
    seen.append(level.get())
    for used in (inner, token):
        try:
            level.reset(used)
        except RuntimeError:
            seen.append("used")
    return seen


def case_a_context_of_its_own():
    context = contextvars.copy_context()
    context.run(level.set, "inside")
    seen = [level.get(), context[level]]
    point(1)
    copy = context.copy()
    context.run(level.set, "changed")
    return seen, copy[level], context[level], level.get()


def case_decimal_context():
    results = []
    with decimal.localcontext() as context:
        context.prec = 6
        for i in range(1, 4):
            results.append(str(decimal.Decimal(1) / point(i + 2)))
            context.prec += 1
    results.append(str(decimal.Decimal(1) / 3))
    return results


class Node:
    def __init__(self, name):
        self.name = name
        self.children = []

    def add(self, child):
        child.parent = weakref.ref(self)
        self.children.append(child)

    def method(self):
        return self.name


def case_weak_references_in_a_tree():
    root = Node("root")
    for name in "ab":
        root.add(Node(point(name)))
    names = [child.parent().name + child.name for child in root.children]
    child = root.children[0]
    del root
    gc.collect()
    point(0)
    return names, child.parent()


def case_weak_containers():
    kept, members = [], weakref.WeakSet()
    values, keys = weakref.WeakValueDictionary(), weakref.WeakKeyDictionary()
    for name in "ab":
        node = Node(name)
        kept.append(node)
        members.add(node)
        values[name] = node
        keys[node] = point(name * 2)
    del node
    sizes = []
    while kept:
        kept.pop()
        gc.collect()
        sizes.append((len(members), sorted(values), sorted(keys.values())))
        point(0)
    return sizes


def case_weak_methods_proxies_and_callbacks():
    node, gone = Node("a"), []
    method = weakref.WeakMethod(node.method)
    proxy = weakref.proxy(node)
    called = weakref.ref(node, lambda reference: gone.append(reference is called))
    point(0)
    seen = [method()(), proxy.name, called() is node]
    del node
    gc.collect()
    point(0)
    return seen, gone, method(), called()
