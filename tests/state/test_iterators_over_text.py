"""Matches, csv, struct and format strings: found again at the very same place."""

from __future__ import annotations

import csv
import io
import itertools
import re
import struct

import pytest

from hetmig.errors import NotMigratable
from hetmig.state.iterators.text import unpacker
from tests.state.test_iterators import copied, shown


@pytest.mark.parametrize(
    "found",
    [
        re.search("(b)(x)?", "abc"),
        re.compile("c").search("abcabc", 3),
        re.match("a(?P<name>b)", "abc"),
        re.fullmatch("a|ab|abc", "abc"),
        list(re.finditer("b*", "abba"))[2],
        re.compile(b"b+").search(bytearray(b"abba"), 1, 2),
    ],
    ids=repr,
)
def test_match(found):
    got = copied(found)
    assert shown(got) == shown(found)
    assert (got.groups(), got.lastgroup, got.re) == (found.groups(), found.lastgroup, found.re)


def test_match_of_a_text_that_changed_is_refused():
    text = bytearray(b"abc")
    found = re.search(b"b", text)
    text[:] = b"xyz"
    with pytest.raises(NotMigratable, match="cannot be found again"):
        copied(found)


def test_matches_of_finditer_keep_the_limits():
    iterator = re.compile(r"\b\w").finditer("one two three", 2, 9)
    next(iterator)
    (rest,) = copied([iterator])
    assert list(map(shown, rest)) == list(map(shown, iterator))


def test_scanner_that_is_stepped_by_hand():
    scanner = re.compile("ab?").scanner("abaab")
    scanner.match()
    got = copied(scanner)
    assert [got.search().span() for _ in range(2)] == [scanner.search().span() for _ in range(2)]


def test_csv_reader_shares_its_source_and_its_count():
    source = iter(["a,b", '"c', 'd",e', "f", "g"])
    reader = csv.reader(source)
    next(reader), next(reader)
    got, rest = copied([reader, source])
    assert (got.line_num, got.dialect.quotechar) == (reader.line_num, '"')
    assert (next(got), got.line_num, next(rest)) == (["f"], 4, "g")
    assert list(reader) == [["f"], ["g"]]


def test_csv_writer_writes_where_it_wrote():
    file = io.StringIO(newline="")
    writer = csv.writer(file, delimiter=";", quoting=csv.QUOTE_ALL)
    writer.writerow([1, 2])
    written, again = copied([file, writer])
    again.writerow(["x;y", None])
    writer.writerow(["x;y", None])
    assert written.getvalue() == file.getvalue() == '"1";"2"\r\n"x;y";""\r\n'


def test_dict_reader_and_writer():
    reader = csv.DictReader(["a,b", "1,2", "3,4"])
    next(reader)
    assert list(copied(reader)) == list(reader) == [{"a": "3", "b": "4"}]


def test_csv_over_a_file_is_refused(tmp_path):
    path = tmp_path / "table"
    path.write_text("a,b\n")
    with path.open() as file, pytest.raises(NotMigratable, match="open file"):
        copied(csv.reader(file))


def test_unpacked_bytes_are_the_very_ones():
    data = bytearray(range(8))
    iterator = struct.iter_unpack(">h", data)
    next(iterator)
    got, new = copied([data, iterator])
    got[2:4] = b"\0\7"
    assert list(new) == [(7,), (0x0405,), (0x0607,)]
    assert list(iterator) == [(0x0203,), (0x0405,), (0x0607,)]


def test_numbers_that_another_machine_reads_otherwise_are_refused():
    for size, order in ((struct.calcsize("l"), "middle"), (3, "little")):
        with pytest.raises(NotMigratable, match="begin the format"):
            unpacker("l", size, order, bytes(16), 1)
    assert list(unpacker("<l", 4, "middle", bytes(8), 1)) == [(0,)]
    assert list(unpacker("b", 1, "middle", bytes(3), 2)) == [(0,), (0,)]


@pytest.mark.parametrize("make", [io.StringIO, lambda text: io.BytesIO(text.encode())])
def test_files_in_memory_go_on_at_their_line(make):
    file = make("one\ntwo\nthree\n")
    next(file)
    got = copied(file)
    assert got.tell() == 4
    assert list(itertools.islice(got, 5)) == list(file)
