"""What becomes of events: spans, in an exporter that keeps them in memory."""

from __future__ import annotations

import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from hetmig.node import trace_context
from hetmig.node.events import happened
from hetmig.node.tracing import Tracing

REASON = "needs hetmig[otel]"
trace = pytest.importorskip("opentelemetry.trace", reason=REASON)
sdk = pytest.importorskip("opentelemetry.sdk.trace", reason=REASON)
export = pytest.importorskip("opentelemetry.sdk.trace.export", reason=REASON)
memory = pytest.importorskip(
    "opentelemetry.sdk.trace.export.in_memory_span_exporter", reason=REASON
)


class Told:
    """A node with one task, and the spans it makes."""

    def __init__(self) -> None:
        self.exporter = memory.InMemorySpanExporter()
        provider = sdk.TracerProvider()
        provider.add_span_processor(export.SimpleSpanProcessor(self.exporter))
        self.about: dict[str, Any] = {"id": "t1", "name": "job"}
        hosted = SimpleNamespace(about=self.about)
        node: Any = SimpleNamespace(
            here={"name": "east"}, tasks={"t1": hosted}, home=SimpleNamespace(records={})
        )
        self.tracing = Tracing(node, provider)

    @property
    def spans(self) -> list[Any]:
        return list(self.exporter.get_finished_spans())

    def last(self) -> Any:
        return self.spans[-1]


@pytest.fixture
def told() -> Iterator[Told]:
    told = Told()
    try:
        yield told
    finally:
        told.tracing.close()


def hop() -> dict[str, Any]:
    return {"source": "east", "destination": "west", "requested_by": "client", "wait_s": 0.5,
            "start_time": time.time(), "freeze_s": 0.1, "bytes": 7, "epoch": 2}  # fmt: skip


def test_a_task_without_a_trace_has_no_spans(told: Told) -> None:
    happened("begun", "t1")
    happened("ended", "t1", how="done")
    happened("begun", "another")
    assert told.spans == []


def test_a_run_is_as_long_as_the_task_was_there(told: Told) -> None:
    told.tracing.submitted(told.about)
    happened("begun", "t1")
    happened("ended", "t1", how="failed")
    submit, run = told.spans
    assert (submit.name, run.name) == ("submit job", "run job")
    assert submit.kind is trace.SpanKind.PRODUCER
    assert run.parent.span_id == submit.context.span_id
    assert run.status.status_code is trace.StatusCode.ERROR
    assert run.attributes["hetmig.ended"] == "failed"
    assert submit.start_time <= run.start_time <= run.end_time
    happened("ended", "t1", how="done")
    assert len(told.spans) == 2


def test_a_node_that_ends_tells_what_still_runs(told: Told) -> None:
    told.tracing.submitted(told.about)
    happened("begun", "t1")
    told.tracing.close()
    assert told.last().attributes["hetmig.ended"] == "stopped with its node"
    told.tracing = Told().tracing


def test_a_move_that_fails_is_one_span(told: Told) -> None:
    told.tracing.submitted(told.about)
    asked = hop()
    with pytest.raises(ValueError, match="no room"), told.tracing.moving(told.about, asked):
        raise ValueError("no room")
    happened("stays", "t1", reason="MigrationRefused")
    assert [span.name for span in told.spans] == ["submit job", "move job"]
    move = told.last()
    assert move.status.description == "ValueError: no room"
    assert asked["traceparent"].split("-")[2] == f"{move.context.span_id:016x}"
    assert move.end_time - move.start_time >= 0.5e9
    with told.tracing.moving(told.about, hop()):
        pass
    happened("stays", "t1", reason="NotMigratable")  # nothing was offered this time
    assert told.last().name == "move job"
    assert told.last().status.description == "NotMigratable"


def test_the_phases_of_a_move_follow_each_other(told: Told) -> None:
    told.tracing.submitted(told.about)
    asked = hop()
    asked["steps"] = [["source", "capture", 0.25], ["source", "seal", 0.25],
                      ["source", "send", 0.125], ["link", "offer", 0.125],
                      ["destination", "rebuild", 0.5], ["source", "record", 0.0625],
                      ["link", "commit", 0.0625], ["destination", "start", 0.0]]  # fmt: skip
    with told.tracing.moving(told.about, asked):
        pass
    phases = told.spans[1:4]
    assert [span.name for span in phases] == ["freeze job", "transfer job", "commit job"]
    lasted = [(span.end_time - span.start_time) / 1e9 for span in phases]
    assert lasted == pytest.approx([0.5, 0.75, 0.125], abs=1e-5)
    assert phases[1].attributes["hetmig.destination.rebuild_s"] == 0.5
    assert {span.parent.span_id for span in phases} == {told.last().context.span_id}


def test_checkpoints_and_restarts(told: Told) -> None:
    told.tracing.submitted(told.about)
    happened("checkpoint", "t1", 1, number=3, bytes=9, freeze_s=0.25, total_s=2.0)
    happened("restarted", "t1", 1 << 20, at="west")
    saved, restart = told.spans[1:]
    assert (saved.end_time - saved.start_time) / 1e9 == pytest.approx(2.0, abs=1e-5)
    assert (saved.attributes["hetmig.number"], restart.attributes["hetmig.at"]) == (3, "west")


def test_the_submitters_span_is_in_words() -> None:
    assert trace_context.current() == {}
    tracer = sdk.TracerProvider().get_tracer("test")
    with tracer.start_as_current_span("mine") as span:
        told = trace_context.current()
    assert trace_context.checked(told) == told
    assert told["traceparent"].split("-")[2] == f"{span.get_span_context().span_id:016x}"
