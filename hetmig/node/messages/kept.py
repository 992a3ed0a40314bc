"""The messages that a journal keeps: what mailboxes have accepted since the image of their task."""

from __future__ import annotations

import json
from collections.abc import Iterator

from hetmig.node.journal_part import JournalPart
from hetmig.node.mailbox import Call

__all__ = ["MESSAGE_TABLES", "KeptMessages"]

MESSAGE_TABLES = """
CREATE TABLE IF NOT EXISTS messages (task TEXT, sender TEXT, number INTEGER, base INTEGER,
                                     header TEXT, data BLOB, file TEXT,
                                     PRIMARY KEY (task, sender, number));
CREATE TABLE IF NOT EXISTS passed (task TEXT, sender TEXT, number INTEGER,
                                   PRIMARY KEY (task, sender));
"""


class KeptMessages(JournalPart):
    """The part of a journal that has the messages.  All is on the disk with its next `sync`."""

    def __init__(self) -> None:
        found = self._database.execute("SELECT DISTINCT task FROM messages").fetchall()
        self._with_messages = {task for (task,) in found}
        """The tasks that may have any."""

    def keep_message(self, task: str, call: Call, base: int, file: str | None) -> None:
        """Keep a message; `file` is where its frames are already, sealed, if they are large."""
        self._with_messages.add(task)
        packed = self._packed(call.frames) if file is None else (None, file)
        values = call.sender, call.number, base, json.dumps(call.header), *packed
        text = "INSERT OR REPLACE INTO messages VALUES (?, ?, ?, ?, ?, ?, ?)"
        self._gather(text, task, *values)

    def drop_file(self, file: str) -> None:
        """Of a message that is not kept after all, the file that was written for it."""
        self._unlink_later([(file,)])

    def drop_message(self, task: str, sender: str, number: int) -> None:
        """Keep one no longer, but only that its sender has come so far."""
        which = "task = ? AND sender = ? AND number = ?"
        self._unlink_messages(which, task, sender, number)
        self._gather(f"DELETE FROM messages WHERE {which}", task, sender, number)
        self._gather("INSERT OR REPLACE INTO passed VALUES (?, ?, ?)", task, sender, number)

    def drop_messages(self, task: str) -> None:
        """The task has left or ended, or they are in its image."""
        if task not in self._with_messages:
            return
        self._with_messages.remove(task)
        self._unlink_messages("task = ?", task)
        for table in ("messages", "passed"):
            self._gather(f"DELETE FROM {table} WHERE task = ?", task)

    def _unlink_messages(self, which: str, *values: object) -> None:
        text = f"SELECT file FROM messages WHERE {which} AND file IS NOT NULL"
        self._unlink_later(self._database.execute(text, values).fetchall())

    def passed(self, task: str) -> list[tuple[str, int]]:
        """Senders, and the number of the newest message of theirs that is not kept any more."""
        text = "SELECT sender, number FROM passed WHERE task = ?"
        return self._database.execute(text, (task,)).fetchall()

    def messages(self, task: str) -> Iterator[tuple[Call, int]]:
        """Those of a task in the order in which they came, each with its `base`.

        Raises JournalError.
        """
        text = "SELECT sender, number, base, header, data, file FROM messages WHERE task = ?"
        found = self._database.execute(f"{text} ORDER BY rowid", (task,)).fetchall()
        for sender, number, base, *rest in found:
            kept = self._kept(sender, *rest)
            yield Call(sender, number, kept.header, list(kept.payload)), base
