"""Pages by their contents."""

from __future__ import annotations

import random

import pytest

from hetmig.sharing.pages import Pages, digest, split


def contents(pages: Pages) -> bytes:
    return b"".join(pages.fetch([each])[each] for each in pages.digests)


def test_what_has_changed_since() -> None:
    pages = Pages.of(bytes(100), 10)
    assert pages.version == 1
    assert set(pages.since(0)) == set(range(10))
    assert pages.since(1) == {}
    pages.change({3: b"x" * 10, 4: b"y" * 10})
    pages.change({4: b"z" * 10})
    assert pages.version == 3
    assert pages.since(1) == {3: digest(b"x" * 10), 4: digest(b"z" * 10)}
    assert pages.since(2) == {4: digest(b"z" * 10)}
    pages.change({})
    assert pages.version == 3
    assert contents(pages) == bytes(30) + b"x" * 10 + b"z" * 10 + bytes(50)
    assert pages.fetch([digest(b"y" * 10)]) == {}
    with pytest.raises(ValueError, match="another size"):
        pages.change({0: b"short"})


def test_any_changes() -> None:
    seed = random.randrange(1 << 32)
    print("seed", seed)
    rng = random.Random(seed)
    data = bytearray(rng.randbytes(1003))
    pages = Pages.of(data, 64)
    for _ in range(200):
        start = rng.randrange(1003)
        piece = rng.choice([bytes(40), rng.randbytes(40)])[: 1003 - start]
        data[start : start + len(piece)] = piece
        changed = {
            number: bytes(content)
            for number, content in split(data, 64)
            if digest(content) != pages.digests[number]
        }
        pages.change(changed)
        assert contents(pages) == data
