"""What has been closed moves, and is closed there; what is open does not."""

import contextlib
import io
import os
import socket

import pytest

from hetmig.errors import NotMigratable
from hetmig.state.pickling import dumps, loads


@pytest.mark.parametrize("mode", ["r", "w", "a", "x", "r+", "rb", "wb", "ab", "rb+"])
@pytest.mark.parametrize("buffering", [-1, 0])
def test_a_closed_file_says_the_same_of_itself(tmp_path, mode, buffering):
    if buffering == 0 and "b" not in mode:
        pytest.skip("text is always buffered")
    path = tmp_path / "file"
    if "x" not in mode:
        path.write_text("content")
    with open(path, mode, buffering) as file:
        with pytest.raises(NotMigratable, match="an open file"):
            dumps(file)
    content = path.read_bytes()
    got = loads(dumps([file, file]))
    assert got[0] is got[1]
    assert type(got[0]) is type(file)
    assert got[0].closed
    assert (got[0].name, got[0].mode) == (file.name, file.mode)
    assert path.read_bytes() == content
    with pytest.raises(ValueError, match="closed file"):
        got[0].tell()


def test_a_closed_text_file_keeps_its_encoding():
    with open(os.devnull, encoding="latin-1", errors="replace") as file:
        pass
    got = loads(dumps(file))
    assert (got.encoding, got.errors) == ("latin-1", "replace")


def test_a_closed_socket():
    one, two = socket.socketpair()
    with contextlib.closing(one), contextlib.closing(two):
        with pytest.raises(NotMigratable, match="a socket"):
            dumps(one)
    got = loads(dumps(one))
    assert (got.fileno(), got.family, got.type) == (-1, one.family, one.type)


def test_text_over_something_else_than_a_file_stays():
    text = io.TextIOWrapper(io.BytesIO())
    text.close()
    with pytest.raises(NotMigratable):
        dumps(text)
    text = io.TextIOWrapper(io.BytesIO())
    text.detach()
    with pytest.raises(NotMigratable):
        dumps(text)
