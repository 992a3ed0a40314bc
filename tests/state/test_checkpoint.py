"""Checkpoints as files: whole or not there, authentic or refused, the newest good one first."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from hetmig.errors import (
    CheckpointFailed,
    ForgedParcel,
    HetmigError,
    NoCheckpoint,
    ParcelError,
    UnsupportedFormat,
    VersionMismatch,
)
from hetmig.node.checkpoint_keys import finder_of
from hetmig.state import checkpoint, image, parcel, stores
from hetmig.state.checkpoint import Name, derived, load, names_in, open_checkpoint, prune
from hetmig.state.stores import Store, locked, store_at

SECRET = bytes(range(32))
FIND = finder_of([SECRET])
SERIES = "3f2a91c06b7d"


def sealed(
    number: int = 1, *, series: str = SERIES, secret: bytes = SECRET, **more: Any
) -> list[bytes | memoryview]:
    frozen = image.freeze_value(["state", number], portable=True)
    manifest = {**frozen.manifest({"id": series, "name": "job"}), **more}
    about = {"series": series, "epoch": 1, "number": number, "time": 0.0}
    key = derived(secret, series)
    return checkpoint.seal_checkpoint(manifest, frozen.frames, key, about, [("stdout", b"hello")])


def keep(place: object, *numbers: int, **more: Any) -> Store:
    store = store_at(str(place))
    for number in numbers:
        name = Name(more.get("series", SERIES), 1, number)
        store.write(str(name), sealed(number, **more))
    return store


@pytest.fixture(params=["directory", "memory", "local"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A directory; an object store; a file system of fsspec's that is none."""
    if request.param == "directory":
        return str(tmp_path / "saved")
    pytest.importorskip("fsspec", reason="fsspec is not installed: pip install 'hetmig[fsspec]'")
    if request.param == "memory":
        return f"memory://{tmp_path.name}/saved"
    return f"local://{tmp_path}/saved"


def test_what_was_kept_is_found_again_the_newest_first(place: str) -> None:
    store = keep(place, 2, 10, 9)
    assert [name.number for name in names_in(store)] == [10, 9, 2]
    loaded = load(place, FIND)
    assert (loaded.name, loaded.skipped, loaded.next_epoch) == (Name(SERIES, 1, 10), [], 2)
    assert loaded.where == store.where(str(loaded.name))
    opened, pieces = checkpoint.take_out_written(loaded.parcel)
    assert image.thaw(image.Image.of_parcel(opened)) == ["state", 10]
    assert pieces == [("stdout", b"hello")]
    assert load(loaded.where, FIND).name == loaded.name
    assert load(place, FIND, before=loaded.name).name.number == 9


def test_a_later_epoch_is_newer_whatever_its_number() -> None:
    names = [Name(SERIES, 2, 1), Name(SERIES, 1, 7)]
    assert max(names) == Name(SERIES, 2, 1)
    assert [Name.parse(str(name)) for name in names] == names
    assert Name.parse("../x.000001.000001.checkpoint") is None


def test_the_last_ones_stay(place: str) -> None:
    store = keep(place, 1, 2, 3, 4)
    keep(place, 1, series="abc")
    prune(store, SERIES, 3)
    assert [name.number for name in names_in(store, SERIES)] == [4, 3, 2]
    assert len(names_in(store)) == 4
    store.remove("there.is.none")
    checkpoint.forget(place, SERIES)
    assert [name.series for name in names_in(store)] == ["abc"]


def test_of_several_tasks_one_must_be_chosen(place: str) -> None:
    keep(place, 1)
    keep(place, 5, series="abc")
    with pytest.raises(HetmigError, match=rf"several tasks; say which: {SERIES}, abc"):
        load(place, FIND)
    assert load(place, FIND, "abc").name.number == 5


def test_where_nothing_is_there_is_nothing_to_resume(place: str) -> None:
    with pytest.raises(NoCheckpoint, match="there is no"):
        load(place, FIND)
    assert store_at(place).names() == []


def test_a_damaged_newest_one_is_passed_over_and_told_of(tmp_path: Path) -> None:
    store = keep(tmp_path, 1, 2, 3)
    third, second = (Path(store.where(str(Name(SERIES, 1, n)))) for n in (3, 2))
    third.write_bytes(third.read_bytes()[:-1])
    second.write_bytes(b"")
    loaded = load(tmp_path, FIND)
    assert loaded.name.number == 1
    assert [where for where, _ in loaded.skipped] == [str(third), str(second)]
    assert [type(error).__name__ for _, error in loaded.skipped] == [
        "TruncatedParcel",
        "UnsupportedFormat",
    ]
    Path(store.where(str(Name(SERIES, 1, 1)))).unlink()
    with pytest.raises(ParcelError, match=r"no checkpoint in .* can be used"):
        load(tmp_path, FIND)


