"""Policies decide nothing that can't be done, and come to rest."""

from __future__ import annotations

import random
import re
import sys
import types
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hetmig.errors import HetmigError
from hetmig.node.placement import (
    POLICIES,
    AgeBased,
    Ask,
    Divide,
    Facts,
    LastValue,
    Move,
    MoveCosts,
    NodeView,
    PlaceNew,
    Policy,
    ReceiverInitiated,
    Restraint,
    RunningMean,
    SenderInitiated,
    Smoothed,
    TaskView,
    View,
    policy_of,
)
from hetmig.node.placement.restraint import Limits
from hetmig.simulation import Arrival, simulate
from tests.interpreters import ROOT

TEXTS = [
    *POLICIES,
    "threshold:threshold=2,select=oldest",
    "threshold:select=worth",
    "steal:select=cheapest",
    "age:place=true,pull=true",
    "place:gap=0",
]
ZONES = ("", "open", "secure")


def view(
    here: NodeView, peers: Sequence[NodeView] = (), tasks: Sequence[TaskView] = (), cost: float = 1
) -> View:
    return View(0.0, here, peers, tasks, lambda task, node: cost)


def node(name: str, tasks: int = 0, slots: int = 1, **more: str) -> NodeView:
    return NodeView(name, tasks, slots, facts=Facts(more))


# One by one -----------------------------------------------------------------------------------


def test_none_stays() -> None:
    policy = policy_of("none").policy
    crowd = view(node("a", 9), [node("b")], [TaskView("1", age=99)])
    assert list(policy.decide(crowd)) == []
    assert policy.place(TaskView("2"), crowd) is None
    assert policy.give(node("b"), crowd) is None


@pytest.mark.parametrize(
    ("age", "cost", "here", "there", "moves"),
    [
        (2.1, 2.0, 2, 0, True),
        (1.9, 2.0, 2, 0, False),
        (0.6, 2.0, 5, 0, True),
        (0.4, 2.0, 5, 0, False),
        (99.0, 0.1, 2, 1, False),
        (99.0, 0.1, 1, 0, False),
    ],
)
def test_age_against_cost_over_gain(
    age: float, cost: float, here: int, there: int, moves: bool
) -> None:
    """age > cost / (n - m), with m counting the task that comes."""
    seen = view(node("a", here), [node("b", there)], [TaskView("1", age=age)], cost)
    assert list(AgeBased().decide(seen)) == ([Move("1", "b", "worth", True)] if moves else [])


def test_age_takes_the_task_whose_age_is_worth_most() -> None:
    tasks = [TaskView("young", age=5, size=1), TaskView("old", age=50, size=100)]
    seen = View(0, node("a", 3), [node("b")], tasks, lambda task, to: task.size / 10)
    (move,) = AgeBased().decide(seen)
    assert move == Move("young", "b", "worth", True)  # 50 seconds a second of freeze, the other 5


def test_a_fast_node_is_worth_a_move_though_it_is_as_full() -> None:
    fast = NodeView("b", 1, speed=4.0)
    (move,) = AgeBased().decide(view(node("a", 2), [fast], [TaskView("1", age=5)]))
    assert move == Move("1", "b", "worth", True)


def test_the_threshold_gives_to_the_first_that_has_room() -> None:
    peers = [node("b", 2), node("c", 1), node("d", 0), node("e", 0)]
    seen = view(node("a", 3), peers, [TaskView("1", age=9), TaskView("2", age=1)])
    assert list(SenderInitiated(threshold=1, probes=2).decide(seen)) == []
    assert list(SenderInitiated(threshold=1).decide(seen)) == [Move("2", "d", "newest", True)]
    assert list(SenderInitiated(threshold=1, moving=False).decide(seen)) == []
    assert SenderInitiated(threshold=1).place(TaskView("3"), seen) == "d"
    assert SenderInitiated(threshold=9).place(TaskView("3"), seen) is None


def test_an_idle_node_asks_the_busiest_and_gets_the_oldest() -> None:
    policy = ReceiverInitiated()
    assert list(policy.decide(view(node("a"), [node("b", 2), node("c", 5)]))) == [Ask("c", "idle")]
    assert list(policy.decide(view(node("a", 1), [node("c", 5)]))) == []
    assert list(policy.decide(view(node("a"), [node("c", 1)]))) == []
    tasks = [TaskView("1", age=1), TaskView("2", age=2)]
    assert policy.give(node("a"), view(node("c", 2), [], tasks)) == Move(
        "2", "a", "asked for", True
    )
    assert policy.give(node("a", 1), view(node("c", 2), [], tasks)) is None


