"""Writes the generators and classes of random programs (see `random_programs`).

Every generator that has a name is kept until the program's end, and closed there: when a suspended
one is collected, its `finally` runs, and that moment is nobody's promise.
"""

from __future__ import annotations

from tests.interpreter.random_expressions import Expressions, Function, Scope

__all__ = ["Shapes"]

_OPERATORS = [
    ("__add__(self, other)", "+"),
    ("__radd__(self, other)", "+"),
    ("__lt__(self, other)", "<"),
    ("__call__(self, other)", "call"),
    ("__contains__(self, other)", "in"),
    ("__getitem__(self, other)", "[]"),
    ("__iadd__(self, other)", "+="),
    ("bump(self, by=1, *more, scale=1)", "bump"),
    ("__len__(self)", "len"),
    ("__neg__(self)", "-"),
    ("twice(self)", "property"),
    ("__iter__(self)", "iter"),
]


class Shapes(Expressions):
    """Writes functions that yield, what drives them, and classes with operators."""

    # -- inside a generator

    def yield_(self, depth: int) -> None:
        """A statement of a generator; elsewhere, one that uses a generator."""
        scope = self.scope
        if not scope.in_generator:
            return self.use_generator(depth)
        if not self.afford():
            return self.note(depth)
        form = self.random.randrange(7)
        name = self.pick(scope.own)
        if form == 0:
            self.line(f"{name} = ((yield {self.integer()}) or 2) % 97")
        elif form == 1:
            self.line(f"LOG.append(((yield {self.integer()}), {self.integer(1)}))")
        elif form == 2 and (inner := self.generator_call()):
            self.line(f"{name} = ((yield from {inner}) or 3) % 97")
        elif form == 3:
            self.line(f"yield from {self.pick([self.list_(), self.generator_expression()])}")
        elif form == 4:
            self.line(f"{name} {self.pick(['+=', '-=', '^='])} (yield {self.integer()}) or 1")
        else:
            self.line(f"yield {self.integer()}")
        scope.yields += scope.times

    def yielded(self, depth: int) -> str:
        """An expression which yields on its way."""
        scope = self.scope
        if not scope.in_generator or scope.iterating or not scope.may_assign or not self.afford():
            return self.stopping(depth)
        scope.yields += scope.times
        return f"((yield {self.integer(depth)}) or {self.atom()})"

    def generator(self, depth: int) -> None:
        """A generator function, or one that makes a context manager."""
        outer = self.scope
        name, parameter = self.name("g"), self.name("p")
        managed = self.chance(30)
        shared = [n for n in outer.own if n not in outer.iterating and self.chance(20)]
        scope = self.scope = Scope(outer, in_generator=not managed)
        scope.own = [parameter, *shared]
        scope.read = [n for n in outer.own + outer.read if n not in shared and self.chance(50)]
        scope.lists, scope.boxes = list(outer.lists), list(outer.boxes)
        if managed:
            self.line("@contextmanager")
        with self.block(f"def {name}({parameter}=1):"):
            if outer.outer is None:
                self.globals.update(shared)
            for shared_name in shared:
                self.line(
                    f"{'global' if shared_name in self.globals else 'nonlocal'} {shared_name}"
                )
            self.variables()
            if managed:
                self.manager(depth)
            else:
                self.body(depth, least=2)
                self.line(f"yield {self.integer()}")
                scope.yields += 1
                self.line(f"return {self.integer()}")
        self.scope = outer
        known = outer.managers if managed else outer.generators
        known.append(Function(name, 0, 1, False, (), scope.spent + scope.yields))

    def manager(self, depth: int) -> None:
        """A body for `contextlib.contextmanager`: it yields once."""
        self.body(min(depth, 1))
        form = self.random.randrange(3)
        with self.block("try:"):
            self.line(f"yield {self.integer()}")
        if form != 0:
            with self.block(f"except {self.errors()} as error:"):
                self.line("LOG.append(chain(error))")
                with self.within(handling=True, may_return=False):
                    self.body(0)
        if form != 1:
            with self.block("finally:"):
                with self.within(may_return=False, in_loop=False):
                    self.body(min(depth, 1))

    # -- whoever drives it

    def known(self, kind: str) -> list[Function]:
        found: list[Function] = []
        scope: Scope | None = self.scope
        while scope is not None:
            found += getattr(scope, kind)
            scope = scope.outer
        return found

    def generator_call(self) -> str | None:
        """A call of some generator function, if there is one and it is not too dear."""
        known = self.known("generators")
        if not known:
            return None
        function = self.pick(known)
        if not self.afford(function.cost + 1):
            return None
        return f"{function.name}({self.integer(1) if self.chance(60) else ''})"

    def generator_expression(self) -> str:
        source = self.comprehension(1)
        if source.startswith("[") and " for " in source and not source.startswith(("[*", "[f()")):
            return f"({source[1:-1]})"
        return f"iter({source})"

    def use_generator(self, depth: int) -> None:
        call = self.generator_call()
        iterators = self.scope.iterators
        if call is None:
            return self.generator(depth) if depth > 0 else self.note(depth)
        form = self.random.randrange(9)
        if form <= 1 or not iterators:
            name = self.name("it")
            self.line(f"{name} = keep({call})")
            iterators.append(name)
        elif form == 2:
            self.line(f"LOG.append([*{call}])")
        elif form == 3:
            self.line(f"{self.pick(self.scope.own)}, *{self.name('xs')} = 0, *{call}")
        elif form == 4:
            self.line(f"LOG.append({self.pick(['list', 'sum', 'tuple', 'sorted'])}({call}))")
        else:
            self.drive(self.pick(iterators))

    def drive(self, name: str) -> None:
        """One step of a generator that is held by name, in any of the ways there are."""
        error = f"{self.errors().strip('()').partition(',')[0]}({self.integer(1)})"
        step = self.pick(
            [
                f"next({name}, {self.integer(1)})",
                f"next({name})",
                f"{name}.__next__()",
                f"{name}.send(None)",
                f"{name}.send({self.integer(1)})",
                f"{name}.throw({error})",
                f"{name}.close()",
                f"[next({name}, 0), {self.integer(1)}, next({name}, 1)]",
                f"state({name})",
                f"[*{name}]",
            ]
        )
        with self.block("try:"):
            self.line(f"LOG.append({step})")
        with self.block("except Exception as error:"):
            self.line("LOG.append(chain(error))")

    def for_generator(self, depth: int) -> None:
        """A loop over a generator, a generator expression, or one held by name."""
        scope = self.scope
        source = self.generator_call() if self.chance(60) else None
        if source is None:
            source = self.pick([*scope.iterators, self.generator_expression()])
        elif self.chance(25):
            source = f"zip({source}, {self.generator_expression()})"
        if not self.afford(3):
            return self.note(depth)
        name = self.name("i")
        target = f"{name}, {self.name('i')}" if source.startswith("zip(") else name
        with self.within(times=scope.times * 3, in_loop=True):
            with self.block(f"for {target} in {source}:"):
                self.body(depth)
        scope.own.append(name)

    def with_manager(self, depth: int) -> None:
        known = self.known("managers")
        if not known:
            return self.generator(depth) if depth > 0 else self.note(depth)
        function = self.pick(known)
        if not self.afford(function.cost + 1):
            return self.note(depth)
        name = self.name("v")
        with self.block(f"with {function.name}({self.integer(1)}) as {name}:"):
            self.body(depth)
        self.scope.read.append(name)

    # -- classes

    def box_class(self, depth: int) -> None:
        """A class with a constructor, properties and operators, and an object of it."""
        name, box = self.name("K"), self.name("b")
        with self.block(f"class {name}(Box):"):
            if self.chance(60):
                self.method("__init__(self, n)", depth, "super().__init__(n)")
            for head, kind in _OPERATORS:
                if self.chance(25):
                    self.method(head, depth, kind)
            self.line("pass")
        self.line(f"{box} = {name}({self.integer(1)})")
        self.scope.boxes.append(box)

    def method(self, head: str, depth: int, kind: str) -> None:
        outer = self.scope
        scope = self.scope = Scope(outer)
        scope.in_generator = kind == "iter"
        scope.read = ["self.n"]
        if "other" in head:
            scope.read.append("other")
        is_constructor = kind.startswith("super")
        scope.may_return = not is_constructor and kind not in ("len", "+=", "in", "<")
        if kind == "property":
            self.line("@property")
        with self.block(f"def {head}:"):
            if is_constructor:
                self.line(kind)
            self.variables()
            self.body(min(depth, 1))
            last = {
                "len": f"return abs({self.integer(1)}) % 5",
                "+=": "return self",
                "in": f"return {self.condition()}",
                "<": f"return {self.condition()}",
                "iter": f"yield {self.integer(1)}",
            }
            if not is_constructor:
                self.line(last.get(kind, f"return {self.integer(1)} % 97"))
        self.scope = outer
        self.box_cost = min(8, max(self.box_cost, scope.spent))
