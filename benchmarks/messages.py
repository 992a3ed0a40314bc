"""Messages to a task that moves: each delivered, once, in order? What does a move cost them?"""

from __future__ import annotations

import statistics
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Container, Iterator
from pathlib import Path
from typing import Any

import cloudpickle

import benchmarks.small
import hetmig
from benchmarks.report import Report, Table
from benchmarks.small import collecting_task, listening_task
from hetmig.client import Nodes, Task
from hetmig.node import protocol
from hetmig.node.embedded import LocalNodes
from hetmig.node.location import POLICIES

__all__ = ["run"]

_HOSTS = ("home", "b", "c", "d")
"""The task moves among these; the first one is its home, and is not killed."""
_SIDES = ("east", "west")
"""Where the senders are connected."""
_SENDERS = 10
_SECONDS = 120.0


def run(scale: float = 1.0) -> Report:
    """For each location policy: senders at work while the task moves; then one alone."""
    cloudpickle.register_pickle_by_value(benchmarks.small)
    count, moves = max(20, int(1000 * scale)), max(5, int(50 * scale))
    rows: list[tuple[object, ...]] = []
    delays: list[tuple[object, ...]] = []
    figures: dict[str, Any] = {}
    for policy in POLICIES:
        with LocalNodes(6, names=(*_HOSTS, *_SIDES), location=policy) as local:
            found = _busy(local, count, moves)
            lone = _lone(local, max(20, int(200 * scale)), max(3, int(20 * scale)))
        figures[policy] = {**found, **lone}
        rows.append((policy, *found.values()))
        delays.append((policy, *lone.values()))
    costs: list[tuple[object, ...]] = [
        _journal(journal, max(20, int(500 * scale))) for journal in (False, True)
    ]
    traffic = Table(
        "Messages: ten senders and a receiver that moves",
        ("location", "messages", "moves", "kills", "once, in order", "detours", "at most"),
        rows,
        [
            f"{_SENDERS} senders on two nodes, a task that moves among four others at the same "
            "time; of these, some are killed as soon as it has left them, and started again later.",
            "A detour: a message that did not go straight to where the task was. At most one for "
            "each sender and move, and the first of all.",
        ],
    )
    latency = Table(
        "Messages: how long until one is accepted, one sender alone",
        ("location", "before ms", "first after a move ms", "then ms", "then/before"),
        delays,
        ["Medians. The aim is 1.2 from the second message on."],
    )
    disk = Table(
        "Messages: what a journal costs",
        ("journal", "one sender, ms", "ten senders, messages/s"),
        costs,
        ["A message is on the disk before its sender hears that it was accepted."],
    )
    return Report([traffic, latency, disk], {"policies": figures, "journal": costs})


