"""asyncio programs: tasks that wait for time and for each other.

They run where asyncio is the one in Python (`tests/state/asyncio_torture.py`), on a virtual clock.
"""

import asyncio
import contextlib
import contextvars
import functools

request = contextvars.ContextVar("request", default="none")


def now():
    return round(asyncio.get_running_loop().time(), 6)


async def napping(name, *naps):
    log = []
    for nap in naps:
        await asyncio.sleep(nap)
        log.append((name, now()))
    return log


async def program_sleep():
    before = now()
    value = await asyncio.sleep(1.5, "slept")
    return before, value, now()


async def program_sleep_zero():
    seen = []

    async def polite(name):
        for i in range(3):
            seen.append((name, i))
            await asyncio.sleep(0)

    await asyncio.gather(polite("a"), polite("b"))
    return seen


async def program_gather():
    return await asyncio.gather(napping("a", 1, 2), napping("b", 2, 0.5), napping("c", 3))


async def program_gather_with_an_error():
    async def fails():
        await asyncio.sleep(0.5)
        raise ValueError("in the middle")

    try:
        await asyncio.gather(napping("a", 1), fails())
    except ValueError as error:
        caught = repr(error)
    results = await asyncio.gather(fails(), napping("b", 1), return_exceptions=True)
    return caught, [repr(result) for result in results], now()


async def program_names_and_contexts():
    async def child(expected):
        await asyncio.sleep(0.1)
        seen = request.get()
        request.set(f"{seen} of {expected}")
        await asyncio.sleep(0.1)
        return asyncio.current_task().get_name(), request.get()

    request.set("main")
    tasks = [asyncio.create_task(child(i), name=f"child {i}") for i in range(2)]
    other = contextvars.copy_context()
    other.run(request.set, "other")
    tasks.append(asyncio.create_task(child("ctx"), context=other))
    await asyncio.sleep(0.05)
    names = sorted(task.get_name() for task in asyncio.all_tasks())
    done = await asyncio.gather(*tasks)
    later = asyncio.create_task(child("later"))
    return names, done, await later, request.get(), other[request]


async def program_lock():
    lock, log = asyncio.Lock(), []

    async def worker(name):
        for i in range(2):
            async with lock:
                log.append((name, i, lock.locked()))
                await asyncio.sleep(0.1)

    await asyncio.gather(*(worker(name) for name in "abc"))
    return log, lock.locked(), now()


shared = asyncio.Lock()
waiting = []


async def program_lock_of_a_module():
    """Who has waited for a lock has tied it to the loop."""
    log = []
    waiting[:] = []

    async def worker(name):
        waiting.append(asyncio.current_task())
        async with shared:
            log.append((name, shared.locked(), [task.get_name() for task in waiting]))
            await asyncio.sleep(0.1)

    tasks = [asyncio.create_task(worker(name), name=name) for name in "abc"]
    await asyncio.wait(tasks)
    shared._loop = None  # it serves the next run's loop, too
    return log, shared.locked(), waiting == tasks, now()


async def program_event():
    event, log = asyncio.Event(), []

    async def waits(name):
        await event.wait()
        log.append((name, now()))

    tasks = [asyncio.create_task(waits(name)) for name in "ab"]
    await asyncio.sleep(2)
    log.append(event.is_set())
    event.set()
    await asyncio.wait(tasks)
    return log


async def program_condition():
    condition, items, log = asyncio.Condition(), [], []

    async def consumer(name):
        async with condition:
            await condition.wait_for(lambda: items)
            log.append((name, items.pop()))

    consumers = [asyncio.create_task(consumer(name)) for name in "ab"]
    for item in (1, 2):
        await asyncio.sleep(0.5)
        async with condition:
            items.append(item)
            condition.notify_all()
    await asyncio.gather(*consumers)
    return log, items


async def program_semaphore():
    semaphore, running, most = asyncio.BoundedSemaphore(2), 0, 0

    async def worker():
        nonlocal running, most
        async with semaphore:
            running += 1
            most = max(most, running)
            await asyncio.sleep(1)
            running -= 1

    await asyncio.gather(*(worker() for _ in range(5)))
    return most, now(), semaphore.locked()


async def program_barrier():
    barrier = asyncio.Barrier(3)

    async def comes(after):
        await asyncio.sleep(after)
        async with barrier as place:
            return place, now()

    return sorted(await asyncio.gather(comes(1), comes(2), comes(3)))


