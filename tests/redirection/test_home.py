"""A file that stays open at its node: what is read and written there, and what goes wrong there."""

from __future__ import annotations

import errno
import io
import os

import pytest

import hetmig
from hetmig.errors import FileLost, FileUnreachable, MigrationRefused, NotMigratable, QuotaExceeded
from hetmig.node.held_files import HeldFiles, Who
from hetmig.redirection.raw import LocalRaw, RemoteRaw
from hetmig.state.pickling import dumps, loads
from tests.redirection.loop import ELSEWHERE, THERE, abandon, looped, moved

TEXT = "one\r\nzwei ä\nthree\r\n"


@pytest.fixture
def loop():
    with looped() as made:
        yield made


@pytest.fixture
def path(tmp_path):
    made = tmp_path / "file.txt"
    made.write_bytes(TEXT.encode())
    return made


@pytest.mark.parametrize("newline", [None, "", "\n", "\r\n"])
@pytest.mark.parametrize("home_again", [False, True])
def test_every_line_once(path, loop, newline, home_again):
    with open(path, newline=newline, encoding="utf-8") as plain:
        expected = plain.readlines()
    file, read = hetmig.open(path, newline=newline, encoding="utf-8"), []
    for number in range(len(expected)):
        read.append(next(file))
        file = moved(file, loop, THERE if home_again and number % 2 else ELSEWHERE)
        is_here = home_again and number % 2
        assert isinstance(file.buffer.raw, LocalRaw if is_here else RemoteRaw)
    assert read == expected
    assert list(file) == []
    file.close()
    assert loop.held.tasks == set()


def test_no_forwarders(path, loop):
    """However often it moved, it is asked for at the one node that has it."""
    file = hetmig.open(path, "rb", 0)
    for number in range(5):
        file = moved(file, loop, {**ELSEWHERE, "name": str(number)})
        assert file.place == THERE
    assert loop.held.count("task") == 1
    assert loop.asked.count("keep") == 1
    file.close()


@pytest.mark.parametrize("mode", ["w", "x", "w+b", "ab", "r+b"])
def test_writing_goes_on(tmp_path, loop, mode):
    path = tmp_path / "written"
    if mode == "r+b":
        path.touch()
    part = b"one," if "b" in mode else "one,"
    file = hetmig.open(path, mode)
    for _ in range(3):
        file.write(part)
        file = moved(file, loop)
        assert file.mode == ("rb+" if mode in ("w+b", "r+b") else mode)
    file.close()
    assert path.read_bytes() == b"one,one,one,"


def test_what_was_written_is_there_before_the_task_leaves(tmp_path, loop):
    file = moved(hetmig.open(tmp_path / "file", "wb"), loop)
    file.write(b"a" * 10)
    dumps(file)
    assert (tmp_path / "file").read_bytes() == b"a" * 10
    file.write(b"b")
    file.flush()
    assert (tmp_path / "file").read_bytes()[10:] == b"b"
    file.write(b"c")
    file.seek(0)
    assert (tmp_path / "file").read_bytes()[11:] == b"c"
    file.close()


def test_what_was_read_ahead_of_the_move_is_what_is_read(path, loop):
    """Python's buffer has been read from the file already; others write there meanwhile."""
    file = hetmig.open(path, "rb")
    assert file.read(3) == b"one"
    before = TEXT.encode()
    path.write_bytes(b"x" * len(before))
    file = moved(file, loop)
    assert file.read() == before[3:]
    file.close()


def test_one_sees_what_the_other_has_written(path, loop):
    reader = moved(hetmig.open(path, "rb", 0), loop)
    assert reader.read(1) == b"o"
    loop.here = THERE
    writer = moved(hetmig.open(path, "r+b", 0), loop)
    writer.seek(1)
    writer.write(b"NE")
    assert reader.read(2) == b"NE"
    reader.close()
    writer.close()


def test_a_growing_file_is_followed(path, loop):
    file = moved(hetmig.open(path, "rb"), loop)
    assert file.read() == TEXT.encode()
    with path.open("ab") as other:
        other.write(b"more")
    assert file.read() == b"more"
    assert file.read() == b""
    file.close()


