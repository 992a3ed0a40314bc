"""What a node counts, for Prometheus: needs the extra `hetmig[prometheus]`."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from hetmig.errors import HetmigError
from hetmig.node import events

if TYPE_CHECKING:
    from hetmig.node.daemon import Node

__all__ = ["Metrics", "address", "require"]

_FREEZE = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
_SYNC = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1.0)


def address(text: str) -> tuple[str, int]:
    """HOST:PORT, or PORT on loopback.  Raises ValueError."""
    host, _, port = text.rpartition(":")
    if not port.isdecimal() or int(port) > 65535:
        raise ValueError(f"{text!r} is no HOST:PORT")
    return host.strip("[]") or "127.0.0.1", int(port)


class Metrics:
    """Counts events, and looks at the node when it is asked."""

    def __init__(self, node: Node) -> None:
        """Raises HetmigError if the library is not there."""
        self._node = node
        self._library = library = require()
        self._core: Any = importlib.import_module("prometheus_client.core")
        self._registry = registry = library.CollectorRegistry()
        self._server: Any = None

        def counter(name: str, about: str, *labels: str) -> Any:
            return library.Counter(f"hetmig_{name}", about, labels, registry=registry)

        def histogram(name: str, about: str, buckets: tuple[float, ...]) -> Any:
            return library.Histogram(f"hetmig_{name}", about, buckets=buckets, registry=registry)

        self._moves = counter("moves", "Completed moves", "direction")
        self._bytes = counter("moved_bytes", "Bytes of the parcels that departed")
        self._refusals = counter(
            "refusals", "What was refused, by the error's class", "at", "reason"
        )
        self._ended = counter("tasks_ended", "Tasks that came to their end here", "how")
        self._submitted = counter("tasks_submitted", "Tasks submitted to this node")
        self._placed = counter(
            "placements", "Decisions of the policy, and what came of them", "decision", "result"
        )
        self._freeze = histogram(
            "freeze_seconds", "For how long departing tasks stood still", _FREEZE
        )
        self._checkpoints = counter("checkpoints", "Checkpoints that were written")
        self._kept = counter("checkpoint_bytes", "Bytes of those")
        self._pauses = histogram(
            "checkpoint_freeze_seconds", "For how long tasks stood still for a checkpoint", _FREEZE
        )
        self._restarts = counter("restarts", "Tasks of ours whose node was lost, restarted")
        self._syncs = histogram("journal_sync_seconds", "Commits of the journal", _SYNC)
        registry.register(self)
        events.watch(self._count)

    def serve(self, host: str, port: int) -> int:
        """Answer at this address, in a thread; the port.  Raises HetmigError."""
        try:
            self._server, _ = self._library.start_http_server(port, host, self._registry)
        except OSError as error:
            raise HetmigError(f"metrics can't be served at {host}:{port}: {error}") from error
        return int(self._server.server_port)

    def close(self) -> None:
        """Answer no more."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()

    def collect(self) -> Iterator[Any]:
        """What can be seen at any time; called by the library, in a thread of its own."""
        tasks = list(self._node.tasks.values())
        pool = self._node.pool
        states: dict[str, int] = {}
        for task in tasks:
            if task.is_known:
                name = task.handoff.state.value
                states[name] = states.get(name, 0) + 1
        yield self._gauge("tasks", "Tasks on this node, by state", "state", states)
        runners = {"warm": pool.warm, "all": pool.size}
        yield self._gauge("runners", "Processes for tasks", "which", runners)
        draining = self._core.GaugeMetricFamily("hetmig_draining", "1 if it takes no new tasks")
        draining.add_metric([], float(self._node.draining))
        yield draining

    def _gauge(self, name: str, about: str, label: str, values: dict[str, int]) -> Any:
        family = self._core.GaugeMetricFamily(f"hetmig_{name}", about, labels=[label])
        for value, number in sorted(values.items()):
            family.add_metric([value], number)
        return family

    def _count(self, event: str, task: str, details: dict[str, Any]) -> None:
        match event:
            case "moved":
                self._moves.labels("out").inc()
                self._bytes.inc(details["bytes"])
                self._freeze.observe(details["freeze_s"])
            case "arrived":
                self._moves.labels("in").inc()
            case "stays" | "refused" | "rejected":
                self._refusals.labels(_WHERE[event], details["reason"]).inc()
            case "ended":
                self._ended.labels(details["how"]).inc()
            case "checkpoint":
                self._checkpoints.inc()
                self._kept.inc(details["bytes"])
                self._pauses.observe(details["freeze_s"])
            case "restarted":
                self._restarts.inc()
            case "placed":
                self._placed.labels(details["decision"], details["result"]).inc()
            case "submitted":
                self._submitted.inc()
            case "synced":
                self._syncs.observe(details["seconds"])


_WHERE = {"stays": "source", "refused": "destination", "rejected": "request"}


def require() -> Any:
    """The library.  Raises HetmigError if it is not there."""
    try:
        return importlib.import_module("prometheus_client")
    except ImportError as error:
        raise HetmigError(
            f"--metrics needs the package prometheus-client ({error}): "
            "pip install 'hetmig[prometheus]'"
        ) from None
