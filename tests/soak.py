"""Many short tasks that move at random between nodes which are killed at random, for some minutes.

    python -m tests.soak --minutes 20 --seed 1

Every task writes down its process and round in a ledger of its own.  Checked of each: it came to
its end (none lost), one process at a time did the work, none went on after another had begun, no
round was left out, and the result is the last process's (none doubled).
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import random
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, wait
from pathlib import Path

import hetmig
from hetmig.client import Nodes, Task
from hetmig.errors import HetmigError
from hetmig.node.embedded import LocalNodes
from tests.node.crashes import Ledger

NAMES = ("home", "left", "right")
END_SECONDS = 180.0
"""What the last tasks may take once nobody is killed any more."""


def short(ledger: str, rounds: int, pause: float) -> list[int]:
    """So many rounds, each written down."""
    import time

    done = []
    while len(done) < rounds:
        done.append(len(done))
        with open(ledger, "a", encoding="utf-8") as file:
            file.write(f"{os.getpid()} {len(done)}\n")
        time.sleep(pause)
    return done


@dataclasses.dataclass
class Plan:
    """How hard it is."""

    seconds: float
    seed: int
    abreast: int = 24
    movers: int = 6
    kill_every: float = 8.0


class Soak:
    """One run."""

    def __init__(self, nodes: LocalNodes, connection: Nodes, directory: Path, plan: Plan) -> None:
        self.counts: Counter[str] = Counter()
        self.failures: list[str] = []
        self._nodes, self._connection = nodes, connection
        self._directory, self._plan = directory, plan
        self._alive: dict[str, Task] = {}
        self._up = {name: threading.Event() for name in NAMES}
        for event in self._up.values():
            event.set()
        self._over = threading.Event()
        self._until = time.monotonic() + plan.seconds

    def run(self) -> None:
        """Until the time is over and every task has ended."""
        chance = random.Random(self._plan.seed)
        seeds = [chance.random() for _ in range(self._plan.movers + 1)]
        threads = [threading.Thread(target=self._guarded, args=(self._kill, seeds[0]))]
        threads += [threading.Thread(target=self._guarded, args=(self._move, s)) for s in seeds[1:]]
        for thread in threads:
            thread.start()
        try:
            self._work(chance)
        finally:
            self._over.set()
            for thread in threads:
                thread.join()

    def _guarded(self, work: Callable[[random.Random], None], seed: float) -> None:
        try:
            work(random.Random(seed))
        except Exception as error:
            self.failures.append(f"{work.__name__}: {error!r}")
            self._over.set()

    def _work(self, chance: random.Random) -> None:
        number, told = 0, time.monotonic()
        pending: dict[Future[list[int]], tuple[Task, Ledger]] = {}
        while not self._is_over() or pending:
            while not self._is_over() and len(pending) < self._plan.abreast:
                number += 1
                if (begun := self._submit(number, chance)) is not None:
                    pending[begun[0]] = begun
            for future in wait(pending, timeout=1.0, return_when=FIRST_COMPLETED).done:
                self._check(*pending.pop(future))
            if self._is_over() and time.monotonic() > self._until + END_SECONDS:
                for task, ledger in pending.values():
                    self._fail(task, ledger, f"has not ended: {task.state} on {task.where()}")
                return
            if time.monotonic() > told + 30:
                told = time.monotonic()
                print(self.summary(), file=sys.stderr, flush=True)

    def _is_over(self) -> bool:
        return self._over.is_set() or time.monotonic() > self._until

    def _submit(self, number: int, chance: random.Random) -> tuple[Task, Ledger] | None:
        ledger = Ledger(self._directory / f"{number}.ledger")
        if chance.random() < 0.7:
            rounds, pause = chance.randint(1, 50), chance.choice((0.0, 0.001, 0.01))
        else:  # long enough to be moved and killed several times
            rounds, pause = chance.randint(100, 500), 0.02
        self._up["home"].wait()
        try:
            task = self._connection.submit(short, str(ledger.path), rounds, pause)
        except HetmigError:  # it was just being killed: nobody was promised anything
            self.counts["not submitted"] += 1
            self._over.wait(0.2)
            return None
        self.counts["submitted"] += 1
        self._alive[task.id] = task
        return task, ledger

    def _check(self, task: Task, ledger: Ledger) -> None:
        self._alive.pop(task.id, None)
        try:
            again = ledger.check(task.result())
        except (HetmigError, AssertionError) as error:
            self._fail(task, ledger, f"{type(error).__name__}: {error}")
            return
        self.counts["ended"] += 1
        self.counts["rounds done again"] += again
        self.counts["restarted"] += again > 0
        ledger.path.unlink()

    def _fail(self, task: Task, ledger: Ledger, why: str) -> None:
        lines = ledger.lines()
        self.failures.append(f"{task!r}: {why}; the ledger: {lines[:3]} ... {lines[-3:]}")
        print("FAILED", self.failures[-1], file=sys.stderr, flush=True)

    def _move(self, chance: random.Random) -> None:
        while not self._is_over():
            tasks = list(self._alive.values())
            if not tasks:
                self._over.wait(0.01)
                continue
            try:
                self._connection.move(chance.choice(tasks).id, chance.choice(NAMES), 5)
                self.counts["moves"] += 1
            except HetmigError as error:
                self.counts[f"no move: {type(error).__name__}"] += 1
                self._over.wait(0.005)

    def _kill(self, chance: random.Random) -> None:
        while not self._over.wait(chance.expovariate(1 / self._plan.kill_every)):
            if self._is_over():
                return
            victims = chance.sample(NAMES, 2 if chance.random() < 0.2 else 1)
            for name in victims:
                self._up[name].clear()
                self._nodes[NAMES.index(name)].kill()
                self.counts["kills"] += 1
            for name in victims:
                node = self._nodes[NAMES.index(name)]
                node.start()
                node.wait_until_ready()
                node.introduce([node.place for node in self._nodes.nodes])
                self._up[name].set()

    def summary(self) -> str:
        """What has been counted so far."""
        listed = ", ".join(f"{count} {name}" for name, count in sorted(self.counts.items()))
        return f"{listed}; {len(self.failures)} failures"


def soak(plan: Plan) -> tuple[str, list[str]]:
    """The summary of a run, and what went wrong."""
    with tempfile.TemporaryDirectory(prefix="soak-") as name:
        directory = Path(name)
        with (
            LocalNodes(3, names=NAMES, state=directory / "state") as nodes,
            hetmig.connect(nodes[0], keys=nodes.keys, echo=False) as connection,
        ):
            run = Soak(nodes, connection, directory, plan)
            run.run()
    return run.summary(), run.failures


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--abreast", type=int, default=24, help="tasks at a time")
    parser.add_argument("--kill-every", type=float, default=8.0, help="seconds, on average")
    options = parser.parse_args()
    plan = Plan(options.minutes * 60, options.seed, options.abreast, kill_every=options.kill_every)
    print(plan, f"load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "", flush=True)
    began = time.monotonic()
    summary, failures = soak(plan)
    print(f"{time.monotonic() - began:.0f} s: {summary}")
    for failure in failures:
        print(failure)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
