"""What a task in its runner can ask of hetmig: where am I, here is my progress, move me there."""

from __future__ import annotations

import contextlib
import functools
import linecache
import os
import sys
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from types import FrameType
from typing import Any

from hetmig.division import crew
from hetmig.errors import HetmigError, InMotion, NotInTask, NotMigratable, ProtocolError
from hetmig.interpreter import reentry
from hetmig.interpreter.activation import Activation
from hetmig.interpreter.capture import capture
from hetmig.interpreter.safepoint import PassingPlace, Preemptor
from hetmig.node import asynchronous, forwarding, protocol, sleeping, terminal
from hetmig.node.channel import Channel
from hetmig.node.copies import Copies
from hetmig.node.desk import Desk
from hetmig.node.file_line import FileLine
from hetmig.node.preparing import Preparing
from hetmig.node.progress import Progress
from hetmig.node.protocol import Buffer, Message
from hetmig.node.servant import Servant
from hetmig.node.streams import Outlets
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
        "hetmig.node.progress",
        "hetmig.node.runner",
        "hetmig.node.runtime",
        "hetmig.node.streams",
        "hetmig.task",
    }
)
_TURN_SECONDS = 0.001
_ARRIVAL_SECONDS = 0.02
"""How long a signal handler waits for the message that the signal announces."""

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
    """One task in its runner: its numbered messages, and its departure."""

    def __init__(self, channel: Channel, outlets: Outlets, node: str) -> None:
        self.node = node
        self.process = os.getpid()
        self.about: dict[str, Any] = {}
        self.root: FrameType | None = None
        """The frame which calls the task; None before it has begun."""
        self.ended = False
        self.source = ("", "")
        """File and text of the script that the task is, if it is one."""
        self.preemptor = Preemptor(self._visit, self._expired)
        self.preemptor.poll = self.hear_request
        self.context = context_variables.current()
        """The context in which the task runs."""
        self._ambient = Ambient()
        self._modules: OwnModules | None = None
        self._arrived: Mapping[str, Any] = {}
        self._portable = False
        """Whether the node asked for what every version of Python can read."""
        self._keep = ""
        """What the node does with the frozen task: "" moves it, "copy" and "stop" keep it."""
        self._again = ""
        """In which form the node wants the frozen task that it just gave back."""
        self.desk = Desk(self.post, self.listen)
        self.files = FileLine(self)
        self.servant: Servant | None = None
        """If the task is an actor."""
        self.team: crew.Crew | None = None
        """Who runs parts of the task's loops."""
        self._missed = False
        """Whether somebody wanted to hear what the node says, and found the channel taken."""
        self.channel = channel
        self.preparing = Preparing(self)
        self._copies = Copies(channel, self._freeze_copy)
        self._outlets = outlets
        self._events = 0
        self._early: list[tuple[str, bytes]] | None = []
        self._unsaid: deque[tuple[str, bytes]] = deque()
        self._request = 0
        self._requests = asynchronous.Requests()
        self._progress = Progress(
            lambda progress: channel.send(protocol.PROGRESS, {"progress": progress})
        )

    def attach(self, about: dict[str, Any]) -> None:
        """The task `about` is put together in this process: its streams are the task's already.

        Once more with what has changed since its code was sent ahead, if it was.
        """
        self.about = about
        self._events = about["events"]
        lines.connect(self.files)
        opening.policy_of_task(about.get("files"))
        if not self._outlets.is_open:
            self._outlets.open(self._emit)
            self._follow_submitter(about)

    def _follow_submitter(self, about: dict[str, Any]) -> None:
        """Look like its terminal, and log to it, if it wants that."""
        if about.get("terminal"):
            terminal.use(about["terminal"])
        if about.get("logging"):
            ours = {"node": self.node, "task": about["name"], "task_id": about["id"]}
            forwarding.send_records(about["logging"], ours, functools.partial(self.say, "log"))
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

    def arrive(self, extra: Mapping[str, Any]) -> None:
        """The task comes from another runner, with what it has changed there of the process."""
        if extra["source"][0]:
            self._keep_source(*extra["source"])
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
        with self.channel.lock:
            early, self._early = self._early, None
            for stream, piece in early or ():
                self._emit(stream, piece)
        _current = self
        crew.set_crew(self.team)
        self.files.runs = True
        progress_bars.go_on()
        self.desk.ask_again()

    def post(self, kind: str, header: dict[str, Any], payload: Sequence[Buffer] = ()) -> None:
        """Send the node a message.  Raises ProtocolError for what is too large."""
        with self.channel.lock:
            self.channel.send(kind, header, payload)

    @property
    def is_speaking(self) -> bool:
        """Whether this very thread uses the channel."""
        return self.channel.lock.owner == threading.get_ident()

    def disown(self) -> None:
        """In a forked child: it is no task, and its parent's connection is not its own."""
        self.preemptor.cancel()
        self.preemptor.poll = None
        crew.set_crew(None)
        lines.connect(None)  # what it closes is still open in its parent

    @property
    def events(self) -> int:
        """How many there were."""
        return self._events

    def number(self) -> int:
        """The number of the next event, counted over the task's whole journey."""
        self._events += 1
        return self._events

    def progress(self, done: float, total: float | None, note: str) -> None:
        """Report progress, at most some times per second."""
        with self.channel.lock:
            self._progress.tell(done, total, note)

    def say(self, stream: str, piece: bytes) -> None:
        """Tell the submitter a piece of this stream, after all that was written before."""
        self._unsaid.append((stream, piece))
        if not self.is_speaking:  # else what speaks now has something to say of itself
            self._say()

    def _say(self) -> None:
        with self.channel.lock:
            self._outlets.drain()
            while self._unsaid:
                self._emit(*self._unsaid.popleft())

    def flush(self) -> None:
        """Send everything that waits to be sent."""
        self._outlets.flush()
        self._say()
        with self.channel.lock:
            self._progress.look()
            self._progress.flush()

    def migrate(self, to: str, caller: FrameType, callee: FrameType) -> None:
        """Move to the node `to`; returns there.  Raises NotMigratable if it cannot."""
        if threading.current_thread() is not threading.main_thread():
            raise NotMigratable("hetmig.migrate was called from a thread, not from the task itself")
        started = time.monotonic()
        if to == self.node:
            return
        if self.servant is not None:
            self.servant.between_calls()
        self._require_movable()
        stack = capture(caller, root=self._root_of(caller), callee=callee)
        self._portable = False
        refusal = self._leave(self._freeze(stack, self._portable), started, {"to": to})
        if self._again == "portable":
            self._portable = True
            refusal = self._leave(self._freeze(stack, self._portable), started, {"to": to})
        if refusal is not None:
            raise refusal

    def _visit(self, frame: FrameType) -> bool:
        """A safe point was reached while the node wants the task."""
        started = time.monotonic()
        request, keep = self._request, self._keep
        try:
            root = self._root_of(frame)
            self._require_movable()
            if self.servant is not None:
                frozen = self._freeze(self.servant.between_calls(), self._portable), ""
            elif keep:
                frozen = self._copies.frozen(capture(frame, root=root))
            else:
                frozen = self._freeze(capture(frame, root=root), self._portable), ""
        except NotMigratable as error:
            self._requests.note(frame, error)
            raise
        except HetmigError as error:
            raise NotMigratable(str(error)) from error
        except (RecursionError, MemoryError) as error:
            raise NotMigratable(f"the state is too large: {type(error).__name__}") from error
        if keep == "copy":
            self.flush()
            self._copies.send(frozen, started, {"request": request, "events": self._events})
            return request == self._request  # else another came meanwhile, to move the task
        # The caller hears of a refusal from the node; here the task just goes on.
        header = {"request": self._request, "pinned_because": frozen[1]}
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
        self.listen()
        self._await_saved()
        started = time.monotonic()
        self._require_movable()
        stack = capture(caller, root=self._root_of(caller), callee=callee)
        frozen = self._copies.frozen(stack)
        self.flush()
        self._copies.send(frozen, started, {"to": to, "events": self._events}, own=True)
        return self._await_saved() if wait else None

    def ask_for_checkpoint(self, to: str | None) -> None:
        """Have the node take one as soon as the task can be captured."""
        self.post(protocol.CHECKPOINT, {"to": to})

    def _await_saved(self) -> HetmigError | None:
        replies: list[Message] = []
        error = self._copies.await_saved(lambda message: self._hear_aside(message, replies))
        for reply in replies:
            self.desk.heard(reply)
        return error

    def _hear_aside(self, message: Message, replies: list[Message]) -> None:
        """What the node says while the task waits for something else."""
        if message.kind == protocol.FREEZE:
            about = InMotion("the task is about to move already")
            self._decline(message.header["request"], about)
        else:
            self._take_in(message, replies)

    def _take_in(self, message: Message, replies: list[Message]) -> None:
        """What the node says, and means the same whatever the task does just now."""
        if message.kind == protocol.REPLY:
            replies.append(message)  # for the desk, which uses the channel itself
        elif message.kind == protocol.PREPARE:
            self.preparing.asked(message)
        elif message.kind == protocol.SAVED:
            self._copies.saved()
        elif message.kind == protocol.DIVIDE:
            crew.ask(message.header)
        elif message.kind == protocol.FILED:
            self.files.heard(message)

    def _freeze(self, stack: list[Activation], portable: bool) -> image.Image:
        extra = {
            **self.surroundings(),
            "source": self.source,
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
    ) -> NotMigratable | None:
        """Hand the frozen state to the node; never returns if the task has moved.

        Else why the destination did not take it; None: there is no need to move.
        Raises NotMigratable for what is too large to be sent.
        """
        self.flush()
        header |= {"started": started, "events": self._events, "kind": frozen.kind}
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
                self._hear_aside(verdict, replies)
        for reply in replies:
            self.desk.heard(reply)
        self._again = verdict.header.get("again", "")
        if verdict.header.get("error") is None:
            return None
        error = protocol.rebuild_error(verdict.header.get("error"))
        return error if isinstance(error, NotMigratable) else NotMigratable(error.message)

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

    def hear_request(self) -> None:
        """A signal came: is there a request?  Runs in a signal handler of the main thread.

        Or in another thread, if the main thread is in C code that looks at no signals.
        """
        self.hear(0 if self.preparing.note() else _ARRIVAL_SECONDS)

    def hear_all(self, count: int) -> None:
        """The node has sent so many messages: take in what others have not.  For another thread."""
        until = time.monotonic() + _ARRIVAL_SECONDS
        while self.channel.received < count and time.monotonic() < until:
            if not self.hear(_TURN_SECONDS):
                sleeping.rest_aside(_TURN_SECONDS)
        sleeping.wake()
        asynchronous.wake()

    def pong(self) -> None:
        """Say that this process is alive.  For another thread."""
        if self.channel.lock.acquire(blocking=False):  # else the node asks once more
            try:
                self.channel.send(protocol.PONG, {})
                self._progress.look()
            finally:
                self.channel.lock.release()

    def listen(self) -> None:
        """Take in what has arrived: for the main thread, before it rests."""
        while True:
            self._missed = False
            if not self.hear(0) or not self._missed:
                return

    def hear(self, patience: float) -> bool:
        """Take in what the node says, after waiting so long for it to begin.

        False if somebody else has the channel just now.
        """
        if not self.channel.lock.acquire(blocking=False):
            self._missed = True
            return False  # perhaps we interrupted the one who sends; the node will knock again
        heard, deadline = 0, None
        replies: list[Message] = []
        try:
            while self.channel.arrives_within(patience):
                patience = 0
                message = self.channel.receive()
                heard += 1
                if message.kind == protocol.FREEZE:
                    deadline = self._asked_to_freeze(message)
                elif message.kind == protocol.CALL and self.servant is not None:
                    self.servant.hear(message)
                else:
                    self._take_in(message, replies)
        finally:
            self.channel.lock.release()
        for message in replies:  # now that the channel is free
            self.desk.heard(message)
        if deadline is not None:
            self.preemptor.begin(deadline)
        if heard:  # else who waits would wake himself, again and again
            sleeping.wake()
            asynchronous.wake()
        return True

    def _asked_to_freeze(self, message: Message) -> float | None:
        """The time for finding a safe point; None if there is none any more."""
        self._request = message.header["request"]
        self._portable = message.header["portable"]
        self._keep = message.header.get("keep", "")
        self._requests.begin()
        if self.ended:
            self._decline(self._request, NotMigratable("the task has just ended", ended=1))
            return None
        self.channel.send(protocol.FREEZING, {"request": self._request})
        deadline: float = message.header["deadline"]
        return deadline

    def _expired(self, reason: NotMigratable) -> None:
        error = protocol.describe_error(self._requests.explained(reason))
        with self.channel.lock:
            header = {"request": self._request, "error": error}
            self.channel.send(protocol.DECLINED, header)

    def _decline(self, request: int, reason: NotMigratable) -> None:
        error = protocol.describe_error(reason)
        self.channel.send(protocol.DECLINED, {"request": request, "error": error})

    def _emit(self, stream: str, piece: bytes) -> None:
        if self._early is not None:
            self._early.append((stream, piece))
            return
        self.channel.send(protocol.OUTPUT, {"n": self.number(), "stream": stream}, [piece])
        if stream == "stderr" and b"\r" in piece:  # as a bar goes back to draw itself again
            self._progress.look()
