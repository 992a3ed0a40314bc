"""The part of a journal that has what was reported of tasks, here and to other home nodes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from hetmig.node.journal_part import JournalPart, Kept
from hetmig.node.protocol import Buffer

__all__ = ["REPORT_TABLES", "KeptReports"]

REPORT_TABLES = """
CREATE TABLE IF NOT EXISTS records (id TEXT PRIMARY KEY, row TEXT);
CREATE TABLE IF NOT EXISTS reports (task TEXT, key TEXT, header TEXT, data BLOB, file TEXT,
                                    PRIMARY KEY (task, key));
CREATE TABLE IF NOT EXISTS outbox (endpoint TEXT, key TEXT, home TEXT, header TEXT, data BLOB,
                                   file TEXT, PRIMARY KEY (endpoint, key));
"""


class KeptReports(JournalPart):
    """Records of tasks, reports, and the outbox."""

    def keep_record(self, task: str, row: dict[str, Any]) -> None:
        """Keep, with the next `sync`, that this node is the home of a task."""
        text = "INSERT INTO records VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET row = excluded.row"
        self._gather(text, task, json.dumps(row))  # its place in the order stays

    def keep_report(
        self, task: str, key: str, header: dict[str, Any], payload: Sequence[Buffer]
    ) -> None:
        """Keep, with the next `sync`, what was reported of a task whose home this node is."""
        values = json.dumps(header), *self._packed(payload)
        self._gather("INSERT OR REPLACE INTO reports VALUES (?, ?, ?, ?, ?)", task, key, *values)

    def drop_reports(self, task: str, keys: Sequence[str]) -> None:
        """Drop some reports, with the next `sync`."""
        for key in keys:
            self._gather("DELETE FROM reports WHERE task = ? AND key = ?", task, key)

    def forget_record(self, task: str) -> None:
        """Drop all of a task whose home this node is, with the next `sync`."""
        found = self._database.execute("SELECT file FROM reports WHERE task = ?", (task,))
        self._gather("DELETE FROM records WHERE id = ?", task)
        self._gather("DELETE FROM reports WHERE task = ?", task)
        self._unlink_later(found.fetchall())

    def records(self) -> list[dict[str, Any]]:
        """The tasks whose home this node is, in the order in which they came."""
        found = self._database.execute("SELECT row FROM records ORDER BY rowid").fetchall()
        return [json.loads(text) for (text,) in found]

    def reports(self, task: str) -> list[Kept]:
        """What was reported of a task, in the order in which it came."""
        found = self._database.execute(
            "SELECT key, header, data, file FROM reports WHERE task = ? ORDER BY rowid", (task,)
        )
        return [self._kept(*values) for values in found.fetchall()]

    def post(
        self, home: dict[str, Any], key: str, header: dict[str, Any], payload: Sequence[Buffer]
    ) -> None:
        """Keep, with the next `sync`, a report for another home node."""
        values = json.dumps(home), json.dumps(header), *self._packed(payload)
        text = "INSERT OR REPLACE INTO outbox VALUES (?, ?, ?, ?, ?, ?)"
        self._gather(text, home["endpoint"], key, *values)

    def posted(self, endpoint: str, key: str) -> None:
        """A report was acknowledged."""
        which, values = "WHERE endpoint = ? AND key = ?", (endpoint, key)
        found = self._database.execute(f"SELECT file FROM outbox {which}", values)
        self._gather(f"DELETE FROM outbox {which}", *values)
        self._unlink_later(found.fetchall())

    def outbox(self) -> list[tuple[dict[str, Any], Kept]]:
        """What other home nodes have not acknowledged, each with its home's place."""
        found = self._database.execute(
            "SELECT home, key, header, data, file FROM outbox ORDER BY rowid"
        )
        return [(json.loads(home), self._kept(*values)) for home, *values in found.fetchall()]
