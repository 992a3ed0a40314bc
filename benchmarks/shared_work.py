"""The task of the `shared` benchmark: it changes some bytes of a shared buffer, and counts."""

from __future__ import annotations

from typing import Any

__all__ = ["changes"]


class Meter:
    """Counts what this task's process and its node say to each other."""

    def __init__(self) -> None:
        from hetmig.node import protocol, runtime

        self.bytes = 0
        desk: Any = runtime.current().desk
        send, heard = desk._send, desk.heard

        def counted_send(kind: str, header: Any, payload: Any = ()) -> None:
            self.bytes += sum(map(protocol.nbytes, protocol.encode(kind, header, payload)))
            send(kind, header, payload)

        def counted_heard(message: Any) -> None:
            frames = protocol.encode(message.kind, message.header, message.payload)
            self.bytes += sum(map(protocol.nbytes, frames))
            heard(message)

        desk._send, desk.heard = counted_send, counted_heard


def changes(buffer: Any, amounts: list[int]) -> list[tuple[int, int]]:
    """For each amount of changed bytes: contents of pages that moved, and all that was said."""
    meter, found = Meter(), []
    with buffer.write():
        pass  # fetches it all
    for amount in amounts:
        moved, wire = buffer.bytes_moved, meter.bytes
        with buffer.write() as view:
            step = max(1, len(view) // max(amount, 1))
            for index in range(amount):
                place = index * step % len(view)
                view[place] = (view[place] + 1) % 256
        found.append((buffer.bytes_moved - moved, meter.bytes - wire))
    return found
