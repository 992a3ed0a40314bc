"""What a node must not forget when it is killed: a SQLite database, and files for what is large.

    tasks      each task's state in the handoff, its record, who it was got from or given to
    images     what a task is restarted from: the parcel it came in, or its newest checkpoint
    records    the tasks whose home this node is, and what was reported of them
    outbox     what other home nodes have not acknowledged yet
    homes      what this node is to records that have moved, and those as they came here
    messages   what mailboxes have accepted since the image of their task

Changes gather until `sync`, which writes all of them in one transaction; when it returns they are
on the disk (SQLite's WAL with synchronous=FULL, https://sqlite.org/wal.html).  If that fails, they
stay gathered.

A journal without a directory lives in memory, and keeps no images: such a node loses its tasks when
it dies.  Its `memory` says so to others, as it is another one each time.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from hetmig.errors import JournalError, ParcelError
from hetmig.node.events import happened
from hetmig.node.handoff import Saved, State
from hetmig.node.journal_part import Kept
from hetmig.node.kept_reports import REPORT_TABLES, KeptReports
from hetmig.node.messages.kept import MESSAGE_TABLES, KeptMessages
from hetmig.node.protocol import nbytes
from hetmig.node.steps import step
from hetmig.state import parcel
from hetmig.state.parcel import Buffer

__all__ = ["UNWRITTEN", "Journal", "Row"]

UNWRITTEN = "the node's journal can't be written"
"""Why something is not begun of which there must be a record."""

_VERSION = "1"
_SMALL = 256 << 10
"""Bytes up to which a database holds them faster than a file, https://sqlite.org/fasterthanfs.html"""
_ROOM = 16 << 20
"""Bytes that must be free on its disk for a promise that something will be written soon."""
_TABLES = """
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT);
CREATE TABLE IF NOT EXISTS tasks (id TEXT PRIMARY KEY, row TEXT);
CREATE TABLE IF NOT EXISTS images (task TEXT, epoch INTEGER, data BLOB, file TEXT,
                                   PRIMARY KEY (task, epoch));
CREATE TABLE IF NOT EXISTS homes (task TEXT PRIMARY KEY, row TEXT, data BLOB, file TEXT);
"""
_Statement = tuple[str, tuple[Any, ...]]
_NOTHING: _Statement = ("UPDATE meta SET value = value WHERE name = 'version'", ())
"""A write that changes nothing, for the disk to have what was written before it."""


class Row(NamedTuple):
    """One task, as this node knows it."""

    saved: Saved
    about: dict[str, Any]
    peer: dict[str, Any]
    """The other side of its newest handoff."""
    forward: dict[str, Any] | None
    image: int | None
    """The epoch of its image."""


