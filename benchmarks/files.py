"""How fast a task reads and writes a file that another node has open, beside raw ZeroMQ.

All in one run: a task opens a file at one node, moves to another, and reads it there from the
beginning to the end, then writes one.  In turn with it, raw pyzmq asks another process for the same
bytes, block by block.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import hetmig
from benchmarks.report import Report, Table
from benchmarks.served import ask
from hetmig.node.embedded import LocalNodes

__all__ = ["run"]

_ROOT = Path(__file__).resolve().parent.parent
_BLOCK = 1 << 20
"""What read-ahead asks for at a time."""
_ROUNDS = 7
_MB = 1e6


def run(scale: float = 1.0) -> Report:
    """Read and write, in turn with raw ZeroMQ."""
    blocks = max(8, int(128 * scale))
    rounds = max(1, round(_ROUNDS * min(scale, 1.0)))
    found: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as directory:
        source, target = Path(directory, "source"), Path(directory, "target")
        source.write_bytes(bytes(blocks * _BLOCK))
        with (
            LocalNodes(2, path=[str(_ROOT)]) as local,
            hetmig.connect(local[0], keys=local.keys, echo=False) as nodes,
        ):
            for _ in range(rounds):
                task = nodes.submit(_task, str(source), str(target), blocks)
                for name, speed in {**task.result(600), **_raw(blocks)}.items():
                    found.setdefault(name, []).append(speed)
    speeds = {name: statistics.median(values) / _MB for name, values in found.items()}
    return Report([_table(speeds, blocks, rounds)], _figures(speeds))


def _figures(speeds: dict[str, float]) -> dict[str, object]:
    shares = {
        f"{kind} by raw, {mode}": speeds[f"{kind} through home"] / speeds[f"raw {kind}, {mode}"]
        for kind in ("read", "write")
        for mode in ("curve", "plain")
    }
    return {"mb_per_s": speeds, "share": shares}


def _table(speeds: dict[str, float], blocks: int, rounds: int) -> Table:
    rows = []
    for kind in ("read", "write"):
        base = speeds[f"raw {kind}, curve"]
        for name in (f"raw {kind}, plain", f"raw {kind}, curve", f"{kind} through home"):
            rows.append((name, speeds[name], speeds[name] / base))
    lines = speeds["lines through home"], speeds["lines here"]
    rows.append(("lines, here", lines[1], lines[1] / speeds["raw read, curve"]))
    rows.append(("lines through home", lines[0], lines[0] / speeds["raw read, curve"]))
    notes = [
        f"Median of {rounds} rounds of {blocks} blocks of {_BLOCK >> 10} KiB, in turn; the aim is "
        "0.5 for reading.",
        "Raw: one request after the other, one process to the other. Curve: encrypted, as all "
        "links of nodes are. Through home: from the node which has the file to the process of the "
        "task, encrypted.",
    ]
    columns = ("what", "MB/s", "by raw with curve")
    return Table("Files: sequential reading and writing at another node", columns, rows, notes)


def _raw(blocks: int) -> dict[str, float]:
    speeds = {}
    for mode in ("plain", "curve"):
        command = [sys.executable, "-m", "benchmarks.served", str(_BLOCK), mode]
        with subprocess.Popen(
            command, cwd=_ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            port, _, server_key = process.stdout.readline().strip().partition(" ")
            for kind in ("read", "write"):
                speeds[f"raw {kind}, {mode}"] = ask(int(port), server_key, _BLOCK, kind, blocks)
            process.stdin.close()
    return speeds


def _task(source: str, target: str, blocks: int) -> dict[str, float]:
    """Read and write through home; bytes per second."""
    import time

    speeds = {}
    for name in ("lines here", "lines through home"):
        with hetmig.open(source, "rb") as file:
            if name != "lines here":
                hetmig.migrate("b")
            start = time.perf_counter()
            size = sum(map(len, iter(lambda: file.read(8192), b"")))
            speeds[name] = size / (time.perf_counter() - start)
    hetmig.migrate("a")
    with hetmig.open(source, "rb") as file, hetmig.open(target, "wb") as out:
        hetmig.migrate("b")
        block = bytearray(_BLOCK)
        start = time.perf_counter()
        size = 0
        while count := file.readinto(block):
            size += count
        speeds["read through home"] = size / (time.perf_counter() - start)
        start = time.perf_counter()
        for _ in range(blocks):
            out.write(block)
        out.flush()
        speeds["write through home"] = size / (time.perf_counter() - start)
    return speeds
