"""What a node tells OpenTelemetry, if that is configured: needs the extra `hetmig[otel]`.

A task is a trace.  Spans are made when what they tell of is over, with the times at which it began
and ended: a task may run for days, and none is lost for being open when its node is killed.
"""

from __future__ import annotations

import contextlib
import importlib
import logging
import os
import sys
import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from hetmig._version import __version__
from hetmig.node import events
from hetmig.node.trace_context import extracted, injected

if TYPE_CHECKING:
    from hetmig.node.daemon import Node

__all__ = ["Tracing", "Untraced", "exporters_of", "is_wanted", "tracing_of"]

_log = logging.getLogger("hetmig")
_OTLP = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
_PROTOCOLS = {"http/protobuf": "otlp_proto_http", "grpc": "otlp_proto_grpc"}
_FLUSH_MILLISECONDS = 5000
_INSTANT = 2e-6
"""Seconds by which two spans are told apart that follow each other."""
_REBUILD = ("verify", "answer", "runner", "rebuild", "keep", "record")


class Untraced:
    """What a node has in place of `Tracing` if nobody wants spans."""

    def submitted(self, about: dict[str, Any]) -> None:
        """A task was submitted here."""

    def moving(self, about: dict[str, Any], hop: dict[str, Any]) -> Any:
        """A task is being handed over."""
        return contextlib.nullcontext()

    def close(self) -> None:
        """The node ends."""


class Tracing:
    """Watches the events of a node, and makes spans of them."""

    def __init__(self, node: Node, provider: Any) -> None:
        self._node = node
        self._api: Any = importlib.import_module("opentelemetry.trace")
        self._provider = provider
        self._tracer = provider.get_tracer("hetmig", __version__)
        self._running: dict[str, float] = {}
        """Since when tasks run here."""
        self._told: set[str] = set()
        """Tasks of whose failed move there is a span already."""
        events.watch(self._happened)

    def submitted(self, about: dict[str, Any]) -> None:
        """A task was submitted here: what is traced of it from now on is below this span."""
        now = time.time()
        span = self._begin(f"submit {about['name']}", about, now, kind="PRODUCER")
        about["trace"] = self._inject(span)
        span.end(_nanoseconds(now))

    @contextlib.contextmanager
    def moving(self, about: dict[str, Any], hop: dict[str, Any]) -> Iterator[None]:
        """A task is being handed over; `hop` takes the span along to the destination."""
        start = hop["start_time"]
        way = {"source": hop["source"], "destination": hop["destination"]}
        told = {**way, "requested_by": hop["requested_by"], "wait_s": hop["wait_s"]}
        # its clock is the runner's, which may have begun before we noted that it has
        ran_since = self._running.get(about["id"], 0.0) + _INSTANT
        began = max(start - hop["wait_s"], ran_since)
        span = self._begin(f"move {about['name']}", about, began, kind="PRODUCER", **told)
        hop.update(self._inject(span))
        self._told.discard(about["id"])
        try:
            yield
        except BaseException as error:
            self._told.add(about["id"])
            self._fail(span, f"{type(error).__name__}: {error}")
            raise
        else:
            details = {"freeze_s": hop["freeze_s"], "bytes": hop["bytes"], "epoch": hop["epoch"]}
            span.set_attributes(_named(details))
            self._phases(about, hop, self._api.set_span_in_context(span), max(start, began))
        finally:
            span.end()

    def _phases(
        self, about: dict[str, Any], hop: dict[str, Any], context: Any, start: float
    ) -> None:
        """What the source did and waited for, one after the other."""
        phases = {"freeze": 0.0, "transfer": 0.0, "commit": 0.0}
        current, notes = "freeze", {}
        for side, step, seconds in hop.get("steps", ()):
            if side == "source" and step == "send":
                current = "transfer"
            elif (side, step) in (("source", "record"), ("link", "commit")):
                current = "commit"
            phases[current] += seconds
            notes[f"{current}.{side}.{step}_s"] = seconds
        for name, seconds in phases.items():
            mine = {key.partition(".")[2]: s for key, s in notes.items() if key.startswith(name)}
            self._span(f"{name} {about['name']}", about, start, start + seconds, context, **mine)
            start += seconds

    def close(self) -> None:
        """The node ends: hand over what there is.  Blocks for some seconds at most."""
        events.unwatch(self._happened)
        for task in list(self._running):
            self._ran(task, "stopped with its node")
        self._provider.force_flush(_FLUSH_MILLISECONDS)

    # Events -----------------------------------------------------------------------------------

    def _happened(self, event: str, task: str, details: dict[str, Any]) -> None:
        about = self._about(task)
        if about is None:
            return
        match event:
            case "begun":
                self._running[task] = time.time()
            case "arrived":
                self._running[task] = time.time()
                self._arrived(task, about)
            case "moved":
                self._ran(task, "moved", details["freeze_s"])
            case "ended":
                self._ran(task, details["how"])
            case "stays" if task not in self._told:
                span = self._begin(f"move {about['name']}", about, time.time(), kind="PRODUCER")
                self._fail(span, details["reason"])
                span.end()
            case "checkpoint":
                now = time.time()
                name = f"checkpoint {about['name']}"
                self._span(name, about, now - details["total_s"], now, **details)
            case "restarted":
                now = time.time()
                self._span(f"restart {about['name']}", about, now, now, **details)

    def _about(self, task: str) -> dict[str, Any] | None:
        """The task's, if it has a trace."""
        hosted, record = self._node.tasks.get(task), self._node.home.records.get(task)
        about = hosted.about if hosted is not None and hosted.about else None
        if about is None and record is not None:
            about = record.about
        return about if about and about.get("trace") else None

    def _ran(self, task: str, how: str, before: float = 0.0) -> None:
        """It does not run here any more, since so many seconds."""
        began, about = self._running.pop(task, None), self._about(task)
        if began is None or about is None:
            return
        span = self._begin(f"run {about['name']}", about, began, ended=how)
        if how in ("failed", "lost"):
            self._fail(span, how)
        span.end(_nanoseconds(max(time.time() - before, began)))

    def _arrived(self, task: str, about: dict[str, Any]) -> None:
        """What this node did until the task was staged, by its own clock."""
        hosted, hop = self._node.tasks[task], about.get("hop") or {}
        steps = hosted.timeline.steps(hosted.handoff.epoch)
        names = [name for name, _ in steps]
        if "commit" not in names:
            return  # it was killed since
        staged = names.index("commit")
        end = time.time() - sum(seconds for _, seconds in steps[staged:])
        mine = {f"{name}_s": seconds for name, seconds in steps[:staged] if name in _REBUILD}
        parent = {name: hop[name] for name in ("traceparent", "tracestate") if name in hop}
        context = extracted(parent or about["trace"])
        begin = end - sum(mine.values())
        name = f"rebuild {about['name']}"
        self._span(name, about, begin, end, context, "CONSUMER", source=hop.get("source"), **mine)

    # Spans ------------------------------------------------------------------------------------

    def _span(
        self,
        name: str,
        about: dict[str, Any],
        begin: float,
        end: float,
        context: Any = None,
        kind: str = "INTERNAL",
        **details: Any,
    ) -> None:
        span = self._begin(name, about, begin, context, kind, **details)
        span.end(_nanoseconds(end))

    def _begin(
        self,
        name: str,
        about: dict[str, Any],
        begin: float,
        context: Any = None,
        kind: str = "INTERNAL",
        **details: Any,
    ) -> Any:
        if context is None:
            context = extracted(about.get("trace") or {})
        told = {"task.id": about["id"], "task.name": about["name"], **details}
        return self._tracer.start_span(
            name,
            context=context,
            kind=getattr(self._api.SpanKind, kind),
            attributes=_named({**told, "node": self._node.here["name"]}),
            start_time=_nanoseconds(begin),
        )

    def _inject(self, span: Any) -> dict[str, str]:
        return injected(self._api.set_span_in_context(span))

    def _fail(self, span: Any, reason: str) -> None:
        span.set_status(self._api.Status(self._api.StatusCode.ERROR, reason))