def _busy(local: LocalNodes, count: int, moves: int) -> dict[str, Any]:
    """Senders, moves and kills at the same time."""
    connect = _connections(local)
    with connect(0) as home:
        task = home.with_options(name="collector").submit(collecting_task, _SENDERS * count)
        gates = [threading.Semaphore(0) for _ in range(_SENDERS)]
        sides = [connect(len(_HOSTS) + index % len(_SIDES)) for index in range(_SENDERS)]
        before = sum(map(_detours, sides[: len(_SIDES)]))
        # a share for each move, and one for after them: else the task could end before
        starts = frozenset(part * count // (moves + 1) for part in range(moves + 1))
        threads = [
            threading.Thread(target=_send, args=(nodes, index, count, gates[index], starts))
            for index, nodes in enumerate(sides)
        ]
        for thread in threads:
            thread.start()
        kills = _move_and_kill(local, task, moves, gates)
        for thread in threads:
            thread.join()
        got = task.result(_SECONDS)
        detours = sum(map(_detours, sides[: len(_SIDES)])) - before
        for nodes in sides:
            nodes.close()
    order = defaultdict(list)
    for sender, number in got:
        order[sender].append(number)
    right = dict(order) == {index: list(range(count)) for index in range(_SENDERS)}
    return {
        "messages": len(got),
        "moves": moves,
        "kills": kills,
        "right": "yes" if right else "NO",
        "detours": detours,
        "most": (moves + 1) * _SENDERS,
    }


def _send(
    nodes: Nodes, sender: int, count: int, gate: threading.Semaphore, starts: Container[int]
) -> None:
    task: Any = nodes.find("collector")
    for number in range(count):
        if number in starts:
            gate.acquire()
        task.send((sender, number))


def _move_and_kill(
    local: LocalNodes, task: Task, moves: int, gates: list[threading.Semaphore]
) -> int:
    """Each move lets each sender go on with its share, while it is under way."""
    kills, at, dead = 0, 0, None
    for number in range(moves):
        for gate in gates:
            gate.release()
        to = (at + 1 + number % 2) % len(_HOSTS)
        if dead == to:
            _revive(local, dead)
            dead = None
        task.migrate(_HOSTS[to], timeout=_SECONDS)
        if number % 4 == 1 and at != 0 and dead is None:
            local[at].kill()
            kills, dead = kills + 1, at
        at = to
    if dead is not None:
        _revive(local, dead)
    for gate in gates:
        gate.release()
    return kills


def _revive(local: LocalNodes, index: int) -> None:
    local[index].start()
    local[index].wait_until_ready()
    local[index].introduce([node.place for node in local.nodes])


def _lone(local: LocalNodes, count: int, moves: int) -> dict[str, Any]:
    """One sender: how long its messages take before a move, right after it, and then."""
    connect = _connections(local)
    with connect(0) as home, connect(len(_HOSTS)) as side:
        task = home.with_options(name="listener").submit(listening_task)
        handle: Any = side.find("listener")
        places = _round(1)
        task.migrate(next(places))
        times: dict[str, list[float]] = {"before": [], "first": [], "then": []}
        ratios = []
        for _ in range(moves):
            handle.send(0)
            before = [_timed(handle) for _ in range(count)]
            task.migrate(next(places))
            times["first"].append(_timed(handle))
            then = [_timed(handle) for _ in range(count)]
            times["before"] += before
            times["then"] += then
            ratios.append(statistics.median(then) / statistics.median(before))
        handle.send(None)
        task.result(_SECONDS)
    medians = {name: 1e3 * statistics.median(values) for name, values in times.items()}
    return {**medians, "ratio": statistics.median(ratios)}


def _journal(durable: bool, count: int) -> tuple[str, float, float]:
    """One sender, and ten at once, to a task on a node with a journal, or without."""
    with (
        tempfile.TemporaryDirectory() as directory,
        LocalNodes(2, state=Path(directory) if durable else None) as local,
        _connections(local)(0) as home,
    ):
        task = home.submit(listening_task)
        task.migrate(local[1].name)
        task.send(0)
        alone = statistics.median(_timed(task) for _ in range(count))
        task.send(None)
        task.result(_SECONDS)
        sides = [_connections(local)(0) for _ in range(_SENDERS)]
        rate = _rate(home, sides, local[1].name, count)
        for nodes in sides:
            nodes.close()
    return "yes" if durable else "no", 1e3 * alone, rate


def _rate(home: Nodes, sides: list[Nodes], place: str, count: int) -> float:
    """Messages per second that are accepted of senders at the same time."""
    task = home.with_options(name="collector").submit(collecting_task, len(sides) * count)
    task.migrate(place)
    threads = [
        threading.Thread(target=_send, args=(nodes, index, count, threading.Semaphore(), ()))
        for index, nodes in enumerate(sides)
    ]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds = time.perf_counter() - began
    task.result(_SECONDS)
    return len(sides) * count / seconds


def _timed(handle: Any) -> float:
    began = time.perf_counter()
    handle.send(0)
    return time.perf_counter() - began


def _round(first: int) -> Iterator[str]:
    """To and fro between two nodes that are as far from the sender."""
    while True:
        yield from _HOSTS[first : first + 2]


def _detours(nodes: Nodes) -> int:
    """How many messages its node has sent on a detour, ever."""
    status = nodes._call(nodes._connection.request(protocol.STATUS, {}))
    return int(status["detours"])


def _connections(local: LocalNodes) -> Any:
    return lambda index: hetmig.connect(local[index].endpoint, keys=local.keys, echo=False)
