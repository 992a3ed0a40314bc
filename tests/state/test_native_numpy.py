"""numpy's arrays arrive with their values, their kind, and the memory they share."""

from __future__ import annotations

import mmap
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hetmig.errors import NotMigratable
from hetmig.state.image import freeze_value
from hetmig.state.pickling import dumps, loads
from tests.state import elsewhere

np = pytest.importorskip("numpy")

tensors = pytest.importorskip("hetmig.state.native.tensors")
OTHER = {"little": ">", "big": "<"}[sys.byteorder]


def hop(value):
    return loads(dumps(value))


def same(one, other):
    """Whether two arrays are the same to a program."""
    assert type(one) is type(other)
    assert one.dtype == other.dtype
    assert one.shape == other.shape
    assert one.flags.writeable == other.flags.writeable
    np.testing.assert_array_equal(one, other)


def frozen_array():
    array = np.arange(5)
    array.flags.writeable = False
    return array


ARRAYS = {
    "integers": lambda: np.arange(10, dtype=np.intp),
    "byte-swapped": lambda: np.arange(10, dtype=f"{OTHER}i4"),
    "two dimensions": lambda: np.arange(12.0).reshape(3, 4),
    "fortran order": lambda: np.asfortranarray(np.arange(12.0).reshape(3, 4)),
    "not contiguous": lambda: np.arange(24).reshape(4, 6)[::2, ::-2],
    "no items": lambda: np.zeros((0, 3), "f4"),
    "no dimension": lambda: np.array(7),
    "booleans": lambda: np.array([True, False]),
    "halves": lambda: np.array([1, 2], np.float16),
    "complex": lambda: np.array([1j, 2], np.complex64),
    "text": lambda: np.array(["aä€", "😀"]),
    "bytes": lambda: np.array([b"a", b"bc"]),
    "dates": lambda: np.array(["2024-02-29", "NaT"], "M8[ns]"),
    "spans": lambda: np.array([1, 2], "m8[s]"),
    "structured": lambda: np.array([(1, 2.0)], [("a", "i2"), ("b", f"{OTHER}f8", (1,))]),
    "aligned": lambda: np.zeros(2, np.dtype([("a", "i1"), ("b", "f8")], align=True)),
    "objects": lambda: np.array([{"a": 1}, None], object),
    "objects in columns": lambda: np.array([[1, (2, 3)], [None, "x"]], object, order="F"),
    "turned objects": lambda: np.array([[1, "a"], [None, [2]], [3, 4]], object)[::-1, ::-1],
    "records": lambda: np.rec.array([(1, 2.0)], dtype="i4,f8"),
    "matrix": lambda: np.ma.MaskedArray([[1, 2]], mask=[[0, 1]]),
    "read-only": frozen_array,
    "broadcast": lambda: np.broadcast_to(np.arange(3), (2, 3)),
    "over bytes": lambda: np.frombuffer(b"abcdefgh", "u2"),
    "over a bytearray": lambda: np.frombuffer(bytearray(8), "u2"),
}


@pytest.mark.parametrize("name", ARRAYS)
def test_arrays(name):
    array = ARRAYS[name]()
    same(hop(array), array)
    if array.flags.contiguous and name not in ("records", "broadcast"):
        assert hop(array).flags.c_contiguous == array.flags.c_contiguous


SCALARS = (
    np.intp(5),
    np.float32(0.5),
    np.complex128(1j),
    np.bool_(True),
    np.datetime64("2024-02-29", "D"),
    np.timedelta64(3, "h"),
    np.str_("aä\0"),
    np.bytes_(b"a\0"),
    np.array([(1, 2.0)], "i4,f8")[0],
)


@pytest.mark.parametrize("scalar", SCALARS, ids=lambda scalar: type(scalar).__name__)
def test_scalars(scalar):
    arrived = hop(scalar)
    assert type(arrived) is type(scalar)
    assert arrived == scalar


def test_of_a_machine_of_the_other_byte_order():
    """What was native there is native here; what was not stays as it was."""
    dtype = np.dtype(f"{OTHER}i4")
    data = bytearray(np.arange(4, dtype=dtype).tobytes())
    made = tensors.new_tensor(np.ndarray, data, dtype, (2, 2), "C", True, True)
    assert made.dtype.isnative
    assert made.tolist() == [[0, 1], [2, 3]]
    kept = tensors.new_tensor(np.ndarray, data, dtype, (4,), "C", False, True)
    assert not kept.dtype.isnative
    assert kept.tolist() == [0, 1, 2, 3]
    pair = np.dtype([("a", f"{OTHER}i2"), ("b", "S1")])
    made = tensors.new_tensor(np.ndarray, bytearray(6), pair, (2,), "C", True, False)
    assert made.dtype["a"].isnative
    assert not made.flags.writeable


def test_long_doubles():
    structured = np.zeros(2, dtype=[("a", "i4"), ("b", np.longdouble)])
    for value in (np.longdouble(1), np.zeros(2, np.clongdouble), structured):
        with pytest.raises(NotMigratable, match=r"long double.*astype"):
            dumps(value)


def test_memory_maps(tmp_path):
    mapped = np.memmap(tmp_path / "m", shape=(3,), mode="w+")
    anonymous = np.frombuffer(mmap.mmap(-1, 10), "u1")
    for value in (mapped, mapped[1:], np.asarray(mapped), anonymous):
        with pytest.raises(NotMigratable, match="memory-mapped"):
            dumps(value)


