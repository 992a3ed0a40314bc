"""One hop of a task's journey, as `task.journey()` lists them, and one of its checkpoints."""

from __future__ import annotations

from dataclasses import MISSING, dataclass, fields
from typing import Any, NamedTuple

from hetmig.rendering import hop_html, hop_text

__all__ = ["Checkpoint", "Hop", "Replica", "Step"]


class Step(NamedTuple):
    """A part of the time for which a task stood still."""

    side: str
    """"source", "destination", or "link": what is left of a wait for the destination after what
    that says it worked, so the way there and back."""
    step: str
    """The source's: "capture" (until its node had the state), "prepare" (asking the destination, if
    the task moves by itself; else that came before), "seal", "send", "record" (COMMITTED, on disk).
    The destination's: "verify", "runner" (waiting for one), "record" (KEPT, in the journal, while
    a runner is at work), "answer" (VERIFIED, for a small task whose code it has read; the source's
    "record" goes on beside the rest then, and is left out), "rebuild" (as far as that takes
    longer), "keep" (a large image, likewise), "start", and "record" after it (RUNNING, on the disk;
    the task runs meanwhile).
    The link's: "offer", "commit"."""
    seconds: float


@dataclass(frozen=True)
class Hop:
    """A completed move."""

    task: str
    epoch: int
    """Number of the ownership that this hop began; grows from hop to hop, not always by one."""
    source: str
    destination: str
    requested_by: str
    """"client", "task" (it called `hetmig.migrate`), "drain", or "placement" (it had not begun)."""
    start_time: float
    """When the task stopped at the source, in seconds since the epoch by the source's clock."""
    freeze_s: float
    """Seconds from the last instruction at the source until the destination owned the task."""
    wait_s: float
    """Seconds from the request until the task stood at a safe point; 0 if it asked itself."""
    bytes: int
    """Size of the sealed parcel."""
    frames: int
    """Depth of the captured stack; 0 for what moves as data, actors and objects."""
    function: str
    file: str
    line: int
    """Where the innermost frame stood."""
    source_python: dict[str, Any]
    destination_python: dict[str, Any]
    """`implementation`, `version`, `machine`, `system`, `bits`, `byteorder` of either side."""
    steps: tuple[Step, ...] = ()
    """Where `freeze_s` went, in order.  Empty after a crash, and for old hops of a long journey."""

    def _repr_html_(self) -> str:
        return hop_html(self)

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(hop_text(self))

    def to_json(self) -> dict[str, Any]:
        """As JSON can hold it: each step with the names of its parts."""
        items = {item.name: getattr(self, item.name) for item in fields(self)}
        return {**items, "steps": [step._asdict() for step in self.steps]}

    @classmethod
    def from_json(cls, hop: dict[str, Any]) -> Hop:
        """From a node's record; unknown items are ignored."""
        names = [i.name for i in fields(cls) if i.default is MISSING or i.name in hop]
        items = {name: hop[name] for name in names}
        return cls(**{**items, "steps": tuple(Step(*step) for step in hop.get("steps", ()))})


@dataclass(frozen=True)
class Checkpoint:
    """A copy of a task that is kept."""

    task: str
    where: str
    """Path or URL, as the node sees it."""
    series: str
    """The checkpoints of one program have this in common, also after it was resumed."""
    epoch: int
    number: int
    """Counts the checkpoints of the series."""
    time: float
    """When, in seconds since the epoch by the clock of the node."""
    node: str
    bytes: int
    freeze_s: float
    """Seconds for which the task stood still."""
    total_s: float
    """Seconds from the request until all of it was written."""
    function: str
    file: str
    line: int
    """Where the innermost frame stood."""
    portable: bool
    """Whether every supported version of Python can go on with it."""
    pinned_because: str
    """If not, why not."""

    @classmethod
    def from_json(cls, checkpoint: dict[str, Any]) -> Checkpoint:
        """From a node's record; unknown items are ignored."""
        return cls(**{item.name: checkpoint[item.name] for item in fields(cls)})


@dataclass(frozen=True)
class Replica:
    """A warm copy of a task, at another node."""

    node: str
    """Name of that node."""
    bytes: int
    """Size of the copy."""
    freeze_s: float
    """Seconds for which the task stood still."""
    total_s: float
    """Seconds until the copy was ready there."""
    warm: bool
    """Whether it is put together already.  Not if the task writes a file of `hetmig.open`: then
    it is when the copy takes over."""

    @classmethod
    def from_json(cls, replica: dict[str, Any]) -> Replica:
        """What a node tells."""
        names = cls.__dataclass_fields__.keys() - {"node"}
        return cls(replica["place"]["name"], **{name: replica[name] for name in names})