class Journal(KeptMessages, KeptReports):
    """To be used in one thread, except `write_file`."""

    def __init__(self, directory: str | os.PathLike[str] | None = None) -> None:
        """Open it, or make it.  Raises JournalError, as for one that another node uses."""
        self.directory = None if directory is None else Path(directory)
        self._gathered: list[_Statement] = []
        self._rows: dict[str, str] = {}
        self._image_files: dict[str, dict[int, str]] = {}
        self._is_behind = False
        """Whether something is written which the disk may not have."""
        self._afterwards: list[Callable[[], None]] = []
        with self._explained("opened"):
            if self.directory is None:
                self._database = sqlite3.connect(":memory:", isolation_level=None)
            else:
                self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
                (self.directory / "files").mkdir(mode=0o700, exist_ok=True)
                path = self.directory / "journal.sqlite"
                self._database = sqlite3.connect(path, isolation_level=None, timeout=1.0)
                self._database.execute("PRAGMA locking_mode = EXCLUSIVE")
                self._database.execute("PRAGMA journal_mode = WAL")
                self._database.execute("PRAGMA synchronous = FULL")
            self._database.executescript(_TABLES + REPORT_TABLES + MESSAGE_TABLES)
        if self._meta("version", _VERSION) != _VERSION:
            raise JournalError(f"the journal {directory} is of another version of hetmig")
        super().__init__()
        self.memory = self._meta("memory", secrets.token_hex(8))
        """Tells others whether this node still knows what it knew."""
        if self.directory is not None:
            self._drop_unknown_files()
            text = "SELECT task, epoch, file FROM images WHERE file IS NOT NULL"
            for task, epoch, file in self._database.execute(text):
                self._image_files.setdefault(task, {})[epoch] = file

    @property
    def is_durable(self) -> bool:
        """Whether it outlives this process."""
        return self.directory is not None

    def has_room(self) -> bool:
        """Whether it outlives this process, and there is room for what comes in the next moment."""
        if self.directory is None:
            return False
        try:
            return shutil.disk_usage(self.directory).free >= _ROOM
        except OSError:
            return False

    @property
    def is_written(self) -> bool:
        """Whether nothing waits for the next `sync`."""
        return not self._gathered and not self._is_behind

    def close(self) -> None:
        """Write what is left, and close it."""
        with contextlib.suppress(JournalError):
            self.sync()
        self._database.close()

    # Writing ----------------------------------------------------------------------------------

    def sync(self) -> None:
        """Put everything gathered on the disk.  Raises JournalError; then it stays gathered."""
        statements = self._gathered or [_NOTHING] * self._is_behind
        if statements:
            began = time.monotonic()
            self._commit(statements)
            happened("synced", seconds=time.monotonic() - began)
            self._gathered, self._is_behind = [], False
        afterwards, self._afterwards = self._afterwards, []
        for action in afterwards:
            action()

    def when_synced(self, action: Callable[[], None]) -> None:
        """Call this once everything gathered so far is on the disk."""
        self._afterwards.append(action)

    def _hurry(self) -> None:
        """Write everything gathered, without waiting for the disk: the next `sync` does that.

        It outlives this process from now on, though not a power failure.  Raises JournalError.
        """
        with self._explained("written"):
            self._database.execute("PRAGMA synchronous = NORMAL")  # no fsync of the WAL
        try:
            self._commit(self._gathered)
        finally:
            self._database.execute("PRAGMA synchronous = FULL")
        self._gathered, self._is_behind = [], True

    def _commit(self, statements: Sequence[_Statement]) -> None:
        with self._explained("written"):
            self._database.execute("BEGIN IMMEDIATE")
            try:
                for text, values in statements:
                    self._database.execute(text, values)
                self._database.execute("COMMIT")
            except BaseException:
                if self._database.in_transaction:
                    self._database.execute("ROLLBACK")
                raise

    def _gather(self, text: str, *values: Any) -> None:
        if self.directory is not None:
            self._gathered.append((text, values))

    @contextlib.contextmanager
    def _explained(self, what: str) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_BUSY:
                raise JournalError(
                    f"another node uses the journal {self.directory}: end that one first, or "
                    "give this one another directory (--state)"
                ) from error
            raise JournalError(f"the journal {self.directory} can't be {what}: {error}") from error

    def _meta(self, name: str, default: str) -> str:
        self._commit([("INSERT OR IGNORE INTO meta VALUES (?, ?)", (name, default))])
        found = self._database.execute("SELECT value FROM meta WHERE name = ?", (name,))
        return str(found.fetchone()[0])

    # Tasks ------------------------------------------------------------------------------------

    def record(
        self,
        task: str,
        row: Row,
        also: Callable[[], None] | None = None,
        *,
        hurry: bool = False,
    ) -> None:
        """Put a task's row on the disk, now.  Raises JournalError: then its old one still stands.

        Images of other epochs than the row's are dropped.  `also` gathers what must be written
        in the same transaction or not at all.  With `hurry` it is written only: it outlives this
        process, though not a power failure.
        """
        text = json.dumps([row.saved.state.value, *row.saved[1:], *row[1:]])
        if self._rows.get(task) == text:
            return  # the other side asked again
        with self._all_or_nothing(self._hurry if hurry else None):
            if also is not None:
                also()
            self._gather("INSERT OR REPLACE INTO tasks VALUES (?, ?)", task, text)
            self.drop_images(task, row.image)
            step("record", row.saved.state.value)
        step("recorded", row.saved.state.value)
        self._rows[task] = text

    @contextlib.contextmanager
    def _all_or_nothing(self, write: Callable[[], None] | None = None) -> Iterator[None]:
        """Write what is gathered within, now; if that can't be, it has not been gathered."""
        gathered, afterwards = len(self._gathered), len(self._afterwards)
        yield
        try:
            (write or self.sync)()
        except JournalError:
            del self._gathered[gathered:], self._afterwards[afterwards:]
            raise

    def forget(self, tasks: Sequence[str]) -> None:
        """Drop these rows for good: from now on not all is known that was."""
        for task in tasks:
            self._rows.pop(task, None)
        self._forget_some("tasks", "id", tasks)

    def _forget_some(self, table: str, column: str, tasks: Sequence[str]) -> None:
        if not tasks:
            return
        self.memory = secrets.token_hex(8)
        self._gather("UPDATE meta SET value = ? WHERE name = 'memory'", self.memory)
        for task in tasks:
            self._gather(f"DELETE FROM {table} WHERE {column} = ?", task)

    def rows(self) -> dict[str, Row]:
        """All tasks, as they were last recorded."""
        found = {}
        for task, text in self._database.execute("SELECT id, row FROM tasks").fetchall():
            state, epoch, owned, newest, *others = json.loads(text)
            found[task] = Row(Saved(State(state), epoch, owned, newest), *others)
            self._rows[task] = text
        return found

    # Images -----------------------------------------------------------------------------------

    @staticmethod
    def is_small(wire: Sequence[Buffer]) -> bool:
        """Whether a parcel goes into the database itself."""
        return sum(map(nbytes, wire)) <= _SMALL

    def write_file(self, wire: Sequence[Buffer]) -> str | None:
        """Write a parcel to a file, if it is large.  For any thread.  Raises JournalError."""
        if self.directory is None or self.is_small(wire):
            return None
        name = secrets.token_hex(12)
        with self._explained("written"):
            parcel.write_file(self.directory / "files" / name, wire)
            parcel.sync_directory(self.directory / "files")
        return name

    def keep_image(self, task: str, epoch: int, wire: Sequence[Buffer], file: str | None) -> None:
        """Keep a parcel with the next `record`; `file` is what `write_file` made of it."""
        data = parcel.join(wire) if file is None and self.directory is not None else None
        if file is not None:
            self._image_files.setdefault(task, {})[epoch] = file
        self._gather("INSERT OR REPLACE INTO images VALUES (?, ?, ?, ?)", task, epoch, data, file)
        self.drop_messages(task)

    def image(self, task: str, epoch: int) -> list[Buffer]:
        """The wire frames of an image.  Raises JournalError if there is none, or a damaged one."""
        found = self._database.execute(
            "SELECT data, file FROM images WHERE task = ? AND epoch = ?", (task, epoch)
        ).fetchone()
        if found is None:
            raise JournalError(f"the journal has no image of task {task}")
        data, file = found
        if file is None:
            return parcel.split(data)
        assert self.directory is not None
        with self._explained("read"):
            return parcel.read_file(self.directory / "files" / file)

    def drop_images(self, task: str, but: int | None) -> None:
        """Drop all images of a task, except that of one epoch, with the next `sync`."""
        self._gather("DELETE FROM images WHERE task = ? AND epoch IS NOT ?", task, but)
        files = self._image_files.pop(task, {})
        if but in files:
            self._image_files[task] = {but: files.pop(but)}
        if but is None:
            self.drop_messages(task)
        self._unlink_later([(file,) for file in files.values()])

    def _unlink_later(self, found: Sequence[tuple[str | None]]) -> None:
        files = [name for (name,) in found if name is not None]
        if files:
            self.when_synced(lambda: self._unlink(files))

    # Records that move ------------------------------------------------------------------------

    def record_home(self, task: str, row: dict[str, Any], also: Callable[[], None]) -> None:
        """Put on the disk, now, what this node is to a record, and what `also` gathers.

        Raises JournalError: then nothing of it has happened.
        """
        with self._all_or_nothing():
            also()
            text = "INSERT INTO homes VALUES (?, ?, NULL, NULL) ON CONFLICT (task) DO UPDATE SET "
            self._gather(text + "row = excluded.row", task, json.dumps(row))

    def keep_taken(self, task: str, payload: Sequence[Buffer]) -> None:
        """Keep a record as it came, with the next `record_home`."""
        self.drop_taken(task)
        text = "INSERT INTO homes VALUES (?, '{}', ?, ?) ON CONFLICT (task) DO UPDATE SET "
        text += "data = excluded.data, file = excluded.file"
        self._gather(text, task, *self._packed(payload))

    def drop_taken(self, task: str) -> None:
        """Drop it, with the next `sync`."""
        found = self._database.execute("SELECT file FROM homes WHERE task = ?", (task,))
        self._unlink_later(found.fetchall())
        self._gather("UPDATE homes SET data = NULL, file = NULL WHERE task = ?", task)

    def forget_homes(self, tasks: Sequence[str]) -> None:
        """Drop for good what this node was to these records."""
        self._forget_some("homes", "task", tasks)

    def homes(self) -> list[Kept]:
        """What this node is to records that have moved, each with the record as it came."""
        found = self._database.execute("SELECT task, row, data, file FROM homes ORDER BY rowid")
        return [self._kept(*values) for values in found.fetchall()]

    # Payloads ---------------------------------------------------------------------------------

    def _packed(self, payload: Sequence[Buffer]) -> tuple[bytes | None, str | None]:
        if not payload or self.directory is None:
            return None, None
        wire = parcel.seal({}, payload, None)
        file = self.write_file(wire)
        return (parcel.join(wire) if file is None else None), file

    def _kept(self, key: str, header: str, data: bytes | None, file: str | None) -> Kept:
        try:
            wire: list[Buffer] = []
            if file is not None and self.directory is not None:
                wire = parcel.read_file(self.directory / "files" / file)
            elif data is not None:
                wire = parcel.split(data)
            payload = parcel.open_sealed(wire, None).frames if wire else []
        except (OSError, ParcelError) as error:
            raise JournalError(f"the journal {self.directory} is damaged: {error}") from error
        return Kept(key, json.loads(header), payload)

    def _unlink(self, files: Sequence[str]) -> None:
        for name in files:
            assert self.directory is not None
            with contextlib.suppress(OSError):  # what is left is dropped with the next start
                os.unlink(self.directory / "files" / name)

    def _drop_unknown_files(self) -> None:
        assert self.directory is not None
        known: set[str] = set()
        for table in ("images", "reports", "outbox", "homes", "messages"):
            known.update(
                name for (name,) in self._database.execute(f"SELECT file FROM {table}") if name
            )
        present = {path.name for path in (self.directory / "files").iterdir()}
        self._unlink(sorted(present - known))
