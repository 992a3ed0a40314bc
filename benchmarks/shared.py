"""A shared buffer at another node: bytes on the wire against bytes changed."""

from __future__ import annotations

import random

import cloudpickle

import benchmarks.shared_work
import hetmig
from benchmarks.report import Report, Table
from benchmarks.shared_work import changes
from hetmig.node.embedded import LocalNodes

__all__ = ["run"]

_SIZE = 16 << 20
_PAGE = 4096
_AMOUNTS = (0, 1, 100, 1000, 10_000)


def run(scale: float = 1.0) -> Report:
    """Change bytes that lie far apart from one another, the worst case, and count."""
    cloudpickle.register_pickle_by_value(benchmarks.shared_work)
    size = max(_PAGE, int(_SIZE * scale))
    data = random.Random(1).randbytes(size)
    with LocalNodes(2) as local, hetmig.connect(local[0], keys=local.keys, echo=False) as nodes:
        buffer = hetmig.shared_buffer(data, page=_PAGE, nodes=nodes, at=local[1].name)
        found = nodes.submit(changes, buffer, list(_AMOUNTS)).result()
    rows = [
        (str(amount), -(-moved // _PAGE), moved, wire, wire / size)
        for amount, (moved, wire) in zip(_AMOUNTS, found, strict=True)
    ]
    table = Table(
        f"A shared buffer of {size >> 10} KiB: acquire, change, release",
        ("bytes changed", "pages", "their bytes", "on the wire", "of the buffer"),
        rows,
        [
            f"Pages of {_PAGE} bytes; the changed bytes are scattered evenly, so that each lies on "
            "a page of its own as long as there are enough.",
            "On the wire: all that the task and its node say to each other for it, in both "
            "directions: the lock, digests, pages, answers.",
        ],
    )
    figures = {
        f"wire_for_{amount}": wire for amount, (_, wire) in zip(_AMOUNTS, found, strict=True)
    }
    return Report([table], figures)
