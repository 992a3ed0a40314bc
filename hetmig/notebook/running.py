"""A cell's task, seen from the notebook: what it writes, how far it is, what it gives back."""

from __future__ import annotations

import importlib
import queue
import sys
import threading
from concurrent.futures import CancelledError
from typing import Any

from hetmig.client import Nodes, Task
from hetmig.errors import HetmigError, NotMigratable
from hetmig.notebook.cells import GIVEN_BACK, VALUE, Cell, GivenBack
from hetmig.notebook.errors import brief, traceback_of
from hetmig.rendering import task_text
from hetmig.state.image import thaw_value

__all__ = ["Run", "begin"]

_LOOK_SECONDS = 0.25


def begin(shell: Any, nodes: Nodes, cell: Cell, on: str | None, name: str | None) -> Run:
    """Submit a cell.  Raises NotMigratable, naming the variable, for what can't go along."""
    try:
        task = nodes.with_options(at=on, name=name).submit(cell)
    except NotMigratable as error:
        error.add_note("it is a variable of the notebook that the cell uses")
        raise
    return Run(shell, task)


class Run:
    """A cell that runs as a task."""

    def __init__(self, shell: Any, task: Task) -> None:
        self.task = task
        self._shell = shell
        self._events: queue.SimpleQueue[tuple[str, str] | None] = queue.SimpleQueue()
        self._shown: Any = None
        self._last = ""
        self._collected = False
        task.add_output_callback(lambda stream, text: self._events.put((stream, text)))
        self._attached = threading.Event()
        task._nodes._later(self._attached.set)  # behind that callback
        task.add_progress_callback(lambda *progress: self._events.put(None))
        task.add_done_callback(lambda task: self._events.put(None))

    def wait(self) -> Any:
        """Show what it writes until it ends; the value of its last line.

        Its variables are in the notebook then.  Raises what it raised.  An interrupt cancels it.
        """
        try:
            self._follow()
        except KeyboardInterrupt as interrupt:
            if self._cancelled():
                raise brief(interrupt, "KeyboardInterrupt: the cell's task was cancelled") from None
            self._follow()
        return self._collect()

    def _cancelled(self) -> bool:
        """Whether an interrupt ended it; not if it had just ended by itself."""
        if self.task.cancel():
            self._show()
            return True
        if not self.task.done():
            error = HetmigError(
                f"the cell's task can't be reached to be cancelled, and goes on; %wait "
                f"{self.task.id} waits for it"
            )
            raise brief(error)
        return False

    def _follow(self) -> None:
        while not self.task.done():
            self._take_event(_LOOK_SECONDS)
            self._show()
        self._attached.wait()  # then all that it wrote is here
        while self._take_event(0):
            pass
        self._show()
        if not self._in_notebook and self._has_moved:
            print(task_text(self.task._heard.summary, self.task.name, self.task._heard_hops()))

    def _take_event(self, seconds: float) -> bool:
        """Wait so long for the next event; whether there was one."""
        try:
            event = self._events.get(timeout=seconds)
        except queue.Empty:
            return False
        if event is not None:
            stream, text = event
            print(text, end="", file=getattr(sys, stream), flush=True)
        return True

    @property
    def _in_notebook(self) -> bool:
        return bool(getattr(self._shell, "kernel", None))

    @property
    def _has_moved(self) -> bool:
        return any(hop.requested_by != "placement" for hop in self.task._heard_hops())

    def _show(self) -> None:
        """The task, below what it writes, as soon as there is something to tell."""
        something = self._has_moved or self.task.progress() is not None
        if not self._in_notebook or not (self._shown or something):
            return
        now = self.task._repr_html_()
        if now == self._last:
            return
        self._last = now
        if self._shown is None:
            self._shown = _display(self.task)
        else:
            self._shown.update(self.task)

    def _collect(self) -> Any:
        try:
            given: GivenBack = self.task.result(0)
        except CancelledError:
            raise brief(HetmigError("the cell's task was cancelled")) from None
        except BaseException as error:
            given_back = vars(error).pop(GIVEN_BACK, None)
            if given_back is not None:
                self._take(given_back)
            raise brief(error, traceback_of(self._shell, error)) from error.__cause__
        value = self._take(given)
        if given.staying:
            raise brief(_staying(given.staying))
        return value

    def _take(self, given: GivenBack) -> Any:
        """Put into the notebook's namespace what the cell has changed; its value."""
        if self._collected:
            return None
        self._collected = True
        namespace = self._shell.user_ns
        before = dict(namespace)
        told = thaw_value(given.frames, main=self._shell.user_module, keep=True)
        # functions bring what they use; but what the cell left as it was is not exchanged
        for name in namespace.keys() - before.keys():
            del namespace[name]
        namespace.update(before)
        namespace.update(told["variables"])
        for name in given.deleted:
            namespace.pop(name, None)
        for name, module in given.modules.items():
            try:
                namespace[name] = importlib.import_module(module)
            except ImportError as error:
                print(f"hetmig: {name!r} stays away: {error}", file=sys.stderr)
        return told[VALUE]


def _staying(staying: dict[str, str]) -> NotMigratable:
    listed = "; ".join(
        f"{'the value of its last line' if name == VALUE else repr(name)}: {reason}"
        for name, reason in staying.items()
    )
    return NotMigratable(
        f"the cell has ended, and all that it assigned came back but for {listed}. Let the cell "
        "`del` what is not to come back"
    )


def _display(task: Task) -> Any:
    display: Any = importlib.import_module("IPython.display")
    return display.display(task, display_id=True)
