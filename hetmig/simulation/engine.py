"""The simulation itself: arrivals, ends and moves, in order of time."""

from __future__ import annotations

import heapq
import random
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from hetmig.errors import HetmigError
from hetmig.node.placement.catalog import policy_of
from hetmig.node.placement.needs import Facts, missing
from hetmig.node.placement.policies import Policy
from hetmig.node.placement.restraint import Limits, Restraint
from hetmig.node.placement.view import Ask, Decision, Divide, Move, NodeView, TaskView, View
from hetmig.simulation.host import Host, Job
from hetmig.simulation.traces import Arrival

__all__ = ["FREE", "Costs", "Outcome", "Simulation", "simulate"]

FREE = Limits(cool_down=0.0, refused=0.0, rate=1e12, burst=1 << 40)
"""No restraint but that of safety: what the literature simulates."""
_SMALL = 1.0
"""Tasks that take less than so many seconds are told apart, in the tail."""


@dataclass(frozen=True)
class Costs:
    """For how long a task stands still that moves, or is placed before it begins."""

    fixed: float = 0.005
    """Seconds of any move."""
    bandwidth: float = 100e6
    """Bytes in a second, beyond that."""
    place: float = 0.005
    """Seconds until a new task begins at another node."""

    def move(self, task: TaskView, to: NodeView) -> float:
        """Of a running task."""
        return self.fixed + task.size / self.bandwidth


@dataclass
class Outcome:
    """What came of one run."""

    tasks: int = 0
    nodes: int = 0
    seconds: float = 0.0
    """Simulated, until the last task had ended."""
    work: float = 0.0
    """Seconds of work of all tasks."""
    moves: int = 0
    placed: int = 0
    frozen: float = 0.0
    """Seconds for which tasks stood still."""
    delays: array[float] = field(default_factory=lambda: array("d"))
    """Of each task: how much longer it took than alone on a node of its own."""
    slowdowns: array[float] = field(default_factory=lambda: array("d"))
    """Of each task: how many times as long."""

    @property
    def delay(self) -> float:
        """Mean delay, in seconds: waiting for others, and standing still."""
        return sum(self.delays) / len(self.delays)

    @property
    def slowdown(self) -> float:
        """Mean slowdown."""
        return sum(self.slowdowns) / len(self.slowdowns)

    @property
    def severe(self) -> float:
        """The share of tasks that took more than three times as long as alone."""
        return sum(value > 3 for value in self.slowdowns) / len(self.slowdowns)


class _Now(View):
    """A view that is only looked up as far as the policy looks."""

    __slots__ = ("_peers", "_simulation", "_tasks", "_without")

    def __init__(self, simulation: Simulation, host: Host, without: str | None = None) -> None:
        self._simulation, self._without = simulation, without
        self._peers: Sequence[NodeView] | None = None
        self._tasks: Sequence[TaskView] | None = None
        self.now, self.here, self.cost = simulation.now, host, simulation.costs.move

    @property
    def peers(self) -> Sequence[NodeView]:  # type: ignore[override]
        if self._peers is None:
            self._peers = self._simulation.peers_of(self.here)  # type: ignore[arg-type]
        return self._peers

    @property
    def tasks(self) -> Sequence[TaskView]:  # type: ignore[override]
        if self._tasks is None:
            self._tasks = self.here.aged(self.now)  # type: ignore[attr-defined]
        return self._tasks


