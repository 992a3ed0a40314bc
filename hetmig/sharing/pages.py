"""Bytes as pages that are known by what is in them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

__all__ = ["Pages", "digest", "split"]

_SIZE = 20


def digest(page: Any) -> bytes:
    """What a page is known by: equal for equal contents, and for no others."""
    return hashlib.blake2b(page, digest_size=_SIZE).digest()


def split(data: Any, page: int) -> Iterable[tuple[int, memoryview]]:
    """Its pages with their numbers; the last one may be shorter."""
    view = memoryview(data).cast("B")
    for number, start in enumerate(range(0, view.nbytes, page)):
        yield number, view[start : start + page]


class Pages:
    """The contents of a buffer, and since which version each page is as it is."""

    def __init__(self, page: int) -> None:
        self.page = page
        self.version = 1
        self.digests: list[bytes] = []
        self._changed: list[int] = []
        self._contents: dict[bytes, bytes] = {}
        self._uses: dict[bytes, int] = {}

    @classmethod
    def of(cls, data: Any, page: int) -> Pages:
        """The pages of these bytes; equal ones are kept once."""
        pages = cls(page)
        for _, content in split(data, page):
            pages.digests.append(pages._add(bytes(content)))
            pages._changed.append(1)
        return pages

    def since(self, version: int) -> dict[int, bytes]:
        """The digests of the pages that have changed after this version, by number."""
        found = enumerate(zip(self._changed, self.digests, strict=True))
        return {number: digest for number, (changed, digest) in found if changed > version}

    def fetch(self, digests: Iterable[bytes]) -> dict[bytes, bytes]:
        """Contents by digests; those that are no more are left out."""
        return {wanted: self._contents[wanted] for wanted in digests if wanted in self._contents}

    def change(self, changed: Mapping[int, bytes]) -> None:
        """Pages have new contents from now on.  Raises ValueError for what does not fit."""
        for number, content in changed.items():
            if len(content) != len(self._contents[self.digests[number]]):
                raise ValueError(f"page {number} has another size")
        if changed:
            self.version += 1
        for number, content in changed.items():
            new = self._add(bytes(content))
            self._drop(self.digests[number])
            self.digests[number], self._changed[number] = new, self.version

    def _add(self, content: bytes) -> bytes:
        found = digest(content)
        self._contents.setdefault(found, content)
        self._uses[found] = self._uses.get(found, 0) + 1
        return found

    def _drop(self, old: bytes) -> None:
        self._uses[old] -= 1
        if not self._uses[old]:
            del self._uses[old], self._contents[old]
