"""A file that `hetmig.open` has opened goes on at its place, or is refused by name."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest

import hetmig
from hetmig.errors import MigrationRefused, NotMigratable
from hetmig.state.pickling import dumps, loads

TEXT = "one\r\nzwei ä\nthree\r\n"


@pytest.fixture
def path(tmp_path):
    made = tmp_path / "file.txt"
    made.write_bytes(TEXT.encode())
    return made


def moved(file):
    """The file, as it is opened again; the original is left without a word, as a move does it."""
    parcel = dumps(file)
    arrived = loads(parcel)
    file.close()
    return arrived


@pytest.mark.parametrize("newline", [None, "", "\n", "\r\n"])
def test_every_line_once(path, newline):
    with open(path, newline=newline, encoding="utf-8") as plain:
        expected = plain.readlines()
    file, read = hetmig.open(path, newline=newline, encoding="utf-8"), []
    for _ in expected:
        read.append(next(file))
        file = moved(file)
    assert read == expected
    assert list(file) == []
    file.close()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-8-sig", "latin-1"])
def test_encodings(path, encoding):
    path.write_text("ab€\nä"[: 3 if encoding == "latin-1" else 9].replace("€", "x"), encoding)
    with hetmig.open(path, "r+", encoding=encoding, errors="strict") as file:
        assert file.read(1) == "a"
        with loads(dumps(file)) as arrived:
            assert arrived.read() == path.read_text(encoding)[1:]
            assert (arrived.encoding, arrived.errors, arrived.mode) == (encoding, "strict", "r+")


@pytest.mark.parametrize(
    ("mode", "buffering"),
    [("rb", -1), ("rb", 0), ("r+b", -1), ("r+b", 0), ("ab", -1), ("ab", 0), ("r", 1), ("a", 1)],
)
def test_modes(path, mode, buffering):
    with hetmig.open(
        path, mode, buffering, **({} if "b" in mode else {"encoding": "utf-8"})
    ) as file:
        if "a" not in mode:
            file.seek(5)
        with loads(dumps([file, file]))[0] as arrived:
            assert arrived.tell() == file.tell()
            assert arrived.mode == file.mode
            assert arrived.name == file.name == str(path)
            same = io.TextIOWrapper if "b" not in mode else type(file)
            assert isinstance(arrived, same)
            if arrived.readable():
                assert arrived.read() == file.read()


@pytest.mark.parametrize("mode", ["w", "x", "w+b", "ab"])
def test_writing_goes_on(tmp_path, mode):
    """Nothing is truncated, nothing created, and what was written before stands before."""
    path = tmp_path / "written"
    part = b"one," if "b" in mode else "one,"
    file = hetmig.open(path, mode)
    for _ in range(3):
        file.write(part)
        file = moved(file)
    file.close()
    assert path.read_bytes() == b"one,one,one,"


def test_relative_names(path, monkeypatch):
    monkeypatch.chdir(path.parent)
    file = hetmig.open("file.txt", "rb")
    monkeypatch.chdir("/")
    arrived = moved(file)
    assert arrived.read() == TEXT.encode()
    assert arrived.name == "file.txt"
    arrived.close()


def test_closed(path):
    with hetmig.open(path) as file:
        pass
    arrived = loads(dumps(file))
    assert arrived.closed
    assert (arrived.name, arrived.mode) == (file.name, "r")
    assert loads(dumps(arrived)).closed


def refusal(file, change):
    parcel = dumps(file)
    file.close()
    change()
    with pytest.raises(MigrationRefused) as caught:
        loads(parcel)
    return caught.value.reason


def test_another_file_there(path):
    assert "is another file" in refusal(hetmig.open(path), lambda: path.write_text("other"))


def test_no_file_there(path):
    assert "can't be opened" in refusal(hetmig.open(path, "a"), path.unlink)
    assert not path.exists()


def test_what_can_not_be_opened_by_its_name(path, tmp_path):
    with hetmig.open(path) as file:
        path.rename(tmp_path / "other")
        with pytest.raises(NotMigratable, match="not the name of this file any more"):
            dumps(file)
    with hetmig.open(os.devnull) as file, pytest.raises(NotMigratable, match="no regular file"):
        dumps(file)


def test_other_files_stay(path):
    with open(path, encoding="utf-8") as file, pytest.raises(NotMigratable, match=r"hetmig\.open"):
        dumps([file])


def test_layers_stay_together(path):
    with hetmig.open(path, encoding="utf-8") as file:
        file.readline()
        raw, text, buffered = loads(dumps([file.buffer.raw, file, file.buffer]))
        with text:
            assert (text.buffer, buffered.raw) == (buffered, raw)
            assert text.read() == file.read()


def test_as_the_builtin_says():
    with pytest.raises(ValueError, match="policy"):
        hetmig.open("x", policy="keep")
    with pytest.raises(ValueError, match="unbuffered text"):
        hetmig.open("x", "r", 0)
    with pytest.raises(ValueError, match="mode"):
        hetmig.open("x", "rtb")
    with pytest.raises(FileNotFoundError):
        hetmig.open(Path("there", "is", "none"))
    with pytest.raises(LookupError):
        hetmig.open(__file__, encoding="none")
