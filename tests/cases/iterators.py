"""Loops over every kind of iterator, with others half-way beside them."""

import array
import collections
import copy
import csv
import io
import itertools
import re
import string
import struct

from hetmig.testing import point


class Countdown:
    def __init__(self, start):
        self.at = start

    def __iter__(self):
        return self

    def __next__(self):
        if not self.at:
            raise StopIteration
        self.at -= 1
        return self.at


class Indexed:
    def __init__(self, items):
        self.items = items

    def __len__(self):
        return len(self.items)

    def __getitem__(self, index):
        return self.items[index]


def case_sequences():
    out = []
    for items in ([1, 2, 3], (4, 5), range(6, 9), "abc", b"de", bytearray(b"fg"), "\u20ac\u03b1"):
        for one in items:
            for other in reversed(items):
                out.append((one, other))
    for item in memoryview(b"hi"):
        out.append(item)
    for item in array.array("h", [-1, 1]):
        out.append(item)
    for big in range(10**30, 10**30 + 3):
        out.append(big)
    return out


def case_dicts_and_their_views():
    table = {"a": 1, "b": 2, "c": 3}
    ordered = collections.OrderedDict(table)
    out = []
    for name in table:
        for value in table.values():
            for item in reversed(table.items()):
                out.append((name, value, item))
        table[name] += 10
    for name, value in ordered.items():
        for other in reversed(ordered):
            out.append((name, value, other))
            ordered[other] += 1
    for name in collections.ChainMap({"x": 1}, table):
        out.append(name)
    for letter in collections.Counter("abca").elements():
        out.append(letter)
    return out


def case_sets_are_seen_whole():
    numbers, words = {3, 1, 2}, frozenset(["one", "two", "three"])
    out = []
    for number in numbers:
        seen = set()
        for word in words:
            seen.add((number, word))
        out.append(sorted(seen))
    return sorted(out)


def case_containers_that_change_while_iterated():
    out = []
    table, numbers, line = {1: 2, 3: 4}, {5, 6}, collections.deque([7, 8])
    for container, change in (
        (table, lambda: table.setdefault(9)),
        (numbers, lambda: numbers.add(9)),
        (line, lambda: line.append(9)),
    ):
        try:
            for count, _ in enumerate(container):
                change()
                for _ in range(2):
                    out.append(count)
        except RuntimeError as error:
            out.append(str(error))
    items = [1, 2]
    for item in items:
        if item < 6:
            items.append(item + 2)
        out.append(item)
    shrinking = list(range(10))
    for item in shrinking:
        shrinking.pop()
        out.append(item)
    return out


def case_objects_of_the_program():
    out = []
    for item in Countdown(3):
        for other in Indexed("xyz"):
            out.append((item, other))
    for item in reversed(Indexed([1, 2])):
        out.append(point(item))
    for value in iter(Countdown(5).__next__, 1):
        out.append(point(value))
    return out


def case_filters_and_maps():
    out = []
    numbers = iter(range(20))
    for item in filter(None, map(abs, numbers)):
        out.append(item)
        for first, second in zip(numbers, "ab"):
            out.append((first, second))
            break
    for item in itertools.filterfalse(None, [0, 1, 0]):
        out.append(item)
    for item in itertools.compress("abcd", itertools.cycle([1, 0])):
        out.append(item)
    for item in itertools.starmap(pow, [(2, 3), (3, 2)]):
        out.append(item)
    try:
        for item in zip([1, 2], "xyz", strict=True):
            out.append(item)
    except ValueError as error:
        out.append(str(error))
    return out, list(numbers)


def case_slices_and_limits():
    out = []
    source = itertools.count(3)
    for item in itertools.islice(source, 1, 9, 3):
        out.append(item)
        for other in itertools.takewhile((20).__ge__, itertools.islice(source, 2)):
            out.append(other)
    for item in itertools.dropwhile((4).__gt__, [1, 5, 2, 6]):
        out.append(item)
    for item in itertools.islice(itertools.cycle("abc"), 7):
        out.append(item)
    for item in itertools.repeat("again", 3):
        out.append(item)
    for item in itertools.chain([1], "ab", itertools.chain.from_iterable(["cd", (2, 3)])):
        out.append(item)
    return out, next(source)


def case_choices():
    out = []
    for a in itertools.product("ab", (1, 2)):
        out.append(a)
    for a in itertools.permutations("abc", 2):
        out.append(a)
    for a in itertools.combinations("abcd", 3):
        for b in itertools.combinations_with_replacement(a, 2):
            out.append(b)
    return out


def case_windows_and_totals():
    out = []
    for pair in itertools.pairwise("abcd"):
        out.append(pair)
    for total in itertools.accumulate([1, 2, 3], initial=10):
        out.append(total)
    for largest in itertools.accumulate([3, 1, 4, 1], max):
        out.append(largest)
    for row in itertools.zip_longest("abc", [1], fillvalue="-"):
        out.append(row)
    if hasattr(itertools, "batched"):
        for batch in itertools.batched("abcdefg", 3):
            out.append(batch)
    return out


def case_groups():
    out = []
    groups = itertools.groupby("AAABBC")
    for key, group in groups:
        for item in group:
            out.append((key, item))
            if len(out) % 2:
                break
    lengths = itertools.groupby(["a", "b", "cc", "dd", "e"], len)
    _, abandoned = next(lengths)
    for size, words in lengths:
        for word in words:
            out.append((size, word, list(abandoned)))
    return out


def case_copies_of_a_tee():
    out = []
    first, second = itertools.tee(iter(range(130)))
    third = copy.copy(first)
    for item in itertools.islice(first, 0, None, 9):
        for other in itertools.islice(second, 2):
            out.append((item, other))
    return out, sum(second), sum(third)


def case_regular_expressions():
    out = []
    for match in re.finditer(r"(\w)(\d)?", "a1 b c3"):
        for group in match.groups("-"):
            out.append((match.span(), group))
    for match in re.finditer("x*", "axxb"):
        out.append(point(match).span())
    return out


def case_text_taken_apart():
    out = []
    for row in csv.reader(["a;b", '"c', 'd";e'], delimiter=";"):
        for field in row:
            out.append(field)
    written = io.StringIO()
    writer = csv.writer(written)
    for row in ([1, "x"], [2, "y,z"]):
        writer.writerow(row)
    for parts in string.Formatter().parse("a{b}c{d!r:>{e}}f"):
        out.append(parts)
    for pair in struct.iter_unpack("<hb", bytes(range(9))):
        out.append(pair)
    lines = io.StringIO("one\ntwo\nthree\n")
    for line in lines:
        out.append(line)
    for line in io.BytesIO(b"one\ntwo\n"):
        out.append(line)
    return out, written.getvalue()


def case_one_iterator_with_many_owners():
    source = iter("abcdefghij")
    holder = {"it": source, "pairs": zip(source, source), "numbered": enumerate(source)}
    out = []
    for letter in source:
        out.append(letter)
        for number, other in holder["numbered"]:
            out.append((number, other))
            break
        for pair in holder["pairs"]:
            out.append(pair)
            break
    return out, list(holder["it"])
