"""Each example does what its docstring says, by the command line written there."""

import ast
import itertools
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
EXAMPLES = {path.stem: path for path in sorted((ROOT / "examples").glob("*.py"))}
ON_311 = pytest.mark.skipif(
    sys.version_info[:2] != (3, 11), reason="the foreign interpreters are CPython 3.11"
)


def command_of(example: Path) -> list[str]:
    """The first command line in the example's docstring, without what is in brackets."""
    text = ast.get_docstring(ast.parse(example.read_text("utf-8"))) or ""
    (line, *_) = re.findall(r"^    python (.+)$", text, re.MULTILINE)
    return re.sub(r"\[.*?\]", "", line).split()


def run(name: str, told: str = "") -> str:
    """What it prints; `told` is what all lines on its standard error contain."""
    command = [sys.executable, *command_of(EXAMPLES[name])]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stdout + done.stderr
    assert [line for line in done.stderr.splitlines() if not told or told not in line] == []
    return done.stdout


def test_every_example_is_run_here() -> None:
    tests = " ".join(name for name in globals() if name.startswith("test_"))
    for file in ROOT.glob("tests/adapters/*/test_*.py"):  # those that need an extra
        tests += " ".join(re.findall(r"^def (test_\w+)", file.read_text("utf-8"), re.MULTILINE))
    assert EXAMPLES
    for name, path in EXAMPLES.items():
        assert f"test_{name}" in tests
        assert command_of(path)[0] == f"examples/{path.name}"


def test_self_moving_agent() -> None:
    shown = run("self_moving_agent")
    assert "lamp: 11 in the south" in shown
    assert "chair: 35 in the south" in shown
    assert "table: 120 in the east" in shown
    processes = re.findall(r"^now in (\w+), process (\d+)", shown, re.MULTILINE)
    assert [shop for shop, _ in processes] == ["east", "south", "north"]
    assert len({process for _, process in processes}) == 3
    assert "3 hops" in shown


def test_async_collector() -> None:
    shown = run("async_collector")
    assert [f"{name}: 45" in shown for name in ("wind", "rain", "sun")] == [True] * 3
    places = re.findall(r"^now in (\w+), process (\d+)", shown, re.MULTILINE)
    assert [place for place, _ in places] == ["east", "south", "north"]
    assert len({process for _, process in places}) == 3
    assert "3 hops" in shown


def test_drain_before_shutdown() -> None:
    shown = run("drain_before_shutdown")
    assert "the same results" in shown
    assert shown.count("ended on new") == 4


def test_executor_over_nodes() -> None:
    shown = run("executor_over_nodes")
    assert re.search(r"^moved from (desk|shelf) to (desk|shelf), after", shown)
    assert shown.count("primes, found on") == 4
    assert "33860 primes below 400000" in shown
    assert "given up: the task is cancelled" in shown


def test_home_and_replica() -> None:
    shown = run("home_and_replica", "task")
    assert "the task is on worker" in shown
    assert "ended on standby" in shown
    assert "the right sum" in shown
    said = [int(number) for number in re.findall(r"up to (\d+)", shown)]
    assert said == [100 * n for n in range(1, len(said) + 1)]


def test_killed_and_resumed() -> None:
    shown = run("killed_and_resumed")
    assert shown.count("\nkilled\n") == 2
    assert shown.count("goes on from checkpoint") == 2
    expected = [f"  {40000 * n}: " for n in range(1, 20)]
    assert [line for line in expected if line not in shown] == []
    assert "\n  63951 primes below 800000\n" in shown


def test_own_policy() -> None:
    shown = run("own_policy")
    assert shown.count("restless ended in the north") == 2
    assert "settled ended in the south" in shown
    assert "2 moves, asked for by placement" in shown


def test_moving_actor() -> None:
    shown = run("moving_actor")
    assert "moved: shop -> office, office -> shop, shop -> office" in shown
    assert "200 sold for 500 crowns" in shown
    assert "each sale once, in order" in shown


def test_log_stays_at_home() -> None:
    shown = run("log_stays_at_home")
    assert "lines read: 40000 on archive, 60000 on worker" in shown
    assert "moved: archive -> worker, worker -> archive" in shown
    assert "the same as without moving" in shown


def test_divided_loop() -> None:
    shown = run("divided_loop")
    assert "executed on: desk, shelf, cellar" in shown
    assert "the same result" in shown


def test_shared_board() -> None:
    shown = run("shared_board")
    assert "15 visits, 15 names" in shown
    assert "15 marks in 1000000 bytes" in shown
    assert "nobody came between" in shown


def test_html_report() -> None:
    shown = run("html_report")
    assert "stayed and 63951 primes" in shown
    assert "by way of ['laptop', 'arm-box', 'cellar', 'laptop', 'cellar']" in shown
    assert "3 tasks, 6 moves, 1 kept" in shown
    assert "report.html has" in shown


def test_moving_collector() -> None:
    shown = run("moving_collector")
    assert "from hill to tower; hill is switched off" in shown
    assert "120 pages of 3 crawlers, says the tower" in shown
    assert "each page once, in order" in shown


@pytest.mark.foreign
@ON_311
def test_x86_to_arm(foreign: Callable[[str], Path]) -> None:
    foreign("arm64")
    shown = run("x86_to_arm")
    assert "aarch64" in shown
    assert "the same primes" in shown


@pytest.mark.foreign
@pytest.mark.slow
@ON_311
def test_around_the_world(foreign: Callable[[str], Path]) -> None:
    for name in ("arm64", "s390x", "armhf", "i386"):
        foreign(name)
    shown = run("around_the_world")
    hops = re.findall(r"^ *\d+\. +(\w+) -> (\w+)", shown, re.MULTILINE)
    route = ["host", *["arm64", "s390x", "armhf", "i386", "host"] * 2]
    assert hops == list(itertools.pairwise(route))
    assert "10 hops" in shown
    assert "the same result" in shown
