"""Every golden parcel loads here, or is refused because it is pinned to another version."""

from __future__ import annotations

import re

import pytest

from hetmig.errors import ForgedParcel, VersionMismatch
from hetmig.state import parcel
from hetmig.state.manifest import is_portable, same_minor, this_python
from tests.golden import parcels
from tests.golden.__main__ import WRITERS

GOLDEN = sorted(parcels.FILES.glob("*/*.hetmig"))


def _name(file):
    return f"{file.parent.name}-{file.name.removesuffix('.hetmig')}"


@pytest.mark.parametrize("file", GOLDEN, ids=_name)
def test_it_loads_or_is_refused_by_version(file):
    data = file.read_bytes()
    manifest = parcel.peek(parcel.split(data)).manifest
    if is_portable(manifest) or same_minor(manifest["python"], this_python()):
        parcels.RIGHT[file.name.partition(".")[0]](parcels.opened(data))
        return
    assert ".native." in file.name
    with pytest.raises(VersionMismatch, match=re.escape(manifest["python"]["version"])):
        parcels.opened(data)


def test_all_are_there():
    shapes = {f"{name}.{form}" for name in parcels.RIGHT for form in ("native", "portable")}
    expected = {f"{writer}-{shape}" for writer in WRITERS for shape in shapes}
    assert expected <= set(map(_name, GOLDEN))
    assert max(file.stat().st_size for file in GOLDEN) < 10_000


def test_what_is_written_now_is_right_too():
    """So that those to be written for the next release are."""
    written = dict(parcels.written())
    assert len(written) == 2 * len(parcels.RIGHT)
    for name, data in written.items():
        parcels.RIGHT[name.partition(".")[0]](parcels.opened(data))


def test_a_golden_parcel_that_was_changed_is_refused():
    data = bytearray(GOLDEN[0].read_bytes())
    data[-40] ^= 1
    with pytest.raises(ForgedParcel):
        parcels.opened(bytes(data))
