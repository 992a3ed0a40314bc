"""What a task's mailbox has accepted since the task's image, in the journal of its node.

A task whose node was killed goes on from its image.  It receives again what it had received since,
and then what still waited.  So a message is on the disk before its sender is told that it was
accepted, and stays there until there is a newer image; but no more than a mailbox holds.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from hetmig.node.journal import Journal
from hetmig.node.mailbox import Call
from hetmig.node.messages.box import MessageBox

__all__ = ["MessageLog"]


class MessageLog:
    """That of one task on one node."""

    def __init__(self, journal: Journal, task: str) -> None:
        self._journal = journal
        self._task = task
        self.clear()

    def clear(self) -> None:
        """The task has left; the journal itself drops what it had."""
        self._sizes: dict[tuple[str, int], int] = {}
        """Of the messages in the journal, by sender and number."""
        self._bytes = 0
        self._received: deque[tuple[str, int]] = deque()
        """Those of them that the program has received, oldest first."""

    def add(self, call: Call, base: int, file: str | None) -> None:
        """Keep a message that was accepted, with the next `sync`; `file`: where its frames are."""
        self._note(call)
        self._journal.keep_message(self._task, call, base, file)

    def received(self, calls: Sequence[Call]) -> None:
        """The program has received these; the oldest that it has go if there is too much."""
        keys = ((call.sender, call.number) for call in calls)
        self._received.extend(key for key in keys if key in self._sizes)
        while self._received and self._is_full:
            key = self._received.popleft()
            self._bytes -= self._sizes.pop(key)
            self._journal.drop_message(self._task, *key)

    @property
    def _is_full(self) -> bool:
        return len(self._sizes) > MessageBox.MOST_CALLS or self._bytes > MessageBox.MOST_BYTES

    def replay(self, box: MessageBox, now: float) -> None:
        """Let the mailbox that was in the image accept all of it again.  Raises JournalError."""
        self.clear()
        for sender, number in self._journal.passed(self._task):
            box.pass_over(sender, number, now)
        for call, base in self._journal.messages(self._task):
            self._note(call)
            box.accept_again(call, base, now)

    def _note(self, call: Call) -> None:
        self._sizes[call.sender, call.number] = call.nbytes
        self._bytes += call.nbytes
