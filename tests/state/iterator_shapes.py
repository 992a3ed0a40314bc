"""One maker for each kind of iterator, for the tests that treat all alike."""

from __future__ import annotations

import _string
import array
import collections
import csv
import itertools
import re
import struct

from tests.state import values


class Sequence:
    def __init__(self, count=5):
        self.count = count

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        if not 0 <= index < self.count:
            raise IndexError
        return index


class Stepping:
    """An iterator of the user's, written in Python."""

    def __init__(self, count=5):
        self.at, self.count = 0, count

    def __iter__(self):
        return self

    def __next__(self):
        if self.at == self.count:
            raise StopIteration
        self.at += 1
        return self.at


def dictionary():
    return {1: 2, 3: 4, 5: 6, 7: 8}


def ordered():
    return collections.OrderedDict(a=1, b=2, c=3, d=4)


def add(left, right):
    return left + right


BUILT_IN = {
    "list": lambda: iter([1, 2, 3, 4]),
    "reversed list": lambda: reversed([1, 2, 3, 4]),
    "tuple": lambda: iter((1, 2, 3, 4)),
    "reversed tuple": lambda: reversed((1, 2, 3, 4)),
    "range": lambda: iter(range(1, 9, 2)),
    "long range": lambda: iter(range(10**30, 10**30 + 4)),
    "reversed range": lambda: reversed(range(4)),
    "reversed long range": lambda: reversed(range(10**30, 10**30 + 4)),
    "str": lambda: iter("a\u20ac\U0001f600z"),
    "ascii": lambda: iter("abcd"),
    "reversed str": lambda: reversed("abcd"),
    "bytes": lambda: iter(b"abcd"),
    "bytearray": lambda: iter(bytearray(b"abcd")),
    "memoryview": lambda: iter(memoryview(b"abcd")),
    "array": lambda: iter(array.array("i", [1, 2, 3, 4])),
    "dict": lambda: iter(dictionary()),
    "dict values": lambda: iter(dictionary().values()),
    "dict items": lambda: iter(dictionary().items()),
    "reversed dict": lambda: reversed(dictionary()),
    "reversed dict values": lambda: reversed(dictionary().values()),
    "reversed dict items": lambda: reversed(dictionary().items()),
    "OrderedDict": lambda: iter(ordered()),
    "OrderedDict values": lambda: iter(ordered().values()),
    "OrderedDict items": lambda: iter(ordered().items()),
    "reversed OrderedDict": lambda: reversed(ordered()),
    "reversed OrderedDict items": lambda: reversed(ordered().items()),
    "Counter": lambda: iter(collections.Counter("abracadabra")),
    "Counter elements": lambda: collections.Counter("abac").elements(),
    "defaultdict": lambda: iter(collections.defaultdict(list, {1: [2], 3: [4]}).items()),
    "ChainMap": lambda: iter(collections.ChainMap({1: 2}, {3: 4})),
    "UserList": lambda: reversed(collections.UserList("abcd").data),
    "set": lambda: iter({"a", "b", "c", "d"}),
    "frozenset": lambda: iter(frozenset("abcd")),
    "deque": lambda: iter(collections.deque([1, 2, 3, 4])),
    "reversed deque": lambda: reversed(collections.deque([1, 2, 3, 4], 4)),
    "enumerate": lambda: enumerate("abcd", 7),
    "big enumerate": lambda: enumerate("abcd", 1 << 70),
    "zip": lambda: zip("abcd", [1, 2, 3, 4], strict=True),
    "uneven zip": lambda: zip("abc", [1, 2], strict=False),
    "map": lambda: map(values.plain, [1, 2, 3, 4]),
    "map of two": lambda: map(add, [1, 2, 3], (4, 5, 6)),
    "filter": lambda: filter(values.plain, [1, -1, 2, 3]),
    "filter of none": lambda: filter(None, [0, 1, 0, 2]),
    "sequence": lambda: iter(Sequence()),
    "reversed sequence": lambda: reversed(Sequence()),
    "callable": lambda: iter(Stepping().__next__, 3),
    "user's": lambda: Stepping(),
}

