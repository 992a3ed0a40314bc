"""A task is one trace, across nodes, below the span in which it was submitted."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import hetmig
from hetmig.node.embedded import LocalNodes
from tests.adapters.otel import programs
from tests.adapters.otel.collector import TIMEOUT, Collector, Span
from tests.interpreters import ROOT

REASON = "needs hetmig[otel] and opentelemetry-exporter-otlp-proto-http"
trace = pytest.importorskip("opentelemetry.trace", reason=REASON)
sdk = pytest.importorskip("opentelemetry.sdk.trace", reason=REASON)
pytest.importorskip("opentelemetry.exporter.otlp.proto.http", reason=REASON)

CLEAN = [name for name in os.environ if name.startswith("OTEL_")]


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    with Collector() as collector:
        yield collector


@pytest.fixture(scope="module")
def local(collector: Collector) -> Iterator[LocalNodes]:
    with pytest.MonkeyPatch.context() as patch:
        for name in CLEAN:
            patch.delenv(name)
        patch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint)
        patch.setenv("OTEL_BSP_SCHEDULE_DELAY", "50")
        nodes = LocalNodes(2, names=["east", "west"], path=[str(ROOT)])
        nodes.__enter__()
    yield nodes
    nodes.__exit__(None, None, None)


def test_a_task_is_one_trace(local: LocalNodes, collector: Collector, tmp_path: Path) -> None:
    tracer = sdk.TracerProvider().get_tracer("test")
    with hetmig.connect(local[0], keys=local.keys, echo=False) as nodes:
        with tracer.start_as_current_span("the submitter's") as mine:
            task = nodes.submit(programs.wander)
        kept = task.checkpoint(tmp_path)
        task.send(1)
        hop = task.migrate("west", TIMEOUT)
        task.send(2)
        told = task.result(TIMEOUT)
    context = mine.get_span_context()
    trace_id, own = f"{context.trace_id:032x}", f"{context.span_id:016x}"
    names = ["submit", "checkpoint", "move", "freeze", "transfer", "commit", "rebuild", "run"]
    found = collector.named(*(f"{name} wander" for name in (*names, "run")))
    spans = {name.partition(" ")[0]: spans for name, spans in found.items()}
    assert {span.trace for group in spans.values() for span in group} == {trace_id}
    assert {name: [span.node for span in group] for name, group in spans.items()} == {
        **{name: ["east"] for name in names},
        "rebuild": ["west"],
        "run": ["east", "west"],
    }
    (submit,), (move,) = spans["submit"], spans["move"]
    assert submit.parent == own
    assert told.rpartition("-")[0] == f"00-{trace_id}-{submit.id}"
    below_submit = [*spans["run"], *spans["checkpoint"], move]
    assert {span.parent for span in below_submit} == {submit.id}
    below_move = [spans[name][0] for name in ("freeze", "transfer", "commit", "rebuild")]
    assert {span.parent for span in below_move} == {move.id}
    assert {span.service for group in spans.values() for span in group} == {"hetmig"}
    assert all(span.attributes["hetmig.task.id"] == task.id for span in below_move)
    assert spans["checkpoint"][0].attributes["hetmig.bytes"] == kept.bytes
    _lasts(below_move, hop, spans["run"], move)


def _lasts(phases: list[Span], hop: hetmig.Hop, runs: list[Span], move: Span) -> None:
    """Spans lie where the hop was, and are as long."""
    freeze, transfer, commit, rebuild = phases
    assert move.attributes["hetmig.freeze_s"] == hop.freeze_s
    assert move.attributes["hetmig.bytes"] == hop.bytes
    whole = sum(span.end - span.begin for span in (freeze, transfer, commit)) / 1e9
    assert whole == pytest.approx(sum(step.seconds for step in hop.steps), abs=0.001)
    assert freeze.begin == pytest.approx(hop.start_time * 1e9, abs=1e6)
    assert (transfer.begin, commit.begin) == pytest.approx((freeze.end, transfer.end), abs=10)
    named = {(s.side, s.step): s.seconds for s in hop.steps}
    assert freeze.attributes["hetmig.source.capture_s"] == named["source", "capture"]
    assert rebuild.attributes["hetmig.rebuild_s"] == named["destination", "rebuild"]
    assert [run.attributes["hetmig.ended"] for run in runs] == ["moved", "done"]
    assert runs[0].end <= runs[1].end
    assert all(span.begin <= span.end for span in (*phases, *runs, move))


def test_without_a_span_of_the_submitter_there_is_a_trace_all_the_same(
    local: LocalNodes, collector: Collector
) -> None:
    with hetmig.connect(local[0], keys=local.keys, echo=False) as nodes:
        with pytest.raises(ValueError, match="on purpose"):
            nodes.submit(programs.fail).result(TIMEOUT)
        task = nodes.submit(programs.stay)
        with pytest.raises(hetmig.NodeUnreachable):
            task.migrate("tcp://127.0.0.1:9", timeout=1.0)
        task.cancel()
    found = collector.named("submit fail", "run fail")
    (submit,), (run,) = found.values()
    assert (submit.parent, run.parent) == ("", submit.id)
    assert run.failed
    (move,) = collector.named("move stay")["move stay"]
    assert move.failed
    assert move.attributes["hetmig.task.id"] == task.id


def test_nodes_without_configuration_know_nothing_of_it() -> None:
    """And nothing of it is imported, neither by the node nor by its runners."""
    probe = "import sys; print(sorted(n for n in sys.modules if n.startswith('opentelemetry')))"
    program = f"""
import hetmig, os
from hetmig.node.embedded import LocalNodes
from tests.adapters.otel import programs
with LocalNodes(1, path=[{str(ROOT)!r}]) as local:
    with hetmig.connect(local[0], keys=local.keys) as nodes:
        print(nodes.submit(programs.traceparent).result(60))
{probe}
"""
    environment = {k: v for k, v in os.environ.items() if k not in ("TRACEPARENT", *CLEAN)}
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT, env=environment, capture_output=True, text=True, timeout=2 * TIMEOUT,
    )  # fmt: skip
    assert done.stdout.splitlines() == ["None", "[]"], done.stderr
