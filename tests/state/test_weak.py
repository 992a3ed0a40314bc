"""A weak reference arrives at what travels anyway, and holds nothing."""

from __future__ import annotations

import gc
import logging
import operator
import weakref

import pytest

from hetmig.errors import NotMigratable
from hetmig.state.image import freeze_call, freeze_value, require_portable, thaw
from hetmig.state.pickling import dumps, loads
from tests.state import elsewhere, values


class Node:
    def __init__(self, name):
        self.name = name

    def __repr__(self):
        return f"Node({self.name!r})"

    def method(self):
        return self.name


class Own(weakref.ref):
    """A reference with attributes, one of them in a slot, and a constructor of its own."""

    __slots__ = ("__secret", "extra")

    def __new__(cls, node, extra):
        return super().__new__(cls, node)

    def __init__(self, node, extra):
        super().__init__(node)
        self.__secret, self.extra = extra, [extra]

    @property
    def secret(self):
        return self.__secret


def copied(value):
    return loads(dumps(value))


def test_whichever_comes_first():
    node = Node("a")
    reference = weakref.ref(node)
    moved, there, again = copied([reference, node, reference])
    assert moved() is there
    assert again is moved is not reference
    there, moved = copied([node, reference])
    assert moved() is there


def test_it_holds_nothing():
    node = Node("a")
    moved, there = copied([weakref.ref(node), node])
    del there
    gc.collect()
    assert moved() is None


def test_a_dead_one_is_dead():
    node = Node("a")
    hashed, plain, called = (
        weakref.ref(node),
        weakref.ref(node, print),
        weakref.ref(node, [].append),
    )
    known = hash(called)
    del node
    one, two, three = copied([hashed, plain, called])
    assert one() is two() is three() is None
    assert hash(three) == known
    with pytest.raises(TypeError):
        hash(one)
    key, mapping = copied([called, {called: 1}])
    assert mapping[key] == 1


def test_one_that_alone_leads_to_an_object_is_refused():
    node = Node("a")
    with pytest.raises(NotMigratable, match=r"held only by what stays.*hold the object") as caught:
        freeze_value({"cache": [weakref.ref(node)]}, name="job")
    assert caught.value.variable == "job['cache'][0]"
    with pytest.raises(NotMigratable, match="held only"):
        dumps([weakref.proxy(node)])
    with pytest.raises(NotMigratable, match="held only"):
        freeze_call(print, [weakref.WeakSet([node])])
    require_portable([weakref.ref(node)], "cache")  # whatever else travels may hold it
    held = freeze_call(print, [weakref.WeakSet([node])], {"node": node})
    _, (weak,), keywords = thaw(held)
    assert list(weak) == [keywords["node"]]


def test_garbage_that_was_not_collected_yet_is_none():
    gc.disable()
    try:
        node = Node("a")
        node.itself = node
        reference = weakref.ref(node)
        del node
        assert copied([reference])[0]() is None
    finally:
        gc.enable()


def test_what_has_a_name_is_held_by_its_module():
    targets = [values.plain, values.Point, operator, weakref.WeakMethod, values.Point.method]
    for target in targets:
        assert copied(weakref.ref(target))() is target
    kept = lambda: 1  # noqa: E731
    with pytest.raises(NotMigratable):
        dumps(weakref.ref(kept))


def test_the_callback_is_called_there_and_not_here():
    node, called = Node("a"), []
    reference = weakref.ref(node, called.append)
    moved, there, calls = copied([reference, node, called])
    assert moved is not weakref.ref(there)
    del there
    gc.collect()
    assert calls == [moved]
    assert called == []


def test_objects_that_refer_to_each_other():
    parent, child = Node("parent"), Node("child")
    parent.children, child.parent = [child], weakref.ref(parent)
    parent.myself = weakref.ref(parent)
    for root in (parent, [child, parent], [child.parent, parent]):
        moved = copied(root)
        moved = moved if isinstance(moved, Node) else moved[1]
        assert moved.children[0].parent() is moved
        assert moved.myself is weakref.ref(moved)


def test_a_class_of_ones_own():
    node = Node("a")
    moved, there = copied([Own(node, 3), node])
    assert type(moved) is Own
    assert moved() is there
    assert (moved.secret, moved.extra) == (3, [3])
    reference = Own(node, 4)
    del node
    assert copied(reference).extra == [4]


def test_weak_methods():
    node = Node("a")
    method = weakref.WeakMethod(node.method)
    moved, there = copied([method, node])
    assert moved()() == "a"
    assert moved().__self__ is there
    assert moved == weakref.WeakMethod(there.method)
    del there
    gc.collect()
    assert moved() is None
    calls = []
    method = weakref.WeakMethod(node.method, calls.append)
    moved, there, called = copied([method, node, calls])
    del there
    gc.collect()
    assert called == [moved]


