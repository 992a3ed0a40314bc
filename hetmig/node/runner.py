"""The child process of a node in which one task runs, user code in the main thread.

It starts without a task, imports what it will need and says READY.  A task that arrives is
unpickled, and if it was running before, its frames are built anew: STAGED, or REFUSED with the
reason.  Nothing of it runs before START.
"""

from __future__ import annotations

import _thread
import atexit
import faulthandler
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Sequence
from contextvars import Context
from types import CoroutineType, FunctionType, ModuleType
from typing import Any, NoReturn

from hetmig.division import running
from hetmig.errors import HetmigError, NotMigratable, ProtocolError
from hetmig.interpreter import reentry, safepoint
from hetmig.interpreter.activation import Activation
from hetmig.node import (
    asynchronous,
    direct,
    dividing,
    orphans,
    protocol,
    reading_input,
    rlimits,
    servant,
    sleeping,
)
from hetmig.node.channel import Channel
from hetmig.node.outcome import Outcome, freeze_outcome, origin_of, too_large, traceback_text
from hetmig.node.preparing import quick_turns
from hetmig.node.protocol import Message
from hetmig.node.runtime import Runtime
from hetmig.node.signals import ignore_sigterm
from hetmig.node.streams import Outlets
from hetmig.node.trace_context import into_environment
from hetmig.node.warming import warm_up
from hetmig.redirection import moving, raw, standard_input
from hetmig.state import image
from hetmig.state.class_source import require_same_class
from hetmig.state.manifest import check_python, is_portable
from hetmig.state.precopy import Ahead, get_ready
from hetmig.task import move

__all__ = ["main"]

Work = Callable[["Runner"], object]
_OURS = frozenset({__file__, servant.__file__})


def main(config: dict[str, Any]) -> NoReturn:
    """Be a runner; the rest of standard input is the node's control line."""
    # A copy of stderr, as descriptor 2 will become the task's own.
    faulthandler.enable(os.fdopen(os.dup(2), "w"))
    control = os.dup(0)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    for name in ("stdin", "__stdin__"):
        setattr(sys, name, open(0, closefd=False))  # noqa: SIM115
    sys.executable = config["executable"]
    signal.signal(signal.SIGINT, signal.default_int_handler)  # the node's own choice is not ours
    if config.get("sturdy"):
        ignore_sigterm()
    runner = Runner(config)
    _thread.start_new_thread(_obey, (control, runner.runtime))
    runner.run()
    os._exit(0)


def _obey(control: int, runtime: Runtime) -> None:
    """The control line: "interrupt" where there are no signals, "ask N": look for N messages.

    "ping" asks whether we are alive.  Its end is the node's.
    """
    begun = b""
    while data := os.read(control, 4096):
        *lines, begun = (begun + data).split(b"\n")
        for _ in range(lines.count(b"interrupt")):
            _thread.interrupt_main(safepoint.SIGNAL)
        if asked := [line for line in lines if line.startswith(b"ask ")]:
            with quick_turns():
                runtime.hearing.hear_all(int(asked[-1][4:]))
                runtime.preparing.answer()
        if b"ping" in lines:
            runtime.telling.pong()
        if all(line == b"ping" for line in lines):
            continue
        # where there are no signals, those who wait hear of it like this only
        sleeping.wake()
        asynchronous.wake()
    os._exit(1)


