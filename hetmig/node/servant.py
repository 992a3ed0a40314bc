"""An actor in its runner: it executes one call after the other, and rests in between.

Between two calls nothing is on the stack but this loop, so an actor moves as data: the object, and
what the process holds of its program.  At the destination the loop is simply begun again.
"""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Callable
from types import CoroutineType
from typing import TYPE_CHECKING, Any

from hetmig.errors import NotMigratable, ProtocolError
from hetmig.node import asynchronous, protocol, sleeping
from hetmig.node.methods import NOTHING, STOP
from hetmig.node.outcome import Outcome, freeze_outcome, origin_of, too_large, traceback_text
from hetmig.node.protocol import Message
from hetmig.state import image
from hetmig.state.manifest import check_python
from hetmig.state.parcel import Parcel

if TYPE_CHECKING:
    from hetmig.node.runtime import Runtime

__all__ = ["Servant"]

_PLACE = "actor"
_LOOK_SECONDS = 0.25
_OFFER_SECONDS = 0.1
_OURS = frozenset({__file__, asynchronous.__file__})


class Servant:
    """The actor of this process."""

    def __init__(self, runtime: Runtime) -> None:
        self.object: Any = None
        self._runtime = runtime
        self._arrived: deque[Message] = deque()
        self._doing = "its constructor"
        """What is being executed; empty between two calls."""
        self._next_offer = 0.0

    def serve(self, make: Callable[[], object]) -> None:
        """Make the object, then execute calls until one says that it is to end."""
        self.object = make()
        self._doing = ""
        while True:
            self._runtime.hearing.listen()
            self._offer()
            if not self._arrived:
                sleeping.rest(_LOOK_SECONDS)
                continue
            self._doing = "a call"  # before it is taken: a request to move finds one or none
            if not self._execute(self._arrived.popleft()):
                return
            self._doing = ""

    def _offer(self) -> None:
        """Let the actor be taken, if it is wanted; not too often, should it be refused."""
        now = time.monotonic()
        if self._runtime.preemptor.pending and now >= self._next_offer:
            self._runtime.preemptor.offer(sys._getframe(1))
            self._next_offer = time.monotonic() + min(_OFFER_SECONDS, 10 * (time.monotonic() - now))

    def hear(self, call: Message) -> None:
        """The node gives us a call."""
        self._arrived.append(call)

    def drop_calls(self) -> None:
        """The actor is frozen: the node gives what was not begun again, wherever it goes on."""
        self._arrived.clear()

    def between_calls(self) -> list[Any]:
        """The frames that travel with the object: none.  Raises NotMigratable during a call."""
        if self._doing:
            raise NotMigratable(
                f"the actor executes {self._doing}, and it moves between its calls only: "
                "ask again later, or with a longer timeout"
            )
        return []

    def freeze(self, stack: list[Any], extra: dict[str, Any], portable: bool) -> image.Image:
        """The actor's image.  Raises NotMigratable, naming the attribute."""
        try:
            return image.freeze(stack, {**extra, _PLACE: self.object}, portable=portable)
        except NotMigratable as error:
            path, name = f"extra['{_PLACE}']", "self"
            reason, variable = error.reason.replace(path, name), error.variable
            if variable is not None:
                variable = variable.replace(path, name)
            raise NotMigratable(reason, variable=variable, **error.data) from error

    def _execute(self, call: Message) -> bool:
        name = call.header["method"]
        self._doing = f"the call of {name or 'nothing'!r}"
        ok, text = True, ""
        value: object = None
        try:
            if name not in (NOTHING, STOP):
                value = self._result(name, call)
        except Exception as error:
            value, ok, text = error, False, traceback_text(error, _OURS)
        origin = origin_of(getattr(type(self.object), name, None)) or self._named(name)
        ended = freeze_outcome(value, ok, text, call.header["manifest"]["python"], origin)
        self._runtime.telling.flush()
        try:
            self._answer(ended)
        except ProtocolError as error:  # nothing was sent
            self._answer(too_large(error, origin))
        return bool(name != STOP)

    def _answer(self, ended: Outcome) -> None:
        manifest = ended.image.manifest()
        header = {"ok": ended.ok, "traceback": ended.traceback, "manifest": manifest}
        self._runtime.post(protocol.ANSWER, header, ended.image.frames)

    def _named(self, method: str) -> str:
        return f"{type(self.object).__qualname__}.{method}"

    def _result(self, name: str, call: Message) -> object:
        manifest = call.header["manifest"]
        check_python(manifest)
        frames = [memoryview(frame) for frame in call.payload]
        _, args, kwargs = image.thaw(image.Image.of_parcel(Parcel(manifest, frames, True)))
        value = self._method(name)(*args, **kwargs)
        return asynchronous.result_of(value) if type(value) is CoroutineType else value

    def _method(self, name: str) -> Callable[..., object]:
        """What is called.  Names that a class keeps to itself are not for others."""
        kind = type(self.object).__qualname__
        if name.startswith("_") and not (name.startswith("__") and name.endswith("__")):
            raise AttributeError(f"{kind}.{name} is private, and not for calls from elsewhere")
        method: Callable[..., object] = getattr(self.object, name)
        if not callable(method):
            raise TypeError(f"{kind}.{name} is not a method but a {type(method).__name__}")
        return method