async def program_queue():
    queue, got = asyncio.Queue(maxsize=2), []

    async def consumer(name):
        while True:
            item = await queue.get()
            await asyncio.sleep(0.3)
            got.append((name, item, now()))
            queue.task_done()

    consumers = [asyncio.create_task(consumer(name)) for name in "ab"]
    for item in range(5):
        await queue.put(item)
    await queue.join()
    for task in consumers:
        task.cancel()
    ended = await asyncio.gather(*consumers, return_exceptions=True)
    return got, [type(end).__name__ for end in ended], queue.empty()


async def program_queues_of_other_orders():
    last, least = asyncio.LifoQueue(), asyncio.PriorityQueue()
    for item in (2, 1, 3):
        await last.put(item)
        await least.put(item)
    await asyncio.sleep(1)
    return [(await last.get(), await least.get()) for _ in range(3)]


async def program_wait_for():
    quick = await asyncio.wait_for(napping("quick", 1), 2)
    try:
        await asyncio.wait_for(napping("slow", 1, 1, 1), 2.5)
    except TimeoutError as error:
        return quick, repr(error), now()


async def program_timeout():
    log = []
    async with asyncio.timeout(10) as outer:
        try:
            async with asyncio.timeout(1) as inner:
                await asyncio.sleep(5)
        except TimeoutError:
            log.append(("inner", inner.expired(), now()))
        outer.reschedule(asyncio.get_running_loop().time() + 3)
        log.append(round(outer.when(), 6))
        await asyncio.sleep(2)
    return log, outer.expired(), now()


async def program_task_group():
    async def child(n):
        await asyncio.sleep(n)
        return n * n

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(child(n), name=f"n{n}") for n in (3, 1, 2)]
        await asyncio.sleep(1.5)
        tasks.append(group.create_task(child(1)))
    return [task.result() for task in tasks], now()


async def program_task_group_that_fails():
    ended = []

    async def child(n):
        try:
            await asyncio.sleep(n)
        except asyncio.CancelledError:
            ended.append(("cancelled", n, now()))
            raise
        if n < 3:
            raise KeyError(n)

    try:
        async with asyncio.TaskGroup() as group:
            for n in (4, 2, 5):
                group.create_task(child(n))
    except* KeyError as errors:
        ended.append(repr(errors.exceptions))
    return sorted(ended, key=str), asyncio.current_task().cancelling()


async def program_cancel():
    log = []

    async def stubborn():
        try:
            await asyncio.sleep(10)
        except asyncio.CancelledError as error:
            log.append(("asked", error.args, asyncio.current_task().cancelling()))
            asyncio.current_task().uncancel()
            await asyncio.sleep(1)
        return "stayed", now()

    task = asyncio.create_task(stubborn())
    await asyncio.sleep(1)
    task.cancel("please")
    log.append(await task)
    gone = asyncio.create_task(asyncio.sleep(5))
    gone.cancel()
    await asyncio.wait([gone])
    return log, gone.cancelled()


async def program_shield():
    inner = asyncio.create_task(napping("inner", 1, 1, 1))
    try:
        await asyncio.wait_for(asyncio.shield(inner), 1.5)
    except TimeoutError:
        at = now()
    return at, await inner


async def program_wait_and_as_completed():
    tasks = {asyncio.create_task(napping(n, n), name=str(n)) for n in (3, 1, 2)}
    done, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    log = [len(done), len(pending)]
    for soon in asyncio.as_completed(pending):
        log.append(await soon)
    return log


async def program_futures_and_callbacks():
    loop, log = asyncio.get_running_loop(), []
    future = loop.create_future()
    future.add_done_callback(lambda done: log.append(("done", done.result(), now())))
    loop.call_later(2, functools.partial(future.set_result, "set"))
    loop.call_at(loop.time() + 1, log.append, "at 1")
    never = loop.call_later(1.5, log.append, "never")
    await asyncio.sleep(0.5)
    never.cancel()
    loop.call_soon(log.append, "soon")
    value = await future
    await asyncio.sleep(0)
    return log, value, round(never.when(), 6)


async def program_errors_of_tasks():
    async def fails():
        await asyncio.sleep(1)
        try:
            raise ValueError("first")
        except ValueError:
            await asyncio.sleep(1)
            raise KeyError("second")  # noqa: B904

    task = asyncio.create_task(fails())
    await asyncio.wait([task])
    await asyncio.sleep(1)
    error = task.exception()
    return repr(error), repr(error.__context__), error.__traceback__ is not None


