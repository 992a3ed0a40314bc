"""The envelope: nothing damaged, forged or oversized ever gets as far as the unpickler."""

from __future__ import annotations

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
)
from hetmig.state import parcel

KEY = b"k" * 32
OTHER = b"o" * 32
SMALL = parcel.seal({"format": 1}, [b"abc", b"", b"0123456789"], KEY)

buffers = st.lists(st.binary(max_size=200), max_size=5)
manifests = st.dictionaries(st.text(), st.integers() | st.text() | st.none() | st.lists(st.text()))


def opened(data: bytes, key: bytes | None = KEY) -> parcel.Parcel:
    return parcel.open_sealed(parcel.split(data), key)


@given(manifests, buffers, st.none() | st.binary(min_size=16))
def test_what_was_sealed_is_what_is_opened(manifest, frames, key):
    data = parcel.join(parcel.seal(manifest, frames, key))
    got = opened(data, key)
    assert got.manifest == manifest
    assert [bytes(frame) for frame in got.frames] == frames
    assert got.authenticated is (key is not None)


def test_payload_is_not_copied():
    payload = bytearray(b"x" * 100)
    wire = parcel.seal({}, [payload], KEY)
    frame = parcel.open_sealed(wire, KEY).frames[0]
    payload[0] = ord("y")
    assert frame[0] == ord("y")


def test_payload_of_any_shape():
    grid = memoryview(bytes(12)).cast("B", (3, 4))
    assert parcel.open_sealed(parcel.seal({}, [grid], KEY), KEY).frames[0].nbytes == 12


def test_every_truncation_is_noticed():
    data = parcel.join(SMALL)
    for end in range(len(data)):
        with pytest.raises((TruncatedParcel, UnsupportedFormat)):
            opened(data[:end])
    with pytest.raises(TruncatedParcel):
        opened(data + b"\0")


def test_every_flipped_bit_is_noticed():
    data = parcel.join(SMALL)
    for bit in range(len(data) * 8):
        damaged = bytearray(data)
        damaged[bit // 8] ^= 1 << bit % 8
        with pytest.raises(ParcelError):
            opened(bytes(damaged))


def test_every_missing_or_doubled_or_swapped_frame_is_noticed():
    for index in range(len(SMALL)):
        with pytest.raises(ParcelError):
            parcel.open_sealed(SMALL[:index] + SMALL[index + 1 :], KEY)
        with pytest.raises(ParcelError):
            parcel.open_sealed([*SMALL[:index], SMALL[index], *SMALL[index:]], KEY)
    same_length = parcel.seal({}, [b"one", b"two"], KEY)
    same_length[2], same_length[3] = same_length[3], same_length[2]
    with pytest.raises(ForgedParcel):
        parcel.open_sealed(same_length, KEY)


def test_bytes_do_not_move_between_frames():
    left = parcel.seal({}, [b"ab", b"c"], KEY)
    right = parcel.seal({}, [b"a", b"bc"], KEY)
    assert left[-1] != right[-1]


@pytest.mark.parametrize(("sealed", "read"), [(KEY, OTHER), (KEY, None), (None, KEY)])
def test_wrong_key(sealed, read):
    with pytest.raises(ForgedParcel):
        parcel.open_sealed(parcel.seal({}, [b"x"], sealed), read)


def test_short_key_is_a_mistake():
    with pytest.raises(ValueError, match="at least 16 bytes"):
        parcel.seal({}, [], b"secret")


@given(st.binary(max_size=300))
def test_garbage(data):
    with pytest.raises(ParcelError):
        opened(data)
    with pytest.raises(ParcelError):
        opened(b"HETMIG\0\1" + data)


@given(st.lists(st.binary(max_size=60), max_size=6))
def test_garbage_on_the_wire(wire):
    with pytest.raises(ParcelError):
        parcel.open_sealed(wire, KEY)


def test_newer_format():
    wire = [b"HETMIG\0\2" + bytes(SMALL[0])[8:], *SMALL[1:]]
    with pytest.raises(UnsupportedFormat, match="format 2"):
        parcel.open_sealed(wire, KEY)


@pytest.mark.parametrize(
    "limits",
    [
        parcel.Limits(frames=2),
        parcel.Limits(frame_bytes=9),
        parcel.Limits(total_bytes=12),
        parcel.Limits(manifest_bytes=3),
    ],
)
def test_caps(limits, tmp_path):
    with pytest.raises(ParcelTooLarge, match="are allowed here"):
        parcel.open_sealed(SMALL, KEY, limits)
    parcel.write_file(tmp_path / "p", SMALL)
    with pytest.raises(ParcelTooLarge):
        parcel.read_file(tmp_path / "p", limits)


def test_a_stated_length_takes_no_memory(tmp_path):
    head = struct.pack("!6sHII", b"HETMIG", 1, 1, 2) + struct.pack("!Q", 1 << 63)
    (tmp_path / "p").write_bytes(head)
    with pytest.raises(ParcelTooLarge):
        parcel.read_file(tmp_path / "p")
    with pytest.raises(TruncatedParcel):
        parcel.read_file(tmp_path / "p", parcel.Limits(frame_bytes=1 << 64, total_bytes=1 << 65))


@pytest.mark.parametrize("text", [b"[]", b"{", b"\xff", "{}".encode("utf-16")])
def test_manifest_that_is_none(text):
    with pytest.raises(UnsupportedFormat):
        parcel.open_sealed(with_manifest(text), KEY)


def with_manifest(text):
    wire = [struct.pack("!6sHII", b"HETMIG", 1, 0, len(text)), text]
    return [*wire, parcel._authentication(KEY, wire)]


def nested(depth, inside=b""):
    return b'{"a":' * depth + (inside or b"1") + b"}" * depth


def test_manifest_that_nests_too_deep():
    text = b'["[[[[", "\\"[{"]'  # none of these is a level
    most = parcel.DEFAULT_LIMITS.manifest_depth
    assert parcel.open_sealed(with_manifest(nested(most - 1, text)), KEY).authenticated
    for depth, more in ((most, text), (most + 1, b""), (100_000, b"")):
        with pytest.raises(ParcelTooLarge, match="64 levels") as caught:
            parcel.open_sealed(with_manifest(nested(depth, more)), KEY)
        assert caught.value.data["value"] == most + 1


def test_peek_needs_no_key_and_claims_nothing():
    seen = parcel.peek(SMALL)
    assert seen.manifest == {"format": 1}
    assert not seen.authenticated


def test_file(tmp_path):
    path = tmp_path / "state.hetmig"
    parcel.write_file(path, SMALL)
    assert [bytes(f) for f in parcel.open_sealed(parcel.read_file(path), KEY).frames] == [
        b"abc",
        b"",
        b"0123456789",
    ]
    data = path.read_bytes()
    for end in range(len(data)):
        path.write_bytes(data[:end])
        with pytest.raises((TruncatedParcel, UnsupportedFormat)):
            parcel.read_file(path)


def test_failed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "state.hetmig"
    parcel.write_file(path, SMALL)
    before = path.read_bytes()

    def breaking():
        yield b"HETMIG"
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        parcel.write_file(path, breaking())
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]
