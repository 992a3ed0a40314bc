"""Writes random programs: well formed, deterministic, soon at their end, and full of turns.

`program(random)` gives the source of a module that is run by calling its `main`, or, if it has
none, by executing it: it then ends in an exception that carries its log.  `random` is a
`random.Random`; one of Hypothesis' makes a failing program shrink.

Each loop and call multiplies what a piece of code costs, and no function may cost more than
`LIMIT` turns, so that programs can be run hundreds of times.
"""

from __future__ import annotations

from random import Random

from tests.interpreter.random_expressions import ERRORS, Function, Scope
from tests.interpreter.random_shapes import Shapes

__all__ = ["program"]

DEPTH = 3
HEAD = """\
import sys
from tests.interpreter.random_runtime import *

LOG = []
KEPT = []

def keep(generator):
    KEPT.append(generator)
    return generator
"""


class Writer(Shapes):
    """Writes one program."""

    # -- statements

    def body(self, depth: int, least: int = 1) -> None:
        for _ in range(least + self.random.randrange(2)):
            self.statement(depth)

    def statement(self, depth: int) -> None:
        simple = [
            self.assign, self.assign, self.note, self.note, self.augment, self.unpack,
            self.raise_, self.leave, self.delete, self.assert_, self.item, self.yield_,
            self.yield_, self.yield_,
        ]  # fmt: skip
        nested = [
            self.if_, self.for_, self.for_, self.while_, self.try_, self.try_, self.try_,
            self.with_, self.match_, self.function, self.group_, self.for_generator,
            self.with_manager, self.generator, self.box_class,
        ]  # fmt: skip
        self.pick(nested if depth > 0 and self.chance(60) else simple)(depth - 1)

    def assign(self, depth: int) -> None:
        name = self.pick(self.scope.own) if self.chance(70) else None
        value = f"{self.integer()} % 97"
        if name is None:
            if self.is_module and self.chance(50):
                value = self.integer()
            name = self.name("v")
            self.line(f"{name} = {value}")
            self.scope.own.append(name)
        else:
            self.line(f"{name} = {value}")

    def augment(self, depth: int) -> None:
        targets = list(self.scope.own)
        targets += [f"{box}.n" for box in self.scope.boxes]
        targets += [f"{box}[{self.integer(1)}]" for box in self.scope.boxes if self.afford()]
        targets += [f"{xs}[{self.random.randrange(-1, 2)}]" for xs in self.scope.lists]
        operator = self.pick(["+=", "-=", "*=", "|=", "^=", "//="])
        target = self.pick(targets)
        self.line(f"{target} {operator} {self.integer()}")

    def item(self, depth: int) -> None:
        if self.scope.lists and self.chance(50):
            name = self.pick(self.scope.lists)
            self.line(f"{name}[{self.integer(1)} % len({name})] = {self.integer()}")
        elif self.scope.boxes and self.afford():
            self.line(f"{self.pick(self.scope.boxes)}[{self.integer(1)}] = {self.integer()}")
        else:
            self.note(depth)

    def note(self, depth: int) -> None:
        form = self.random.randrange(6)
        if form == 0:
            self.line(f"LOG.append(chain(sys.{'exception'}()))")
        elif form == 1:
            self.line(f"LOG.append({self.string()})")
        elif form == 2:
            self.line(f"LOG.append(({self.integer()}, {self.list_()}, {self.integer()}))")
        else:
            self.line(f"LOG.append({self.integer(3)})")

    def unpack(self, depth: int) -> None:
        first, second = self.pick(self.scope.own), self.pick(self.scope.own)
        if self.chance(50):
            self.line(f"{first}, {second} = {self.integer()}, {self.integer()}")
        else:
            star = self.name("xs")
            self.line(f"{first}, *{star}, {second} = [{self.integer()}, *{self.list_()}, 2]")
            self.scope.lists.append(star)

    def delete(self, depth: int) -> None:
        if self.chance(60):
            return self.note(depth)
        self.line(f"del {self.pick(self.scope.own)}")

    def assert_(self, depth: int) -> None:
        self.line(f"assert {self.condition()}, {self.integer()}")

    def raise_(self, depth: int) -> None:
        if self.chance(50):
            return self.note(depth)
        if self.scope.handling and self.chance(50):
            return self.line("raise")
        error = f"{self.pick(ERRORS)}({self.integer()})"
        cause = self.pick(["", "", f" from {self.pick(ERRORS)}({self.integer(1)})", " from None"])
        test = f"if {self.condition()}: " if self.chance(60) else ""
        self.line(f"{test}raise {error}{cause}")

    def leave(self, depth: int) -> None:
        ways = []
        if self.scope.in_loop:
            ways += ["break", "continue"]
        if self.scope.outer is not None and self.scope.may_return:
            ways.append(f"return {self.integer()}")
        if not ways:
            return self.note(depth)
        test = f"if {self.condition()}: " if self.chance(70) else ""
        self.line(test + self.pick(ways))

    def if_(self, depth: int) -> None:
        with self.block(f"if {self.condition()}:"):
            self.body(depth)
        if self.chance(30):
            with self.block(f"elif {self.condition()}:"):
                self.body(depth)
        if self.chance(50):
            with self.block("else:"):
                self.body(depth)

    def for_(self, depth: int) -> None:
        times = 1 + self.random.randrange(3)
        if not self.afford(times):
            return self.note(depth)
        name = self.pick(self.scope.own) if self.chance(30) else self.name("i")
        self.line_of_for(name, times)
        self.indent += 1
        with self.within(times=self.scope.times * times, in_loop=True):
            self.body(depth)
        self.indent -= 1
        if name not in self.scope.own:
            self.scope.own.append(name)
        self.else_(depth)

    def line_of_for(self, name: str, times: int) -> None:
        items = f"{self.list_()}[:{times}]"
        other = self.name("i")
        forms = [
            f"for {name} in range({times}):",
            f"for {name} in {items}:",
            f"for {name} in reversed({items}):",
            f"for {other}, {name} in enumerate({items}, {self.integer(0)}):",
            f"for {name}, {other} in zip({items}, range(9)):",
            f"for {other}, {name} in {{'k': {self.integer(1)}, 'j': 2}}.items():",
            f"for {name} in {{{self.integer(0)}: 0, 7: 1}}:",
            f"for {name} in (1, {self.integer(1)}):",
        ]
        if times < 2:
            forms[5:] = []
        self.line(self.pick(forms))

    def else_(self, depth: int) -> None:
        if self.chance(25):
            with self.block("else:"):
                self.body(depth)

    def while_(self, depth: int) -> None:
        times = 1 + self.random.randrange(3)
        if not self.afford(times + 1):
            return self.note(depth)
        name = self.name("w")
        self.line(f"{name} = {times}")
        head, first = self.pick(
            [
                (f"while {name}:", f"{name} -= 1"),
                (f"while ({name} := {name} - 1) >= 0:", "pass"),
                (f"while True:\n{'    ' * self.indent}    if not {name}: break", f"{name} -= 1"),
                (f"while {name} > 0 and {self.condition()}:", f"{name} -= 1"),
                (f"while 0 < {name} <= 9:", f"{name} -= 1"),
                (f"while {name} or {name} > 0:", f"{name} -= 1"),
            ]
        )
        with self.within(times=self.scope.times * times, in_loop=True):
            with self.block(head):
                self.line(first)
                self.body(depth)
        self.scope.read.append(name)
        self.else_(depth)

    def try_(self, depth: int) -> None:
        with self.block("try:"):
            self.body(depth)
        handlers = self.random.randrange(3)
        for index in range(handlers):
            name = f" as {self.name('e')}" if self.chance(60) else ""
            last = index == handlers - 1
            kind = "Exception" if last and self.chance(50) else self.errors()
            if last and self.chance(20):
                kind = name = ""
            with self.block(f"except {kind}{name}:".replace("except :", "except:")):
                with self.within(handling=True):
                    if name:
                        self.line(f"LOG.append(chain({name[4:]}))")
                    self.body(depth)
        if handlers and self.chance(25):
            with self.block("else:"):
                self.body(depth)
        if not handlers or self.chance(40):
            with self.block("finally:"):
                self.body(depth)

    def group_(self, depth: int) -> None:
        with self.block("try:"):
            self.body(depth - 1)
            self.line(f"raise ExceptionGroup('g', [Oops({self.integer(1)}), ValueError(1)])")
        for kind in (["Oops"], ["ValueError"], ["Oops", "ValueError"])[self.random.randrange(3)]:
            name = self.name("g")
            with self.block(f"except* {kind} as {name}:"):
                self.line(f"LOG.append(chain({name}))")
                with self.within(may_return=False, handling=True, in_loop=False):
                    self.body(min(depth, 1))
        if self.chance(30):
            with self.block("finally:"):
                self.body(depth)

    def with_(self, depth: int) -> None:
        items = []
        for _ in range(1 + self.chance(30)):
            name = self.name("m")
            swallow = f", {self.errors()}" if self.chance(50) else ""
            items.append(f"Managed(LOG, {name!r}{swallow}) as {name}")
        with self.block(f"with {', '.join(items)}:"):
            self.body(depth)

    def match_(self, depth: int) -> None:
        subject = self.integer()
        if self.chance(60):
            subject = f"[{subject}, {self.integer()}, {self.integer(1)}]"
        elif self.scope.boxes:
            subject = self.pick([f"{{'k': {subject}, 'z': 1}}", self.pick(self.scope.boxes)])
        captured = [self.name("c") for _ in range(3)]
        one, two, three = captured
        cases = [
            f"case {self.random.randrange(4)} | {self.random.randrange(4, 9)}:",
            f"case int({one}) if {self.condition()}:",
            f"case [{one}, *{two}] if {one} > {self.integer(1)}:",
            f"case [1, {one}, {two}]:",
            f"case {{'k': {one}, **{two}}}:",
            f"case Box(n={one}) as {three}:",
            f"case [int({one}) | [{one}], _, {two}]:",
        ]
        with self.block(f"match {subject}:"):
            for _ in range(1 + self.random.randrange(2)):
                with self.block(self.pick(cases)):
                    self.body(depth)
            if self.chance(50):
                with self.block("case _:"):
                    self.body(depth)

    # -- functions

    def function(self, depth: int) -> None:
        """A function inside the one being written; it shares some of its variables."""
        if self.chance(15):
            return self.class_(depth)
        scope = self.scope
        shared = [n for n in scope.own if n not in scope.iterating and self.chance(30)]
        made = self.define(self.name("f"), depth, shared)
        scope.functions.append(made)

    def class_(self, depth: int) -> None:
        name = self.name("K")
        with self.block(f"class {name}(Base):"):
            with self.block("def work(self, n=1):"):
                self.line(f"m = super().work(n){' + super().work(1)' if self.chance(50) else ''}")
                self.line("return m")
        self.scope.functions.append(Function(f"{name}().work", 0, 1, False, (), 4))

    def define(self, name: str, depth: int, shared: list[str]) -> Function:
        outer = self.scope
        scope = self.scope = Scope(outer)
        scope.own = list(shared)
        scope.read = [n for n in outer.own + outer.read if n not in shared and self.chance(60)]
        scope.lists, scope.boxes = list(outer.lists), list(outer.boxes)
        recursive = self.chance(25)
        parameters = [self.name("p") for _ in range(recursive + self.random.randrange(3))]
        made = Function(name, len(parameters), 0, False, (), 0, recursive)
        text = list(parameters)
        if self.chance(40):
            made.optional = 1
            text.append(f"{self.name('p')}={self.default(outer)}")
        if self.chance(25):
            made.star = True
            text.append(f"*{self.name('rest')}")
        if self.chance(25):
            key = self.name("key")
            made.keywords = (key,)
            text += [] if made.star else ["*"]
            text.append(f"{key}={self.default(outer)}")
        if self.chance(15):
            self.line("@traced(LOG)")
        for item in text:
            plain = item.partition("=")[0]
            if plain.startswith("*") and len(plain) > 1:
                scope.lists.append(plain[1:])
            elif plain != "*" and not (recursive and item == parameters[0]):
                scope.own.append(plain)
        with self.block(f"def {name}({', '.join(text)}):"):
            if outer.outer is None:
                self.globals.update(shared)
            for name in shared:
                self.line(f"{'global' if name in self.globals else 'nonlocal'} {name}")
            self.function_body(made, parameters, depth)
        self.scope = outer
        made.cost = scope.spent * (4 if recursive else 1)
        return made

    def default(self, outer: Scope) -> str:
        names = outer.own if outer.outer is not None or self.is_module else []
        return self.pick(names) if names and self.chance(50) else str(self.random.randrange(9))

    def function_body(self, made: Function, parameters: list[str], depth: int) -> None:
        scope = self.scope
        if made.first_is_depth:
            scope.times = 4
            self.line(f"if {parameters[0]} <= 0: return {self.integer()}")
        self.variables()
        self.body(depth, least=2)
        if made.first_is_depth:
            rest = "".join(f", {self.integer(1)}" for _ in parameters[1:])
            again = f"{made.name}({parameters[0]} - 1{rest})"
            form = self.random.randrange(4)
            if form == 0:
                with self.block("try:"):
                    self.line(f"return {self.integer()} + {again}")
                with self.block(f"except {self.errors()}:"):
                    self.body(0)
            elif form == 1:
                with self.block(f"for {self.name('i')} in range(1):"):
                    self.line(f"return [{self.integer()}, {again}][-1]")
            elif form == 2:
                with self.block("with Managed(LOG, 'r'):"):
                    self.line(f"return {again} + {self.integer()}")
        self.line(f"return {self.integer()}")

    def variables(self) -> None:
        scope = self.scope
        for _ in range(1 + self.random.randrange(2)):
            name = self.name("v")
            self.line(f"{name} = {self.integer(0)}")
            scope.own.append(name)
        if self.chance(40):
            name = self.name("xs")
            self.line(f"{name} = {self.list_()} + [1, 2]")
            scope.lists.append(name)
        if self.chance(40):
            name = self.name("b")
            self.line(f"{name} = Box({self.integer(1)})")
            scope.boxes.append(name)

    # -- whole programs

    def module(self) -> str:
        self.is_module = self.chance(12)
        if self.is_module:
            self.line("fresh(globals())")
            self.variables()
        for _ in range(1 + self.random.randrange(2)):
            made = self.define(self.name("f"), DEPTH - 1, [])
            self.scope.functions.append(made)
        if self.is_module:
            self.body(DEPTH - 1, least=2)
            self.line("raise Oops(repr(LOG))")
        else:
            self.main()
        return HEAD + "\n".join(self.lines) + "\n"

    def main(self) -> None:
        outer = self.scope
        self.scope = Scope(outer)
        with self.block("def main():"):
            self.line("del LOG[:], KEPT[:]")
            self.variables()
            with self.block("try:"):
                self.body(DEPTH, least=2)
                self.line(f"LOG.append({self.call(2)})")
            with self.block("except (Exception, AssertionError) as error:"):
                self.line("LOG.append(chain(error))")
                if self.chance(10):
                    self.line("raise Worse(repr(LOG)) from error")
            self.line("for kept in KEPT: LOG.append(finish(kept))")
            self.line("return LOG")


def program(random: Random) -> str:
    """The source of a random module."""
    return Writer(random).module()
