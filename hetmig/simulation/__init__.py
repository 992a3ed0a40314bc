"""A discrete-event simulator which runs placement policies over thousands of nodes and a trace.

The policies are those that nodes run, the very same objects; what is simulated is the nodes: tasks
share the slots of a node evenly, and one that moves stands still for what that costs.
"""

from __future__ import annotations

from hetmig.simulation.comparing import Interval, compare, interval, relative
from hetmig.simulation.engine import Costs, Outcome, Simulation, simulate
from hetmig.simulation.host import Host, Job
from hetmig.simulation.traces import (
    Arrival,
    Exponential,
    Lifetimes,
    Pareto,
    poisson,
    read_csv,
    write_csv,
)

__all__ = [
    "Arrival",
    "Costs",
    "Exponential",
    "Host",
    "Interval",
    "Job",
    "Lifetimes",
    "Outcome",
    "Pareto",
    "Simulation",
    "compare",
    "interval",
    "poisson",
    "read_csv",
    "relative",
    "simulate",
    "write_csv",
]
