"""What a task in its runner can ask of hetmig: where am I, here is my progress, move me there."""

from __future__ import annotations

import contextlib
import functools
import linecache
import os
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from types import FrameType
from typing import Any

from hetmig.division import crew
from hetmig.errors import FrameAddress, HetmigError, NotInTask, NotMigratable, ProtocolError
from hetmig.interpreter import reentry
from hetmig.interpreter.activation import Activation
from hetmig.interpreter.capture import capture
from hetmig.interpreter.safepoint import PassingPlace, Preemptor
from hetmig.node import forwarding, protocol, terminal
from hetmig.node.channel import Channel
from hetmig.node.copies import Copies
from hetmig.node.desk import Desk
from hetmig.node.file_line import FileLine
from hetmig.node.hearing import Hearing
from hetmig.node.preparing import Preparing
from hetmig.node.protocol import Buffer, Message
from hetmig.node.servant import Servant
from hetmig.node.streams import Outlets
from hetmig.node.telling import Telling
from hetmig.redirection import line as lines
from hetmig.redirection import opening
from hetmig.state import context_variables, image, progress_bars, threads
from hetmig.state.ambient import Ambient, put_back
from hetmig.state.modules import OwnModules, put_back_modules

__all__ = ["Runtime", "current", "is_task"]

_OURS = frozenset(
    {
        "hetmig.node.desk",
        "hetmig.node.direct",
        "hetmig.node.messages.mail",
        "hetmig.node.messages.outgoing",
        "hetmig.node.file_line",
        "hetmig.node.forwarding",
        "hetmig.node.hearing",
        "hetmig.node.progress",
        "hetmig.node.runner",
        "hetmig.node.runtime",
        "hetmig.node.streams",
        "hetmig.node.telling",
        "hetmig.task",
    }
)
_current: Runtime | None = None


def current() -> Runtime:
    """The runtime of the task this process runs.  Raises NotInTask elsewhere."""
    if _current is None or _current.process != os.getpid():
        raise NotInTask("this is not a task: submit the function, or use `hetmig run`")
    return _current


def is_task() -> bool:
    """Whether this process runs a task, now."""
    return _current is not None and _current.process == os.getpid()


