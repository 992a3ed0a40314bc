"""Progress bars of `tqdm` and `rich`: what they are in the middle of a loop, at another process.

Both have threads of their own beside the program.  These stay behind, and are started anew when the
task goes on.  Neither library needs to be there.
"""

from __future__ import annotations

import functools
import math
import sys
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from hetmig.errors import NotMigratable
from hetmig.state.threads import RESTARTED, reduce_thread

if TYPE_CHECKING:
    from hetmig.state.pickler import Pickler

__all__ = ["go_on", "look", "proxied", "reducer_of"]

Reduced = tuple[Any, ...]
_STARTS = 64
_PROXY = ("rich.file_proxy", "FileProxy")

_to_start: deque[Callable[[], object]] = deque(maxlen=_STARTS)
"""What begins as soon as the task does."""
_last: list[Callable[[], Any]] = []
"""The bar that was looked at last, as long as it is there."""


def go_on() -> None:
    """The task goes on here: so do the threads of its bars."""
    while _to_start:
        _to_start.popleft()()
    look()  # they may end before anybody looks again


def reducer_of(cls: type) -> Callable[[Pickler, Any], Any] | None:
    """How a bar, or a thread of one, is taken apart."""
    if _is_tqdm(cls):
        return _reduce_tqdm
    return _BY_NAME.get((cls.__module__, cls.__qualname__))


# -- how far they are


def look() -> tuple[float, float | None, str] | None:
    """What the outermost bar shows: done, total and its title."""
    try:
        if (bar := next(_bars(), None)) is not None:
            _last[:] = [bar]
        found = _last[0]()
        done = found.n if hasattr(found, "n") else found.completed
        title = found.desc if hasattr(found, "desc") else found.description
        return _number(done) or 0, _number(found.total), _words(title)
    except Exception:  # none, or one that somebody has made, half made or not as we know it
        return None


def _number(value: Any) -> float | None:
    """As JSON has it; a total may be anything that can be compared."""
    if value is None or not math.isfinite(value):
        return None
    return value if type(value) in (int, float) else float(value)


def _words(title: Any) -> str:
    return str(title or "").strip().removesuffix(":")


def _bars() -> Iterator[Callable[[], Any]]:
    """References to the bars that are shown now, the outermost first."""
    cls = _tqdm()
    if cls is not None:
        live = [bar for bar in list(cls._instances) if not bar.disable and hasattr(bar, "sp")]
        yield from (weakref.ref(bar) for bar in sorted(live, key=lambda bar: abs(bar.pos)))
    for thread in threading.enumerate():
        if _name_of(type(thread)) == ("rich.live", "_RefreshThread"):
            progress = getattr(thread.live._get_renderable, "__self__", None)  # type: ignore[attr-defined]
            tasks = list(getattr(progress, "tasks", ()))
            shown = [task for task in tasks if not task.finished] or tasks[-1:]
            yield from (functools.partial(_itself, task) for task in shown)


def _itself(task: object) -> object:
    return task


# -- tqdm


def _tqdm() -> Any:
    cls = getattr(sys.modules.get("tqdm.std"), "tqdm", None)
    return cls if isinstance(cls, type) else None


def _is_tqdm(cls: Any) -> bool:
    base = _tqdm()
    # those that draw with something else than text have something else to be moved
    return base is not None and issubclass(cls, base) and cls.display is base.display


def _reduce_tqdm(pickler: Pickler, bar: Any) -> Reduced:
    if _is_drawing(getattr(type(bar), "_lock", None)):
        raise NotMigratable("the bar is being drawn")
    state = {name: value for name, value in vars(bar).items() if name not in ("fp", "sp")}
    written = None
    if "fp" in vars(bar):
        width = list(_width(bar.sp)) if "sp" in vars(bar) else None
        written = vars(bar.fp).get("_wrapped", bar.fp), width
    return new_tqdm, (type(bar),), (state, written), None, None, fill_tqdm


def new_tqdm(cls: Any) -> Any:
    """A bar, without showing anything."""
    bar = object.__new__(cls)
    bar.disable = True  # what is dropped before it is filled closes nothing
    return bar


def fill_tqdm(
    bar: Any, filling: tuple[dict[str, Any], tuple[Any, list[int] | None] | None]
) -> None:
    """Give a bar its state, and what it writes to."""
    state, written = filling
    cls = type(bar)
    cls.get_lock()
    if written is not None:
        utils: Any = sys.modules["tqdm.utils"]
        bar.fp = utils.DisableOnWriteError(written[0], tqdm_instance=bar)
        if written[1] is not None:
            bar.sp = bar.status_printer(bar.fp)
            _width(bar.sp)[:] = written[1]
    del bar.disable  # its `__init__` may not have set it yet
    vars(bar).update(state)
    if not state.get("disable"):
        cls._instances.add(bar)
        _to_start.append(lambda: _watch(cls))


