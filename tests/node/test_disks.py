"""A journal whose disk is full, or whose fsync fails: nothing is begun that could not be kept."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hetmig.client import Nodes, connect
from hetmig.errors import JournalError, NotMigratable, ParcelError
from hetmig.node.embedded import LocalNodes
from hetmig.node.handoff import Handoff, State
from hetmig.node.journal import Journal, Row
from hetmig.state.parcel import open_sealed, seal
from tests.node.crashes import TIMEOUT, until
from tests.node.ledgers import Ledger, work

ABOUT = {"id": "t", "name": "job"}


class SmallDisk:
    """A file system of 2 MiB."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._ballast = path / "ballast"

    def fill(self) -> None:
        """Leave no room at all."""
        with open(self._ballast, "wb", buffering=0) as file:
            for size in (1 << 16, 1 << 12, 1):
                try:
                    while True:
                        file.write(bytes(size))
                except OSError:
                    continue

    def free(self) -> None:
        """Make room again."""
        self._ballast.unlink()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    path = tmp_path / "disk"
    path.mkdir()
    mounting = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(path)]
    if not sys.platform.startswith("linux") or os.getuid() != 0:
        pytest.skip("only root can mount a small disk, and only on Linux")
    if (mounted := subprocess.run(mounting, capture_output=True, text=True)).returncode != 0:
        pytest.skip(f"no disk can be mounted here: {mounted.stderr.strip()}")
    yield SmallDisk(path)
    subprocess.run(["umount", "-l", str(path)], check=True)


@pytest.fixture
def nodes(disk: SmallDisk, tmp_path: Path) -> Iterator[LocalNodes]:
    """Node b has its journal on the small disk, a on a large one."""
    state = tmp_path / "state"
    state.mkdir()
    (state / "b").symlink_to(disk.path, target_is_directory=True)
    with LocalNodes(2, state=state) as local:
        yield local


@pytest.fixture
def at_a(nodes: LocalNodes) -> Iterator[Nodes]:
    with connect(nodes[0], keys=nodes.keys, echo=False) as connection:
        yield connection


@pytest.fixture
def at_b(nodes: LocalNodes) -> Iterator[Nodes]:
    with connect(nodes[1], keys=nodes.keys, echo=False) as connection:
        yield connection


def test_a_task_that_can_not_be_kept_is_not_taken(
    disk: SmallDisk, at_b: Nodes, tmp_path: Path
) -> None:
    disk.fill()
    go, ledger = tmp_path / "go", Ledger(tmp_path / "ledger")
    with pytest.raises(JournalError, match="can't be written"):
        at_b.submit(work, str(ledger.path), str(go), 5)
    assert at_b.tasks() == []
    disk.free()
    go.touch()
    ledger.check(at_b.submit(work, str(ledger.path), str(go), 5).result(TIMEOUT))


def test_a_destination_whose_disk_is_full_refuses(
    disk: SmallDisk, at_a: Nodes, tmp_path: Path
) -> None:
    go, ledger = tmp_path / "go", Ledger(tmp_path / "ledger")
    task = at_a.submit(work, str(ledger.path), str(go), 5)
    until(lambda: bool(ledger.lines()))
    disk.fill()
    with pytest.raises(NotMigratable, match="journal"):
        task.migrate("b")
    assert task.where() == "a"
    disk.free()
    assert task.migrate("b").destination == "b"
    go.touch()
    assert ledger.check(task.result(TIMEOUT)) == 0


def test_a_source_whose_disk_is_full_keeps_the_task_and_its_end(
    disk: SmallDisk, at_a: Nodes, tmp_path: Path
) -> None:
    go, ledger = tmp_path / "go", Ledger(tmp_path / "ledger")
    task = at_a.submit(work, str(ledger.path), str(go), 5)
    task.migrate("b")
    disk.fill()
    with pytest.raises(NotMigratable):
        task.migrate("a", timeout=1)
    assert task.where() == "b"
    before = len(ledger.lines())
    until(lambda: len(ledger.lines()) > before)  # it goes on
    go.touch()
    until(lambda: _is_still(ledger, ledger.lines()))
    assert not task.done()  # nobody hears of an end that is not on the disk
    disk.free()
    assert ledger.check(task.result(TIMEOUT)) == 0


def _is_still(ledger: Ledger, before: list[tuple[int, int]]) -> bool:
    time.sleep(0.3)  # thirty rounds
    return ledger.lines() == before