def test_a_large_file_by_read_ahead(tmp_path, loop):
    content = os.urandom(3 << 20) + b"end"
    (tmp_path / "large").write_bytes(content)
    file = moved(hetmig.open(tmp_path / "large", "rb"), loop)
    assert b"".join(iter(lambda: file.read(1000), b"")) == content
    assert loop.asked.count("read") < 30
    file.seek(-3, os.SEEK_END)
    assert file.read() == b"end"
    file.seek(5)
    assert file.read(5) == content[5:10]
    file.close()


def full(handle):
    """The disk is full after ten bytes."""

    def write(descriptor, data, at):
        if at + len(data) > 10:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return os.pwrite(descriptor, data, at)

    return write


def test_a_full_disk_is_told_at_flush_and_nothing_is_lost(tmp_path, loop, monkeypatch):
    file = moved(hetmig.open(tmp_path / "file", "wb"), loop)
    with monkeypatch.context() as patch:
        patch.setattr("hetmig.node.held_files._pwrite", full(file))
        file.write(b"12345")
        file.flush()
        file.write(b"67890ab")
        for _ in range(2):
            with pytest.raises(OSError, match="No space left") as caught:
                file.flush()
            assert caught.value.errno == errno.ENOSPC
        with pytest.raises(NotMigratable, match="No space left"):
            dumps(file)
    file.close()
    assert (tmp_path / "file").read_bytes() == b"1234567890ab"


def test_closing_tells_of_a_full_disk(tmp_path, loop, monkeypatch):
    file = moved(hetmig.open(tmp_path / "file", "w", encoding="ascii"), loop)
    monkeypatch.setattr("hetmig.node.held_files._pwrite", full(file))
    file.write("x" * 11)
    with pytest.raises(OSError, match="No space left"):
        file.close()
    assert file.closed
    assert loop.held.tasks == set()


def test_a_part_of_an_appended_block_is_written_once(tmp_path, loop, monkeypatch):
    file = moved(hetmig.open(tmp_path / "file", "ab"), loop)
    real, room = os.write, [3]

    def write(descriptor, data):
        if not room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(descriptor, data[: room.pop()])

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", write)
        file.write(b"abcdef")
        with pytest.raises(OSError, match="No space"):
            file.flush()
    file.flush()
    assert (tmp_path / "file").read_bytes() == b"abcdef"
    assert file.tell() == 6
    file.close()


def test_the_node_is_gone(tmp_path, loop):
    """Nothing that was written is lost by it, if the node comes back."""
    file = moved(hetmig.open(tmp_path / "file", "wb"), loop)
    file.write(b"all")
    loop.fails["write"] = FileUnreachable("the node a does not answer")
    with pytest.raises(FileUnreachable, match="does not answer"):
        file.flush()
    with pytest.raises(OSError, match="does not answer"):
        file.flush()
    del loop.fails["write"]
    file.close()
    assert (tmp_path / "file").read_bytes() == b"all"


def test_the_destination_can_not_reach_it(path, loop):
    file = hetmig.open(path)
    parcel = dumps(file)
    abandon(file)
    loop.here = ELSEWHERE
    loop.fails["attach"] = FileUnreachable("the node a does not answer")
    with pytest.raises(MigrationRefused, match=r"can't be reached from here.*does not answer"):
        loads(parcel)


def test_no_descriptor(path, loop):
    file = moved(hetmig.open(path), loop)
    with pytest.raises(io.UnsupportedOperation, match="open at the node there"):
        file.fileno()
    assert not file.isatty()
    file.close()


def test_an_unlinked_file(path, loop):
    file = hetmig.open(path, "rb")
    path.unlink()
    file = moved(file, loop)
    assert file.read() == TEXT.encode()
    file.close()


def test_devices_stay(loop):
    with (
        hetmig.open(os.devnull) as file,
        pytest.raises(NotMigratable, match="no regular file"),
    ):
        dumps(file)


