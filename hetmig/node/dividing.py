"""A task's loops and the nodes: parts are tasks of their own, at home where they were handed out.

This is the runner's side; `parts` is the node's.
"""

from __future__ import annotations

import functools
import secrets
import sys
import time
from collections.abc import Sequence
from typing import Any

from hetmig.division import crew
from hetmig.division.parts import Done
from hetmig.errors import HetmigError
from hetmig.interpreter.activation import Activation
from hetmig.node import inside, protocol, runtime
from hetmig.state.image import Image, freeze, freeze_for_any, thaw
from hetmig.state.manifest import check_python

__all__ = ["Team"]

_SUBMIT_SECONDS = 60.0
_REGISTERED = "registered types"
_ASK_SECONDS = 60.0
_POLL_SECONDS = 5.0
_PATIENCE = 60.0
"""Seconds for which a part's result is asked for while its home node can't be reached."""


class Team:
    """Runs parts at nodes.  It is a `crew.Crew`.

    It holds nothing: a task is moved while it is in here.
    """

    def surroundings(self) -> dict[str, Any]:
        found = runtime.current().surroundings()
        ambient = dict(found["ambient"])
        if (known := ambient.pop(_REGISTERED, None)) is not None:
            # Their functions may travel by value, and are others after each move.
            ambient[_REGISTERED] = sorted(f"{cls.__module__}.{cls.__qualname__}" for cls in known)
        return {**found, "ambient": ambient}

    def freeze(self, stack: Sequence[Activation]) -> Image:
        here = runtime.current()
        desk = {"last": 0, "open": {}, "answers": {}, "called": {}}
        extra = {**here.surroundings(), "source": here.source, "desk": desk, "stdin": None}
        here.files.divides = True
        try:
            frozen = freeze_for_any(functools.partial(freeze, stack, extra))
        finally:
            here.files.divides = False
        frames: list[protocol.Buffer] = [bytes(frame) for frame in frozen.frames]
        return Image(frozen.kind, frames, frozen.description, frozen.portable)

    def send(self, frozen: Sequence[Image], to: Sequence[str]) -> list[dict[str, Any]]:
        places = list(to) or inside.ask(protocol.PLACES, {}, _ASK_SECONDS)["places"]
        handles: list[dict[str, Any]] = []
        try:
            for index, image in enumerate(frozen):
                at = places[index % len(places)] if places else None
                handles.append(self._submitted(image, index, at))
        except HetmigError:
            self.cancel(handles)
            raise
        return handles

    def _submitted(self, image: Image, index: int, at: str | None) -> dict[str, Any]:
        ours = runtime.current().about
        about: dict[str, Any] = {
            name: ours[name] for name in ("argv", "file", "directory", "logging") if name in ours
        }
        about |= {"id": secrets.token_hex(6), "name": f"{ours['name']}, part {index + 2}"}
        about |= {"part": {"of": ours["id"], "home": ours["home"]}}
        told = inside.submit(image, about, {"at": at} if at else {}, _SUBMIT_SECONDS)
        return {"task": about["id"], "home": told["home"]}

    def result(self, handle: dict[str, Any]) -> Done | None:
        silent = 0.0
        while silent < _PATIENCE:
            asked = time.monotonic()
            try:
                told, value = _outcome(handle)
            except HetmigError as error:
                if not _may_be_back(error):
                    return self._none(handle, str(error))
                silent += 1.0 + min(max(time.monotonic() - asked, 0.0), _POLL_SECONDS)
                inside.rest(1.0)
                continue
            silent = 0.0
            if told["state"] == "done" and isinstance(value, Done):
                value.output = [(stream, text) for stream, text in told["output"]]
                return value
            if told["state"] != "running":
                return self._none(handle, told["reason"])
        return self._none(handle, "its node can't be reached")

    def _none(self, handle: dict[str, Any], reason: str) -> Done | None:
        self.cancel([handle])
        last = reason.strip().rpartition("\n")[2]
        self.note(f"hetmig: the loop executes part {handle['task']} itself: {last}\n")
        return None

    def cancel(self, handles: Sequence[dict[str, Any]]) -> None:
        for handle in handles:
            inside.tell(protocol.DELETE, handle)

    def told(self, request: crew.Request, count: int, error: Exception | None) -> None:
        if request.number is None:
            if error is not None:
                self.note(f"hetmig: the loop is not divided: {error}\n")
            return
        described = None if error is None else protocol.describe_error(error)
        header = {"number": request.number, "count": count, "error": described}
        runtime.current().post(protocol.DIVIDED, header)

    def note(self, text: str) -> None:
        sys.stderr.write(text)

    def write(self, stream: str, text: str) -> None:
        if stream == "log":
            runtime.current().telling.say(stream, text.encode())
        else:
            getattr(sys, stream).write(text)


def _outcome(handle: dict[str, Any]) -> tuple[dict[str, Any], Any]:
    told, parcel = inside.ask_for_parcel(
        protocol.OUTCOME, {**handle, "seconds": _POLL_SECONDS}, _ASK_SECONDS
    )
    if parcel is None or told["state"] != "done":
        return told, None
    check_python(parcel.manifest)
    return told, thaw(Image.of_parcel(parcel))


def _may_be_back(error: HetmigError) -> bool:
    return type(error).__name__ in ("NodeUnreachable", "InMotion", "ProtocolError")