def test_beside_the_stream_and_uncopied():
    array = np.arange(20_000.0)
    stream, buffer = freeze_value([array, array]).frames
    assert len(stream) < 1000
    array[0] = 5
    assert np.frombuffer(buffer)[0] == 5


# -- shared memory


def test_views_share():
    base = np.arange(24).reshape(4, 6)
    values = [base[1:3], base, base.T, base.reshape(-1)[::-1], base[:, 2:3].view("i2"), base[0:0]]
    arrived = hop(values)
    for one, other in zip(arrived, values, strict=True):
        same(one, other)
    arrived[1][:] = -1
    for array in arrived[:4]:
        assert (array == -1).all()
    base[:] = -1
    same(arrived[4], values[4])


def test_views_share_without_their_base():
    row, column = (lambda base: (base[1], base[:, 1]))(np.zeros((3, 3)))
    row, column = hop([row, column])
    row[1] = 5
    assert column[1] == 5


def test_what_shares_nothing_takes_its_own_part():
    base = np.zeros(1_000_000)
    assert len(dumps(base[:10])) < 1000
    assert len(dumps([base[:10], base[500:510]])) < 2000
    one, other = hop([base[::2][:5], base[10:12]])
    assert len(one) == 5
    assert len(other) == 2


def test_arrays_over_other_memory():
    data = bytearray(32)
    arrived, numbers, words = hop([data, np.frombuffer(data), np.frombuffer(data, "u2")[3:]])
    numbers[:] = 1.0
    assert bytes(arrived) == np.ones(4).tobytes()
    assert words.tobytes() == bytes(arrived[6:])


def test_arrays_of_objects_share():
    base = np.array([None] * 6, object)
    base[0] = [base]
    whole, part, turned = hop([base, base[2:5], base.reshape(2, 3).T])
    assert whole[0][0] is whole
    part[0] = "x"
    assert whole[2] == "x"
    assert turned[2, 0] == "x"


def test_records_with_objects_share():
    base = np.zeros(3, [("a", object), ("b", "i4")])
    whole, part = hop([base, base[1:]])
    part["a"][0] = "x"
    assert whole["a"][1] == "x"
    with pytest.raises(NotMigratable, match="fields with objects"):
        dumps([base, base["a"]])
    strings = np.array(["a", "bc"], np.dtypes.StringDType() if hasattr(np, "dtypes") else object)
    assert hop(strings[1:]).tolist() == ["bc"]


def test_read_only_views_share():
    base = np.arange(4)
    view = base[:]
    view.flags.writeable = False
    base, view = hop([base, view])
    base[0] = 9
    assert view[0] == 9
    assert not view.flags.writeable


def test_again_and_again():
    """What has arrived shares its memory at the next move, too."""
    base = np.arange(10)
    values = [base, base[2:], base[::2]]
    for _ in range(3):
        values = hop(values)
    values[0][2] = 77
    assert (values[1][0], values[2][1]) == (77, 77)


@given(st.data())
def test_any_windows_share(data):
    base = np.arange(60, dtype=data.draw(st.sampled_from(["i1", f"{OTHER}i2", "f8"])))
    shaped = base.reshape(data.draw(st.sampled_from([(60,), (6, 10), (3, 4, 5)])),
                          order=data.draw(st.sampled_from("CF")))  # fmt: skip
    index = st.none() | st.integers(-70, 70)
    step = st.none() | st.integers(1, 3) | st.integers(-3, -1)
    slices = st.builds(slice, index, index, step)
    views = [shaped[tuple(data.draw(slices) for _ in shaped.shape)] for _ in range(3)]
    values = [base, *views] if data.draw(st.booleans()) else views
    arrived = hop(values)
    for one, other in zip(arrived, values, strict=True):
        same(one, other)
    for i, here in enumerate(values):
        for j, there in enumerate(values):
            assert np.shares_memory(here, there) == np.shares_memory(arrived[i], arrived[j])


def test_masked_arrays():
    base = np.arange(3)
    alone = np.ma.array(np.arange(3), mask=[0, 1, 0])
    arrived = hop(alone)
    assert arrived.tolist() == [0, None, 2]
    with pytest.raises(NotMigratable, match="masked array shares"):
        dumps([base, np.ma.array(base, mask=[0, 1, 0])])


def test_what_can_not_share():
    class Own(np.ndarray):
        pass

    base = np.arange(3)
    with pytest.raises(NotMigratable, match="Own that shares"):
        dumps([base, base.view(Own)])
    odd = np.arange(24).reshape(2, 3, 4).transpose(1, 0, 2).copy(order="K")
    with pytest.raises(NotMigratable, match="contiguous"):
        dumps([odd, odd[0]])


def test_generators():
    generator = np.random.default_rng(3)
    generator.random(5)
    one, other = hop([generator, generator])
    assert one is other
    assert one.random() == generator.random()
    assert np.random.PCG64(5).random_raw() == hop(np.random.PCG64(5)).random_raw()


def test_names_and_numbers_of_types():
    assert hop(np.dtype("i4,f8")) == np.dtype("i4,f8")
    assert hop(np.finfo("f4")).eps == np.finfo("f4").eps
    assert hop(np.iinfo("u1")).max == 255
    assert hop(np.add) is np.add


def test_a_program_without_numpy_is_not_asked_for_it():
    said = elsewhere.run(
        """
        import sys, hetmig, array
        hetmig.loads(hetmig.dumps([array.array("i", [1]), memoryview(b"x"), {1}]))
        print("numpy" in sys.modules)
        """
    )
    assert said == "False\n"
