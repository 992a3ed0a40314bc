"""A simulated node: its tasks share its slots evenly (processor sharing)."""

from __future__ import annotations

import heapq
from collections.abc import Mapping
from typing import Any

from hetmig.node.placement.needs import Facts
from hetmig.node.placement.policies import Policy
from hetmig.node.placement.restraint import Restraint
from hetmig.node.placement.view import NodeView, TaskView

__all__ = ["Host", "Job"]


class Job(TaskView):
    """A simulated task."""

    __slots__ = ("arrived", "done", "finish", "frozen", "had", "host", "lifetime", "moves", "since")

    def __init__(
        self,
        number: int,
        arrived: float,
        lifetime: float,
        size: int,
        needs: Mapping[str, Any],
        expected: float | None,
        name: str,
    ) -> None:
        super().__init__(str(number), name, 0.0, size, needs, expected)
        self.arrived = arrived
        self.lifetime = lifetime
        """Seconds of work, at speed 1."""
        self.done = 0.0
        """When it ended."""
        self.host: Host | None = None
        self.had = 0.0
        """Work it had before it came to this host."""
        self.since = self.finish = 0.0
        """The host's work per task when it came, and when it will have ended."""
        self.moves = 0
        self.frozen = 0.0


class Host(NodeView):
    """Counts the work that each task has had since the beginning: all have the same.

    So a task ends when that count is what it was when it came, plus what the task still needs; and
    an arrival or a departure costs a step of a heap, however many tasks there are.
    """

    __slots__ = ("_ends", "_when", "_worked", "jobs", "policy", "restraint", "version")

    def __init__(
        self,
        name: str,
        policy: Policy,
        restraint: Restraint,
        slots: int = 1,
        speed: float = 1.0,
        facts: Facts | None = None,
    ) -> None:
        super().__init__(name, 0, slots, speed, facts or Facts())
        self.policy, self.restraint = policy, restraint
        self.jobs: dict[str, Job] = {}
        self.version = 0
        """Counts what makes an announced end void."""
        self._ends: list[tuple[float, int, Job]] = []
        self._worked = self._when = 0.0

    def advance(self, now: float) -> None:
        """Let all its tasks work until now."""
        count = len(self.jobs)
        if count:
            rate = self.speed if count <= self.slots else self.speed * self.slots / count
            self._worked += (now - self._when) * rate
        self._when = now

    def add(self, job: Job, now: float) -> None:
        """A task comes, or begins."""
        self.advance(now)
        job.host, job.since = self, self._worked
        job.finish = self._worked + job.lifetime - job.had
        self.jobs[job.id] = job
        heapq.heappush(self._ends, (job.finish, int(job.id), job))
        self.version += 1

    def remove(self, job: Job, now: float) -> None:
        """A task leaves."""
        self.advance(now)
        job.had += self._worked - job.since
        job.host = None
        del self.jobs[job.id]
        self.version += 1

    def next_end(self) -> tuple[float, Job] | None:
        """Which task ends next, and when, if nothing else happens."""
        ends = self._ends
        while ends:
            finish, _, job = ends[0]
            if job.host is self and job.finish == finish:
                count = len(self.jobs)
                rate = self.speed if count <= self.slots else self.speed * self.slots / count
                return self._when + max(finish - self._worked, 0.0) / rate, job
            heapq.heappop(ends)
        return None

    def aged(self, now: float) -> list[Job]:
        """Its tasks, each with its age as of now."""
        self.advance(now)
        jobs = list(self.jobs.values())
        for job in jobs:
            job.age = job.had + self._worked - job.since
        return jobs
