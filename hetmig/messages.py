"""Messages between running tasks, and from their users: they find a task wherever it is by now.

    task.send(x), task.request(x)           a client, or a task that has the other's handle
    hetmig.receive(timeout=)                in a task: the next message
    hetmig.receive_message(timeout=)        the same with its sender, and `reply(y)`
    hetmig.send(task_or_name, x)            in a task
    hetmig.request(task_or_name, x)         in a task: send, and wait for the reply

In a program that runs under asyncio each of them gives something to `await`, as `hetmig.migrate`
does.  A task that waits in any of them can be moved.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Coroutine
from typing import Any

from hetmig.errors import HetmigError, NotInTask
from hetmig.node.messages.content import settle, value_of
from hetmig.node.methods import freeze_message
from hetmig.remote import Reference

__all__ = ["Message", "Sent", "TaskRef", "find", "receive", "receive_message", "request", "send"]


class TaskRef(Reference):
    """A task, by reference: to be sent to, asked where it is, moved and ended, from anywhere.

    It is what a `Task` arrives as in another task.  Its result is for who submitted it.
    """

    def send(self, value: object, timeout: float | None = None) -> Any:
        """Send it a message; returns when its mailbox has accepted that; see `hetmig.send`."""
        if _within() is not None:
            return send(self, value, timeout)
        return self._site()._messages.send(self.id, self.name, self.home, value, timeout)

    def request(self, value: object, timeout: float | None = None) -> Any:
        """Send it a request and wait for the reply; see `hetmig.request`."""
        if _within() is not None:
            return request(self, value, timeout)
        return self._site()._messages.request(self.id, self.name, self.home, value, timeout)

    def migrate(self, to: str, timeout: float = 10.0) -> Any:
        """Move it to the node `to`; the completed hop.  Raises as `Task.migrate` does."""
        return self._moved(to, timeout)

    def cancel(self) -> None:
        """End it at once, without letting it clean up."""
        self.delete()


class Message:
    """What was received: its `value`, its `sender` (a TaskRef, or None for a client)."""

    def __init__(self, header: dict[str, Any], value: Any) -> None:
        self.value = value
        sender = header.get("from")
        self.sender = None if sender is None else _reference(sender)
        self.is_request = bool(header["reply"])
        """Whether the sender waits for a reply."""
        self._header = {name: header[name] for name in ("sender", "n")}

    def __repr__(self) -> str:
        what = "request" if self.is_request else "message"
        return f"<hetmig.Message: a {what} from {self.sender or 'a client'}>"

    def reply(self, value: object) -> None:
        """Answer a request, once.  Raises HetmigError if the sender does not wait for that."""
        within = _required()
        if not self.is_request:
            raise HetmigError(f"{self!r} is no request, or was replied to: send to its sender")
        within.reply(self._header, freeze_message(value, "the reply"))
        self.is_request = False


class Sent:
    """A message that a task has sent, and the other one's mailbox has accepted."""

    def __init__(self, to: tuple[str, str, dict[str, Any]], number: int) -> None:
        self._to, self._number = to, number

    def __repr__(self) -> str:
        return f"<hetmig.Sent: message {self._number} to {self._to[1] or self._to[0]}>"

    def received(self, timeout: float | None = None) -> Any:
        """Wait until the task has received it.

        Raises NotReceived if it has ended before, TaskLost if nobody can say, TimeoutError.
        """
        within = _required()
        if _on_loop():
            return _settled_soon(
                within.outcome_soon(self._to, self._number, timeout, request=False)
            )
        return settle(within.outcome(self._to, self._number, timeout, request=False))


def receive(timeout: float | None = None) -> Any:
    """In a task: the value of the next message; waits for it, at most `timeout` s (TimeoutError).

    Under asyncio: `await hetmig.receive()`.  A request that is received like this gets no reply:
    use `receive_message`.  Raises NotInTask outside a task.
    """
    within = _required()
    if _on_loop():
        return _received_soon(within.receive_soon(timeout), _value)
    return _value(within.receive(timeout))


def receive_message(timeout: float | None = None) -> Any:
    """In a task: the next message as a `Message`; else as `receive`."""
    within = _required()
    if _on_loop():
        return _received_soon(within.receive_soon(timeout), _message)
    return _message(within.receive(timeout))


