"""Between all versions at hand: the layouts of the case modules map, in every direction."""

import itertools
from contextlib import ExitStack
from pathlib import Path

import pytest

import tests.cases
from hetmig.errors import HetmigError
from hetmig.interpreter import crossing
from tests.interpreters import RUNNING, VERSIONS, target

CASES = Path(tests.cases.__file__).parent
MODULES = ("loops", "exceptions", "generators", "calls", "language")

SHAPES = """\
import contextlib

def several_exits(a, b):
    for x in a:
        with b(x) as one, b(2):
            try:
                if one: return a(1)
                if x: break
                if b: continue
            finally:
                a(x)
        b(x)
    else:
        return a
    return [a(1), *b(2), {"k": a(3), **b(4), "l": b(5)}, f"{a}{b(6):{a(7)}}"]

def copies(a, b):
    for i in a:
        try:
            if b(0): return "one"
            if b(1) and i: break
            if b(2): continue
            if b(3): raise KeyError(b)
            if b(4): return a(b)
        except KeyError:
            a(1)
            if i: return "two"
        finally:
            a((b, i))
            for x in (1, 2):
                try:
                    a(x)
                finally:
                    a(2)
    return "end"

async def waits(a):
    async with a as b, a(b) as c:
        async for d in b:
            yield await c(d, e=a(1), *b(2))

def chains(a):
    return (
        a.first(1)
        .second(a(2))
        .third(x=a(3))
    )(a(4)) < a(5) < a(6)

@chains
@chains(1)
def decorated(a=chains(2), *, b=chains(3)):
    x = y = a(1)
    while x and not y(2) or x(3):
        x[y(4)].z += y(5)
        del x[y(6)]
    assert y(7), y(8)
    return y(9) if x(10) else lambda: y(11)

def subject(a):
    match a(1):
        case {"k": k, **rest} if k(rest):
            return k(2)
        case [x, *y] if x(y):
            return y(3)
        case str() | int() if a(4):
            return a(5)
    try:
        a(6)
    except* ValueError as group:
        a(group)
    except* (TypeError, OSError):
        a(7)
    return (z for z in a(8) if z(9))
"""


@pytest.fixture(scope="module")
def pythons():
    if RUNNING != VERSIONS[0]:
        pytest.skip("all versions are asked, whichever asks: once is enough")
    with ExitStack() as stack:
        yield {
            version: stack.enter_context(crossing.Interpreter(target(version)))
            for version in VERSIONS
        }


def uncrossed(pythons, path, categories=crossing.VISIBLE):
    """What has no place, by pair."""
    points = {version: python.points_of(str(path)) for version, python in pythons.items()}
    for here, there in itertools.permutations(pythons, 2):
        reasons = pythons[there].reasons(str(path), points[here])
        for key, found in points[here].items():
            for each, reason in zip(found, reasons[key], strict=True):
                if reason and each.category in categories:
                    yield f"{here} -> {there} {key} line {each.line} {each.what}: {reason}"


@pytest.mark.parametrize("module", MODULES)
def test_the_cases_cross(pythons, module):
    missing = list(uncrossed(pythons, CASES / f"{module}.py"))
    # the parts of a slice lie apart on the stack of newer versions
    assert [line for line in missing if "case_augmented_assignment" not in line] == []


def test_shapes_cross(pythons, tmp_path):
    path = tmp_path / "shapes.py"
    path.write_text(SHAPES)
    missing = list(uncrossed(pythons, path))
    assert missing == []


def test_comprehensions_cross_but_from_and_to_the_oldest(pythons, tmp_path):
    path = tmp_path / "comprehensions.py"
    path.write_text("def f(a):\n    return [{x(y): 1 for y in x(1)} for x in a(2) if a(x)]\n")
    missing = list(uncrossed(pythons, path, crossing.INLINED))
    assert {line.split(" ", 1)[0] for line in missing} == set(VERSIONS)
    assert all("3.11" in line for line in missing)


def test_a_source_of_a_newer_version(pythons, tmp_path):
    path = tmp_path / "newer.py"
    path.write_text("def f[T](a: T) -> T:\n    return a(1)\n")
    assert pythons["3.11"].points_of(str(path)) is None
    points = pythons["3.12"].points_of(str(path))
    assert pythons["3.11"].reasons(str(path), points) is None
    reasons = pythons["3.14"].reasons(str(path), points)
    assert {key.partition(":")[0] for key in reasons} >= {"f"}
    assert not any(itertools.chain.from_iterable(reasons.values()))


def test_this_version_has_all_its_own(tmp_path):
    path = tmp_path / "shapes.py"
    path.write_text(SHAPES)
    points = crossing.points_of(str(path))
    reasons = crossing.reasons(str(path), points)
    assert sum(map(len, reasons.values())) > 100
    assert not any(itertools.chain.from_iterable(reasons.values()))


def test_what_can_not_be_asked_says_so(tmp_path):
    with crossing.Interpreter(Path("/bin/true")) as python, pytest.raises(HetmigError):
        python.points_of(str(tmp_path))
