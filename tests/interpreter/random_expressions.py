"""Writes the expressions of random programs (see `random_programs`)."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from random import Random

__all__ = ["ERRORS", "LIMIT", "Expressions", "Function", "Scope"]

LIMIT = 24
ERRORS = ("Oops", "Worse", "ValueError", "KeyError", "LookupError", "ZeroDivisionError")


@dataclass
class Function:
    """A function that can be called from where the writer stands."""

    name: str
    required: int
    optional: int
    star: bool
    keywords: tuple[str, ...]
    cost: int
    first_is_depth: bool = False


@dataclass
class Scope:
    """The names a function knows, and what its own code has cost by now."""

    outer: Scope | None = None
    own: list[str] = field(default_factory=list)
    """Integers it may assign to."""
    read: list[str] = field(default_factory=list)
    """Integers of the scopes around it."""
    lists: list[str] = field(default_factory=list)
    boxes: list[str] = field(default_factory=list)
    functions: list[Function] = field(default_factory=list)
    generators: list[Function] = field(default_factory=list)
    managers: list[Function] = field(default_factory=list)
    """Those that make context managers."""
    iterators: list[str] = field(default_factory=list)
    """Generators that are held by name."""
    iterating: list[str] = field(default_factory=list)
    """Variables of the comprehensions around: not to be assigned to."""
    times: int = 1
    spent: int = 0
    in_loop: bool = False
    handling: bool = False
    may_return: bool = True
    may_assign: bool = True
    in_generator: bool = False
    yields: int = 0


class Expressions:
    """Writes expressions out of what can be named where it stands."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.lines: list[str] = []
        self.indent = 0
        self.count = 0
        self.scope = Scope()
        self.is_module = False
        self.box_cost = 1
        self.globals: set[str] = set()

    # -- small things

    def line(self, text: str) -> None:
        self.lines.append("    " * self.indent + text)

    def name(self, stem: str) -> str:
        self.count += 1
        return f"{stem}{self.count}"

    def chance(self, percent: int) -> bool:
        return self.random.randrange(100) < percent

    def pick(self, items):
        return items[self.random.randrange(len(items))]

    @contextlib.contextmanager
    def block(self, head: str):
        self.line(head)
        self.indent += 1
        yield
        self.indent -= 1

    @contextlib.contextmanager
    def within(self, **changes):
        """Some facts about the scope, for a while."""
        scope = self.scope
        before = {key: getattr(scope, key) for key in changes}
        vars(scope).update(changes)
        yield
        vars(scope).update(before)

    def afford(self, cost: int = 1) -> bool:
        """Spend what a turn costs here; False if there is not enough left."""
        cost *= self.scope.times
        if self.scope.spent + cost > LIMIT:
            return False
        self.scope.spent += cost
        return True

    def errors(self) -> str:
        kinds = [self.pick(ERRORS) for _ in range(1 + self.chance(30))]
        return kinds[0] if len(kinds) == 1 else f"({', '.join(kinds)})"

    # -- expressions

    def integer(self, depth: int = 2) -> str:
        if depth <= 0 or self.chance(20):
            return self.atom()
        kinds = [
            self.arithmetic,
            self.arithmetic,
            self.stopping,
            self.stopping,
            self.call,
            self.call,
            self.choice,
            self.of_object,
            self.walrus,
            self.of_list,
            self.lambda_call,
            self.short_circuit,
            self.yielded,
            self.of_generator,
        ]
        return self.pick(kinds)(depth - 1)

    def atom(self) -> str:
        scope = self.scope
        names = scope.own + scope.read + scope.iterating
        if names and self.chance(75):
            return self.pick(names)
        return str(self.random.randrange(-2, 6))

    def arithmetic(self, depth: int) -> str:
        operator = self.pick("+ - * + - & | ^ // %".split())
        return f"({self.integer(depth)} {operator} {self.integer(depth)})"

    def stopping(self, depth: int) -> str:
        if not self.afford():
            return self.atom()
        return f"point({self.integer(depth)})"

    def choice(self, depth: int) -> str:
        return f"({self.integer(depth)} if {self.condition(depth)} else {self.integer(depth)})"

    def short_circuit(self, depth: int) -> str:
        return f"({self.integer(depth)} {self.pick(['and', 'or'])} {self.integer(depth)})"

    def walrus(self, depth: int) -> str:
        names = [n for n in self.scope.own if n not in self.scope.iterating]
        if not names or not self.scope.may_assign:
            return self.atom()
        return f"({self.pick(names)} := {self.integer(depth)})"

    def of_object(self, depth: int) -> str:
        if not self.scope.boxes or not self.afford(self.box_cost):
            return self.atom()
        box = self.pick(self.scope.boxes)
        form = self.pick(
            [
                "{0}.n",
                "{0}.twice",
                "{0}.bump({1})",
                "{0}.bump(*[{1}, 1], scale=2)",
                "{0}[{1}]",
                "({0} + {1})",
                "({1} + {0})",
                "({0} < {1})",
                "{0}({1})",
                "({1} in {0})",
                "len({0})",
                "-{0}",
                "sum([*{0}])",
            ]
        )
        return form.format(box, self.integer(depth))

    def of_generator(self, depth: int) -> str:
        iterators = self.scope.iterators
        if not self.afford(2):
            return self.atom()
        if iterators and self.scope.may_assign and self.chance(60):
            return f"(next({self.pick(iterators)}, None) or {self.integer(depth)})"
        form = self.pick(["sum({})", "max({}, default=1)", "len([*{}])", "next({}, 4)"])
        return form.format(self.generator_expression())

    def of_list(self, depth: int) -> str:
        form = self.random.randrange(4)
        if form == 0 and self.scope.lists:
            return f"{self.pick(self.scope.lists)}[{self.random.randrange(-1, 2)}]"
        if form == 1:
            items = ", ".join(self.integer(depth) for _ in range(3))
            return f"[{items}][{self.integer(depth)} % 3]"
        return f"{self.pick(['sum', 'len', 'max'])}([0, *{self.list_(depth)}])"

    def lambda_call(self, depth: int) -> str:
        if not self.afford():
            return self.atom()
        argument, default = self.integer(depth), self.integer(0)
        with self.within(
            iterating=[*self.scope.iterating, "q", "k"], may_assign=False, in_generator=False
        ):
            body = self.integer(depth)
        return f"(lambda q, k={default}: {body})({argument})"

    def call(self, depth: int) -> str:
        scope: Scope | None = self.scope
        known: list[Function] = []
        while scope is not None:
            known += scope.functions
            scope = scope.outer
        if not known:
            return self.atom()
        function = self.pick(known)
        if not self.afford(function.cost + 1):
            return self.atom()
        return f"{function.name}({self.arguments(function, depth)})"

    def arguments(self, function: Function, depth: int) -> str:
        given = [self.integer(depth) for _ in range(function.required)]
        if function.first_is_depth:
            given[0] = str(self.random.randrange(1, 4))
        if function.optional and self.chance(50):
            given.append(self.integer(depth))
        extra = [f"{key}={self.integer(depth)}" for key in function.keywords if self.chance(50)]
        if function.star and self.chance(50):
            given = [*given, *(["0"] * (function.required + function.optional - len(given)))]
            given.append(self.integer(depth))
        if not function.first_is_depth and self.chance(25):
            given = [f"*[{', '.join(given)}]"]
        if extra and self.chance(25):
            pairs = ", ".join(f"{item.split('=')[0]!r}: {item.split('=', 1)[1]}" for item in extra)
            extra = [f"**{{{pairs}}}"]
        return ", ".join(given + extra)

    def condition(self, depth: int = 1) -> str:
        form = self.random.randrange(6)
        if form == 0:
            return f"not {self.integer(depth)}"
        if form == 1:
            return f"{self.integer(depth)} < {self.integer(depth)} <= {self.integer(depth)}"
        if form == 2:
            return f"{self.integer(depth)} in {self.list_(depth)}"
        if form == 3 and depth > 0:
            word = self.pick(["and", "or"])
            return f"({self.condition(depth - 1)} {word} {self.condition(depth - 1)})"
        return f"{self.integer(depth)} {self.pick(['<', '==', '!=', '>='])} {self.integer(depth)}"

    def list_(self, depth: int = 1) -> str:
        form = self.random.randrange(5)
        if form == 0 and self.scope.lists:
            return self.pick(self.scope.lists) + self.pick(["", "[:3]", "[1:]"])
        if form == 1 and depth > 0:
            return f"sorted({self.list_(depth - 1)})"
        if form in (2, 3) and depth > 0:
            return self.comprehension(depth - 1)
        return (
            f"[{', '.join(self.integer(depth - 1) for _ in range(1 + self.random.randrange(3)))}]"
        )

    def comprehension(self, depth: int) -> str:
        """A list, set, dict comprehension, perhaps of functions that refer to its variable."""
        scope = self.scope
        times = 1 + self.random.randrange(3)
        if not self.afford(times):
            return "[1]"
        with self.within(may_assign=False, in_generator=False):
            source = f"range({times})" if self.chance(60) else f"{self.list_(0)}[:{times}]"
        reuse = [n for n in scope.own if n not in scope.iterating]
        name = self.pick(reuse) if reuse and self.chance(50) else self.name("i")
        with self.within(
            iterating=[*scope.iterating, name], times=scope.times * times, in_generator=False
        ):
            element = self.integer(depth + 1)
            inner = f" for j in range(2) if {self.condition(0)}" if self.chance(20) else ""
            test = f" if {self.condition(depth)}" if self.chance(40) else ""
        form = self.random.randrange(6)
        if form == 0:
            return f"[*{{{element}: 1 for {name} in {source}{test}{inner}}}]"
        if form == 1:
            return f"sorted({{{element} for {name} in {source}{test}{inner}}})"
        if form == 2:
            return (
                f"[f() for f in [lambda: ({element}) for {name} in {source}{test}{inner}]]".replace(
                    ":=", "+"
                )
            )
        return f"[{element} for {name} in {source}{test}{inner}]"

    def string(self) -> str:
        parts = self.pick(["{%s}", "{%s!r:>4}", "{%s:{%s}}", "a{%s}b{%s}"])
        values = tuple(self.integer(1).replace("'", '"') for _ in range(parts.count("%s")))
        if "lambda" in "".join(values) or ":=" in "".join(values) or '"' in "".join(values):
            return f"'%s' % ({values[0]},)"
        if parts == "{%s:{%s}}":
            values = (values[0], f"abs({values[1]}) % 9 + 1")
        return f"f'{parts % values}'"