def send(to: Any, value: object, timeout: float | None = None) -> Any:
    """In a task: send a message to a task, given by its handle or its name.

    Returns a `Sent` when the task's mailbox has accepted it; a full mailbox is waited for, at most
    `timeout` s (MailboxFull).  Under asyncio: `await hetmig.send(...)`.
    Raises NoSuchTask, NotReceived if the task has ended, NodeUnreachable if it could not be
    reached for 30 s (it may have been sent), NotMigratable for what can't travel.
    """
    within, frozen = _required(), freeze_message(value)
    if _on_loop():
        return _sent_soon(to, frozen, timeout)
    target = _target(to)
    return Sent(target, within.send(target, frozen, timeout, request=False))


def request(to: Any, value: object, timeout: float | None = None) -> Any:
    """In a task: send a request to a task and wait for its reply, at most `timeout` s.

    Under asyncio: `await hetmig.request(...)`.  Raises what `send` raises, NoReply if the task ends
    without a reply, TimeoutError.
    """
    within, frozen = _required(), freeze_message(value)
    if _on_loop():
        return _replied_soon(to, frozen, timeout)
    target = _target(to)
    number = within.send(target, frozen, timeout, request=True)
    del frozen
    try:
        return settle(within.outcome(target, number, timeout, request=True))
    finally:
        within.forget(target, number)


def find(name: str) -> Any:
    """In a task: the living task of this name or id, as a TaskRef.  Raises NoSuchTask."""
    within = _required()
    if _on_loop():
        return _found_soon(name)
    return TaskRef(*_named(name, within.find(name)), None)


async def _received_soon(letter: Coroutine[Any, Any, Any], form: Callable[[Any], Any]) -> Any:
    return form(await letter)


async def _settled_soon(outcome: Coroutine[Any, Any, Any]) -> Any:
    return settle(await outcome)


async def _sent_soon(to: Any, frozen: Any, timeout: float | None) -> Sent:
    target = await _target_soon(to)
    number = await _required().send_soon(target, frozen, timeout, request=False)
    return Sent(target, number)


async def _replied_soon(to: Any, frozen: Any, timeout: float | None) -> Any:
    target = await _target_soon(to)
    number = await _required().send_soon(target, frozen, timeout, request=True)
    del frozen
    try:
        return await _settled_soon(_required().outcome_soon(target, number, timeout, request=True))
    finally:
        _required().forget(target, number)


async def _found_soon(name: str) -> TaskRef:
    return TaskRef(*_named(name, await _required().find_soon(name)), None)


def _target(to: Any) -> tuple[str, str, dict[str, Any]]:
    """Id, name and home of the task that is meant."""
    if not isinstance(to, str):
        return _addressed(to)
    return _named(to, _required().known(to) or _required().find(to))


async def _target_soon(to: Any) -> tuple[str, str, dict[str, Any]]:
    if not isinstance(to, str):
        return _addressed(to)
    return _named(to, _required().known(to) or await _required().find_soon(to))


def _addressed(to: Any) -> tuple[str, str, dict[str, Any]]:
    if not isinstance(to, TaskRef):
        raise TypeError(f"messages are for tasks: {to!r} is neither one nor the name of one")
    return to.id, to.name, to.home


def _named(name: str, found: tuple[str, dict[str, Any]]) -> tuple[str, str, dict[str, Any]]:
    return found[0], name, found[1]


def _reference(sender: dict[str, Any]) -> TaskRef:
    return TaskRef(sender["id"], sender["name"], sender["home"], None)


def _value(letter: Any) -> Any:
    return value_of(letter.header, letter.frames)


def _message(letter: Any) -> Message:
    return Message(letter.header, _value(letter))


def _on_loop() -> bool:
    """Whether the caller is a coroutine, in a program that can move."""
    loops = sys.modules.get("hetmig.state.event_loop")
    return loops is not None and loops.running() is not None


def _within() -> Any:
    """How a task sends and receives; None outside a task."""
    runtime: Any = sys.modules.get("hetmig.node.runtime")
    if runtime is None or not runtime.is_task():
        return None
    from hetmig.node.messages import within

    return within


def _required() -> Any:
    within = _within()
    if within is None:
        raise NotInTask("this is not a task: use task.send and task.request of the connection")
    return within