def test_a_new_task_begins_where_it_is_slowed_down_least() -> None:
    seen = view(node("a", 2), [node("b", 1), node("c", 0), node("d", 3)])
    assert PlaceNew().place(TaskView("1"), seen) == "c"
    assert PlaceNew(gap=3).place(TaskView("1"), seen) is None
    assert PlaceNew(longer=5).place(TaskView("1"), seen) is None
    assert PlaceNew(longer=5).place(TaskView("1", expected=6), seen) == "c"
    picky = TaskView("1", needs={"zone": "secure"})
    assert PlaceNew().place(picky, seen) is None
    assert PlaceNew().place(picky, view(node("a", 3), [node("b", 1, zone="secure")])) == "b"


# Whatever there is ----------------------------------------------------------------------------


@st.composite
def views(draw: st.DrawFn) -> View:
    nodes = [
        NodeView(
            name,
            draw(st.integers(0, 6)),
            draw(st.integers(1, 3)),
            draw(st.sampled_from([0.5, 1.0, 2.0])),
            Facts({"zone": draw(st.sampled_from(ZONES))}),
            draw(st.none() | st.floats(0, 6)),
        )
        for name in "abcd"[: draw(st.integers(1, 4))]
    ]
    tasks = [
        TaskView(
            str(number),
            age=draw(st.floats(0, 100)),
            size=draw(st.integers(0, 10**9)),
            needs=draw(st.sampled_from([{}, {"zone": "secure"}, {"zone": "open"}, {"gpu": 1}])),
        )
        for number in range(draw(st.integers(0, 6)))
    ]
    costs = MoveCosts()
    return View(draw(st.floats(0, 1000)), nodes[0], nodes[1:], tasks,
                lambda task, to: costs.seconds(task.size, to.name))  # fmt: skip


@given(views(), st.sampled_from(TEXTS))
def test_no_decision_names_what_is_not_fit(seen: View, text: str) -> None:
    policy = policy_of(text).policy
    tasks = {task.id: task for task in seen.tasks}
    peers = {peer.name: peer for peer in seen.peers}
    for decision in policy.decide(seen):
        if isinstance(decision, Ask):
            assert decision.source in peers
        else:
            to = decision.to if isinstance(decision, Divide) else (decision.to,)
            assert all(peers[name].fits(tasks[decision.task]) for name in to)
    for task in seen.tasks:
        place = policy.place(task, seen)
        assert place is None or peers[place].fits(task)
    for peer in seen.peers:
        move = policy.give(peer, seen)
        assert move is None or (move.to == peer.name and peer.fits(tasks[move.task]))


class Wild(Policy):
    """Answers anything."""

    def __init__(self, answers: Sequence[tuple[str, str]]) -> None:
        self.answers = answers

    def decide(self, seen: View) -> list[Move]:
        return [Move(task, to) for task, to in self.answers]


@given(
    views(),
    st.lists(st.tuples(st.sampled_from("01234567"), st.sampled_from("abcdxyz")), max_size=20),
    st.sets(st.sampled_from("0123")),
)
def test_the_restraint_lets_nothing_wrong_through(
    seen: View, answers: list[tuple[str, str]], moving: set[str]
) -> None:
    restraint = Restraint(Limits(burst=3))
    for task in moving:
        restraint.began(Move(task, "b"))
    allowed = restraint.allowed(Wild(answers).decide(seen), seen)
    tasks = {task.id: task for task in seen.tasks}
    peers = {peer.name: peer for peer in seen.peers}
    moves = [move for move in allowed if isinstance(move, Move)]
    assert len({move.task for move in moves}) == len(moves) == len(allowed) <= 3
    for move in moves:
        assert move.task not in moving
        assert peers[move.to].fits(tasks[move.task])


@settings(max_examples=60)
@given(
    st.lists(st.integers(0, 8), min_size=2, max_size=6),
    st.sampled_from(
        [text for text in TEXTS if text not in ("none", "place", "place:gap=0", "divide")]
    ),
    st.integers(0, 1000),
)
def test_nothing_moves_for_ever(counts: list[int], text: str, seed: int) -> None:
    """Nobody comes and nobody ends: after some moves there are none, whoever looks next."""
    order = random.Random(seed)
    policies = [policy_of(text).policy for _ in counts]
    at = [[TaskView(f"{home}/{n}", age=order.random() * 100) for n in range(count)]
          for home, count in enumerate(counts)]  # fmt: skip
    moves, quiet = 0, 0
    while quiet < 3 * len(counts):
        here = order.randrange(len(counts))
        nodes = [NodeView(str(name), len(tasks)) for name, tasks in enumerate(at)]
        others = [peer for peer in nodes if peer.name != str(here)]
        order.shuffle(others)
        found = [*policies[here].decide(view(nodes[here], others, at[here], 0.5))]
        source = here
        if found and isinstance(found[0], Ask):
            source = int(found[0].source)
            given = policies[source].give(nodes[here], view(nodes[source], [], at[source], 0.5))
            found = [] if given is None else [given]
        quiet = 0 if found else quiet + 1
        for move in found:
            assert isinstance(move, Move)
            (task,) = (task for task in at[source] if task.id == move.task)
            at[source].remove(task)
            at[int(move.to)].append(task)
            moves += 1
        assert moves <= sum(counts) * len(counts)
    assert sum(map(len, at)) == sum(counts)


