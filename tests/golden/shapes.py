"""What the golden parcels hold.  Never change it: add a module for new shapes, and new files."""

import array
import datetime
import decimal


class Account:
    """A class that travels with its instance."""

    kinds = ("plain", "odd")

    def __init__(self, name, *amounts):
        self.name = name
        self.amounts = list(amounts)

    @property
    def total(self):
        return sum(self.amounts)

    def __eq__(self, other):
        return self.__dict__ == other.__dict__

    __hash__ = None


def data():
    shared = [1, 2.5, -0.0, 1 << 100, "ä\ud800€", b"\x00\xff", None, ..., 3 + 4j]
    return {
        "shared": (shared, shared),
        "numbers": array.array("d", [1.5, -2.25, 1e300]),
        "small": array.array("h", [-1, 2, 300]),
        "when": datetime.datetime(2024, 2, 29, 12, 30, tzinfo=datetime.UTC),
        "price": decimal.Decimal("12.340"),
        "sets": {frozenset({1, 2}), frozenset()},
    }


def function(offset=3):
    factor = 2

    def scaled(value, *more, power=1):
        return [offset + factor * each**power for each in (value, *more)]

    return scaled


def instance():
    return Account("golden", 1, 20, 300)


def squares(limit):
    with_rest = {}
    for n in range(limit):
        try:
            received = yield n * n
        finally:
            with_rest[n] = len(with_rest)
        if received:
            yield (received, with_rest)


def generator():
    begun = squares(6)
    next(begun)
    next(begun)
    return begun


def job(limit):
    account = Account("job")
    found = []
    for number, letter in enumerate("golden"):
        for inner in squares(limit):
            account.amounts.append(inner + number)
            found = work(found, letter, account)
    return account.total, "".join(found)


def work(found, letter, account):
    step = 0
    while step < 2:
        step += 1
        if account.total % (step + 1) == 0:
            found = [*found[-30:], letter, str(step)]
    return found


def frames():
    return job(3)
