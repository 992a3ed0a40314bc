"""Where tasks run: policies that decide, without sockets and without a clock.

A policy is shown a `View` of one node (itself, the peers it asked, its tasks, the time) and answers
with decisions; the node carries them out (`hetmig.node.balancing`), and so does the simulator
(`hetmig.simulation`), which runs the very same objects.  Policy and mechanism are apart, as in
Charlotte: whatever a policy answers, a `Restraint` lets through only what is safe.
"""

from __future__ import annotations

from hetmig.node.placement.catalog import POLICIES, Chosen, policy_of
from hetmig.node.placement.cost import MoveCosts
from hetmig.node.placement.needs import Facts, missing
from hetmig.node.placement.policies import (
    AgeBased,
    DivideAmongIdle,
    PlaceNew,
    Policy,
    ReceiverInitiated,
    SenderInitiated,
    Stay,
)
from hetmig.node.placement.prediction import LastValue, Predictor, RunningMean, Smoothed
from hetmig.node.placement.restraint import Restraint
from hetmig.node.placement.view import Ask, Divide, Move, NodeView, TaskView, View

__all__ = [
    "POLICIES",
    "AgeBased",
    "Ask",
    "Chosen",
    "Divide",
    "DivideAmongIdle",
    "Facts",
    "LastValue",
    "Move",
    "MoveCosts",
    "NodeView",
    "PlaceNew",
    "Policy",
    "Predictor",
    "ReceiverInitiated",
    "Restraint",
    "RunningMean",
    "SenderInitiated",
    "Smoothed",
    "Stay",
    "TaskView",
    "View",
    "missing",
    "policy_of",
]
