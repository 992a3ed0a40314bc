"""The trace a task belongs to, as its `about` carries it: W3C trace context, in plain words.

This module needs no OpenTelemetry; see `tracing` for what a node does with it.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from typing import Any

from hetmig.errors import ProtocolError
from hetmig.node.protocol import want

__all__ = ["checked", "current", "extracted", "injected", "into_environment"]

_PARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")
_LONGEST_STATE = 512
_NAMES = {"traceparent": "TRACEPARENT", "tracestate": "TRACESTATE"}


def current() -> dict[str, str]:
    """The caller's current span, if this program uses OpenTelemetry and is in one; else nothing.

    A program that has not imported OpenTelemetry has no span: this does not import it either.
    """
    api: Any = sys.modules.get("opentelemetry.trace")
    if api is None or not api.get_current_span().get_span_context().is_valid:
        return {}
    return injected()


def injected(context: Any = None) -> dict[str, str]:
    """A context of OpenTelemetry (default: the current one) in words."""
    carrier: dict[str, str] = {}
    _propagator().inject(carrier, context)
    return carrier


def extracted(carrier: Mapping[str, str]) -> Any:
    """The words as a context of OpenTelemetry."""
    return _propagator().extract(carrier)


def _propagator() -> Any:
    import importlib

    module = importlib.import_module("opentelemetry.trace.propagation.tracecontext")
    return module.TraceContextTextMapPropagator()


def checked(trace: dict[str, Any]) -> dict[str, str]:
    """What a submitter says of it, as far as it makes sense.  Raises ProtocolError."""
    parent, state = want(trace, "traceparent", str), want(trace, "tracestate", str, "")
    if not _PARENT.fullmatch(parent) or len(state) > _LONGEST_STATE or not state.isprintable():
        raise ProtocolError("this is no trace context")
    return {"traceparent": parent, **({"tracestate": state} if state else {})}


def into_environment(about: Mapping[str, Any]) -> None:
    """Let the task's own spans, and the programs it starts, belong to its trace."""
    trace = about.get("trace") or {}
    for name, variable in _NAMES.items():
        if name in trace:
            os.environ[variable] = trace[name]
        elif trace:
            os.environ.pop(variable, None)
