"""A big log is searched by a task that moves away from it, and back: the log stays where it is.

    python examples/log_stays_at_home.py

The task opens the log on the node "archive", which alone has it.  On "worker" it goes on in the
middle of its loop, and reads on over the link.  What it finds it writes to a file of the archive's.
"""

import os
import random
import tempfile
from pathlib import Path

import hetmig
from hetmig.node.embedded import LocalNodes


def search(log: str, report: str, word: str) -> dict[str, int]:
    """Copy the lines that have the word; how many lines were read on which node."""
    read: dict[str, int] = {}
    with hetmig.open(log, encoding="utf-8") as lines, hetmig.open(report, "w") as found:
        for number, line in enumerate(lines, 1):
            if word in line:
                found.write(f"{number}: {line}")
            here = str(hetmig.here())
            read[here] = read.get(here, 0) + 1
            if number in (20_000, 80_000):
                hetmig.migrate("worker" if number == 20_000 else "archive")
    return read


def main() -> None:
    """Write a log, have it searched, and compare."""
    chance = random.Random(1)
    events = ["login", "logout", "read", "write", "ERROR"]
    lines = [f"{n} {chance.choice(events)} \N{SNOWMAN}\n" for n in range(100_000)]
    with tempfile.TemporaryDirectory() as directory:
        log, report = Path(directory, "log"), Path(directory, "report")
        log.write_text("".join(lines), "utf-8")
        with (
            LocalNodes(2, names=["archive", "worker"]) as local,
            hetmig.connect(local[0], keys=local.keys) as nodes,
        ):
            task = nodes.submit(search, os.fspath(log), os.fspath(report), "ERROR")
            print("lines read:", ", ".join(f"{n} on {name}" for name, n in task.result().items()))
            print("moved:", ", ".join(f"{h.source} -> {h.destination}" for h in task.journey()))
        expected = [f"{n}: {line}" for n, line in enumerate(lines, 1) if "ERROR" in line]
        same = report.read_text("utf-8") == "".join(expected)
    print(
        f"{len(expected)} errors found,", "the same as without moving" if same else "NOT the same"
    )


if __name__ == "__main__":
    main()