class Runner:
    """This process."""

    def __init__(self, config: dict[str, Any]) -> None:
        self._lock = orphans.claim(config["locks"]) if config.get("locks") else None
        self.caps: dict[str, int] = config.get("caps", {})
        self.channel = Channel(config)
        self._is_entered = False
        self.runtime = Runtime(self.channel, Outlets(self.channel), config["node"])
        self.runtime.team = dividing.Team()
        self.runtime.files.here = config["place"]
        self.runtime.files.direct = direct.Direct(config)
        standard_input.connect(reading_input.more)
        self.runtime.preemptor.install()
        sleeping.install(lambda: self.runtime.preemptor.pending)
        asynchronous.connect(lambda: self.runtime.preemptor.pending, move)
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self.runtime.disown)

    def run(self) -> None:
        """Announce ourselves, wait for a task, run it, report how it ended."""
        warm_up()
        with self.channel.lock:
            self.channel.send(protocol.READY, {"pid": os.getpid()})
            message = self.channel.receive()
        while message.kind == protocol.PRECOPY:
            self._get_ready(message)
            with self.channel.lock:
                self.channel.send(protocol.PRECOPIED, {})
                message = self.channel.receive()
        work = self._stage(message)
        self._await_start()
        self.runtime.begin()
        ended = self._outcome(work)
        with self.channel.lock:
            number = self.runtime.telling.number()
            try:
                self._done(number, ended)
            except ProtocolError as error:  # nothing was sent
                self._done(number, too_large(error, self.runtime.origin))
            while self.channel.receive().kind != protocol.BYE:
                pass

    def _get_ready(self, message: Message) -> None:
        """The code of a task that is about to come.  What fails now fails when it is there."""
        self._enter(message.header["about"])
        modules, places = message.header["modules"], message.header["places"]
        get_ready(Ahead(modules, places, [bytes(data) for data in message.payload]))

    def _enter(self, about: dict[str, Any]) -> None:
        """From now on this process is for that task; once more when there is news of it."""
        self.runtime.attach(about)
        if self._is_entered:
            return
        self._is_entered = True
        rlimits.limit_memory(self.caps.get("memory", 0))
        rlimits.limit_time(self.caps.get("cpu", 0), lambda: self.runtime.root)
        sys.argv = about["argv"] or [""]
        sys.modules["__main__"] = ModuleType("__main__")
        if about.get("file"):  # a script, wherever it is now: it finds the modules beside it
            sys.path.insert(0, os.path.dirname(about["file"]))

    def _stage(self, message: Message) -> Work:
        """Build the task.  If that fails, say why; the node ends this process then."""
        self._enter(message.header["about"])
        try:
            work = _build(message, self.runtime)
        except BaseException as error:
            reason = error if isinstance(error, HetmigError) else _cannot_start(error)
            if note := rlimits.of_memory(error, self.caps):
                reason = NotMigratable(f"{reason} ({note})")
            with self.channel.lock:
                header = {"error": protocol.describe_error(reason)}
                self.channel.send(protocol.REFUSED, header)
                self.channel.receive()
            raise
        return work

    def _await_start(self) -> None:
        """Say that the task is there; until the node has said START this is only a copy.

        The channel is ours all that time.  What follows START is announced to another thread, which
        would take START along, and let it fall: it would be the next message that starts the task.
        """
        with self.channel.lock:
            self.channel.send(protocol.STAGED, {})
            self.runtime.take_stock()  # meanwhile the nodes decide
            while self.channel.receive().kind != protocol.START:
                pass

    def _done(self, number: int, ended: Outcome) -> None:
        header = {"ok": ended.ok, "traceback": ended.traceback, "n": number}
        header |= {"kind": ended.image.kind, "portable": ended.image.portable}
        header["received"] = self.runtime.desk.mail.received
        self.channel.send(protocol.DONE, header, ended.image.frames)

    def _outcome(self, work: Work) -> Outcome:
        """Run the task; how it ended."""
        try:
            value: object = work(self)
            ok, text = True, ""
        except BaseException as error:
            self.runtime.ended = True
            if isinstance(error, MemoryError) and (note := rlimits.of_memory(error, self.caps)):
                error.add_note(note)
            value, ok, text = error, False, traceback_text(error, _OURS)
        self.runtime.ended = True
        if os.getpid() != self.runtime.process:
            _leave_fork(value if not ok else None)
        self.runtime.preemptor.cancel()
        threading._shutdown()  # type: ignore[attr-defined]  # waits for those that are no daemons
        atexit._run_exitfuncs()
        _close_files()
        python, origin = self.runtime.about.get("python"), self.runtime.origin
        ended = freeze_outcome(value, ok, text, python, origin)
        self.runtime.telling.flush()
        return ended


