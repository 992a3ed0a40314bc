"""`hetmig node`, `run`, `ps` and `mv`, against real nodes."""

import json
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import hetmig
from hetmig.cli import main
from hetmig.client import Nodes, Task, TaskInfo
from hetmig.commands.script import wait
from hetmig.commands.tasks import duration, find_task
from hetmig.errors import HetmigError
from hetmig.node.embedded import LocalNodes
from hetmig.node.keys import Keyring

Run = Callable[..., tuple[int, str, str]]


def until_moved() -> str | None:
    """A tight loop that ends on another node than it began on."""
    start = hetmig.here()
    while hetmig.here() == start:
        hetmig.progress(1, 4, "waiting")
    return hetmig.here()


def with_its_flags(seconds: float) -> None:
    """What can't travel is in the way as long as this runs."""
    flags = sys.flags
    print("held", flush=True)
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        assert flags is not None


@pytest.fixture(scope="module")
def local() -> Iterator[LocalNodes]:
    with LocalNodes(2, names=["alpha", "beta"], path=[str(Path(__file__).parents[2])]) as nodes:
        yield nodes


@pytest.fixture
def nodes(local: LocalNodes) -> Iterator[Nodes]:
    with hetmig.connect(local[0], keys=local.keys, echo=False) as nodes:
        yield nodes


