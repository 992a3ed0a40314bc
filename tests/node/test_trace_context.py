"""A task's trace context is checked; what nobody asked for costs nothing."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from hetmig.errors import ProtocolError
from hetmig.node import trace_context, tracing
from hetmig.node.tracing import Untraced, exporters_of, is_wanted, tracing_of
from tests.interpreters import ROOT

PARENT = "00-" + "a" * 32 + "-" + "b" * 16 + "-01"


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"traceparent": 3},
        {"traceparent": PARENT + "\n"},
        {"traceparent": PARENT.upper()},
        {"traceparent": PARENT, "tracestate": "x" * 513},
        {"traceparent": PARENT, "tracestate": "a=b\x00"},
    ],
)
def test_what_is_no_context_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ProtocolError):
        trace_context.checked(wrong)


def test_nothing_else_is_taken_over() -> None:
    told = {"traceparent": PARENT, "tracestate": "a=b", "more": "x"}
    assert trace_context.checked(told) == {"traceparent": PARENT, "tracestate": "a=b"}


def test_the_environment_of_a_task_is_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRACEPARENT", "the node's")
    monkeypatch.setenv("TRACESTATE", "the node's")
    trace_context.into_environment({})
    assert os.environ["TRACEPARENT"] == "the node's"
    trace_context.into_environment({"trace": {"traceparent": PARENT}})
    assert os.environ["TRACEPARENT"] == PARENT
    assert "TRACESTATE" not in os.environ


@pytest.mark.parametrize(
    ("environment", "wanted"),
    [
        ({}, False),
        ({"OTEL_SERVICE_NAME": "x"}, False),
        ({"OTEL_TRACES_EXPORTER": "none"}, False),
        ({"OTEL_TRACES_EXPORTER": "console"}, True),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://x"}, True),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://x", "OTEL_TRACES_EXPORTER": "none"}, False),
        ({"OTEL_TRACES_EXPORTER": "otlp", "OTEL_SDK_DISABLED": "TRUE"}, False),
    ],
)
def test_only_the_environment_asks_for_spans(environment: dict[str, str], wanted: bool) -> None:
    assert is_wanted(environment) is wanted


def test_the_exporter_is_that_of_the_protocol() -> None:
    grpc = {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}
    assert exporters_of({"OTEL_TRACES_EXPORTER": "console, otlp", **grpc}) == [
        "console",
        "otlp_proto_grpc",
    ]
    http = {"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/protobuf"}
    assert exporters_of({**grpc, **http}) == ["otlp_proto_http"]


def test_a_node_without_the_library_says_what_to_install_and_goes_on(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "no-such-exporter")
    monkeypatch.delenv("OTEL_SDK_DISABLED", raising=False)
    monkeypatch.delitem(sys.modules, "opentelemetry.trace", raising=False)
    node: Any = SimpleNamespace(here={"name": "east"})
    with caplog.at_level(logging.WARNING, "hetmig"):
        assert isinstance(tracing_of(node), Untraced)
    assert "pip install 'hetmig[otel]'" in caplog.text


def test_it_is_not_imported_unasked() -> None:
    """Neither for a connection nor for a node."""
    program = (
        "import sys, hetmig.client, hetmig.node.serve, hetmig.node.runner\n"
        "from hetmig.node.trace_context import current\n"
        "assert current() == {}\n"
        "print([name for name in sys.modules if name.startswith('opentelemetry')])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"
    assert not [name for name in vars(tracing) if name.startswith("opentelemetry")]