def _is_drawing(lock: Any) -> bool:
    """Whether this thread holds the lock that all bars share; no variable of theirs holds it."""
    for part in getattr(lock, "locks", [lock]):
        owned = getattr(part, "_is_owned", None) or getattr(part, "_semlock", part)
        if callable(asked := getattr(owned, "_is_mine", owned)) and asked():
            return True
    return False


def _width(printer: Any) -> list[int]:
    """Where the function that draws a bar keeps how wide it was."""
    cells = dict(zip(printer.__code__.co_freevars, printer.__closure__ or (), strict=False))
    return cells["last_len"].cell_contents if "last_len" in cells else [0]


def _watch(cls: Any) -> None:
    """Have a thread look after bars that are late, as each new bar does."""
    if cls.monitor_interval and (cls.monitor is None or not cls.monitor.report()):
        monitor: Any = sys.modules["tqdm._monitor"]
        cls.monitor = monitor.TMonitor(cls, cls.monitor_interval)


# -- rich


def _reduce_live_thread(pickler: Pickler, thread: Any) -> Any:
    """One that runs waits for `done`; what it holds otherwise is data."""
    if not thread.is_alive() or thread.done.is_set():
        return reduce_thread(pickler, thread)
    machinery = {*vars(threading.Thread()), "done", "run"}
    state = {name: value for name, value in vars(thread).items() if name not in machinery}
    return new_live_thread, (type(thread), thread.name), state, None, None, fill_live_thread


def new_live_thread(cls: type[threading.Thread], name: str) -> Any:
    """A thread that is yet to begin."""
    thread: Any = cls.__new__(cls)
    threading.Thread.__init__(thread, name=name, daemon=True)
    thread.done = threading.Event()
    return thread


def fill_live_thread(thread: Any, state: dict[str, Any]) -> None:
    """Give a thread its state; it begins with the task."""
    vars(thread).update(state)
    if _name_of(type(thread)) == ("rich.progress", "_TrackThread"):
        vars(thread)["run"] = lambda: _track(thread)
    _to_start.append(thread.start)


def _track(thread: Any) -> None:
    """As its own `run`, which would begin to count anew."""
    bar = thread.progress
    while not thread.done.wait(thread.update_period) and bar.live.is_started:
        bar.update(thread.task_id, completed=thread.completed)
    bar.update(thread.task_id, completed=thread.completed, refresh=True)


def _reduce_rich_task(pickler: Pickler, task: Any) -> Any:
    """A line of a bar knows when it began by a clock that each machine has for itself."""
    if getattr(task._get_time, "__name__", "") != "monotonic":
        return NotImplemented
    state = {
        name: value for name, value in vars(task).items() if name not in ("_lock", "_progress")
    }
    samples = list(task._progress)
    arguments = (type(task), task._progress.maxlen, time.monotonic())
    return new_rich_task, arguments, (state, samples), None, None, fill_rich_task


def new_rich_task(cls: Any, most: int | None, now: float) -> Any:
    """A line of a bar; `now` is what the clock of its times shows."""
    task = cls.__new__(cls)
    task._progress, task._behind = deque(maxlen=most), time.monotonic() - now
    return task


def fill_rich_task(task: Any, filling: tuple[dict[str, Any], list[Any]]) -> None:
    """Give it its state, in the times of this machine's clock."""
    state, samples = filling
    behind = vars(task).pop("_behind")
    vars(task).update(state)
    task._lock = threading.RLock()
    for name in ("start_time", "stop_time"):
        if getattr(task, name) is not None:
            setattr(task, name, getattr(task, name) + behind)
    task._progress.extend(s._replace(timestamp=s.timestamp + behind) for s in samples)


# What a `rich` bar puts in the place of a standard stream, where that is a terminal


def proxied(stream: Any) -> Any:
    """The stream behind the one that `rich` puts in its place while it draws; else None."""
    return stream.rich_proxied_file if _name_of(type(stream)) == _PROXY else None


def _reduce_proxy(pickler: Pickler, proxy: Any) -> Reduced:
    return new_proxy, (type(proxy),), dict(vars(proxy)), None, None, fill_proxy


def new_proxy(cls: Any) -> Any:
    """A stand-in for a stream, yet for none."""
    return cls.__new__(cls)


def fill_proxy(proxy: Any, state: dict[str, Any]) -> None:
    """Give it what it stands for."""
    vars(proxy).update(state)  # its own way to set attributes would ask that stream


def _name_of(cls: type) -> tuple[str, str]:
    return cls.__module__, cls.__qualname__


_BY_NAME: dict[tuple[str, str], Callable[[Pickler, Any], Any]] = {
    **dict.fromkeys(RESTARTED - {("tqdm._monitor", "TMonitor")}, _reduce_live_thread),
    ("rich.progress", "Task"): _reduce_rich_task,
    _PROXY: _reduce_proxy,
}