def test_proxies():
    node = Node("a")
    node.callback = [].append
    proxy, with_callback = weakref.proxy(node), weakref.proxy(node, node.callback)
    moved, other, there = copied([proxy, with_callback, node])
    assert moved.name == "a"
    assert moved is weakref.proxy(there)
    moved.name = "b"
    assert (there.name, other.name) == ("b", "b")
    gone = there.callback.__self__
    del there
    gc.collect()
    assert len(gone) == 1
    assert gone[0] is other
    for dead in (moved, copied(moved)):
        assert type(dead) is weakref.ProxyType
        with pytest.raises(ReferenceError):
            str(dead.name)


def test_callable_proxies():
    def function():
        return 7

    moved, there = copied([weakref.proxy(function), function])
    assert type(moved) is weakref.CallableProxyType
    assert moved() == there() == 7
    del there
    gc.collect()
    assert type(copied(moved)) is weakref.CallableProxyType


def test_weak_value_dictionary():
    one, two = Node("one"), Node("two")
    cache = weakref.WeakValueDictionary({1: one, 2: two})
    moved, (first, second) = copied([cache, [one, two]])
    assert dict(moved) == {1: first, 2: second}
    assert list(moved) == [1, 2]
    del first
    gc.collect()
    assert list(moved) == [2]
    moved[3] = one
    assert moved.pop(3) is one
    assert list(cache) == [1, 2]


def test_weak_key_dictionary():
    one, two = Node("one"), Node("two")
    notes = weakref.WeakKeyDictionary({one: [one.name], two: "two"})
    moved, (first, second) = copied([notes, [one, two]])
    assert moved[first] == ["one"]
    assert moved[second] == "two"
    del first
    gc.collect()
    assert list(moved.items()) == [(second, "two")]
    moved[one] = 5
    assert len(moved) == 2


class Observers(weakref.WeakSet):
    def __init__(self):
        super().__init__()
        self.label = "mine"


@pytest.mark.parametrize("make", [weakref.WeakSet, Observers])
def test_weak_set(make):
    one, two = Node("one"), Node("two")
    members = make()
    members.update([one, two])
    moved, (first, second) = copied([members, [one, two]])
    assert type(moved) is make
    assert set(moved) == {first, second}
    assert getattr(moved, "label", None) == getattr(members, "label", None)
    del first
    gc.collect()
    assert list(moved) == [second]
    moved.add(one)
    assert len(moved) == 2
    assert len(members) == 2


def test_an_object_whose_hash_is_its_value():
    class Key:
        def __init__(self, value):
            self.value = value

        def __eq__(self, other):
            return self.value == other.value

        def __hash__(self):
            return hash(self.value)

    keys = [Key(1), Key("a")]
    for state in ([weakref.WeakSet(keys), keys], [keys, weakref.WeakSet(keys)]):
        moved = copied(state)
        members, there = moved if isinstance(moved[1], list) else moved[::-1]
        assert all(key in members for key in there)


def test_a_finalizer_that_has_ended_and_one_that_is_detached():
    node = Node("a")
    ended = weakref.finalize(node, print, "not printed")
    assert ended.detach()
    assert not copied(ended).alive


def test_a_living_finalizer_needs_its_object():
    node = Node("a")
    living = weakref.finalize(node, print, "not printed")
    try:
        with pytest.raises(NotMigratable, match="held only by what stays"):
            dumps(living)
    finally:
        living.detach()


FINALIZERS = """
import sys, weakref
from hetmig.state.image import freeze
class Node: pass
log = []
kept, left = Node(), Node()
cell = [weakref.ref(kept)]
weakref.finalize(kept, log.append, "kept").atexit = False
weakref.finalize(left, print, "never")
class Chained: pass
chained = Chained()
weakref.finalize(kept, log.append, chained)
weakref.finalize(chained, log.append, "chained")
chained = None
image = freeze([], {"kept": kept, "log": log, "cell": cell})
send(sys.argv[1], image)
for finalizer in list(weakref.finalize._registry):
    finalizer.detach()
"""


def test_finalizers_go_with_their_objects(tmp_path):
    path = tmp_path / "parcel"
    elsewhere.run(elsewhere.SEND + FINALIZERS, path)
    arrived = (
        elsewhere.THAW
        + """
import weakref
_, extra = arrive(sys.argv[1])
kept, log, cell = extra["kept"], extra["log"], extra["cell"]
registry = weakref.finalize._registry
print(cell[0]() is kept, [f.atexit for f in sorted(registry, key=lambda f: registry[f].index)])
del kept, extra["kept"]
print(cell[0](), [getattr(type(item), "__name__") for item in log], log[1])
log[:] = [log]
print(log[1:])
"""
    )
    assert elsewhere.run(arrived, path).splitlines() == [
        "True [False, True, True]",
        "None ['Chained', 'str'] kept",
        "['chained']",
    ]


def test_what_travels_by_a_name_of_its_own():
    logger = logging.getLogger("tests.weak")
    moved, strong = copied([weakref.ref(logger), logger])
    assert moved() is strong is logger


def test_the_way_to_a_culprit_leads_past_proxies():
    node, gone = Node("a"), Node("b")
    job = {"proxy": weakref.proxy(node), "gone": weakref.proxy(gone), "file": values.immovable()}
    del gone
    with pytest.raises(NotMigratable) as caught:
        freeze_value([node, job], name="job")
    assert caught.value.variable == "job[1]['file']"