def _named(details: Mapping[str, Any]) -> dict[str, Any]:
    return {f"hetmig.{name}": value for name, value in details.items() if value is not None}


def _nanoseconds(seconds: float) -> int:
    return int(seconds * 1e9)


# Configuration --------------------------------------------------------------------------------


def is_wanted(environment: Mapping[str, str]) -> bool:
    """Whether the standard variables say where spans are to go."""
    if environment.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return False
    if names := environment.get("OTEL_TRACES_EXPORTER", "").strip().lower():
        return names != "none"
    return any(environment.get(name) for name in _OTLP)


def tracing_of(node: Node) -> Tracing | Untraced:
    """What this node needs: nothing, unless the environment says so or it runs instrumented."""
    instrumented: Any = sys.modules.get("opentelemetry.trace")
    if instrumented is not None:
        provider = instrumented.get_tracer_provider()
        if hasattr(provider, "force_flush"):
            return Tracing(node, provider)
    if not is_wanted(os.environ):
        return Untraced()
    try:
        return Tracing(node, _provider(node.here["name"], os.environ))
    except Exception as error:  # whatever an exporter raises: tasks matter more than spans
        _log.warning(
            "OTEL_* ask for spans, but there will be none: %s; pip install 'hetmig[otel]' and an "
            "exporter such as opentelemetry-exporter-otlp-proto-http, or OTEL_TRACES_EXPORTER=none",
            error,
        )
        return Untraced()


def _provider(name: str, environment: Mapping[str, str]) -> Any:
    """The SDK reads most of the standard variables itself; the rest are read here."""
    sdk = importlib.import_module("opentelemetry.sdk.trace")
    export = importlib.import_module("opentelemetry.sdk.trace.export")
    resources = importlib.import_module("opentelemetry.sdk.resources")
    said = environment.get("OTEL_RESOURCE_ATTRIBUTES", "")
    own = {"service.name": "hetmig", "service.instance.id": name}
    if environment.get("OTEL_SERVICE_NAME"):
        del own["service.name"]
    own = {key: text for key, text in own.items() if f"{key}=" not in said}
    provider = sdk.TracerProvider(resource=resources.Resource.create(own))
    for exporter in exporters_of(environment):
        provider.add_span_processor(export.BatchSpanProcessor(_load(exporter)()))
    return provider


def exporters_of(environment: Mapping[str, str]) -> list[str]:
    """Names of exporters, by their entry points; `otlp` is that of the protocol asked for."""
    names = environment.get("OTEL_TRACES_EXPORTER", "").strip() or "otlp"
    protocol = environment.get("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL")
    protocol = protocol or environment.get("OTEL_EXPORTER_OTLP_PROTOCOL") or ""
    chosen = _PROTOCOLS.get(protocol.strip())
    if chosen is None:
        there = [name for name in _PROTOCOLS.values() if _entry_points(name)]
        chosen = there[0] if there else "otlp_proto_http"
    return [chosen if name.strip() == "otlp" else name.strip() for name in names.split(",")]


def _load(exporter: str) -> Any:
    points = _entry_points(exporter)
    if not points:
        raise ImportError(f"the exporter {exporter!r} is not installed")
    return next(iter(points)).load()


def _entry_points(exporter: str) -> Any:
    from importlib.metadata import entry_points  # takes its time to import

    return entry_points(group="opentelemetry_traces_exporter", name=exporter)
