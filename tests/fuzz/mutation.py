"""A mutation fuzzer: changes known inputs at random, and keeps what is answered in a new way."""

from __future__ import annotations

import contextlib
import json
import random
import re
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from hetmig.errors import HetmigError
from tests.fuzz.targets import PARTS, TARGETS

_WORDS = [
    *(b'{}[]",:\\'[i : i + 1] for i in range(8)),
    *(b"null", b"true", b"-1", b"1e999", b"NaN", b"-Infinity", b'"\\ud800"', b"[[", b'{"a":'),
    *(b"HETMIG", b"\x00\x01", b"\x00" * 8, b"\xff" * 8, b"\x7f" + b"\xff" * 7, b"\x80" + bytes(7)),
    *(b'"task"', b'"epoch"', b'"as"', b'"id"', b'"home"', b'"mailbox"', b'"python"', b'"format"'),
    *(str(1 << bits).encode() for bits in (31, 32, 63, 64, 200)),
]


def mutated(chance: random.Random, data: bytes, others: list[bytes]) -> bytes:
    """Some changes to an input, most often one or two."""
    changed = bytearray(data)
    for _ in range(1 << min(chance.getrandbits(2), chance.getrandbits(2))):
        _change(chance, changed, others)
    return bytes(changed)


def _change(chance: random.Random, data: bytearray, others: list[bytes]) -> None:
    at, end = sorted((chance.randint(0, len(data)), chance.randint(0, len(data))))
    match chance.randrange(9):
        case 0 if data:
            data[min(at, len(data) - 1)] ^= 1 << chance.randrange(8)
        case 1 if data:
            data[min(at, len(data) - 1)] = chance.randrange(256)
        case 2:
            data[at:at] = chance.randbytes(chance.randint(1, 8))
        case 3:
            del data[at:end]
        case 4:
            data[at:at] = data[at:end][:512]
        case 5:
            word = chance.choice(_WORDS)
            data[at : at + chance.choice((0, len(word)))] = word
        case 6:
            other = chance.choice(others)
            data[at:end] = other[at:end]
        case 7:
            del data[at:]
        case 8:
            value = chance.choice((0, 1, 255, 1 << 15, 1 << 31, (1 << 63) - 1, 1 << 63))
            size = chance.choice((1, 2, 4, 8))
            data[at : at + size] = (value % (1 << 8 * size)).to_bytes(size, "big")


_QUOTED = re.compile(r"'[^']*'?|\"[^\"]*\"?|:.*", re.DOTALL)
_VALUES: list[Any] = [
    *(None, True, False, 0, -1, 1, 2, 1.5, 1e308, float("nan"), float("inf"), 1 << 64, -(1 << 63)),
    *("", "x", "\ud800", "\0", "x" * 300, [], {}, [[]], [None], {"": {}}, [1, 2, 3], ["s", 1, {}]),
]


def with_other_values(chance: random.Random, text: bytes) -> bytes:
    """A JSON text of which some values are others.  Raises ValueError if it is none."""
    value = json.loads(text)
    for _ in range(1 << min(chance.getrandbits(2), chance.getrandbits(2))):
        value = _replaced(chance, value)
    return json.dumps(value).encode()


def _replaced(chance: random.Random, value: Any) -> Any:
    if not isinstance(value, dict | list) or not value or chance.random() < 0.1:
        return chance.choice(_VALUES)
    keys = list(value) if isinstance(value, dict) else range(len(value))
    key = chance.choice(keys)
    copied: Any = value.copy()
    match chance.randrange(8):
        case 0:
            del copied[key]
        case 1 if isinstance(value, list):
            copied.insert(key, chance.choice(value))
        case 1:
            copied[chance.choice(("as", "task", "mailbox", "id", "x"))] = copied.pop(key)
        case _:
            copied[key] = _replaced(chance, value[key])
    return copied


@dataclass
class Report:
    """What came of the inputs of one target."""

    target: str
    count: int = 0
    accepted: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    """By the type of the error."""
    found: list[tuple[bytes, str]] = field(default_factory=list)
    """Inputs that were answered by anything but a HetmigError, and by what."""
    kept: list[bytes] = field(default_factory=list)
    """Inputs that were answered in a way not seen before."""

    def __str__(self) -> str:
        refused = ", ".join(f"{count} {name}" for name, count in self.refused.most_common())
        return (
            f"{self.target}: {self.count} inputs, {self.accepted} accepted, {len(self.found)}"
            f" found, {len(self.kept)} ways to be answered; refused: {refused}"
        )


class Fuzzer:
    """Feeds one target."""

    def __init__(
        self,
        name: str,
        pool: list[bytes],
        seed: int,
    ) -> None:
        self.report = Report(name)
        self._target = TARGETS[name]
        self._parts = PARTS.get(name)
        self._pool = list(pool)
        self._chance = random.Random(f"{seed} {name}")
        self._seen: set[str] = set()

    def run(self, count: int) -> Report:
        """Try the pool as it is, then so many changes of it."""
        for data in list(self._pool):
            self._try(data, keep=False)
        for _ in range(count):
            self._try(self._next(self._chance.choice(self._pool)))
        return self.report

    def _next(self, data: bytes) -> bytes:
        if self._parts is not None and self._chance.random() < 0.5:
            text_of, put_together = self._parts
            with contextlib.suppress(ValueError, IndexError, RecursionError, HetmigError):
                return put_together(data, with_other_values(self._chance, text_of(data)))
        return mutated(self._chance, data, self._pool)

    def _try(self, data: bytes, keep: bool = True) -> None:
        self.report.count += 1
        try:
            self._target(data)
        except HetmigError as error:
            name = type(error).__name__
            self.report.refused[name] += 1
            answer = f"{name} {re.sub('[^a-z ]', '', _QUOTED.sub('', str(error)))[:25]}"
        except Exception as error:
            answer = f"{type(error).__name__}: {error}"[:200]
            self.report.found += [] if answer in self._seen else [(data, answer)]
        else:
            self.report.accepted += 1
            answer = "accepted"
        if answer not in self._seen:
            self._seen.add(answer)
            if keep and len(data) < 1024:
                self._pool.append(data)
                self.report.kept.append(data)
