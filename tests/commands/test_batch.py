"""`hetmig run --checkpoint`, `resume` and `checkpoint`, as processes that are killed."""

from __future__ import annotations

import contextlib
import os
import random
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(os.name != "posix", reason="process groups and SIGKILL")

STEPS = """
import os, sys
total = 0
for step in range(int(sys.argv[1])):
    for j in range(20_000):
        total = (total * 31 + j) % 1_000_003
    print(step, total, flush=True)
while len(sys.argv) > 2 and not os.path.exists(sys.argv[2]):
    pass
print("done", total)
sys.exit(int(sys.argv[3]) if len(sys.argv) > 3 else 0)
"""

KILLS = int(os.environ.get("HETMIG_KILLS", "2"))

Start = Callable[..., subprocess.Popen[str]]


def expected(steps: int) -> list[str]:
    lines, total = [], 0
    for step in range(steps):
        for j in range(20_000):
            total = (total * 31 + j) % 1_000_003
        lines.append(f"{step} {total}")
    return [*lines, f"done {total}"]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start the command in a process group of its own, which is gone after the test."""
    (tmp_path / "steps.py").write_text(STEPS)
    environment = {**os.environ, "XDG_CONFIG_HOME": str(tmp_path / "config")}
    environment.pop("HETMIG_NODE", None)
    started: list[subprocess.Popen[str]] = []

    def begin(*arguments: object) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "hetmig", *map(str, arguments)],
            cwd=tmp_path,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        started.append(process)
        return process

    yield begin
    for process in started:
        kill(process)
        process.communicate()


def kill(process: subprocess.Popen[str]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def saved(directory: Path) -> list[str]:
    return sorted(name for name in os.listdir(directory) if name.endswith(".checkpoint"))


def read_until(process: subprocess.Popen[str], text: str) -> list[str]:
    """Lines of standard output, up to one that contains the text."""
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line.rstrip("\n"))
        if text in line:
            return lines
    raise AssertionError(f"{text!r} is not in {lines}")


def test_killed_at_random_it_comes_to_the_right_end(start: Start, tmp_path: Path) -> None:
    seed = random.SystemRandom().randrange(1 << 32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    run = ("run", "--checkpoint", "saved", "--every", 0.05, "steps.py", 60 * KILLS)
    lines: list[str] = []
    resumed = 0
    for _ in range(KILLS):
        process = start(*run)
        assert process.stdout is not None
        for _ in range(chance.randrange(60)):
            if line := process.stdout.readline():
                lines.append(line.rstrip("\n"))
        kill(process)
        assert process.stderr is not None
        rest, said = process.stdout.read(), process.stderr.read()
        lines += [line for line in rest.splitlines(keepends=True) if line.endswith("\n")]
        resumed += "goes on from checkpoint" in said
        if process.returncode == 0:
            break
    last = start(*run)
    rest, said = last.communicate(timeout=250)
    assert last.returncode == 0, said
    lines = [line.rstrip("\n") for line in [*lines, *rest.splitlines()]]
    wanted = expected(60 * KILLS)
    assert lines[-1] == wanted[-1]
    # all that the script writes is there; what was written since a checkpoint is there again
    reached = -1
    for line in lines:
        assert line in wanted
        assert wanted.index(line) <= reached + 1, (reached, line)
        reached = max(reached, wanted.index(line))
    assert reached == len(wanted) - 1
    assert saved(tmp_path / "saved") == []
    print(f"killed {KILLS} times at most, resumed {resumed + ('goes on' in said)} times")


def test_sigterm_makes_a_last_one_and_nothing_is_written_twice(
    start: Start, tmp_path: Path
) -> None:
    run = ("run", "--checkpoint", "saved", "steps.py", 30, tmp_path / "gate")
    first = start(*run)
    lines = read_until(first, "29 ")
    first.terminate()
    rest, said = first.communicate(timeout=60)
    assert first.returncode == 75, said
    assert re.search(r"^hetmig: checkpointed at \S+ \(.+:\d+\) and stopped$", said, re.M)
    assert len(saved(tmp_path / "saved")) == 1
    (tmp_path / "gate").touch()
    second = start(*run)
    more, said = second.communicate(timeout=60)
    assert second.returncode == 0, said
    assert re.search(
        r"^hetmig: steps.py goes on from checkpoint 1 of \d{4}-\d\d-\d\d \d\d:\d\d:\d\d"
        r" \(\d+ s ago\), at \S+ \(.+:\d+\)$",
        said,
        re.M,
    )
    assert [*lines, *rest.splitlines(), *more.splitlines()] == expected(30)
    assert saved(tmp_path / "saved") == []


def test_sigterm_to_all_of_its_processes(start: Start, tmp_path: Path) -> None:
    """As a batch system sends it."""
    run = ("run", "--checkpoint", "saved", "steps.py", 3, tmp_path / "gate")
    first = start(*run)
    read_until(first, "2 ")
    children = _descendants(first.pid)
    assert len(children) >= 2
    for pid in [*children, first.pid]:
        os.kill(pid, signal.SIGTERM)
    _, said = first.communicate(timeout=60)
    assert (first.returncode, "and stopped" in said) == (75, True), said


def _descendants(pid: int) -> list[int]:
    found = []
    for entry in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            parent = entry.read_text().rpartition(") ")[2].split()[1]
            if int(parent) == pid:
                found += [int(entry.parent.name), *_descendants(int(entry.parent.name))]
    return found


@pytest.mark.nightly  # the stores' own test has it, too
def test_a_damaged_newest_falls_back_and_says_so(start: Start, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    run = ("run", "--checkpoint", "saved", "--every", 0.05, "steps.py", 60, gate)
    first = start(*run)
    read_until(first, "59 ")
    first.terminate()
    first.communicate(timeout=60)
    newest = tmp_path / "saved" / saved(tmp_path / "saved")[-1]
    newest.write_bytes(newest.read_bytes()[:-10])
    gate.touch()
    second = start(*run)
    out, said = second.communicate(timeout=60)
    assert second.returncode == 0, said
    assert f"{newest.name} is of no use: the parcel should have" in said
    assert out.splitlines()[-1] == expected(60)[-1]


def test_another_script_does_not_go_on_with_it(start: Start, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    first = start("run", "--checkpoint", "saved", "steps.py", 3, gate)
    read_until(first, "2 ")
    first.terminate()
    first.communicate(timeout=60)
    other = start("run", "--checkpoint", "saved", "steps.py", 4)
    assert "`steps.py 3 " in other.communicate(timeout=60)[1]
    assert other.returncode == 2
    anew = start("run", "--checkpoint", "saved", "--anew", "steps.py", 4)
    assert anew.communicate(timeout=60)[0].splitlines() == expected(4)
    assert saved(tmp_path / "saved") == []


@pytest.mark.nightly
def test_after_a_bad_end_they_stay(start: Start, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    run = ("run", "--checkpoint", "saved", "steps.py", 3, gate, 5)
    first = start(*run)
    read_until(first, "2 ")
    first.terminate()
    first.communicate(timeout=60)
    gate.touch()
    second = start(*run)
    assert "the checkpoints stay in saved" in second.communicate(timeout=60)[1]
    assert second.returncode == 5
    assert len(saved(tmp_path / "saved")) == 1
    third = start("resume", "saved")
    out, said = third.communicate(timeout=60)
    assert (third.returncode, out) == (5, f"{expected(3)[-1]}\n"), said


def test_what_is_in_the_way_is_said_once(start: Start, tmp_path: Path) -> None:
    (tmp_path / "open.py").write_text(
        "import os, sys\n"
        "out = open('out.txt', 'w')\n"
        "print('held', flush=True)\n"
        "while not os.path.exists('gate'): pass\n"
        "out.close()\n"
        "print('closed', flush=True)\n"
    )
    process = start("run", "--checkpoint", "saved", "--every", 0.1, "open.py")
    read_until(process, "held")
    assert process.stderr is not None
    line = process.stderr.readline()
    assert line.startswith("hetmig: no checkpoint this time: ")
    assert "out" in line
    (tmp_path / "gate").touch()
    out, said = process.communicate(timeout=60)
    assert (process.returncode, out) == (0, "closed\n"), said


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("run", "--every", "3", "steps.py"), 2, "--every goes with --checkpoint DIR"),
        (("run", "--checkpoint", "saved", "nowhere.py"), 2, "nowhere.py: No such file"),
        (("resume", "nowhere"), 1, "there is no nowhere"),
        (("resume", "steps.py"), 4, "not a hetmig parcel"),
    ],
)
def test_wrong_usage(start: Start, arguments: tuple[str, ...], code: int, said: str) -> None:
    process = start(*arguments)
    assert said in process.communicate(timeout=60)[1]
    assert process.returncode == code
