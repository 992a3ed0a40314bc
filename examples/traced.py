"""A task that moves between two nodes is one trace: its spans, from both, as a tree.

    python examples/traced.py

Needs `pip install "hetmig[otel]"`.  The nodes write their spans to a file, by the exporter
"console"; in earnest they would go to a collector: see docs/observing.md.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

import hetmig
from hetmig.node.keys import Keyring


def count(to):
    """Moves in its middle."""
    total = 0
    for number in range(1000):
        if number == 500:
            hetmig.migrate(to)
        total += number
    return total


def start(name, directory):
    """A node; its process, and where it listens."""
    process = subprocess.Popen(
        [sys.executable, "-um", "hetmig", "node", "--name", name, "--listen", "tcp://127.0.0.1:0",
         "--keys", str(directory / "keys")],
        env={**os.environ, "OTEL_TRACES_EXPORTER": "console"}, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    return process, process.stdout.readline().split(" listens on ")[1].split(";")[0]


def spans_of(text):
    """The JSON objects that a node has written, one behind the other, between its own words."""
    decoder, found, at = json.JSONDecoder(), [], text.find("{\n")
    while at >= 0:
        span, at = decoder.raw_decode(text, at)
        found.append(span)
        at = text.find("{\n", at)
    return found


def show(spans, parent, indent=0):
    """Those below a span, by the time of their beginning."""
    below = [span for span in spans if span["parent_id"] == parent]
    for span in sorted(below, key=lambda span: span["start_time"]):
        print(f"{'  ' * indent}{span['name']}, by {span['attributes']['hetmig.node']}")
        show(spans, span["context"]["span_id"], indent + 1)


def main():
    """Two nodes, one task, one tree."""
    tracer = TracerProvider().get_tracer("an example")
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        keys = Keyring.create(directory / "keys").directory
        (east, endpoint), (west, there) = start("east", directory), start("west", directory)
        with hetmig.connect(endpoint, keys=keys) as nodes:
            with tracer.start_as_current_span("a request") as span:
                task = nodes.submit(count, there)
            print("the sum is", task.result())
        told = ""
        for process in (east, west):
            process.terminate()
            told += process.communicate()[0]
    spans = spans_of(told)
    traces = {span["context"]["trace_id"] for span in spans}
    print(f"{len(spans)} spans of {len(traces)} trace:")
    print("a request, by us")
    show(spans, f"0x{trace.format_span_id(span.get_span_context().span_id)}", 1)


if __name__ == "__main__":
    main()
