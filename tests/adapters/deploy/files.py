"""The files of docs/deploy, and what they would start."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest

DEPLOY = Path(__file__).parents[3] / "docs" / "deploy"
PORT = "tcp://127.0.0.1:7717"


def text(name: str) -> str:
    return (DEPLOY / name).read_text("utf-8")


def tool(name: str) -> str:
    """A linter, as pip or the system installs it; else the test is skipped."""
    found = shutil.which(name) or shutil.which(name, path=str(Path(sys.executable).parent))
    if found is None:
        pytest.skip(f"{name} is not here")
    return found


class Deployed(NamedTuple):
    """How something runs a node: all commands begin with `hetmig`."""

    start: list[str]
    stop: list[str] | None
    """None: it is sent SIGTERM."""
    checks: list[list[str]]
    grace: float
    """Seconds until it is killed."""


def container() -> Deployed:
    said = re.sub(r"\\\n", " ", text("Dockerfile"))

    def of(instruction: str) -> list[str]:
        found = re.findall(rf"^{instruction} (?:--\S+ +)*(?:CMD )?(\[.+\])$", said, re.MULTILINE)
        assert len(found) == 1, instruction
        words: list[str] = json.loads(found[0])
        return words

    (stop_timeout,) = re.findall(r"--stop-timeout (\d+)", said)
    start = of("ENTRYPOINT") + of("CMD")
    return Deployed(start, None, [of("HEALTHCHECK")], float(stop_timeout))


def resources() -> list[dict[str, Any]]:
    yaml = pytest.importorskip("yaml", reason="needs hetmig[test-adapters]")
    return list(yaml.safe_load_all(text("kubernetes.yaml")))


def kubernetes() -> Deployed:
    (pod,) = [r["spec"]["template"]["spec"] for r in resources() if r["kind"] == "StatefulSet"]
    (node,) = pod["containers"]
    return Deployed(
        node["command"],
        node["lifecycle"]["preStop"]["exec"]["command"],
        [node["livenessProbe"]["exec"]["command"]],
        float(pod["terminationGracePeriodSeconds"]),
    )


def unit() -> dict[str, str]:
    """Its settings; those that are there twice are not asked for."""
    lines = [line for line in text("hetmig.service").splitlines() if re.match(r"\w+=", line)]
    return dict(line.split("=", 1) for line in lines)


def systemd() -> Deployed:
    said = unit()

    def words(name: str) -> list[str]:
        program, *rest = shlex.split(said[name].lstrip("-"))
        assert program == "/opt/hetmig/bin/hetmig"
        return ["hetmig", *rest]

    return Deployed(words("ExecStart"), words("ExecStop"), [], float(said["TimeoutStopSec"]))


ALL = {"container": container, "kubernetes": kubernetes, "systemd": systemd}


def here(command: list[str], directory: Path, endpoint: str, join: str = "") -> list[str]:
    """The same command with the paths and ports of a test; nothing else is changed."""
    words = []
    for word in command:
        if word.startswith("--advertise=") or (word.startswith("--join=") and not join):
            continue
        if word.startswith("--join="):
            word = f"--join={join}"
        elif word == "$OPTIONS":
            words += ["--join", join]
            continue
        for old, new in {
            "tcp://0.0.0.0:7717": "tcp://127.0.0.1:0",
            PORT: endpoint,
            "0.0.0.0:9464": "0",
            "$(POD)": "hetmig-1",
            "%H": "host.example",
            "%S": str(directory),
            "/etc/hetmig/keys": f"{directory}/keys",
        }.items():
            word = word.replace(old, new)
        words.append(re.sub(r"^(--\w+=)?(?=/(?:keys|state))", rf"\g<1>{directory}", word))
    return [sys.executable, "-u", "-m", *words]