async def program_that_fails():
    async with asyncio.timeout(5):
        await asyncio.sleep(1)
        raise LookupError("the end") from ValueError("why")


async def ticks(interval, log):
    try:
        for n in range(10):
            await asyncio.sleep(interval)
            yield n
            await asyncio.sleep(interval)
    finally:
        await asyncio.sleep(1)
        log.append(("closed", now()))


async def program_async_generator():
    log = []
    async with contextlib.aclosing(ticks(0.5, log)) as ticking:
        async for n in ticking:
            await asyncio.sleep(0.1)
            log.append((n, now()))
            if n == 2:
                break
    squares = [n * n async for n in ticks(0.1, log) if n % 2]
    return log, squares


async def program_async_generator_dropped():
    log = []
    async for n in ticks(0.5, log):
        await asyncio.sleep(0.1)
        if n == 1:
            break
    await asyncio.sleep(3)
    return log, now()


left = []


async def program_async_generator_left_to_the_loop():
    log = []
    kept = ticks(0.5, log)
    first = await anext(kept)
    await asyncio.sleep(1)
    left[:] = [kept]  # closed by shutdown_asyncgens
    return first, log


async def program_managers():
    log = []

    @contextlib.asynccontextmanager
    async def room(name):
        await asyncio.sleep(1)
        try:
            yield name
        finally:
            await asyncio.sleep(1)
            log.append((name, now()))

    async with contextlib.AsyncExitStack() as stack:
        names = [await stack.enter_async_context(room(name)) for name in "ab"]
        await asyncio.sleep(1)
    return names, log


async def program_stream_fed_by_hand():
    reader = asyncio.StreamReader()

    async def feed():
        for piece in (b"one\ntw", b"o\nthree"):
            await asyncio.sleep(1)
            reader.feed_data(piece)
        reader.feed_eof()

    feeding = asyncio.create_task(feed())
    lines = [line async for line in reader]
    await feeding
    return lines, now()


async def program_exception_handler():
    loop, log = asyncio.get_running_loop(), []
    loop.set_exception_handler(lambda loop, context: log.append(repr(context["exception"])))
    loop.call_later(1, lambda: 1 / 0)
    await asyncio.sleep(2)
    return log


async def program_in_debug_mode():
    asyncio.get_running_loop().set_debug(True)
    task = asyncio.create_task(napping("a", 1, 1))
    await asyncio.sleep(1.5)
    return await task, asyncio.get_running_loop().get_debug()


async def program_task_factory():
    loop, made = asyncio.get_running_loop(), []

    class Counted(asyncio.Task):
        count = 0

    def factory(loop, coroutine, **options):
        made.append(coroutine.__name__)
        return Counted(coroutine, loop=loop, **options)

    loop.set_task_factory(factory)
    task = asyncio.create_task(napping("a", 1))
    await asyncio.sleep(0.5)
    task.count += 1
    other = asyncio.create_task(napping("b", 1))
    return await task, await other, made, task.count, other.count, type(task) is type(other)


async def program_eager_tasks():
    if not hasattr(asyncio, "eager_task_factory"):
        return None
    asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)
    log = []

    async def at_once(n):
        log.append(n)
        if n:
            await asyncio.sleep(n)
        return n, now()

    tasks = [asyncio.create_task(at_once(n)) for n in (0, 2, 1)]
    log.append([task.done() for task in tasks])
    return log, await asyncio.gather(*tasks), len(asyncio.all_tasks())


async def program_tasks_in_a_cycle():
    async def mutual(others):
        await asyncio.sleep(1)
        mine = asyncio.current_task()
        return [other is mine for other in others]

    tasks = []
    for _ in range(2):
        tasks.append(asyncio.create_task(mutual(tasks)))
    loop = asyncio.get_running_loop()
    results = await asyncio.gather(*tasks)
    return results, loop is asyncio.get_running_loop(), tasks[0].get_loop() is loop


def program_runner():
    from hetmig.testing.virtual_time import VirtualLoop

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.get_loop().call_later(2, log := [])  # not callable: reported, and passed by
        runner.get_loop().set_exception_handler(lambda loop, context: log.append("bad"))
        first = runner.run(napping("first", 1))
        between = runner.get_loop().time()
        second = runner.run(napping("second", 2))
    return first, between, second, log, runner.get_loop is not None


PROGRAMS = [name for name in list(globals()) if name.startswith("program_")]