def test_closed(path, loop):
    with moved(hetmig.open(path, encoding="utf-8"), loop) as file:
        pass
    arrived = loads(dumps(file))
    assert arrived.closed
    assert (arrived.name, arrived.mode) == (str(path), "r")


# What the node allows -------------------------------------------------------------------------


@pytest.fixture
def held(path):
    files = HeldFiles(most_per_task=2)
    with open(path, "rb") as file:
        status = os.fstat(file.fileno())
        asked = {"op": "keep", "fd": file.fileno(), "path": str(path), "flags": os.O_RDONLY}
        asked["identity"] = [status.st_dev, status.st_ino]
        yield files, asked, Who("t", "o", 5, os.getpid())
    files.close()


def test_only_the_task_and_its_owner(held):
    files, asked, who = held
    handle = files.do(who, asked, ())[0]["handle"]
    read = {"op": "read", "handle": handle, "at": 0, "size": 3}
    assert bytes(files.do(who, read, ())[1][0]) == b"one"
    for other in (Who("u", "o", 5), Who("t", "p", 5)):
        with pytest.raises(FileLost, match="does not have this file open"):
            files.do(other, read, ())
    with pytest.raises(FileLost):
        files.do(who, {**read, "handle": "00" * 16}, ())


def test_a_copy_that_is_void_can_not_write(held):
    files, asked, who = held
    handle = files.do(who, asked, ())[0]["handle"]
    attach = {"op": "attach", "handle": handle}
    files.do(Who("t", "o", 6, runs=False), attach, ())
    files.do(who, attach, ())  # the move did not come about
    files.do(Who("t", "o", 7), attach, ())
    with pytest.raises(FileLost, match="restarted elsewhere"):
        files.do(who, attach, ())


def test_what_it_was_not_opened_for(held):
    files, asked, who = held
    handle = files.do(who, asked, ())[0]["handle"]
    with pytest.raises(OSError, match=r"Bad file|Invalid"):
        files.do(who, {"op": "truncate", "handle": handle, "size": 0}, ())
    told, _ = files.do(who, {"op": "write", "handle": handle, "at": 0}, [b"x"])
    assert told["error"][0] == "EBADF"


@pytest.mark.parametrize(
    "wrong",
    [
        {"at": -1, "size": 3},
        {"at": 0, "size": 1 << 40},
        {"at": 1 << 63, "size": 1},
        {"at": "0", "size": 1},
        {"size": 1},
        {"op": "open", "at": 0, "size": 1},
    ],
)
def test_senseless_questions(held, wrong):
    files, asked, who = held
    handle = files.do(who, asked, ())[0]["handle"]
    with pytest.raises((OSError, hetmig.HetmigError)):
        files.do(who, {"op": "read", "handle": handle, **wrong}, ())


def test_so_many_files(held):
    files, asked, who = held
    files.do(who, asked, ())
    files.do(who, asked, ())
    with pytest.raises(QuotaExceeded, match="2 files open"):
        files.do(who, asked, ())
    files.drop(["t"])
    assert files.tasks == set()


def test_another_file_of_that_name(held, monkeypatch):
    files, asked, who = held
    with pytest.raises(OSError, match="another file"):
        files.do(who, {**asked, "identity": [1, 2]}, ())


def test_an_append_that_is_asked_twice(tmp_path):
    files, path = HeldFiles(), tmp_path / "log"
    with path.open("ab") as file:
        status = os.fstat(file.fileno())
        asked = {"op": "keep", "fd": file.fileno(), "path": str(path), "flags": os.O_APPEND | 1}
        asked["identity"] = [status.st_dev, status.st_ino]
        who = Who("t", "o", 1, os.getpid())
        append = {"op": "append", "handle": files.do(who, asked, ())[0]["handle"], "n": 1}
    for _ in range(2):
        assert files.do(who, append, [b"abc"])[0] == {"written": 3, "end": 3}
    files.close()
    assert path.read_bytes() == b"abc"


def test_abandoned_files_do_not_close_what_moved(path, loop):
    file = hetmig.open(path, "rb", 0)
    arrived = moved(file, loop)
    abandon(arrived)
    assert loop.held.count("task") == 1
