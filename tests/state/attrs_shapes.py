"""Programs with classes of attrs: in their converters, validators and hooks, and with instances."""

from __future__ import annotations

import functools
from typing import Any

import attr
import attrs

from hetmig.testing import point


@attrs.define
class Slotted:
    x: int
    y: list[int] = attrs.field(factory=list)


@attrs.define
class Derived(Slotted):
    z: Any = None

    def itself(self) -> object:
        return __class__, super().__repr__()


@attrs.frozen
class Frozen:
    a: int
    b: str = attrs.field(default="b", converter=str)


@attr.s
class Old:
    p = attr.ib(default=1)
    q = attr.ib(
        default=attr.Factory(lambda self: self.p + 1, takes_self=True),
        validator=attr.validators.instance_of(int),
    )


def _at_least(instance: object, attribute: Any, value: int) -> None:
    if point(value) < 0:
        raise ValueError(f"{attribute.name} is {value}")


@attrs.define(slots=False, order=True, unsafe_hash=True)
class Ordered:
    k: int = attrs.field(on_setattr=attrs.setters.validate, validator=_at_least)
    label: str = attrs.field(default="label", eq=False, repr=False)

    def __attrs_post_init__(self) -> None:
        self.twice = point(self.k) * 2


@attrs.define(frozen=True, cache_hash=True)
class Cached:
    v: tuple[int, ...] = attrs.field(converter=lambda v: tuple(point(item) for item in v))


@attrs.define
class Counted:
    n: int = attrs.field(eq=lambda n: point(n) // 10)

    @functools.cached_property
    def square(self) -> int:
        return point(self.n) ** 2


@attrs.define
class Node:
    name: str
    next: Node | None = None

    def walk(self) -> Any:
        at: Node | None = self
        while at is not None:
            yield point(at.name)
            at = at.next


def _raises(function: Any, *arguments: Any) -> str:
    try:
        function(*arguments)
    except (ValueError, TypeError, AttributeError) as error:
        return type(error).__name__
    return "nothing"


def case_generated_methods() -> object:
    """Moved in the middle of `__init__`, `__eq__`, and what they call."""
    seen: list[object] = []
    for number in range(2):
        made = Ordered(number, label=str(number))
        seen.append((made, made.twice, made < Ordered(number + 1), _raises(Ordered, -1)))
        seen.append(_raises(setattr, made, "k", -2))
        cached = Cached([number, 2])
        seen.append((cached, hash(cached) == hash(Cached((number, 2)))))
        seen.append((Counted(number) == Counted(9), Counted(number) == Counted(10)))
        seen.append(Counted(number + 3).square)
    return seen


def case_instances() -> object:
    """Kept in variables while it moves."""
    slotted, derived, frozen, old = Slotted(1), Derived(5, z=6), Frozen(2, 3), Old()
    node = Node("a", Node("b"))
    made = attrs.make_class("Made", ["m", "n"])(1, 2)
    seen: list[object] = []
    for number in range(2):
        slotted.y.append(point(number))
        seen.append((type(slotted)(1, [0]) == slotted, hasattr(slotted, "__dict__")))
        itself, text = derived.itself()
        seen.append((itself is type(derived), text, type(derived).__mro__[1] is type(slotted)))
        seen.append((_raises(setattr, frozen, "a", 1), hash(frozen) == hash(Frozen(2, "3"))))
        seen.append((old == type(old)(), attrs.asdict(old), _raises(type(old), 1, "x")))
        seen.append(list(node.walk()))
        seen.append((attrs.evolve(slotted, x=9), attrs.has(type(made)), made))
        seen.append([each.name for each in attrs.fields(Ordered)])
    return seen
