"""One run of a program through all targets, round and round, hopping at each of its safe points."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field

from hetmig.state.manifest import same_minor
from hetmig.testing.programs import Frozen
from tests.matrix import traveller
from tests.matrix.pairs import difference
from tests.matrix.site import PROGRAM
from tests.matrix.sites import Site


@dataclass
class Journey:
    """How it went."""

    hops: list[str] = field(default_factory=list)
    """The sites that it came to."""
    refused: list[str] = field(default_factory=list)


_TRAVELLER = traveller.__name__, traveller.journey.__name__


def travel(sites: Sequence[Site], program: tuple[str, str] = _TRAVELLER) -> Journey:
    """From each site to the next, until the program has come to its end.

    `program`: its module and function.  Each of the processes also lets it go on to its end where
    it is: that must be right as well.
    Raises AssertionError if it is wrong anywhere.
    """
    first, *_ = sites
    begun = first.ask("depart", *program, 10**9, 0, True)
    assert begun.expected is not None, begun.why_not
    made = Journey()
    here, (native, portable) = first, next(_both(begun.native, begun.portable))
    for there in itertools.cycle([*sites[1:], first]):
        moved = native if same_minor(here.about, there.about) else portable
        if moved is None:
            made.refused.append(f"{here.name} to {there.name}: not frozen in a portable form")
            continue
        answer = there.ask("relay", moved, program[1].startswith(PROGRAM))
        if isinstance(answer, str):
            made.refused.append(f"{here.name} to {there.name}: {answer}")
            assert len(made.refused) < 100, made.refused
            continue
        ended, native, portable, refused = answer
        made.hops.append(there.name)
        made.refused += [f"at {there.name}: {reason}" for reason in refused]
        differs = difference(ended, begun.expected, None)
        assert differs is None, f"{' -> '.join(made.hops)}: {differs}"
        if native is None and portable is None:
            return made
        here = there
    raise AssertionError("there are no sites")


def _both(native: list[Frozen | str], portable: list[Frozen | str]):
    for each in zip(native, portable, strict=True):
        yield [moved if isinstance(moved, Frozen) else None for moved in each]
