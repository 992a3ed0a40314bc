"""The files of docs/deploy pass their linters, and agree with each other and with the recipes."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from hetmig.cli import build_parser
from tests.adapters.deploy.files import (
    ALL,
    DEPLOY,
    Deployed,
    container,
    kubernetes,
    resources,
    text,
    tool,
    unit,
)

RECIPES = DEPLOY.parent / "recipes"
EXPOSURE = 20
"""Tenths; `systemd-analyze security` calls what is below "OK"."""


def run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def block(page: str, language: str, number: int) -> str:
    found = re.findall(
        rf"^```{language}\n(.+?)^```",
        (RECIPES / page).read_text("utf-8"),
        re.MULTILINE | re.DOTALL,
    )
    return str(found[number])


def test_the_container() -> None:
    run(tool("hadolint"), "--failure-threshold", "style", str(DEPLOY / "Dockerfile"))
    said = text("Dockerfile")
    assert re.search(r"^USER 10001:10001$", said, re.MULTILINE)
    assert "hetmig" in text("Dockerfile.dockerignore")


@pytest.mark.parametrize("version", ["1.29.0", "1.33.0"])
def test_the_manifest(version: str) -> None:
    validate = pytest.importorskip("kubernetes_validate", reason="needs hetmig[test-adapters]")
    for resource in resources():
        validate.validate(resource, version, strict=True)


def test_the_manifest_is_of_one_piece() -> None:
    found: dict[str, Any] = {resource["kind"]: resource for resource in resources()}
    assert found.keys() == {"Service", "StatefulSet", "PodDisruptionBudget", "NetworkPolicy"}
    spec = found["StatefulSet"]["spec"]
    labels = spec["template"]["metadata"]["labels"]
    assert spec["serviceName"] == found["Service"]["metadata"]["name"]
    assert labels == found["Service"]["spec"]["selector"]
    for kind in ("StatefulSet", "PodDisruptionBudget"):
        assert found[kind]["spec"]["selector"] == {"matchLabels": labels}
    pod = spec["template"]["spec"]
    (node,) = pod["containers"]
    mounted = {mount["name"] for mount in node["volumeMounts"]}
    made = [volume["name"] for volume in pod["volumes"]]
    made += [claim["metadata"]["name"] for claim in spec["volumeClaimTemplates"]]
    assert mounted == set(made)
    assert pod["securityContext"]["runAsUser"] == int(
        re.findall(r"--uid (\d+)", text("Dockerfile"))[0]
    )
    assert node["securityContext"]["readOnlyRootFilesystem"]


def test_the_unit(tmp_path: Path) -> None:
    analyze = tool("systemd-analyze")
    copy = tmp_path / "hetmig.service"
    copy.write_text(text("hetmig.service").replace("/opt/hetmig/bin/hetmig", sys.executable))
    assert run(analyze, "verify", str(copy)) == ""
    run(analyze, "security", "--offline=yes", f"--threshold={EXPOSURE}", "--no-pager", str(copy))
    assert unit()["SuccessExitStatus"] == "75"


def test_the_batch_script() -> None:
    run(tool("bash"), "-n", str(DEPLOY / "slurm.sh"))
    run(tool("shellcheck"), "--severity=style", str(DEPLOY / "slurm.sh"))


@pytest.mark.parametrize("how", ALL)
def test_there_is_time_to_drain(how: str) -> None:
    deployed: Deployed = ALL[how]()
    node = build_parser().parse_args([w for w in deployed.start[1:] if w != "$OPTIONS"])
    assert node.deadline + 5 <= deployed.grace
    if deployed.stop is not None:
        stop = build_parser().parse_args(deployed.stop[1:])
        assert stop.shutdown
        assert (stop.deadline, stop.keys) == (node.deadline, node.keys)
        assert stop.deadline + 20 <= deployed.grace  # the node ends after that
    for check in deployed.checks:
        assert build_parser().parse_args(check[1:]).keys == node.keys
    assert node.listen == "tcp://0.0.0.0:7717"


def test_the_recipes_say_the_same() -> None:
    assert block("slurm.md", "bash", 0) == text("slurm.sh")
    yaml = pytest.importorskip("yaml", reason="needs hetmig[test-adapters]")
    told = yaml.safe_load_all(block("kubernetes.md", "yaml", 1))
    (pod,) = [r["spec"]["template"]["spec"] for r in told if r["kind"] == "StatefulSet"]
    short = build_parser().parse_args(pod["containers"][0]["command"][1:])
    whole = build_parser().parse_args(kubernetes().start[1:])
    for name in ("name", "listen", "advertise", "keys", "deadline"):
        assert getattr(short, name) == getattr(whole, name), name
    assert set(short.join) <= set(whole.join)
    assert build_parser().parse_args(container().start[1:]).deadline == whole.deadline
