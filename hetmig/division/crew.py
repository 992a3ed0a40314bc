"""Who runs the parts of a divided loop: to be provided by what runs the program."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from hetmig.interpreter.activation import Activation

__all__ = ["Crew", "Handle", "Request", "current", "pending", "set_crew"]

Handle = Any
"""How a crew knows a part that it runs; it travels with the loop."""


@dataclass
class Request:
    """That a loop be divided."""

    parts: int
    """How many parts there will be, the one included that the loop keeps."""
    to: list[str] = field(default_factory=list)
    """Where the others go, in turn; empty: wherever there is room."""
    number: int | None = None
    """How whoever asks from outside knows the request."""


class Crew(Protocol):
    """What runs parts elsewhere."""

    def surroundings(self) -> dict[str, Any]:
        """What the program has changed of its process, as far as results depend on it."""

    def freeze(self, stack: Sequence[Activation]) -> Any:
        """Freeze a part, to be sent by `send`, as it is now.  Raises HetmigError."""

    def send(self, frozen: Sequence[Any], to: Sequence[str]) -> list[Handle]:
        """Let the parts run; the program may be moved meanwhile.  Raises HetmigError."""

    def result(self, handle: Handle) -> Any:
        """Wait for what a part gives back (`parts.Done`); all else means that it gives nothing."""

    def cancel(self, handles: Sequence[Handle]) -> None:
        """Nobody wants these parts any more."""

    def told(self, request: Request, count: int, error: Exception | None) -> None:
        """What became of a request: into how many parts the loop is divided, or why not."""

    def note(self, text: str) -> None:
        """Something that the user should know."""

    def write(self, stream: str, text: str) -> None:
        """What a part has written, or logged."""


pending: deque[Request] = deque()
"""Requests that the next loop may serve."""
_crews: list[Crew] = []


def ask(header: dict[str, Any]) -> None:
    """Somebody outside wants a loop divided; or not any more: then into no parts."""
    for request in [known for known in pending if known.number == header["number"]]:
        pending.remove(request)
    if header["parts"]:
        pending.append(Request(header["parts"], header["to"], header["number"]))


def forget_own() -> None:
    """The loop has ended that the program itself wanted divided."""
    for request in [known for known in pending if known.number is None]:
        pending.remove(request)


def set_crew(crew: Crew | None) -> None:
    """Parts of this process's loops are run by this crew from now on."""
    _crews[:] = [] if crew is None else [crew]
    pending.clear()


def current() -> Crew | None:
    """The crew of this process, if it has one."""
    return _crews[0] if _crews else None


def surroundings() -> dict[str, Any]:
    """See `Crew.surroundings`; nothing if nobody runs parts here."""
    return _crews[0].surroundings() if _crews else {}


def send(frozen: Sequence[Any], to: Sequence[str]) -> list[Handle]:
    """See `Crew.send`."""
    return _crews[0].send(frozen, to)


def result(handle: Handle) -> Any:
    """See `Crew.result`; None, so that we do it ourselves, if nobody is here to ask."""
    return _crews[0].result(handle) if _crews else None


def cancel(handles: Sequence[Handle]) -> None:
    """See `Crew.cancel`."""
    if _crews:
        _crews[0].cancel(handles)


def told(request: Request, count: int, error: Exception | None) -> None:
    """See `Crew.told`."""
    if _crews:
        _crews[0].told(request, count, error)


def note(text: str) -> None:
    """See `Crew.note`."""
    if _crews:
        _crews[0].note(text)


def write(stream: str, text: str) -> None:
    """See `Crew.write`."""
    if _crews:
        _crews[0].write(stream, text)