@pytest.fixture
def command(local: LocalNodes, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command against alpha: exit code, stdout, stderr."""

    def run(name: str, *arguments: str) -> tuple[int, str, str]:
        options = ["--node", local[0].endpoint, "--keys", str(local.keys)]
        code = main([name, *options, *arguments])
        shown = capsys.readouterr()
        return code, shown.out, shown.err

    return run


@pytest.fixture
def waiting(nodes: Nodes) -> Iterator[Task]:
    task = nodes.submit(until_moved)
    begun = threading.Event()
    task.add_progress_callback(lambda *progress: begun.set())
    assert begun.wait(30)  # and it knows where it has begun
    yield task
    task.cancel()


def test_ps_shows_where_tasks_are(command: Run, waiting: Task) -> None:
    code, out, _ = command("ps")
    assert code == 0
    heading, *rows = out.splitlines()
    assert heading.split() == ["TASK", "NAME", "STATE", "NODE", "PROGRESS", "HOPS", "AGE", "WHAT"]
    (row,) = [row.split() for row in rows if row.startswith(waiting.id)]
    assert row[1:4] == ["until_moved", "running", "alpha"]


def test_objects_and_actors_are_listed_and_moved(command: Run, nodes: Nodes) -> None:
    ref, actor = nodes.put([1, 2]), nodes.spawn(dict, name="value")
    _, out, _ = command("ps")
    rows = {row.split()[0]: row.split()[1:] for row in out.splitlines()}
    assert rows[ref.id][:3] == ["list", "kept", "alpha"]
    assert rows[actor.id][:3] == ["dict", "running", "alpha"]
    assert [rows[ref.id][-1], rows[actor.id][-1]] == ["object", "actor"]
    code, out, err = command("mv", ref.id, "beta")
    assert (code, err) == (0, "")
    assert re.fullmatch(r"list went from alpha to beta: frozen .+, 0 frames\n", out)
    assert command("mv", actor.id, "beta")[0] == 0
    assert ref.get() == [1, 2]
    assert actor.get("name").result(30) == "value"
    actor.delete()
    ref.delete()


def test_ps_for_programs(command: Run, waiting: Task) -> None:
    code, out, _ = command("ps", "--json")
    assert code == 0
    (task,) = [task for task in json.loads(out)["tasks"] if task["id"] == waiting.id]
    assert task["node"] == task["home"] == "alpha"
    assert task["hops"] == 0


def test_ps_lists_nodes(command: Run) -> None:
    code, out, _ = command("ps", "--nodes")
    assert code == 0
    assert [row.split()[0] for row in out.splitlines()] == ["NODE", "alpha", "beta"]
    code, out, _ = command("ps", "--nodes", "--json")
    assert {node["name"]: node["reachable"] for node in json.loads(out)["nodes"]} == {
        "alpha": True,
        "beta": True,
    }


def test_mv_by_abbreviations(command: Run, waiting: Task) -> None:
    code, out, err = command("mv", "until", "be")
    assert (code, err) == (0, "")
    assert out.startswith("until_moved went from alpha to beta: frozen ")
    assert waiting.result(30) == "beta"


def test_mv_by_id_for_programs(command: Run, waiting: Task) -> None:
    code, out, err = command("mv", "--json", waiting.id, "beta")
    assert (code, err) == (0, "")
    hop = json.loads(out)
    assert (hop["source"], hop["destination"], hop["requested_by"]) == ("alpha", "beta", "client")


def test_names_that_fit_nothing_or_several(command: Run, nodes: Nodes, waiting: Task) -> None:
    code, _, err = command("mv", "until", "gamma")
    assert (code, err) == (2, "hetmig: there is no node 'gamma'; there is: alpha, beta\n")
    code, _, err = command("mv", "other", "beta")
    assert code == 2
    assert f"{waiting.id} (until_moved)" in err
    second = nodes.submit(until_moved)
    code, _, err = command("mv", "until", "beta")
    second.cancel()
    assert code == 2
    assert "could be" in err


def test_what_cannot_move_goes_on_and_is_named(command: Run, nodes: Nodes) -> None:
    task = nodes.submit(with_its_flags, 3)
    held = threading.Event()
    task.add_output_callback(lambda stream, text: held.set())
    assert held.wait(30)
    code, _, err = command("mv", "with_its_flags", "beta", "--timeout", "0.5")
    assert code == 1
    assert err.startswith("hetmig: ")
    assert "sys.flags" in err
    assert "with_its_flags" in err
    assert task.result(30) is None
    assert task.journey() == []


def write(path: Path, text: str) -> str:
    path.write_text(text)
    return str(path)


def test_run_is_like_python(command: Run, tmp_path: Path) -> None:
    script = write(
        tmp_path / "s.py", "import sys\nprint(__name__, sys.argv[1:])\nsys.exit(len(sys.argv))"
    )
    code, out, _ = command("run", script, "-a", "--json")
    assert (code, out) == (3, "__main__ ['-a', '--json']\n")


@pytest.mark.parametrize(
    ("text", "code", "message"),
    [
        ("x = 1", 0, ""),
        ("import sys; sys.exit()", 0, ""),
        ("import sys; sys.exit('enough')", 1, "enough\n"),
        ("def f():\n    1 / 0\nf()", 1, "ZeroDivisionError: division by zero\n"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", 1, "SIGKILL"),
        ("def (", 2, "SyntaxError"),
    ],
)
def test_how_a_script_ends(
    text: str, code: int, message: str, command: Run, tmp_path: Path
) -> None:
    ended, out, err = command("run", write(tmp_path / "s.py", text))
    assert (ended, out) == (code, "")
    assert message in err
    assert "hetmig/commands" not in err


def test_a_script_that_is_not_there(command: Run) -> None:
    code, _, err = command("run", "missing.py")
    assert (code, err) == (2, "hetmig: missing.py: No such file or directory\n")


def test_a_script_moves_with_its_module_level_loop(
    command: Run, local: LocalNodes, nodes: Nodes, tmp_path: Path
) -> None:
    text = """\
import hetmig
for number in range(3):
    print("number", number)
    if number == 1:
        print("ready", flush=True)
        while hetmig.here() == "alpha":
            pass
print("on", hetmig.here())
"""
    options = ["--on", local[0].endpoint, "--keys", str(local.keys)]
    program = [sys.executable, "-m", "hetmig", "run", *options, write(tmp_path / "loop.py", text)]
    with subprocess.Popen(program, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        shown = [running.stdout.readline() for _ in range(3)]
        assert shown[-1] == "ready\n"
        assert command("mv", "loop.py", "beta")[0] == 0
        rest = running.stdout.read()
    assert "".join(shown) + rest == "number 0\nnumber 1\nready\nnumber 2\non beta\n"
    assert running.returncode == 0


BESIDE = """\
import helper, hetmig, os
def read():
    with open("data.txt") as file:
        return helper.double(file.read())
print(read())
hetmig.migrate("beta")
os.remove("data.txt")
print(helper.calls, hetmig.here())
read()
"""


def test_a_script_finds_what_is_beside_it_here_and_there(
    command: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bin").mkdir()
    write(tmp_path / "bin" / "helper.py", """\
calls = 0
def double(text):
    global calls
    calls += 1
    return 2 * text
""")  # fmt: skip
    script = write(tmp_path / "bin" / "beside.py", BESIDE)
    write(tmp_path / "data.txt", "ab")
    monkeypatch.chdir(tmp_path)
    code, out, err = command("run", "bin/beside.py")
    assert (code, out) == (1, "abab\n1 beta\n")
    lines = [
        f'  File "{script}", line 9, in <module>',
        "    read()",
        f'  File "{script}", line 3, in read',
        '    with open("data.txt") as file:',
    ]
    assert [line for line in err.splitlines() if "^" not in line][1:5] == lines
    assert err.splitlines()[-1].startswith("FileNotFoundError")


def test_the_lines_of_a_script_are_known_where_its_file_is_not(
    nodes: Nodes, tmp_path: Path
) -> None:
    source = "import hetmig\nhetmig.migrate('beta')\n1 / 0  # far away\n"
    task = nodes.run_script(tmp_path / "missing.py", source=source)
    with pytest.raises(ZeroDivisionError) as caught:
        task.result(60)
    assert "    1 / 0  # far away\n" in str(caught.value.__cause__)


def test_ctrl_c_ends_the_script_where_it_is(
    local: LocalNodes, nodes: Nodes, tmp_path: Path
) -> None:
    script = write(tmp_path / "forever.py", "print('ready', flush=True)\nwhile True: pass\n")
    options = ["--on", local[0].endpoint, "--keys", str(local.keys)]
    program = [sys.executable, "-m", "hetmig", "run", *options, script]
    with subprocess.Popen(
        program, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == "ready\n"
        running.send_signal(signal.SIGINT)
        _, err = running.communicate(timeout=30)
    assert (running.returncode, err) == (130, "hetmig: interrupted\n")
    assert [task.state for task in nodes.tasks() if task.name == "forever.py"] == ["cancelled"]


def test_a_node_from_its_first_line_to_ctrl_c(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    program = [sys.executable, "-m", "hetmig", "node", "--listen", "tcp://127.0.0.1:0"]
    with subprocess.Popen(
        [*program, "--name", "solo"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as running:
        assert running.stdout is not None
        line = running.stdout.readline()
        match = re.match(r"node solo listens on (tcp://127\.0\.0\.1:\d+); Ctrl-C ends it", line)
        assert match
        monkeypatch.setenv("HETMIG_NODE", match[1])
        assert main(["ps", "--nodes"]) == 0
        assert "solo" in capsys.readouterr().out
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=30)
    assert (running.returncode, out, err) == (0, "stopped\n", "")


def test_a_task_stays_where_its_home_can_be_reached(local: LocalNodes) -> None:
    unreachable = "tcp://127.0.0.1:1"  # for others; this is how a laptop on loopback looks to them
    options = ["--listen", "tcp://127.0.0.1:0", "--advertise", unreachable]
    program = [sys.executable, "-m", "hetmig", "node", *options, "--keys", str(local.keys)]
    with subprocess.Popen([*program, "--name", "solo"], stdout=subprocess.PIPE, text=True) as node:
        try:
            assert node.stdout is not None
            said = re.match(
                r"node solo listens on (\S+), for others (\S+);", node.stdout.readline()
            )
            assert said
            assert said[2] == unreachable
            with hetmig.connect(said[1], keys=local.keys, echo=False) as nodes:
                task = nodes.submit(until_moved)
                with pytest.raises(hetmig.MigrationRefused, match=r"home node solo, tcp:.*:1:"):
                    task.migrate(local[1].endpoint)
                assert task.where() == "solo"
                assert task.journey() == []
        finally:
            node.kill()


def test_a_node_beyond_this_machine_needs_keys(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert main(["node", "--listen", "tcp://0.0.0.0:0"]) == 1
    assert "--keys" in capsys.readouterr().err


def test_a_stranger_is_exit_code_3(
    local: LocalNodes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["keys", "init", str(tmp_path / "keys")]) == 0
    options = ["--node", local[0].endpoint, "--keys", str(tmp_path / "keys")]
    assert main(["ps", *options]) == 3
    assert capsys.readouterr().err.startswith("hetmig: ")


@pytest.mark.parametrize(
    ("seconds", "text"), [(3.2, "3 s"), (99, "99 s"), (300, "5 min"), (7200, "2 h")]
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_a_node_that_is_not_there_is_exit_code_3(
    monkeypatch: pytest.MonkeyPatch, local: LocalNodes, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("hetmig.commands.common._LISTENER_SECONDS", 0.2)
    options: list[Any] = ["--node", "tcp://127.0.0.1:1", "--keys", str(local.keys)]
    assert main(["ps", *options]) == 3
    starts = "`hetmig node --listen tcp://127.0.0.1:1` starts one"
    said = f"hetmig: nothing listens at tcp://127.0.0.1:1; {starts}\n"
    assert capsys.readouterr().err == said


def test_a_node_whose_name_no_one_knows_is_exit_code_3(
    local: LocalNodes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    public = Keyring.open(local.keys).identity.public.decode()
    options = ["--keys", str(tmp_path / "keys")]
    assert main(["keys", "init", str(tmp_path / "keys")]) == 0
    endpoint = "tcp://no-such-host.invalid:7717"
    assert main(["keys", "add", public, "--name", "far", "--endpoint", endpoint, *options]) == 0
    assert main(["ps", "--node", "far", *options]) == 3
    assert capsys.readouterr().err.startswith(f"hetmig: {endpoint}: ")


@pytest.mark.parametrize("state", ["running", "unreachable", "unresponsive"])
def test_what_does_not_answer_just_now_is_still_there(state: str) -> None:
    info = TaskInfo("3f2a", "job", "task", state, "b", "tcp://b:1", "a", 0.0, None, 0)
    nodes: Any = SimpleNamespace(tasks=lambda: [info])
    assert find_task(nodes, "3f") is info


def test_a_task_is_cancelled_wherever_it_is(command: Run, waiting: Task) -> None:
    code, _, said = command("cancel", waiting.id, "nothing")
    assert (code, "no task 'nothing' runs here" in said) == (2, True)
    assert "others are asked with --node (beta" in said
    assert waiting.state == "running"
    code, shown, _ = command("cancel", waiting.id[:10])
    assert (code, shown) == (0, f"until_moved ({waiting.id}) on alpha is cancelled\n")
    with pytest.raises(CancelledError):
        waiting.result(60)


def test_who_waits_for_a_script_that_was_cancelled_is_told_so(nodes: Nodes, tmp_path: Path) -> None:
    (tmp_path / "endless.py").write_text("while True:\n    pass\n")
    task = nodes.run_script(tmp_path / "endless.py")
    nodes.cancel(task.id)
    with pytest.raises(HetmigError, match=r"^endless.py \(\w+\) was cancelled$"):
        wait(task)