def test_every_truncation_and_every_flipped_bit_is_refused(tmp_path: Path) -> None:
    store = keep(tmp_path, 1)
    file = Path(store.where(str(Name(SERIES, 1, 1))))
    whole = file.read_bytes()
    damaged = [whole[:end] for end in range(len(whole))]
    for bit in range(0, 8 * len(whole), 3):
        flipped = bytearray(whole)
        flipped[bit // 8] ^= 1 << bit % 8
        damaged.append(bytes(flipped))
    for data in damaged:
        with pytest.raises(ParcelError):
            open_checkpoint(parcel.split(data), FIND)
    file.write_bytes(whole + b"\0")
    with pytest.raises(ParcelError):
        load(file, FIND)


def test_a_forged_one_is_refused_before_anything_is_unpickled(tmp_path: Path) -> None:
    keep(tmp_path, 1, secret=bytes(32))
    with pytest.raises(ForgedParcel, match=r"sealed with a key .* that is not here"):
        load(tmp_path, FIND)
    # of another task, renamed: the key is that of its series
    wire = sealed(1)
    other = json.loads(bytes(wire[1]))
    other["checkpoint"]["series"] = "abc"
    text = json.dumps(other, separators=(",", ":")).encode()
    forged = parcel.seal(json.loads(text), wire[2:-1], derived(SECRET, SERIES))
    with pytest.raises(ForgedParcel):
        open_checkpoint(forged, FIND)


def test_a_parcel_is_no_checkpoint_and_a_newer_one_is_refused(tmp_path: Path) -> None:
    frozen = image.freeze_value(1)
    with pytest.raises(UnsupportedFormat, match="no checkpoint"):
        open_checkpoint(parcel.seal(frozen.manifest(), frozen.frames, SECRET), FIND)
    wire = sealed()
    newer = json.loads(bytes(wire[1]))
    newer["checkpoint"]["version"] = 2
    with pytest.raises(UnsupportedFormat, match="version 2; this hetmig reads 1"):
        open_checkpoint(parcel.seal(newer, wire[2:-1], derived(SECRET, SERIES)), FIND)


def test_one_that_is_pinned_to_another_python_is_refused() -> None:
    python = {"implementation": "cpython", "version": "3.10.1", "magic": "00"}
    with pytest.raises(VersionMismatch, match=r"comes from cpython 3\.10\.1"):
        open_checkpoint(sealed(python=python, portable=False), FIND)


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's")
def test_only_its_owner_can_read_it(tmp_path: Path) -> None:
    store = keep(tmp_path / "a" / "b", 1)
    modes = [stat.S_IMODE(os.stat(path).st_mode) for path in (store.url, store.where(str(Name(SERIES, 1, 1))))]  # fmt: skip  # noqa: E501
    assert modes == [0o700, 0o600]


@pytest.mark.parametrize("failing", ["fsync", "replace"])
def test_a_write_that_fails_leaves_what_was_there(
    failing: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = keep(tmp_path, 1)
    before = sorted(os.listdir(tmp_path))

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, failing, full)
        with pytest.raises(CheckpointFailed, match="No space left on device"):
            keep(tmp_path, 2)
    assert sorted(os.listdir(tmp_path)) == before
    assert load(tmp_path, FIND).name.number == 1
    assert store.read(before[0])


WRITER = """
import os, sys
from hetmig.state import parcel
from tests.state.test_checkpoint import keep
point = sys.argv[2]
def die(*_):
    os.kill(os.getpid(), 9)
setattr(os, point, die)
keep(sys.argv[1], 2)
"""


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL is POSIX's")
@pytest.mark.parametrize("point", ["fsync", "replace"])
def test_a_writer_that_is_killed_leaves_what_was_there(point: str, tmp_path: Path) -> None:
    keep(tmp_path, 1)
    root = Path(__file__).parents[2]
    command = [sys.executable, "-c", WRITER, str(tmp_path), point]
    path = os.pathsep.join([str(root), *filter(None, sys.path)])
    died = subprocess.run(command, cwd=root, env={**os.environ, "PYTHONPATH": path})
    assert died.returncode == -9
    assert load(tmp_path, FIND).name.number == 1
    assert len(os.listdir(tmp_path)) == 2
    stores.Directory(str(tmp_path)).sweep()
    assert len(os.listdir(tmp_path)) == 1


def test_what_a_file_system_says_is_an_error_of_ours(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no directory")
    with pytest.raises(CheckpointFailed, match="file"):
        keep(tmp_path / "file" / "below", 1)
    with pytest.raises(HetmigError, match="nowhere"):
        store_at("nowhere://bucket/x")


def test_without_fsspec_a_url_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fsspec", None)
    with pytest.raises(HetmigError, match=r"pip install 'hetmig\[fsspec\]'"):
        store_at("memory://x")


@pytest.mark.skipif(os.name != "posix", reason="there is no such lock elsewhere")
def test_one_works_with_a_directory(tmp_path: Path) -> None:
    store = store_at(tmp_path / "saved")
    with locked(store), pytest.raises(HetmigError, match="another program"), locked(store):
        raise AssertionError
    with locked(store):
        pass