# Restraint ------------------------------------------------------------------------------------


def at_time(now: float, tasks: int = 3) -> View:
    found = [TaskView(str(number)) for number in range(tasks)]
    return View(now, node("a", 5), [node("b"), node("c")], found, lambda task, to: 0.1)


def test_a_task_that_moved_is_left_in_peace() -> None:
    restraint = Restraint(Limits(cool_down=5))
    (move,) = restraint.allowed([Move("0", "b")], at_time(10))
    restraint.began(move)
    assert restraint.moving == 1
    assert restraint.allowed([Move("0", "c")], at_time(10.5)) == []
    restraint.done(move, 11, 0.1)
    assert restraint.allowed([Move("0", "c")], at_time(15.9)) == []
    assert restraint.allowed([Move("0", "c")], at_time(16.1)) == [Move("0", "c")]
    restraint.came("1", 20, seconds=3)  # a long freeze, a long rest
    assert restraint.allowed([Move("1", "c")], at_time(49)) == []
    assert restraint.allowed([Move("1", "c")], at_time(51)) == [Move("1", "c")]


def test_what_was_refused_is_remembered_and_longer_each_time() -> None:
    restraint = Restraint(Limits(refused=10, burst=100))
    move = Move("0", "b")
    restraint.refused(move, 0.0)
    assert restraint.allowed([move, Move("0", "c")], at_time(5)) == [Move("0", "c")]
    assert restraint.allowed([move], at_time(11)) == [move]
    restraint.refused(move, 11)
    assert restraint.allowed([move], at_time(22)) == []
    assert restraint.allowed([move], at_time(32)) == [move]
    restraint.refused(Move("1", "b"), 40, everywhere=True)
    assert restraint.allowed([Move("1", "c"), Move("1", "b")], at_time(41)) == []
    restraint.refused(Move("2", "b"), 60, passing=True)
    assert restraint.allowed([Move("2", "b")], at_time(61.5)) == [Move("2", "b")]


def test_a_peer_with_nothing_to_give_is_not_asked_all_the_time() -> None:
    restraint = Restraint()
    ask = Ask("b")
    assert restraint.allowed([ask], at_time(1)) == [ask]
    restraint.refused(ask, 1)
    assert restraint.allowed([ask], at_time(1.5)) == []
    assert restraint.allowed([ask], at_time(2.5)) == [ask]
    restraint.refused(ask, 2.5)
    restraint.answered(ask)
    assert restraint.allowed([ask], at_time(2.6)) == [ask]


def test_so_many_moves_in_a_second_and_no_more() -> None:
    restraint = Restraint(Limits(rate=2, burst=4, cool_down=0))
    wanted = [Move(str(number), "b") for number in range(100)]
    assert len(restraint.allowed(wanted, at_time(1, 100))) == 4
    assert len(restraint.allowed(wanted, at_time(1.1, 100))) == 0
    assert len(restraint.allowed(wanted, at_time(2, 100))) == 2
    assert len(restraint.allowed(wanted, at_time(99, 100))) == 4


# Cost and prediction --------------------------------------------------------------------------


def test_the_cost_of_a_move_is_learnt_for_each_destination() -> None:
    costs = MoveCosts()
    assert costs.seconds(0, "b") == pytest.approx(0.02)
    for number in range(200):
        nbytes = (number % 10) * 1_000_000
        costs.measured("near", nbytes, 0.005 + nbytes / 100e6)
        costs.measured("far", nbytes, 0.5 + nbytes / 1e6)
    assert costs.seconds(5_000_000, "near") == pytest.approx(0.055, rel=0.05)
    assert costs.seconds(5_000_000, "far") == pytest.approx(5.5, rel=0.05)
    assert costs.seconds(0, "far") == pytest.approx(0.5, rel=0.2)
    assert 0.055 < costs.seconds(5_000_000, "new") < 5.5


@given(st.lists(st.tuples(st.integers(0, 10**12), st.floats(0, 1e6)), max_size=30))
def test_no_cost_is_negative(moves: list[tuple[int, float]]) -> None:
    costs = MoveCosts()
    for nbytes, seconds in moves:
        costs.measured("b", nbytes, seconds)
    for nbytes in (0, 1, 10**6, 10**12):
        assert costs.seconds(nbytes, "b") >= -1e-6
        assert costs.seconds(nbytes, "c") >= -1e-6


