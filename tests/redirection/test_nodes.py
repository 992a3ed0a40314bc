"""Files and streams of tasks that move between real nodes."""

from __future__ import annotations

import io
import os
import threading

import pytest

import hetmig
from hetmig.errors import NotMigratable, SubmitterGone
from hetmig.node.embedded import LocalNodes
from tests.redirection import tasks
from tests.redirection.test_stdlib import ROOT

SECONDS = 90


@pytest.fixture(scope="module")
def local():
    with LocalNodes(3, path=[str(ROOT)]) as made:
        yield made


@pytest.fixture
def nodes(local):
    with hetmig.connect(local[0], keys=local.keys, echo=False) as connection:
        yield connection


def written(task):
    """What a task writes, and a way to wait for some of it."""
    seen, found = [], threading.Condition()

    def look(stream, text):
        with found:
            seen.append(text)
            found.notify_all()

    def wait_for(text):
        with found:
            assert found.wait_for(lambda: text in "".join(seen), SECONDS), "".join(seen)

    task.add_output_callback(look)
    return seen, wait_for


@pytest.mark.parametrize("policy", ["home", "reopen"])
def test_the_same_bytes(nodes, tmp_path, policy):
    source, target = tmp_path / "source", tmp_path / "target"
    lines = [f"line {number} ä€\n" for number in range(3000)]
    source.write_text("".join(lines), "utf-8")
    stops = ["b", "c", "a", "b", "c"]
    task = nodes.submit(tasks.copy_lines, str(source), str(target), stops, policy)
    assert task.result(SECONDS) == 3000
    assert len(task.journey()) == 5
    expected = "".join(f"{number} {line}" for number, line in enumerate(lines, 1))
    assert target.read_text("utf-8") == expected


def test_what_is_carried_leaves_the_original_as_it_was(nodes, tmp_path):
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_text("a\nb\nc\n")
    task = nodes.submit(tasks.copy_lines, str(source), str(target), ["b"], "carry")
    assert task.result(SECONDS) == 3
    assert target.read_text() == "1 a\n"


def test_refuse(nodes, tmp_path):
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_text("a\n")
    task = nodes.submit(tasks.copy_lines, str(source), str(target), ["b"], "refuse")
    with pytest.raises(NotMigratable, match="policy 'refuse'"):
        task.result(SECONDS)


def test_the_policy_of_the_task(nodes, tmp_path):
    target = tmp_path / "target"
    kinds = nodes.submit(tasks.plain_open, str(target)).result(SECONDS)
    assert kinds == ["RemoteRaw", "LocalRaw", "carry", "home", "LocalRaw"]
    assert target.read_text() == "one two"


def test_the_short_way_breaks(nodes, tmp_path):
    (tmp_path / "file").write_bytes(os.urandom(6 << 20))
    task = nodes.submit(tasks.read_without_short_way, str(tmp_path / "file"), 6 << 20)
    assert task.result(SECONDS)


def test_a_tasks_own_key_is_good_for_its_files_alone(nodes, tmp_path):
    (tmp_path / "file").write_bytes(os.urandom(1 << 20))
    refused = nodes.submit(tasks.ask_for_more, str(tmp_path / "file")).result(SECONDS)
    assert refused == ["Unauthorized"] * 3 + ["FileLost", "ProtocolError"]


def test_the_end_of_a_task_writes_what_is_open(nodes, tmp_path):
    assert nodes.submit(tasks.leave_open, str(tmp_path / "file")).result(SECONDS) == "done"
    assert (tmp_path / "file").read_text() == "written at the end"


def open_files(pid, path):
    """How many descriptors of a process lead to a file."""
    found = 0
    for name in os.listdir(f"/proc/{pid}/fd"):
        try:
            found += os.readlink(f"/proc/{pid}/fd/{name}") == str(path)
        except OSError:
            continue
    return found


@pytest.mark.skipif(not os.path.exists("/proc/self/fd"), reason="needs /proc")
@pytest.mark.slow
def test_a_task_that_is_cancelled_elsewhere_leaves_nothing_open(local, nodes, tmp_path):
    task = nodes.submit(tasks.hold, str(tmp_path / "file"))
    _, wait_for = written(task)
    wait_for("holding")
    assert open_files(local[0].pid, tmp_path / "file") == 1
    assert task.cancel()
    looked = threading.Event()
    for _ in range(200):  # the node looks every some seconds
        if not open_files(local[0].pid, tmp_path / "file"):
            break
        looked.wait(0.25)
    assert open_files(local[0].pid, tmp_path / "file") == 0
    assert (tmp_path / "file").read_text() == "a little"


