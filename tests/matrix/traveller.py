"""A program that goes through all targets: it hops at each of its safe points."""

from __future__ import annotations


class Ledger:
    """What the journey brings along: an object with a total, a method and a weighty integer."""

    def __init__(self) -> None:
        self.total = 0
        self.seen: list[tuple[str, int]] = []

    def enter(self, name: str, amount: int) -> int:
        """Add one entry."""
        for bit in (1, 2):
            self.total = (self.total * 1_000_003 + amount * bit) % (1 << 127)
        self.seen.append((name, amount))
        return self.total


def countdown(start: int):
    while start:
        try:
            yield start
        finally:
            start -= 1


def journey() -> tuple[object, ...]:
    ledger = Ledger()
    words = {"alpha": 1.5, "beta": 2.25, "gamma": -0.0}
    failed = []

    def scaled(amount: float) -> int:
        return round(amount * 8) + len(failed)

    for number, (word, amount) in enumerate(words.items()):
        for step in countdown(3):
            try:
                ledger.enter(word, scaled(amount) + number * step)
                if step == 2:
                    raise ValueError(f"{word} {number}")
            except ValueError as error:
                failed.append(str(error))
                for _ in range(2):
                    ledger.enter("again", len(failed))
    return ledger.total, ledger.seen, failed, -amount