def test_predictors() -> None:
    seen = [4.0, 0.0, 2.0]
    for predictor, expected in [(LastValue(), 2.0), (Smoothed(0.5), 2.0), (Smoothed(1.0), 2.0),
                                (RunningMean(2), 1.0), (RunningMean(), 2.0)]:  # fmt: skip
        assert predictor.predict() == 0
        for now, tasks in enumerate(seen):
            predictor.observe(tasks, now)
        assert predictor.predict() == expected
    for wrong in (lambda: Smoothed(0), lambda: Smoothed(2), lambda: RunningMean(0)):
        with pytest.raises(HetmigError):
            wrong()


# By name --------------------------------------------------------------------------------------


class Own(Policy):
    """A policy of this module."""

    def __init__(self, limit: int = 1, every: float = 7.0) -> None:
        self.limit, self.every = limit, every


def test_a_policy_by_name_with_settings() -> None:
    chosen = policy_of("threshold:threshold=2.5,every=0.5,probes=3,rate=1,predict=smoothed")
    assert isinstance(chosen.policy, SenderInitiated)
    assert chosen.policy._first._limit == 2.5
    assert (chosen.every, chosen.limits.rate, chosen.limits.cool_down) == (0.5, 1.0, 5.0)
    assert chosen.policy._first._probes == 3  # its own setting comes before the node's
    assert chosen.predictor is Smoothed
    own = policy_of(f"{__name__}:Own:limit=3,every=0.25,cool_down=0")
    assert isinstance(own.policy, Own)
    assert (own.policy.limit, own.policy.every) == (3, 0.25)
    assert own.limits.cool_down == 0


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("nonesuch", "choose one of none, place, threshold, steal, age, divide, or name a class"),
        ("no_such_module:Policy", "No module named"),
        (f"{__name__}:Nothing", "Nothing"),
        (f"{__name__}:view", "missing 1 required"),
        (f"{__name__}:node:name=x", "no hetmig.node.placement.Policy"),
        ("age:ages=1", "no setting 'ages'; there is place, pull"),
        ("age:place", "'place' is not KEY=VALUE"),
        ("age:every=soon", "every='soon' is no number"),
        ("age:every=0", "every can't be 0"),
        ("age:rate=-1", "rate=-1 is no number"),
        ("age:predict=magic", "choose one of last, smoothed, mean"),
        ("threshold:threshold=0", "above 0"),
        ("threshold:select=best", "choose one of newest"),
        ("place:gap=-1", "neither is below 0"),
    ],
)
def test_what_is_no_policy_is_told(text: str, told: str) -> None:
    with pytest.raises(HetmigError, match=told):
        policy_of(text)


def test_the_policy_of_the_documents_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is run as it stands there, over a trace, and spreads a crowd."""
    page = (ROOT / "docs" / "placement.md").read_text("utf-8")
    (program,) = re.findall(
        r"^```python\n# mymodule.py\n(from hetmig.node.placement.+?)^```", page, re.M | re.S
    )
    module = types.ModuleType("of_the_documents")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    exec(program, vars(module))
    crowd = [Arrival(0.01 * number, 0, 50.0) for number in range(8)]
    alone = simulate(crowd, 4, "none")
    spread = simulate(crowd, 4, "of_the_documents:Oldest")
    assert spread.moves >= 5
    assert spread.delay < 0.4 * alone.delay


def test_a_loop_is_divided_among_idle_nodes() -> None:
    policy, restraint = policy_of("divide:parts=3").policy, Restraint()
    peers = [NodeView("a", 2), NodeView("b"), NodeView("c"), NodeView("d")]
    seen = view(NodeView("z", 2), peers, [TaskView("young", age=1), TaskView("old", age=9)], 0.5)
    first, second = restraint.allowed(policy.decide(seen), seen)
    assert first == Divide("old", ("b", "c"), "idle")
    assert second == Divide("young", ("b", "c"), "idle")
    restraint.began(first)
    restraint.refused(second, seen.now)  # no loop of its can be divided
    assert restraint.allowed(policy.decide(seen), seen) == []
    restraint.done(first, seen.now)
    assert restraint.allowed([Move("young", "b"), Move("old", "b")], seen) == [Move("young", "b")]


def test_nothing_is_divided_while_all_are_busy() -> None:
    busy = view(NodeView("z", 2), [NodeView("a", 1)], [TaskView("t")], 0.5)
    assert [*policy_of("divide").policy.decide(busy)] == []