class Runtime:
    """One task in its runner: its arrival there, and its departure."""

    def __init__(self, channel: Channel, outlets: Outlets, node: str) -> None:
        self.node = node
        self.process = os.getpid()
        self.about: dict[str, Any] = {}
        self.root: FrameType | None = None
        """The frame which calls the task; None before it has begun."""
        self.function: FrameAddress | None = None
        """The function that the task is, where it begins; None of a script, say."""
        self.ended = False
        self.source = ("", "")
        """File and text of the script that the task is, if it is one."""
        self.hearing = Hearing(self)
        self.preemptor = Preemptor(self._visit, self.hearing.expired)
        self.preemptor.poll = self.hearing.hear_request
        self.preemptor.searching = self.hearing.search_takes_long
        self.context = context_variables.current()
        """The context in which the task runs."""
        self._ambient = Ambient()
        self._modules: OwnModules | None = None
        self._arrived: Mapping[str, Any] = {}
        self._again = ""
        """In which form the node wants the frozen task that it just gave back."""
        self.desk = Desk(self.post, self.hearing.listen)
        self.files = FileLine(self)
        self.servant: Servant | None = None
        """If the task is an actor."""
        self.team: crew.Crew | None = None
        """Who runs parts of the task's loops."""
        self.channel = channel
        self.preparing = Preparing(self)
        self.copies = Copies(channel, self._freeze_copy)
        self._outlets = outlets
        self.telling = Telling(channel, outlets)

    def attach(self, about: dict[str, Any]) -> None:
        """The task `about` is put together in this process: its streams are the task's already.

        Once more with what has changed since its code was sent ahead, if it was.
        """
        self.about = about
        self.telling.events = about["events"]
        lines.connect(self.files)
        opening.policy_of_task(about.get("files"))
        if not self._outlets.is_open:
            self._outlets.open(self.telling.emit)
            self._follow_submitter(about)

    def _follow_submitter(self, about: dict[str, Any]) -> None:
        """Look like its terminal, and log to it, if it wants that."""
        if about.get("terminal"):
            terminal.use(about["terminal"])
        if about.get("logging"):
            ours = {"node": self.node, "task": about["name"], "task_id": about["id"]}
            forwarding.send_records(
                about["logging"], ours, functools.partial(self.telling.say, "log")
            )
            self._ambient = Ambient()

    def enter(self, file: str, text: str, directory: str) -> None:
        """The task is a script: run it where its submitter is, if there is such a place here."""
        self._keep_source(file, text)
        with contextlib.suppress(OSError):
            os.chdir(directory)

    def _keep_source(self, file: str, text: str) -> None:
        """Let tracebacks show the lines of a script, whose file may be on another machine."""
        self.source = file, text
        linecache.cache[file] = len(text), None, text.splitlines(keepends=True), file

    @property
    def origin(self) -> FrameAddress | str:
        """Which function the task is, or else its name."""
        return self.function or str(self.about["name"])

    def arrive(self, extra: Mapping[str, Any]) -> None:
        """The task comes from another runner, with what it has changed there of the process."""
        if extra["source"][0]:
            self._keep_source(*extra["source"])
        if function := extra.get("function"):  # a parcel of before has none
            self.function = FrameAddress(*function)
        self.context = extra["context"]
        if "logging" in extra["ambient"]:
            forwarding.restore_levels()
        self.context.run(put_back, extra["ambient"])
        put_back_modules(extra["modules"])
        self.desk.arrive(extra["desk"])
        if extra["stdin"] is not None:
            self._outlets.stdin.arrive(extra["stdin"])
        for name, proxy in extra.get("proxies", {}).items():  # of a parcel of before: none
            setattr(sys, name, proxy)
        self._arrived = extra

    def take_stock(self) -> None:
        """See what the process is like before a task that has arrived goes on here."""
        if extra := self._arrived:
            self._ambient, self._modules = Ambient(extra["ambient"]), OwnModules(extra["modules"])
            self._arrived = {}

    def begin(self) -> None:
        """The task starts, or goes on.  What its modules wrote at their import goes out."""
        global _current
        self._modules = self._modules or OwnModules()
        self._modules.watch_imports()
        self.telling.begin()
        _current = self
        crew.set_crew(self.team)
        self.files.runs = True
        progress_bars.go_on()
        self.desk.ask_again()

    def post(self, kind: str, header: dict[str, Any], payload: Sequence[Buffer] = ()) -> None:
        """Send the node a message.  Raises ProtocolError for what is too large."""
        with self.channel.lock:
            self.channel.send(kind, header, payload)

    def disown(self) -> None:
        """In a forked child: it is no task, and its parent's connection is not its own."""
        self.preemptor.cancel()
        self.preemptor.poll = None
        crew.set_crew(None)
        lines.connect(None)  # what it closes is still open in its parent

    def migrate(self, to: str, caller: FrameType, callee: FrameType) -> None:
        """Move to the node `to`; returns there.  Raises NotMigratable or the node's own error."""
        if threading.current_thread() is not threading.main_thread():
            raise NotMigratable("hetmig.migrate was called from a thread, not from the task itself")
        started = time.monotonic()
        if to == self.node:
            return
        if self.servant is not None:
            self.servant.between_calls()
        self._require_movable()
        stack = capture(caller, root=self._root_of(caller), callee=callee)
        refusal = self._leave(self._freeze(stack, portable=False), started, {"to": to})
        if self._again == "portable":
            refusal = self._leave(self._freeze(stack, portable=True), started, {"to": to})
        if refusal is not None:
            raise refusal

    def _visit(self, frame: FrameType) -> bool:
        """A safe point was reached while the node wants the task."""
        started = time.monotonic()
        request, keep = self.hearing.request, self.hearing.keep
        try:
            root = self._root_of(frame)
            self._require_movable()
            if self.servant is not None:
                frozen = self._freeze(self.servant.between_calls(), self.hearing.portable), ""
            elif keep:
                frozen = self.copies.frozen(capture(frame, root=root))
            else:
                frozen = self._freeze(capture(frame, root=root), self.hearing.portable), ""
        except NotMigratable as error:
            self.hearing.note(frame, error)
            raise
        except HetmigError as error:
            raise NotMigratable(str(error)) from error
        except (RecursionError, MemoryError) as error:
            raise NotMigratable(f"the state is too large: {type(error).__name__}") from error
        if keep == "copy":
            self.telling.flush()
            self.copies.send(frozen, started, {"request": request, "events": self.telling.events})
            return request == self.hearing.request  # else another came meanwhile, to move the task
        # The caller hears of a refusal from the node; here the task just goes on.
        header = {"request": self.hearing.request, "pinned_because": frozen[1]}
        self._leave(frozen[0], started, header)
        return True

    def checkpoint(
        self, to: str | None, wait: bool, caller: FrameType, callee: FrameType
    ) -> HetmigError | None:
        """Have the node keep a copy of the task; with `wait`, why it could not, once it has tried.

        One at a time: who asks faster than the node can write waits.
        Raises NotMigratable if the task can't be captured.
        """
        if threading.current_thread() is not threading.main_thread():
            raise NotMigratable("hetmig.checkpoint was called from a thread, not from the task")
        if self.servant is not None:
            raise NotMigratable("an actor is not checkpointed; let a method return what to keep")
        self.hearing.listen()
        self._await_saved()
        started = time.monotonic()
        self._require_movable()
        stack = capture(caller, root=self._root_of(caller), callee=callee)
        frozen = self.copies.frozen(stack)
        self.telling.flush()
        self.copies.send(frozen, started, {"to": to, "events": self.telling.events}, own=True)
        return self._await_saved() if wait else None

    def ask_for_checkpoint(self, to: str | None) -> None:
        """Have the node take one as soon as the task can be captured."""
        self.post(protocol.CHECKPOINT, {"to": to})

    def _await_saved(self) -> HetmigError | None:
        replies: list[Message] = []
        error = self.copies.await_saved(lambda message: self.hearing.hear_aside(message, replies))
        for reply in replies:
            self.desk.heard(reply)
        return error

    def _freeze(self, stack: list[Activation], portable: bool) -> image.Image:
        extra = {
            **self.surroundings(),
            "source": self.source,
            "function": self.function and tuple(self.function),
            "desk": self.desk.state(),
            "stdin": self._outlets.stdin.state(),
            "proxies": self._outlets.proxies,
        }
        if self.servant is None:
            return image.freeze(stack, extra, portable=portable)
        return self.servant.freeze(stack, extra, portable)

    def surroundings(self) -> dict[str, Any]:
        """What the task has changed of its process."""
        return {
            "context": context_variables.current(),
            "ambient": self._ambient.changed(),
            "modules": self._modules.changed() if self._modules else {},
        }

    def _freeze_copy(self, stack: list[Activation], portable: bool) -> image.Image:
        self.files.keeps = True
        try:
            return self._freeze(stack, portable)
        finally:
            self.files.keeps = False

    def _leave(
        self, frozen: image.Image, started: float, header: dict[str, Any]
    ) -> HetmigError | None:
        """Hand the frozen state to the node; never returns if the task has moved.

        Else why it goes on here; None: there is no need to move.
        Raises NotMigratable for what is too large to be sent.
        """
        self.telling.flush()
        header |= {"started": started, "events": self.telling.events, "kind": frozen.kind}
        header |= {"description": frozen.description, "portable": frozen.portable}
        replies: list[Message] = []
        with self.channel.lock:
            try:
                self.channel.send(protocol.FROZEN, header, frozen.frames)
            except ProtocolError as large:  # nothing was sent
                raise NotMigratable(f"the state is too large: {large}") from large
            if self.servant is not None:
                self.servant.drop_calls()
            while True:
                verdict = self.channel.receive()
                if verdict.kind == protocol.GONE:
                    os._exit(0)  # nothing of the user's runs here any more
                if verdict.kind == protocol.GO_ON:
                    break
                self.hearing.hear_aside(verdict, replies)
        for reply in replies:
            self.desk.heard(reply)
        self._again = verdict.header.get("again", "")
        described = verdict.header.get("error")
        return None if described is None else protocol.rebuild_error(described)

    def _root_of(self, frame: FrameType) -> FrameType:
        """The frame below which everything is the task's.  Raises NotMigratable inside hetmig."""
        below, at = None, frame
        while at is not self.root:
            if at.f_globals.get("__name__") in _OURS:
                raise PassingPlace("the task is inside hetmig itself")
            if at.f_back is None:
                raise NotMigratable("this code does not run inside the task")
            below, at = at, at.f_back
        # What re-entry put between us and the task has to stay behind.
        return below if below and below.f_globals is vars(reentry) else at

    def _require_movable(self) -> None:
        """Refuse what a capture of the main thread's stack would silently leave behind."""
        for thread in threads.others(ignorable=False):
            raise NotMigratable(
                f"the thread {thread!r} would stay behind: join it first, or say that the task can "
                "do without, with hetmig.ignorable(thread)"
            )
        if (name := self._outlets.redirected) is not None:
            raise NotMigratable(f"sys.{name} is redirected: leave the redirection first")