def row(machine: Handoff, image: int | None = None) -> Row:
    return Row(machine.saved, ABOUT, {}, None, image)


class Broken(Journal):
    """Its fsync fails when the test says so."""

    fails = False

    def _commit(self, statements: object) -> None:
        if self.fails:
            raise JournalError("fsync: input/output error")
        super()._commit(statements)  # type: ignore[arg-type]


def test_what_could_not_be_recorded_is_not_recorded_later_with_something_else(
    tmp_path: Path,
) -> None:
    journal = Broken(tmp_path)
    machine = Handoff(State.RUNNING, 1)
    journal.record("t", row(machine))
    recorded = machine.saved
    machine.offer()
    machine.state = State.COMMITTED
    journal.keep_record("t", {"about": ABOUT})
    journal.fails = True
    with pytest.raises(JournalError):
        journal.record("t", row(machine))
    journal.fails = False
    journal.sync()
    assert journal.rows()["t"].saved == recorded
    assert journal.records() == [{"about": ABOUT}]
    journal.close()
    assert Journal(tmp_path).rows()["t"].saved == recorded


def test_what_is_written_in_a_hurry_outlives_the_process_and_is_synced_with_the_next(
    tmp_path: Path,
) -> None:
    journal = Journal(tmp_path / "journal")
    machine = Handoff(State.KEPT, 3)
    told: list[str] = []
    journal.keep_record("another", {"about": ABOUT})
    journal.when_synced(lambda: told.append("synced"))
    wire = seal({"kind": "call"}, [b"frames"], None)
    journal.keep_image("t", 3, wire, None)
    journal.record("t", row(machine, 3), hurry=True)
    assert told == []  # who waits for the disk waits on
    assert not journal.is_written
    written = tmp_path / "written"
    shutil.copytree(tmp_path / "journal", written)  # as a process that was killed leaves it
    again = Journal(written)
    assert again.rows()["t"].saved == machine.saved
    assert [bytes(frame) for frame in again.image("t", 3)] == [bytes(frame) for frame in wire]
    again.close()
    journal.sync()
    assert told == ["synced"]
    assert journal.is_written
    journal.close()


def test_what_can_not_be_written_in_a_hurry_has_not_happened(tmp_path: Path) -> None:
    journal = Broken(tmp_path)
    machine = Handoff(State.KEPT, 3)
    journal.fails = True
    with pytest.raises(JournalError):
        journal.record("t", row(machine), hurry=True)
    journal.fails = False
    assert journal.is_written
    journal.record("t", row(machine))
    assert journal.rows()["t"].saved == machine.saved
    journal.close()


def test_images_are_dropped_with_the_record_that_does_without(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    machine = Handoff(State.RUNNING, 1)
    large = [bytes(1 << 20), b"rest"]
    wire = seal({"kind": "call"}, large, None)
    journal.keep_image("t", 1, wire, journal.write_file(wire))
    journal.record("t", row(machine, 1))
    assert [bytes(frame) for frame in journal.image("t", 1)][2:4] == large
    assert len(list((tmp_path / "files").iterdir())) == 1
    machine.end()
    journal.record("t", row(machine))
    assert list((tmp_path / "files").iterdir()) == []
    with pytest.raises(JournalError, match="no image"):
        journal.image("t", 1)
    journal.close()


@pytest.mark.skipif(os.name == "nt", reason="there are no such modes")
def test_nobody_else_can_look_into_a_journal(tmp_path: Path) -> None:
    Journal(tmp_path / "far" / "away").close()
    assert (tmp_path / "far" / "away").stat().st_mode & 0o777 == 0o700


def test_files_that_nobody_knows_of_are_removed_at_the_next_start(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.write_file(seal({}, [bytes(1 << 20)], None))  # and then the node is killed
    journal.close()
    assert len(list((tmp_path / "files").iterdir())) == 1
    Journal(tmp_path).close()
    assert list((tmp_path / "files").iterdir()) == []


def test_a_damaged_image_is_an_error_and_nothing_else(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    wire = seal({"kind": "call"}, [bytes(1 << 20)], None)
    journal.keep_image("t", 1, wire, journal.write_file(wire))
    journal.record("t", row(Handoff(State.RUNNING, 1), 1))
    [path] = (tmp_path / "files").iterdir()
    data = bytearray(path.read_bytes())
    data[5000] ^= 1
    path.write_bytes(data)
    with pytest.raises(ParcelError):
        open_sealed(journal.image("t", 1), None)
    journal.close()