@pytest.mark.nightly
def test_the_node_with_the_file_dies(tmp_path):
    with LocalNodes(3, path=[str(ROOT)]) as local:
        with hetmig.connect(local[2], keys=local.keys, echo=False) as nodes:
            task = nodes.submit(to_a_then, str(tmp_path / "file"), str(tmp_path / "signal"))
            _, wait_for = written(task)
            wait_for("there")
            local[0].kill()
            (tmp_path / "signal").touch()
            assert "FileUnreachable: the node a" in task.result(SECONDS)


def to_a_then(target, signal):
    hetmig.migrate("a")
    return tasks.write_on(target, signal)


@pytest.mark.nightly
@pytest.mark.foreign
def test_other_versions_and_byte_orders(foreign, tmp_path):
    pythons = [None, str(foreign("3.13")), str(foreign("s390x"))]
    source, target = tmp_path / "source", tmp_path / "target"
    lines = [f"line {number} ä€\n" for number in range(2000)]
    source.write_text("".join(lines), "utf-8")
    script = tmp_path / "ask.py"
    script.write_text(tasks.SCRIPT)
    with (
        LocalNodes(3, python=pythons, path=[str(ROOT)]) as local,
        hetmig.connect(local[0], keys=local.keys, echo=False) as nodes,
    ):
        stops = ["b", "c", "a", "b", "c"]
        task = nodes.submit(tasks.copy_lines, str(source), str(target), stops, "home")
        assert task.result(SECONDS) == 2000
        task = nodes.run_script(script, stdin=io.BytesIO(b"Ann\nsec\nthird\r\nlast"))
        seen, _ = written(task)
        task.result(SECONDS)
        assert "".join(seen).endswith("'last' c\nEOFError\n")
    expected = "".join(f"{number} {line}" for number, line in enumerate(lines, 1))
    assert target.read_text("utf-8") == expected


# Standard input -------------------------------------------------------------------------------


def test_standard_input_follows_the_submitter(nodes, tmp_path):
    script = tmp_path / "ask.py"
    script.write_text(tasks.SCRIPT)
    stdin = io.BytesIO(b"Ann\nsec\nthird\r\nlast")
    task = nodes.run_script(script, stdin=stdin)
    seen, _ = written(task)
    task.result(SECONDS)
    text = "".join(seen)
    assert "name? here Ann a\nmore? there sec b\n'third\\n' b\n'last' c\nEOFError\n" in text


def test_a_task_moves_while_it_waits_for_input(nodes, tmp_path):
    script = tmp_path / "wait.py"
    script.write_text(tasks.WAITING)
    reader, writer = os.pipe()
    with open(reader, "rb") as stdin, open(writer, "wb", 0) as keyboard:
        task = nodes.run_script(script, stdin=stdin)
        seen, wait_for = written(task)
        wait_for("waiting\n? ")
        assert task.migrate("b", timeout=SECONDS).destination == "b"
        assert task.migrate("c", timeout=SECONDS).destination == "c"
        keyboard.write(b"an answer\n")
        task.result(SECONDS)
    assert "".join(seen) == "waiting\n? got an answer c\n"


def test_without_a_submitters_input_it_is_empty(nodes, tmp_path):
    script = tmp_path / "wait.py"
    script.write_text(tasks.WAITING)
    with pytest.raises(EOFError):
        nodes.run_script(script).result(SECONDS)


@pytest.mark.nightly
def test_the_submitter_is_gone(local, tmp_path):
    script = tmp_path / "wait.py"
    script.write_text(tasks.WAITING)
    reader, writer = os.pipe()
    with open(reader, "rb") as stdin, open(writer, "wb", 0):
        with hetmig.connect(local[0], keys=local.keys, echo=False) as nodes:
            task = nodes.run_script(script, stdin=stdin)
            _, wait_for = written(task)
            wait_for("waiting\n? ")
        with hetmig.connect(local[0], keys=local.keys, echo=False) as nodes:
            with pytest.raises(SubmitterGone, match="not there to be asked"):
                nodes.task(task.id).result(SECONDS)
