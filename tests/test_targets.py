"""hetmig.targets: real interpreters of other CPUs, and what is said when one can not be made."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import tomllib
from pathlib import Path

import pytest

from hetmig.errors import TargetUnavailable
from hetmig.targets import TARGETS, available, debian, find_interpreter, interpreters, make, store
from hetmig.targets.__main__ import main
from hetmig.targets.recipes import (
    ARCHITECTURES,
    WHEELS,
    DebianPython,
    LocalPython,
    PyodidePython,
    WindowsPython,
)
from tests.interpreters import FREE_THREADED, ROOT, RUNNING, VERSIONS

needs_apt = pytest.mark.skipif(not shutil.which("apt-get"), reason="there is no apt-get here")
needs_dpkg = pytest.mark.skipif(not shutil.which("dpkg-deb"), reason="there is no dpkg-deb here")
posix = pytest.mark.skipif(os.name != "posix", reason="shell scripts")


@pytest.fixture
def cache(tmp_path, monkeypatch) -> Path:
    """An empty cache directory for this test alone."""
    monkeypatch.setenv("HETMIG_TARGETS", str(tmp_path / "targets"))
    return tmp_path / "targets"


# The interpreters themselves

EXPECTED = {
    "arm64": ("aarch64", "little", 8),
    "s390x": ("s390x", "big", 8),
    "armhf": ("armv7l", "little", 4),
    "i386": ("i686", "little", 4),
    "amd64-3.14": ("x86_64", "little", 8),
    "amd64-3.15": ("x86_64", "little", 8),
    "windows": ("AMD64", "little", 8),
}

INTRODUCE = """
import json, os, platform, struct, subprocess, sys
child = [sys.executable, "-c", "import platform; print(platform.machine())"]
print(json.dumps({
    "machine": platform.machine(),
    "order": sys.byteorder,
    "pointer": struct.calcsize("P"),
    "version": "%d.%d" % sys.version_info[:2],
    "executable": sys.executable,
    "child": subprocess.run(child, capture_output=True, text=True).stdout.strip(),
    "home": os.environ.get("PYTHONHOME"),
    "arguments": sys.argv[1:],
}))
"""


@pytest.mark.foreign
@pytest.mark.parametrize("name", EXPECTED)
def test_a_target_is_what_it_says(foreign, name):
    python = foreign(name)
    machine, order, pointer = EXPECTED[name]
    arguments = ["two words", "$HOME", "'"]
    command = [python, "-c", INTRODUCE, *arguments]
    environment = dict(os.environ, PYTHONHOME="/nowhere")
    answer = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
    told = json.loads(answer.stdout)
    if name == "windows":
        python = f"Z:{python.parent.parent}/windows/python.exe".replace("/", "\\")
    assert told == {
        "machine": machine,
        "order": order,
        "pointer": pointer,
        "version": TARGETS[name].version,
        "executable": str(python),
        "child": machine,  # what it starts by sys.executable is the same machine
        "home": None,
        "arguments": arguments,
    }


@pytest.mark.foreign
@pytest.mark.parametrize("name", EXPECTED)
def test_a_target_imports_what_it_is_given_and_passes_on_how_it_ended(foreign, name, tmp_path):
    python = foreign(name)
    (tmp_path / "carried.py").write_text("import sys; sys.exit(37)")
    environment = dict(os.environ, PYTHONPATH=str(tmp_path))
    assert subprocess.run([python, "-c", "import carried"], env=environment).returncode == 37
    if name == "windows":
        assert subprocess.run([python, "-c", "import os; os.abort()"]).returncode == 3
    else:
        suicide = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
        assert subprocess.run([python, "-c", suicide]).returncode == -9


ON_WEBASSEMBLY = """
import json, platform, sys
import hetmig
assert hetmig.loads(hetmig.dumps({"one": [1]})) == {"one": [1]}
try:
    hetmig.connect
except hetmig.HetmigError as error:
    said = str(error)
