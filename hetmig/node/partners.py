"""Whose word counts in a handoff: of the two nodes between which it is, and of no third one."""

from __future__ import annotations

from collections import OrderedDict

from hetmig.errors import Unauthorized
from hetmig.node.handoff import Note
from hetmig.node.protocol import Message, want

__all__ = ["Partners"]

_REMEMBERED = 10_000
_OF_SOURCE = frozenset({Note.COMMIT.value, Note.ABORT.value, Note.RECALL.value})


class Partners:
    """The keys of those who have offered us tasks, and of those whom we have."""

    def __init__(self) -> None:
        self._sources: OrderedDict[tuple[str, int], bytes] = OrderedDict()
        """By task and epoch."""
        self._destinations: OrderedDict[str, set[bytes]] = OrderedDict()

    def chosen(self, task: str, key: bytes) -> None:
        """We are about to offer a task to the node with this key."""
        self._destinations.setdefault(task, set()).add(key)
        self._destinations.move_to_end(task)
        while len(self._destinations) > _REMEMBERED:
            self._destinations.popitem(last=False)

    def check(self, message: Message) -> None:
        """Raise Unauthorized for a note from a node that has no part in this attempt."""
        task, epoch = want(message.header, "task", str), want(message.header, "epoch", int)
        if message.kind == Note.OFFER.value:
            expected = {self._sources.setdefault((task, epoch), message.user)}
            while len(self._sources) > _REMEMBERED:
                self._sources.popitem(last=False)
        elif message.kind in _OF_SOURCE:
            expected = {self._sources.get((task, epoch), message.user)}
        else:
            expected = self._destinations.get(task, {message.user})
        if message.user not in expected:
            raise Unauthorized(
                f"{message.kind!r} of task {task}, epoch {epoch}, comes from a node that has no "
                "part in this handoff"
            )
