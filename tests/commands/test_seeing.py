"""`hetmig top`, `trace` and `ps --json`, against real nodes that have moved a task."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest

import hetmig
from hetmig.cli import main
from hetmig.client import Task
from hetmig.node.embedded import LocalNodes

ROOT = Path(__file__).parents[2]
Run = Callable[..., tuple[int, str]]
TYPES = {"string": str, "number": int | float, "boolean": bool, "array": list, "object": dict}


def to_and_fro() -> str | None:
    """Moves twice by itself, and then waits to be cancelled."""
    hetmig.migrate("beta")
    hetmig.migrate("alpha")
    while True:
        hetmig.progress(1, 4, "waiting")


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalNodes]:
    state = tmp_path_factory.mktemp("state")
    with LocalNodes(2, names=["alpha", "beta"], path=[str(ROOT)], state=state) as nodes:
        yield nodes


@pytest.fixture(scope="module")
def task(local: LocalNodes) -> Iterator[Task]:
    with hetmig.connect(local[0], keys=local.keys, echo=False) as nodes:
        task = nodes.submit(to_and_fro)
        while len(task.journey()) < 2 or task.progress() is None:
            task.exception(0.05) if task.done() else None
        yield task
        task.cancel()


@pytest.fixture
def command(local: LocalNodes, task: Task, capsys: pytest.CaptureFixture[str]) -> Run:
    def run(*arguments: str) -> tuple[int, str]:
        options = ["--node", local[0].endpoint, "--keys", str(local.keys)]
        capsys.readouterr()
        code = main([*arguments, *options])
        return code, capsys.readouterr().out

    return run


def test_top_is_plain_text_in_a_pipe(command: Run, task: Task) -> None:
    for options in ((), ("--once",)):
        code, shown = command("top", *options)
        assert code == 0
        assert "\x1b" not in shown
        nodes, tasks, moves = shown.strip().split("\n\n")
        assert re.search(r"^alpha +up +3\.\d+\.\d+ +\S+ \S+ +1 ", nodes, re.MULTILINE)
        assert re.search(r"^beta +up ", nodes, re.MULTILINE)
        line = rf"^{task.id} +to_and_fro +alpha +running +25 % waiting +2 +\S+ m?s +\S+ kB"
        assert re.search(line, tasks, re.MULTILINE)
        assert [re.findall(r"\w+ → \w+", row) for row in moves.splitlines()[1:]] == [
            ["beta → alpha"],
            ["alpha → beta"],
        ]


def test_the_steps_of_a_hop_are_its_freeze_time(task: Task) -> None:
    for hop in task.journey():
        assert [(step.side, step.step) for step in hop.steps] == [
            *(("source", name) for name in ("capture", "prepare", "seal", "send")),
            ("link", "offer"),
            *(("destination", name) for name in ("verify", "runner", "keep", "record", "rebuild")),
            ("source", "record"),
            ("link", "commit"),
            ("destination", "start"),
            ("destination", "record"),
        ]
        assert all(step.seconds >= 0 for step in hop.steps)
        assert sum(step.seconds for step in hop.steps) == pytest.approx(hop.freeze_s, abs=0.1)


def test_trace_shows_each_step_and_draws_them(command: Run, task: Task, tmp_path: Path) -> None:
    file = tmp_path / "journey.svg"
    code, shown = command("trace", task.id[:5], "--plot", str(file))
    assert code == 0
    assert shown.startswith(f"to_and_fro {task.id}, running on alpha: 2 moves\n")
    assert len(re.findall(r"^ +destination +rebuild +\S+ m?s", shown, re.MULTILINE)) == 2
    drawn = ElementTree.fromstring(file.read_text("utf-8"))
    parts = [node for node in drawn.iter() if node.get("class") == "part"]
    assert len(parts) == sum(len(hop.steps) for hop in task.journey())


def test_trace_as_json_is_the_journey(command: Run, task: Task) -> None:
    code, shown = command("trace", "to_and", "--json")
    assert code == 0
    found = json.loads(shown)
    assert found["task"]["id"] == task.id
    assert found["hops"] == [hop.to_json() for hop in task.journey()]


def test_trace_of_nothing_is_wrong_usage(command: Run) -> None:
    assert command("trace", "nothing-of-that-name")[0] == 2


def test_report_is_a_page_or_a_table(command: Run, task: Task, tmp_path: Path) -> None:
    file = tmp_path / "report.html"
    code, shown = command("report", "--html", str(file), "to_and")
    assert (code, shown) == (0, f"1 task, 2 moves: {file}\n")
    page = file.read_text("utf-8")
    assert page.startswith("<!DOCTYPE html>")
    assert page.count('class="freeze"') == 2
    assert re.search(r"to_and_fro on beta: from \+\S+ m?s for \S+ m?s; moved on", page)
    code, shown = command("report")
    assert code == 0
    assert re.search(rf"^{task.id} +to_and_fro +running .+ alpha → beta → alpha$", shown, re.M)
    assert re.search(r"^   destination +rebuild +\S+ m?s +\S+ %", shown, re.MULTILINE)


def test_report_as_json_is_what_python_says(command: Run, task: Task, tmp_path: Path) -> None:
    code, shown = command("report", "--json", task.id)
    assert code == 0
    found = json.loads(shown)
    assert found["totals"]["moves"] == 2
    (told,) = found["tasks"]
    assert [stay["node"] for stay in told["stays"]] == ["alpha", "beta", "alpha"]
    assert told["hops"] == [hop.to_json() for hop in task.journey()]
    (own,) = task.report().stories
    assert [hop.to_json() for hop in own.hops] == told["hops"]
    with pytest.raises(hetmig.TaskLost, match="no-such-task"):
        task._nodes.report("no-such-task")


def test_the_home_knows_checkpoints_and_the_end(local: LocalNodes, tmp_path: Path) -> None:
    with hetmig.connect(local[0], keys=local.keys, echo=False) as nodes:
        task = nodes.submit(to_and_fro)
        while len(task.journey()) < 2 or task.progress() is None:
            task.exception(0.05) if task.done() else None
        kept = task.checkpoint(tmp_path)
        task.cancel()
        (story,) = nodes.report(task.id).stories
        assert [(saved.number, saved.node, saved.bytes) for saved in story.checkpoints] == [
            (kept.number, kept.node, kept.bytes)
        ]
        assert story.state == "cancelled"
        assert story.stays[-1].left == "ended"
        later = nodes.report(task.id).stories[0]
        assert later.end == story.end


@pytest.mark.parametrize(("key", "options"), [("tasks", ()), ("nodes", ("--nodes",))])
def test_ps_json_is_as_documented(command: Run, key: str, options: tuple[str, ...]) -> None:
    section = (ROOT / "docs" / "command-line.md").read_text("utf-8").partition("## ps\n")[2]
    _, tasks, nodes = section.partition("\n## ")[0].split("| field | type | meaning |")
    rows = re.findall(
        r"^\| `(\w+)` \| ([\w ]+) \|", tasks if key == "tasks" else nodes, re.MULTILINE
    )
    documented = dict(rows)
    shown = json.loads(command("ps", "--json", *options)[1])
    assert shown.keys() == {key}
    assert shown[key]
    for entry in shown[key]:
        assert list(entry) == list(documented)
        for name, value in entry.items():
            kinds = documented[name].split(" or ")
            if value is None:
                assert "null" in kinds, name
            else:
                assert isinstance(value, TYPES[kinds[0]]), name