told = [platform.machine(), sys.executable, sys.argv[1:], sys.stdin.buffer.read().hex(), said]
print(json.dumps(told))
sys.exit(37)
"""


@pytest.mark.foreign
def test_on_webassembly_hetmig_loads_without_zeromq(foreign):
    python = foreign("pyodide-3.14")
    data = bytes(range(256)) * 300
    arguments = ["two words", "$HOME", "'"]
    environment = dict(os.environ, PYTHONPATH=str(ROOT))
    command = [python, "-c", ON_WEBASSEMBLY, *arguments]
    answer = subprocess.run(command, input=data, capture_output=True, env=environment)
    assert answer.returncode == 37, answer.stderr.decode()
    said = "pyzmq is not installed here: hetmig.connect needs it, dumps and loads do not"
    assert json.loads(answer.stdout) == ["wasm32", str(python), arguments, data.hex(), said]


@posix
@pytest.mark.foreign
def test_what_a_slow_reader_gets_of_webassembly_is_whole(foreign):
    """A pipe that is full takes a part of what is written to it; the rest was lost."""
    import fcntl
    import termios

    text = "".join(f"{number:07}\n" for number in range(40_000))
    program = "import sys; sys.stdout.write(''.join(f'{n:07}\\n' for n in range(40_000)))"
    command = [foreign("pyodide-3.14"), "-c", program]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        size = fcntl.fcntl(process.stdout, fcntl.F_GETPIPE_SZ)
        waiting = b"\0" * 4
        while int.from_bytes(waiting, sys.byteorder) < size - 4096 and process.poll() is None:
            waiting = fcntl.ioctl(process.stdout, termios.FIONREAD, b"\0" * 4)
        assert process.poll() is None
        assert process.stdout.read().decode() == text


@pytest.mark.foreign
def test_a_crash_on_webassembly_looks_like_one(foreign):
    """It is an exception of JavaScript; what starts the target must be able to tell."""
    crash = "import ctypes; ctypes.c_int.from_address(-16).value"
    ended = subprocess.run([foreign("pyodide-3.14"), "-c", crash], stderr=subprocess.DEVNULL)
    assert ended.returncode == -signal.SIGABRT


@pytest.mark.foreign
def test_windows_starts_whatever_its_streams_are(foreign, tmp_path):
    """CPython under wine does not start with a regular file: the wrapper puts pipes in between."""
    program = "import sys; print('out'); print('error', file=sys.stderr)"
    with open(tmp_path / "out", "wb") as out, open(tmp_path / "error", "wb") as error:
        command = [foreign("windows"), "-c", program]
        assert subprocess.run(command, stdout=out, stderr=error).returncode == 0


@pytest.mark.foreign
def test_a_made_target_needs_neither_network_nor_apt(foreign, monkeypatch):
    python = foreign("s390x")
    monkeypatch.setenv("PATH", "/nowhere")
    assert make("s390x") == available("s390x") == python


@pytest.mark.parametrize("version", VERSIONS)
def test_a_version_is_found_here_or_made(foreign, version):
    python = foreign(version)
    ask = "import sys, zmq, dill, bytecode; print('%d.%d' % sys.version_info[:2])"
    answer = subprocess.run([python, "-c", ask], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == version


# The table


def test_the_table_agrees_with_itself():
    for name, target in TARGETS.items():
        assert target.name == name
        assert target.about
        if isinstance(target, DebianPython):
            assert target.architecture in ARCHITECTURES
        elif isinstance(target, LocalPython):
            assert name == target.version
        elif isinstance(target, PyodidePython):
            assert name == f"pyodide-{target.version}"
        else:
            assert isinstance(target, WindowsPython)
            assert len(bytes.fromhex(target.digest)) == 32
    local = [name for name, target in TARGETS.items() if isinstance(target, LocalPython)]
    assert tuple(local) == (*VERSIONS, FREE_THREADED)


def test_foreign_interpreters_get_what_the_project_requires():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wheels = {wheel for wheel in WHEELS if wheel != "typing_extensions"}  # bytecode wants it
    elsewhere = {"pyzmq>=24", "rich>=13"}  # Debian's own; only the command line's
    assert wheels | elsewhere == set(project["dependencies"])


def test_an_unknown_name_is_refused_with_the_known_ones():
    with pytest.raises(TargetUnavailable, match=r"'vax'.*arm64, s390x"):
        make("vax")
    with pytest.raises(TargetUnavailable, match="'vax'"):
        available("vax")


def test_the_command_lists_and_reports_failures(cache, capsys):
    assert main(["--list"]) == 0
    listed = capsys.readouterr().out
    assert all(re.search(rf"^{re.escape(name)} ", listed, re.MULTILINE) for name in TARGETS)
    assert main(["vax"]) == 1
    assert "unavailable: no target is called 'vax'" in capsys.readouterr().err


# What is missing is said


def test_without_apt_it_is_said(cache, monkeypatch):
    monkeypatch.setattr(debian.shutil, "which", lambda tool: None)
    with pytest.raises(
        TargetUnavailable, match=r"target s390x: there is no apt-get here"
    ) as caught:
        make("s390x")
    assert caught.value.data["target"] == "s390x"
    assert available("s390x") is None


@needs_apt
def test_without_debians_keys_it_is_said(cache, monkeypatch, tmp_path):
    monkeypatch.setattr(debian, "_KEYRING", tmp_path / "none.gpg")
    with pytest.raises(TargetUnavailable, match="install debian-archive-keyring"):
        make("s390x")


@posix
def test_without_a_place_it_is_said(monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    monkeypatch.setenv("HETMIG_TARGETS", str(tmp_path / "file"))
    with pytest.raises(TargetUnavailable, match=r"target s390x: .*Not a directory|File exists"):
        make("s390x")


@needs_apt
def test_without_a_network_it_is_said(cache, monkeypatch, closed_port):
    monkeypatch.setattr(debian, "_mirror", lambda: f"http://127.0.0.1:{closed_port}/debian")
    with pytest.raises(TargetUnavailable, match="target s390x: list of packages of Debian forky"):
        make("s390x")
    assert available("s390x") is None


@pytest.fixture
def closed_port():
    """A port nobody listens at."""
    with socket.socket() as unlistening:
        unlistening.bind(("127.0.0.1", 0))
        yield unlistening.getsockname()[1]


def test_a_failing_command_is_quoted():
    program = "import sys; print('noise'); print('E: the reason'); sys.exit(3)"
    with pytest.raises(TargetUnavailable, match=r"^making: E: the reason$"):
        debian.run("making", [sys.executable, "-c", program])
    with pytest.raises(TargetUnavailable, match=r"^making: exit 3$"):
        debian.run("making", [sys.executable, "-c", "raise SystemExit(3)"])
    with pytest.raises(TargetUnavailable, match="there is no no-such-tool here"):
        debian.run("making", ["no-such-tool"])
    with pytest.raises(TargetUnavailable, match="no end after 0 s"):
        debian.run("making", [sys.executable, "-c", "while 1: pass"], timeout=0.1)


# The store


def test_the_store_is_where_the_environment_says(monkeypatch, tmp_path):
    monkeypatch.setenv("HETMIG_TARGETS", str(tmp_path / "a"))
    assert store.place("x") == tmp_path / "a" / "x"
    monkeypatch.delenv("HETMIG_TARGETS")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert store.place("x") == tmp_path / "hetmig" / "targets" / "x"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert store.place("x") == Path.home() / ".cache" / "hetmig" / "targets" / "x"


def test_what_is_made_is_made_once(tmp_path):
    built = []
    for _ in range(2):
        store.once(tmp_path / "thing", {"of": ["wood"]}, built.append)
    assert built == [tmp_path / "thing"]
    assert store.holds(tmp_path / "thing", {"of": ["wood"]})


def test_another_recipe_makes_it_anew(tmp_path):
    thing = tmp_path / "thing"
    store.once(thing, {"of": "wood"}, lambda directory: (directory / "wood").touch())
    store.once(thing, {"of": "stone"}, lambda directory: (directory / "stone").touch())
    assert sorted(file.name for file in thing.iterdir()) == ["made.json", "stone"]


def test_an_interrupted_making_is_begun_anew(tmp_path):
    thing = tmp_path / "thing"

    def interrupted(directory):
        (directory / "half").touch()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store.once(thing, {}, interrupted)
    assert not store.holds(thing, {})
    store.once(thing, {}, lambda directory: (directory / "whole").touch())
    assert sorted(file.name for file in thing.iterdir()) == ["made.json", "whole"]


@posix
def test_two_makers_at_once_make_it_once(tmp_path):
    built = []
    together = threading.Barrier(2)

    def build(directory):
        built.append(directory)

    def maker():
        together.wait()
        store.once(tmp_path / "thing", {}, build)

    makers = [threading.Thread(target=maker) for _ in range(2)]
    for thread in makers:
        thread.start()
    for thread in makers:
        thread.join()
    assert len(built) == 1


# Debian packages


@needs_dpkg
def test_unpacking_stays_inside_the_root(tmp_path):
    """Old places are moved into usr, absolute links made relative, the rest left out."""
    tree = tmp_path / "tree"
    for directory in ("DEBIAN", "lib/cpu", "lib64", "usr/bin", "usr/share/doc", "etc"):
        (tree / directory).mkdir(parents=True)
    control = "Package: p\nVersion: 1\nArchitecture: all\nMaintainer: n <n@example.org>\n"
    (tree / "DEBIAN/control").write_text(f"{control}Description: a trial\n")
    (tree / "lib/cpu/ld.so.1").write_text("loader")
    (tree / "lib64/ld.so").symlink_to("/lib/cpu/ld.so.1")
    (tree / "usr/bin/python3.11").write_text("python")
    (tree / "usr/bin/python3").hardlink_to(tree / "usr/bin/python3.11")
    (tree / "lib/site.py").symlink_to("/etc/site.py")
    (tree / "usr/share/doc/p").write_text("doc")
    (tree / "etc/site.py").write_text("site")
    package = tmp_path / "p.deb"
    subprocess.run(["dpkg-deb", "--build", tree, package], check=True, capture_output=True)

    root = tmp_path / "root"
    debian.unpack([package], root, lambda path: path.startswith(("usr/lib", "usr/bin")))

    found = {str(file.relative_to(root)) for file in root.rglob("*") if not file.is_dir()}
    python = {"usr/bin/python3", "usr/bin/python3.11"}
    assert found == {"usr/lib/cpu/ld.so.1", "usr/lib64/ld.so", *python}
    assert os.readlink(root / "usr/lib64/ld.so") == "../lib/cpu/ld.so.1"
    assert (root / "lib64/ld.so").read_text() == "loader"
    assert (root / "usr/bin/python3").read_text() == "python"


@needs_dpkg
def test_a_damaged_package_is_named(tmp_path):
    (tmp_path / "bad.deb").write_bytes(b"!<arch>\n")
    with pytest.raises(TargetUnavailable, match=r"bad\.deb"):
        debian.unpack([tmp_path / "bad.deb"], tmp_path / "root", lambda path: True)


@pytest.mark.parametrize(
    ("file", "text", "mirror"),
    [
        ("sources.list", "deb http://mirror.example/debian bookworm main\n", True),
        ("sources.list", "deb [arch=amd64] http://mirror.example/debian/ bookworm main\n", True),
        ("sources.list.d/d.sources", "Types: deb\nURIs: http://mirror.example/debian\n", True),
        ("sources.list", "# deb http://mirror.example/debian bookworm main\n", False),
        ("sources.list", "deb http://mirror.example/debian-security bookworm main\n", False),
        ("sources.list", "deb http://mirror.example/ubuntu noble main\n", False),
    ],
)
def test_the_hosts_mirror_is_used_if_it_is_debians(tmp_path, monkeypatch, file, text, mirror):
    (tmp_path / "sources.list.d").mkdir()
    (tmp_path / file).write_text(text)
    monkeypatch.setattr(debian, "_APT", tmp_path)
    expected = "http://mirror.example/debian" if mirror else "http://deb.debian.org/debian"
    assert debian._mirror() == expected


# Interpreters that are here


@posix
def test_only_what_runs_and_is_that_version_is_found(tmp_path, monkeypatch):
    def tool(directory, script):
        file = tmp_path / directory / "python3.77"
        file.parent.mkdir()
        file.write_text(f"#!/bin/sh\n{script}\n")
        file.chmod(0o755)
        return str(file.parent)

    places = [
        tool("launcher", "echo 'not installed' >&2; exit 127"),
        tool("other", "echo cpython 3.76; echo /other"),
        tool("pypy", "echo pypy 3.77; echo /pypy"),
        tool("right", "echo cpython 3.77; echo /right/bin/python3.77"),
    ]
    monkeypatch.setattr(interpreters.Path, "home", lambda: tmp_path)
    for variable in ("PYENV_ROOT", "XDG_DATA_HOME", "RUNNER_TOOL_CACHE", "AGENT_TOOLSDIRECTORY"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("PATH", os.pathsep.join(places))
    find_interpreter.cache_clear()
    assert find_interpreter("3.77") == Path("/right/bin/python3.77")
    monkeypatch.setenv("PATH", os.pathsep.join(places[:-1]))
    find_interpreter.cache_clear()
    assert find_interpreter("3.77") is None
    find_interpreter.cache_clear()


def test_the_running_version_is_found():
    found = find_interpreter(RUNNING)
    assert found is not None
    assert found.exists()