class Simulation:
    """One run.  Deterministic: the same trace, policy and seed give the same outcome."""

    def __init__(
        self,
        nodes: int,
        policy: Callable[[], Policy],
        *,
        costs: Costs | None = None,
        probes: int = 8,
        seed: int = 0,
        limits: Limits = FREE,
        slots: int = 1,
        speeds: Sequence[float] = (),
        facts: Mapping[int, Facts] | None = None,
        every: float = 0.0,
    ) -> None:
        """`every`: seconds between two times that each node looks by itself; 0: never."""
        self.costs = costs or Costs()
        self.now = 0.0
        self.hosts = [
            Host(
                f"n{number}",
                policy(),
                Restraint(limits),
                slots,
                speeds[number % len(speeds)] if speeds else 1.0,
                (facts or {}).get(number),
            )
            for number in range(nodes)
        ]
        self.outcome = Outcome(nodes=nodes)
        self._by_name = {host.name: host for host in self.hosts}
        self._probes = probes
        self._random = random.Random(seed)
        self._every = every
        self._number = 0
        self._living = 0
        self._events: list[tuple[float, int, Callable[..., None], tuple[object, ...]]] = []

    def run(self, trace: Iterable[Arrival]) -> Outcome:
        """Run until every task of the trace has ended."""
        arrivals = iter(trace)
        arrival = self._next(arrivals)
        if self._every:
            for number, host in enumerate(self.hosts):
                self._at(self._every * (1 + number / len(self.hosts)), self._look, host)
        events = self._events
        while True:
            if arrival is not None and (not events or arrival.time <= events[0][0]):
                self.now = arrival.time
                self._arrive(arrival)
                arrival = self._next(arrivals)
            elif events and (self._living or arrival is not None):
                self.now, _, act, arguments = heapq.heappop(events)
                act(*arguments)
            else:
                break
        return self.outcome

    def peers_of(self, host: Host) -> Sequence[Host]:
        """The others, or as many of them as are asked, in a random order."""
        hosts, others = self.hosts, len(self.hosts) - 1
        if others <= self._probes:
            start = int(self._random.random() * (others + 1))
            return [peer for peer in hosts[start:] + hosts[:start] if peer is not host]
        chosen: dict[int, Host] = {}
        while len(chosen) < self._probes:
            number = int(self._random.random() * (others + 1))
            if hosts[number] is not host:
                chosen[number] = hosts[number]
        return list(chosen.values())

    # What happens -----------------------------------------------------------------------------

    def _next(self, arrivals: Iterator[Arrival]) -> Arrival | None:
        arrival = next(arrivals, None)
        if arrival is not None and arrival.time < self.now:
            raise HetmigError(f"the trace goes back in time, to {arrival.time:g} s")
        return arrival

    def _at(self, when: float, act: Callable[..., None], *arguments: object) -> None:
        self._number += 1
        heapq.heappush(self._events, (when, self._number, act, arguments))

    def _arrive(self, arrival: Arrival) -> None:
        number = self.outcome.tasks
        host = self.hosts[arrival.node % len(self.hosts)]
        job = Job(
            number,
            self.now,
            arrival.lifetime,
            arrival.size,
            arrival.needs,
            arrival.expected,
            arrival.name,
        )
        self.outcome.tasks += 1
        self.outcome.work += arrival.lifetime
        self._living += 1
        view = _Now(self, host)
        to = host.policy.place(job, view)
        there = None if to is None or to == host.name else self._by_name[to]
        if there is None and not host.fits(job):
            there = self._fitting(job, view)
        if there is not None:
            if not there.fits(job):
                raise AssertionError(f"{type(host.policy).__name__} names a node that is not fit")
            self.outcome.placed += 1
            self._send(job, there, self.costs.place)
            return
        host.tasks += 1
        self._begin(job, host)
        if "arrival" in host.policy.moments:
            self._decide(host)

    def _fitting(self, job: Job, view: View) -> Host:
        fitting = [host for host in self.hosts if host.fits(job)]
        if not fitting:
            lacks = missing(job.needs, view.here.facts)
            raise HetmigError(f"no node has what task {job.id} needs: {', '.join(lacks)}")
        return min(fitting, key=lambda host: host.load)

    def _begin(self, job: Job, host: Host) -> None:
        host.add(job, self.now)
        self._announce(host)

    def _announce(self, host: Host) -> None:
        if (end := host.next_end()) is not None:
            self._at(end[0], self._end, host, end[1], host.version)

    def _end(self, host: Host, job: Job, version: int) -> None:
        if host.version != version:
            return
        host.remove(job, self.now)
        host.tasks -= 1
        self._living -= 1
        job.done = self.now
        took = self.now - job.arrived
        self.outcome.delays.append(max(took - job.lifetime, 0.0))
        self.outcome.slowdowns.append(max(took / job.lifetime, 1.0))
        self.outcome.seconds = self.now
        self._announce(host)
        if "end" in host.policy.moments:
            self._decide(host)

    def _look(self, host: Host) -> None:
        self._decide(host)
        self._at(self.now + self._every, self._look, host)

    # Decisions --------------------------------------------------------------------------------

    def _decide(self, host: Host) -> None:
        view = _Now(self, host)
        decisions = host.policy.decide(view)
        for decision in host.restraint.allowed(decisions, view) if decisions else ():
            self._carry_out(decision, host)

    def _carry_out(self, decision: Decision, host: Host) -> None:
        if isinstance(decision, Move):
            self._move(decision, host)
            return
        if isinstance(decision, Divide):  # jobs have no loops here
            host.restraint.refused(decision, self.now)
            return
        source = self._by_name[decision.source]
        view = _Now(self, source)
        given = source.policy.give(host, view)
        if given is None:
            host.restraint.refused(decision, self.now)
            return
        view._peers = [host]
        for move in source.restraint.allowed([given], view):
            self._move(move, source)
            if isinstance(move, Move) and isinstance(decision, Ask):
                host.restraint.answered(decision)

    def _move(self, move: Decision, source: Host) -> None:
        assert isinstance(move, Move)
        job, there = source.jobs[move.task], self._by_name[move.to]
        seconds = self.costs.move(job, there)
        source.remove(job, self.now)
        source.tasks -= 1
        self._announce(source)
        source.restraint.done(move, self.now, seconds)
        there.restraint.came(job.id, self.now + seconds, seconds)
        self.outcome.moves += 1
        job.moves += 1
        self._send(job, there, seconds)

    def _send(self, job: Job, there: Host, seconds: float) -> None:
        there.tasks += 1
        job.frozen += seconds
        self.outcome.frozen += seconds
        self._at(self.now + seconds, self._begin, job, there)


def simulate(
    trace: Iterable[Arrival], nodes: int, policy: str, *, costs: Costs | None = None, seed: int = 0,
    restrained: bool = False, slots: int = 1,
) -> Outcome:  # fmt: skip
    """Run the policy that the text describes (as for `hetmig node --policy`).

    `restrained`: with the cool-down and the rates that a node keeps to.
    """
    chosen = policy_of(text=policy)
    first: list[Policy] = [chosen.policy]

    def another() -> Policy:
        return first.pop() if first else policy_of(policy).policy

    simulation = Simulation(
        nodes,
        another,
        costs=costs,
        probes=chosen.probes,
        seed=seed,
        limits=chosen.limits if restrained else FREE,
        slots=slots,
        every=chosen.every if restrained else 0.0,
    )
    return simulation.run(trace)
