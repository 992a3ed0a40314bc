"""`python -m benchmarks.program NAME HOW ROUNDS` runs one program, to be counted or timed."""

from __future__ import annotations

import sys
import threading
import time

from benchmarks.programs import PROGRAMS

__all__ = ["timed"]

_YOUTH_SECONDS = 0.5


def timed(name: str, rounds: int) -> float:
    """Return the processor time of a program, in seconds.

    It runs for a while before: a young process is slower, whatever it runs.
    """
    function = PROGRAMS[name][0]
    function(rounds)
    while time.process_time() < _YOUTH_SECONDS:
        function(rounds)
    start = time.process_time()
    function(rounds)
    return time.process_time() - start


def main() -> None:
    """Run it as it is; or decorated and ready for a request, as in a runner; or say its time."""
    name, how, rounds = sys.argv[1:]
    function = PROGRAMS[name][0]
    if how == "timed":
        threading.Thread(target=threading.Event().wait, daemon=True).start()
        print(timed(name, int(rounds)))
        return
    # Imported for both, so that memory is laid out alike: the allocator's path depends on it.
    import hetmig
    from hetmig.interpreter.safepoint import Preemptor

    if how == "decorated":
        Preemptor(lambda frame: True, print).install()
        function = hetmig.migratable(function)
    function(int(rounds))


if __name__ == "__main__":
    main()
