"""`hetmig.loads` of bytes that are not what `dumps` wrote: a typed error, and nothing unpickled."""

from __future__ import annotations

import json
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hetmig.errors import (
    ForgedParcel,
    ParcelError,
    ParcelTooLarge,
    TruncatedParcel,
    UnsupportedFormat,
    VersionMismatch,
)
from hetmig.state import image, manifest, parcel
from hetmig.state.pickling import dumps, loads

KEY = b"k" * 32
noticed: list[str] = []


def spring():
    noticed.append("unpickled")


class Trap:
    """Unpickling it is noticed."""

    def __reduce__(self):
        return spring, ()


((TRAP,), _) = image.value_frames(Trap())


def sealed(key=KEY, payload=(TRAP,), text=None):
    return parcel.seal_bytes(manifest.value_manifest(False) if text is None else text, payload, key)


@pytest.fixture(autouse=True)
def nothing_is_unpickled():
    noticed.clear()
    yield
    assert noticed == []


def test_the_trap_works():
    loads(sealed(), KEY)
    loads(sealed(None))
    assert noticed == ["unpickled"] * 2
    noticed.clear()


@pytest.mark.parametrize("key", [KEY, None], ids=["key", "no key"])
def test_every_truncation(key):
    data = sealed(key)
    for end in range(len(data)):
        with pytest.raises((TruncatedParcel, UnsupportedFormat)):
            loads(data[:end], key)
    for more in (b"\0", data, b"." * 1000):
        with pytest.raises(TruncatedParcel):
            loads(data + more, key)


@pytest.mark.parametrize("key", [KEY, None], ids=["key", "no key"])
def test_every_flipped_bit(key):
    data = sealed(key)
    for bit in range(len(data) * 8):
        damaged = bytearray(data)
        damaged[bit // 8] ^= 1 << bit % 8
        with pytest.raises(ParcelError):
            loads(damaged, key)


@given(st.data())
def test_pieces_of_it_in_any_order(data):
    whole = sealed()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), min_size=2, max_size=6)))
    pieces = [whole[a:b] for a, b in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
    pieces = data.draw(st.permutations(pieces)) + data.draw(st.lists(st.binary(max_size=20)))
    made = b"".join(pieces)
    if made != whole:
        with pytest.raises(ParcelError):
            loads(made, KEY)


@given(st.binary(max_size=300))
def test_garbage(data):
    for start in (b"", b"HETMIG", b"HETMIG\0\1", b"HETMIG\0\1\0\0\0\1"):
        with pytest.raises(ParcelError):
            loads(start + data)


@pytest.mark.parametrize(("sealed_with", "read_with"), [(b"o" * 32, KEY), (None, KEY), (KEY, None)])
def test_forged(sealed_with, read_with):
    """Whoever has no key can only seal with another one, or with none."""
    with pytest.raises(ForgedParcel, match="sealed with another key"):
        loads(sealed(sealed_with), read_with)


@pytest.mark.parametrize(
    "head",
    [
        struct.pack("!6sHIIQ", b"HETMIG", 1, 1, 2, 1 << 63),
        struct.pack("!6sHIIQ", b"HETMIG", 1, 1, 2, (1 << 32) + 1),
        struct.pack("!6sHIIQQQ", b"HETMIG", 1, 3, 2, 1 << 32, 1 << 32, 1 << 32),
        struct.pack("!6sHII", b"HETMIG", 1, 0xFFFFFFFF, 2),
        struct.pack("!6sHII", b"HETMIG", 1, 1, 0xFFFFFFFF) + bytes(8),
    ],
)
def test_oversized(head):
    with pytest.raises(ParcelTooLarge, match="are allowed here"):
        loads(head + bytes(100), KEY)


@pytest.mark.parametrize(
    "limits",
    [
        parcel.Limits(frames=0),
        parcel.Limits(frame_bytes=10),
        parcel.Limits(total_bytes=100),
        parcel.Limits(manifest_bytes=10),
    ],
)
def test_a_receiver_sets_its_own_limits(limits):
    with pytest.raises(ParcelTooLarge):
        parcel.open_bytes(sealed(), KEY, limits)
    assert parcel.open_bytes(sealed(), KEY)[1] == [TRAP]


def changed(**parts):
    made = json.loads(manifest.value_manifest(False))
    made["python"].update(parts.pop("python", {}))
    return json.dumps(made | parts).encode()


@pytest.mark.parametrize(
    "other",
    [{"version": "3.2.1"}, {"magic": "00000d0a"}, {"implementation": "pypy"}, {"version": None}],
)
def test_another_version_in_an_authentic_parcel(other):
    with pytest.raises(VersionMismatch) as caught:
        loads(sealed(text=changed(python=other)), KEY)
    assert caught.value.data["present"].startswith(manifest.this_python()["implementation"])


@pytest.mark.parametrize(
    "text",
    [changed(format=1), changed(kind="?"), changed(python={})[:-3], b"", b"[]", b"{}", b"\xff"],
)
def test_another_manifest_in_an_authentic_parcel(text):
    with pytest.raises(UnsupportedFormat):
        loads(sealed(text=text), KEY)


def test_no_payload_in_an_authentic_parcel():
    with pytest.raises(UnsupportedFormat):
        loads(sealed(payload=()), KEY)


def test_a_newer_format():
    newer = bytearray(sealed())
    newer[7] += 1
    with pytest.raises(UnsupportedFormat, match="format 2"):
        loads(newer, KEY)


@pytest.mark.parametrize("portable", [False, True])
def test_the_manifest_of_a_value_says_no_more_than_is_asked(portable):
    text = manifest.value_manifest(portable)
    assert len(text) < 115
    manifest.check_python(json.loads(text))
    value = 1 if portable else lambda: 1
    assert parcel.peek(parcel.split(dumps(value))).manifest == json.loads(text)


def test_what_can_be_read_from_is_enough():
    for data in (dumps([1]), bytearray(dumps([1])), memoryview(dumps([1]))):
        assert loads(data) == [1]
