"""A collector of OpenTelemetry spans, as nodes send them: OTLP over HTTP."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

TIMEOUT = 60


@dataclass
class Span:
    name: str
    trace: str
    id: str
    parent: str
    begin: int
    end: int
    node: str
    service: str
    failed: bool
    attributes: dict[str, Any] = field(default_factory=dict)


class Collector:
    """Answers at `endpoint`; a context manager."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self._come = threading.Condition()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                outer._take(self.rfile.read(int(self.headers["Content-Length"])))
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.endpoint = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> Collector:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(TIMEOUT)

    def _take(self, body: bytes) -> None:
        from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
            ExportTraceServiceRequest,
        )

        message = ExportTraceServiceRequest.FromString(body)
        found = []
        for resource in message.resource_spans:
            about = _values(resource.resource.attributes)
            for scope in resource.scope_spans:
                found += [_span(span, about) for span in scope.spans]
        with self._come:
            self.spans += found
            self._come.notify_all()

    def named(self, *names: str) -> dict[str, list[Span]]:
        """Wait for a span of each of these names, for two of one named twice; all, by time."""

        def are_there() -> bool:
            return Counter(names) <= Counter(span.name for span in self.spans)

        with self._come:
            there = self._come.wait_for(are_there, TIMEOUT)
            assert there, [span.name for span in self.spans]
            spans = sorted(self.spans, key=lambda span: span.begin)
            return {name: [s for s in spans if s.name == name] for name in names}


def _values(attributes: Any) -> dict[str, Any]:
    return {a.key: getattr(a.value, a.value.WhichOneof("value")) for a in attributes}


def _span(span: Any, about: dict[str, Any]) -> Span:
    return Span(
        name=span.name,
        trace=span.trace_id.hex(),
        id=span.span_id.hex(),
        parent=span.parent_span_id.hex(),
        begin=span.start_time_unix_nano,
        end=span.end_time_unix_nano,
        node=about["service.instance.id"],
        service=about["service.name"],
        failed=span.status.code == 2,
        attributes=_values(span.attributes),
    )