def _close_files() -> None:
    """The end of a program writes what its open files hold; what could not be is told."""
    for error in raw.finish():
        print(f"Exception ignored while an open file was closed: {error!r}", file=sys.stderr)


def _leave_fork(error: object) -> NoReturn:
    """A child that the task forked came back here: end it as an interpreter would."""
    if isinstance(error, BaseException) and not isinstance(error, SystemExit):
        traceback.print_exception(error)
    code = error.code if isinstance(error, SystemExit) else int(error is not None)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code if isinstance(code, int) else int(code is not None))


def _build(message: Message, runtime: Runtime) -> Work:
    """What STAGE brought, as something that can be run."""
    about, manifest = message.header["about"], message.header["manifest"]
    check_python(manifest)
    into_environment(about)
    module = sys.modules["__main__"]
    if about.get("class"):
        require_same_class(about["class"])
    if manifest["kind"] == "script":
        runtime.enter(about["file"], bytes(message.payload[0]).decode(), about["directory"])
        return _script(*runtime.source, module)
    frozen = image.Image(manifest["kind"], message.payload, portable=is_portable(manifest))
    with moving.since_checkpoint("checkpoint" in manifest, manifest.get("standby", False)):
        thawed: Any = image.thaw(frozen, main=module)
    if manifest["kind"] == "call":
        function, args, kwargs = thawed
        if about.get("what") == "actor":
            return _served(lambda: function(*args, **kwargs), runtime)
        runtime.function = origin_of(function)
        return _call(function, args, kwargs)
    stack, extra = thawed
    runtime.arrive(extra)
    if about.get("what") == "actor":
        return _served(lambda: extra["actor"], runtime)
    if about.get("part"):
        return _part(stack, runtime.context)
    return _frames(reentry.prepare(stack), runtime.context)


def _call(function: Callable[..., object], args: Sequence[Any], kwargs: dict[str, Any]) -> Work:
    def work(runner: Runner) -> object:
        runner.runtime.root = sys._getframe()
        value = function(*args, **kwargs)
        return asynchronous.result_of(value) if type(value) is CoroutineType else value

    return work


def _served(make: Callable[[], object], runtime: Runtime) -> Work:
    """An actor: the object that is to be made, or put back, and the calls that come for it."""
    actor = runtime.servant = servant.Servant(runtime)

    def begin(runner: Runner) -> None:
        runner.runtime.root = sys._getframe()
        actor.serve(make)

    return lambda runner: runtime.context.run(begin, runner)


def _part(stack: list[Activation], context: Context) -> Work:
    """A part of a loop, which ends with the loop; the image that brought it goes at once."""
    work = _frames(running.prepare(stack), context)
    stack.clear()  # it would share the cells of the frames
    return lambda runner: running.result_of(lambda: work(runner))


def _frames(run: Callable[[object], object], context: Context) -> Work:
    def begin(runner: Runner) -> object:
        runner.runtime.root = sys._getframe()
        return run(None)

    # The context it had, as tokens only know their own.
    return lambda runner: context.run(begin, runner)


def _script(file: str, source: str, module: ModuleType) -> Work:
    vars(module).update(__file__=file, __builtins__=__builtins__)
    code = compile(source, file, "exec", dont_inherit=True)
    # Called as a function, its frame has no C function (`exec`) above it.
    body = FunctionType(code, vars(module))

    def work(runner: Runner) -> object:
        runner.runtime.root = sys._getframe()
        return body()

    return work


def _cannot_start(error: BaseException) -> HetmigError:
    reason = f"{type(error).__name__}: {error}"
    if isinstance(error, ModuleNotFoundError):
        reason += f" (install {error.name!r} on this node, or move it along by value)"
    return NotMigratable(f"the state cannot be put back here: {reason}")