ITERTOOLS = {
    "count": lambda: itertools.count(5),
    "count by": lambda: itertools.count(5, 3),
    "count of floats": lambda: itertools.count(0.5, 0.25),
    "count to the largest": lambda: itertools.count(2**63 - 3),
    "count to the largest of 32 bits": lambda: itertools.count(2**31 - 3),
    "negative count": lambda: itertools.count(-2),
    "repeat": lambda: itertools.repeat("x"),
    "repeat some": lambda: itertools.repeat("x", 3),
    "repeat a class": lambda: itertools.repeat(itertools.repeat, 3),
    "chain": lambda: itertools.chain("ab", [1, 2], (), "c"),
    "empty chain": lambda: itertools.chain(),
    "chain of iterables": lambda: itertools.chain.from_iterable(iter(["ab", "cd"])),
    "chain of chains": lambda: itertools.chain(itertools.chain("ab", "c"), itertools.chain("d")),
    "starmap": lambda: itertools.starmap(pow, [(2, 3), (3, 2), (4, 1)]),
    "compress": lambda: itertools.compress("abcdef", [1, 0, 1, 0, 1, 1]),
    "filterfalse": lambda: itertools.filterfalse(None, [0, 1, 0, 2, 0]),
    "cycle": lambda: itertools.cycle("abc"),
    "cycle of one": lambda: itertools.cycle("a"),
    "empty cycle": lambda: itertools.cycle(()),
    "islice": lambda: itertools.islice("abcdefgh", 1, 7, 2),
    "endless islice": lambda: itertools.islice(itertools.count(), 3, None, 4),
    "short islice": lambda: itertools.islice(iter("abcdefgh"), 5, 2),
    "takewhile": lambda: itertools.takewhile(bool, [1, 2, 0, 3]),
    "dropwhile": lambda: itertools.dropwhile(bool, [1, 2, 0, 3, 4]),
    "zip_longest": lambda: itertools.zip_longest("abc", "d", "", fillvalue="-"),
    "empty zip_longest": lambda: itertools.zip_longest(),
    "product": lambda: itertools.product("ab", [1, 2]),
    "product repeated": lambda: itertools.product("ab", repeat=3),
    "product of nothing": lambda: itertools.product(),
    "product with an empty": lambda: itertools.product("ab", ""),
    "permutations": lambda: itertools.permutations("abc", 2),
    "permutations of all": lambda: itertools.permutations("abcd"),
    "permutations of none": lambda: itertools.permutations("abc", 0),
    "permutations of too few": lambda: itertools.permutations("abc", 4),
    "combinations": lambda: itertools.combinations("abcd", 2),
    "combinations of none": lambda: itertools.combinations("abcd", 0),
    "combinations_with_replacement": lambda: itertools.combinations_with_replacement("abc", 3),
    "combinations_with_replacement of none": lambda: itertools.combinations_with_replacement(
        "abc", 0
    ),
    "accumulate": lambda: itertools.accumulate([1, 2, 3, 4]),
    "accumulate from": lambda: itertools.accumulate([1, 2, 3, 4], max, initial=2),
    "accumulate None": lambda: itertools.accumulate([None, None, 3], lambda a, b: b and a),
    "pairwise": lambda: itertools.pairwise("abcd"),
    "pairwise of one": lambda: itertools.pairwise("a"),
    "groupby": lambda: itertools.groupby("AAABBC"),
    "groupby with a key": lambda: itertools.groupby([1, 3, 2, 4, 5], values.plain),
    "tee": lambda: itertools.tee("abcd")[0],
}
if hasattr(itertools, "batched"):
    ITERTOOLS["batched"] = lambda: itertools.batched("abcdefg", 3)
    ITERTOOLS["batched evenly"] = lambda: itertools.batched("abcdef", 3)

LIBRARY = {
    "re.finditer": lambda: re.finditer("b?", "abcb"),
    "re.finditer at once": lambda: re.finditer("|a", "aab"),
    "re.finditer over bytes": lambda: re.compile(b"[a-z]+").finditer(b"one two three", 2, 12),
    "re.finditer over wide text": lambda: re.finditer("\\w", "a\U0001f600 b\u20ac"),
    "formatter_parser": lambda: _string.formatter_parser("a{b}c{{{d!r:>{e}}"),
    "field_name_split": lambda: _string.formatter_field_name_split("a.b[c].d[0]")[1],
    "csv.reader": lambda: csv.reader(["a;b", "'c", "d';e", "f"], delimiter=";", quotechar="'"),
    "struct.iter_unpack": lambda: struct.iter_unpack("<h", bytearray(range(10))),
}

EVERY = {**BUILT_IN, **ITERTOOLS, **LIBRARY}
"""Each makes a new iterator over known items; endless ones give at least nine."""
