"""Programs that work on data in the machine's own format."""

import array
import ctypes
import pathlib
import struct


def case_windows_on_an_array():
    numbers = array.array("i", range(12))
    odd, back = memoryview(numbers)[1::2], memoryview(numbers)[::-1]
    for index in range(len(odd)):
        odd[index] *= 10
        back[0] += 1
        numbers[0] += odd[index]
    return numbers.tolist(), odd.tolist(), back.tolist()


def case_parts_of_c_data():
    table = ((ctypes.c_int * 3) * 2)()
    last = table[1]
    counter = ctypes.c_uint8(250)
    for index in range(9):
        last[index % 3] += index
        counter.value += 1
    return [list(row) for row in table], counter.value


def case_records_in_a_buffer():
    form = struct.Struct("<hd")
    data = bytearray(form.size * 4)
    for index in range(4):
        form.pack_into(data, index * form.size, index, index / 2)
    view = memoryview(data)[form.size :]
    total = 0
    for small, large in form.iter_unpack(data):
        total += small * large
    return total, len(view), form.unpack_from(view)


def case_paths():
    found = []
    root = pathlib.PurePosixPath("/a/b")
    for name in ("x.txt", "../y", "c/z"):
        path = root / name
        for parent in path.parents:
            found.append((path.name, str(parent)))
    return found


class Knot:
    def __init__(self, name):
        self.name = name
        self.others = {self.name: self}

    def __hash__(self):
        return hash(self.name)

    def __eq__(self, other):
        return self.name == other.name


def case_sets_that_hold_what_holds_them():
    knots = [Knot(name) for name in "abc"]
    for knot in knots:
        knot.friends = set(knots)
        knot.rank = {other: index for index, other in enumerate(knots)}
    total = 0
    for knot in knots:
        for other in knots:
            total += knot.rank[other] + (other in knot.friends) + (knot in other.friends)
    return total
