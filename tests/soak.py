"""Many short tasks that move at random between nodes which are killed at random, for some minutes.

    python -m tests.soak --minutes 20 --seed 1

Where network namespaces can be made (root, Linux), each node is a host of its own, and now and then
its cable is pulled for some seconds.

Every task writes down its process and round in a ledger of its own.  Checked of each: it came to
its end (none lost), one process at a time did the work, none went on after another had begun, no
round was left out, and the result is the last process's (none doubled).
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import itertools
import os
import random
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import hetmig
from hetmig.client import Nodes, Task
from hetmig.errors import HetmigError
from hetmig.node.embedded import LocalNodes
from tests.node.ledgers import Ledger, process
from tests.node.networks import CanNot, Network, network

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
            file.write(f"{process()} {len(done)}\n")
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
    cut_every: float = 20.0
    long: float = 0.3
    """How many of the tasks take some seconds; the others are short."""


class Soak:
    """One run."""

    def __init__(
        self, nodes: LocalNodes | Network, connection: Nodes, directory: Path, plan: Plan
    ) -> None:
        self.counts: Counter[str] = Counter()
        self.failures: list[str] = []
        self._nodes, self._connection = nodes, connection
        self._cables = nodes.nodes if isinstance(nodes, Network) else []
        self._numbers = itertools.count(1)
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
        work = [self._kill, *[self._move] * self._plan.movers, *[self._submit] * self._plan.abreast]
        if self._cables:
            work.append(self._cut)
        threads = [
            threading.Thread(target=self._guarded, args=(part, chance.random())) for part in work
        ]
        for thread in threads:
            thread.start()
        while not self._over.wait(min(30.0, max(0.0, self._until - time.monotonic()))):
            if self._is_over():
                self._over.set()  # nobody needs to wait for the next kill
            print(self.summary(), file=sys.stderr, flush=True)
        for thread in threads:
            thread.join()

    def _guarded(self, work: Callable[[random.Random], None], seed: float) -> None:
        try:
            work(random.Random(seed))
        except Exception as error:
            self.failures.append(f"{work.__name__}: {error!r}")
            self._over.set()

    def _is_over(self) -> bool:
        return self._over.is_set() or time.monotonic() > self._until

    def _submit(self, chance: random.Random) -> None:
        """One task after the other."""
        while not self._is_over():
            number = next(self._numbers)
            ledger = Ledger(self._directory / f"{number}.ledger")
            if chance.random() < self._plan.long:  # enough to be moved and killed several times
                rounds, pause = chance.randint(100, 500), 0.02
            else:
                rounds, pause = chance.randint(1, 50), chance.choice((0.0, 0.001, 0.01))
            self._up["home"].wait()
            try:
                task = self._connection.submit(short, str(ledger.path), rounds, pause)
            except HetmigError:  # it was just being killed or cut off: nobody was promised anything
                self.counts["not submitted"] += 1
                self._over.wait(0.2)
                continue
            self.counts["submitted"] += 1
            self._alive[task.id] = task
            self._check(task, ledger)

    def _check(self, task: Task, ledger: Ledger) -> None:
        try:
            again = ledger.check(task.result(max(0, self._until - time.monotonic()) + END_SECONDS))
        except TimeoutError:
            self._fail(task, ledger, f"has not ended: {task.state} on {task.where()}")
            return
        except (HetmigError, AssertionError) as error:
            self._fail(task, ledger, f"{type(error).__name__}: {error}")
            return
        finally:
            self._alive.pop(task.id, None)
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

    def _cut(self, chance: random.Random) -> None:
        while not self._over.wait(chance.expovariate(1 / self._plan.cut_every)):
            if self._is_over():
                return
            chance.choice(self._cables).cut(chance.uniform(0.2, 8.0))
            self.counts["cuts"] += 1

    def summary(self) -> str:
        """What has been counted so far."""
        listed = ", ".join(f"{count} {name}" for name, count in sorted(self.counts.items()))
        return f"{listed}; {len(self.failures)} failures"


@contextlib.contextmanager
def cluster(directory: Path) -> Iterator[LocalNodes | Network]:
    """Three nodes; hosts of their own, where there can be such."""
    state = directory / "state"
    with contextlib.ExitStack() as stack:
        nodes: LocalNodes | Network
        try:
            nodes = stack.enter_context(network(directory, NAMES, state))
        except CanNot as error:
            print(f"no partitions: {error}", file=sys.stderr)
            nodes = stack.enter_context(LocalNodes(3, names=NAMES, state=state))
        yield nodes


def soak(plan: Plan) -> tuple[str, list[str]]:
    """The summary of a run, and what went wrong."""
    with tempfile.TemporaryDirectory(prefix="soak-") as name:
        directory = Path(name)
        with cluster(directory) as nodes:
            home = nodes[0].place
            with hetmig.connect(
                home["endpoint"], keys=nodes.keys, server_key=home["key"], echo=False
            ) as connection:
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
    parser.add_argument("--cut-every", type=float, default=20.0, help="seconds, on average")
    parser.add_argument("--long", type=float, default=0.3, help="part of tasks that take seconds")
    options = parser.parse_args()
    plan = Plan(
        options.minutes * 60, options.seed, options.abreast,
        kill_every=options.kill_every, cut_every=options.cut_every, long=options.long,
    )  # fmt: skip
    print(plan, f"load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "", flush=True)
    # A container often says so; then each node that starts would compile all of hetmig anew.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    began = time.monotonic()
    summary, failures = soak(plan)
    print(f"{time.monotonic() - began:.0f} s: {summary}")
    for failure in failures:
        print(failure)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
