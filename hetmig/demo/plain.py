"""The run to compare with: the same function in an ordinary process that never moves.

`python -m hetmig.demo.plain` reads the pickled library from its stdin, from its own user's demo.
"""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
import threading
import time
from typing import Any

from hetmig.demo.job import Library, index_library

__all__ = ["PlainRun"]


class PlainRun:
    """A run in a process of its own, beside the one that moves."""

    def __init__(self, library: Library) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "hetmig.demo.plain"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C is for the demo, which then ends this
        )
        self._answer = b""
        self._thread = threading.Thread(
            target=self._communicate, args=(pickle.dumps(library),), daemon=True
        )
        self._thread.start()

    def _communicate(self, library: bytes) -> None:
        self._answer, _ = self._process.communicate(library)

    def result(self) -> tuple[Any, float]:
        """Wait for it; what the function returned and the seconds it took."""
        self._thread.join()
        if self._process.returncode:
            raise RuntimeError(f"the plain run ended with exit code {self._process.returncode}")
        answer = json.loads(self._answer)
        return answer["result"], answer["seconds"]

    def stop(self) -> None:
        """End it, if it still runs."""
        self._process.kill()
        self._thread.join()


def main() -> None:
    """Run the job and print result and seconds as JSON."""
    library = pickle.load(sys.stdin.buffer)
    start = time.perf_counter()
    result = index_library(library)
    seconds = time.perf_counter() - start
    json.dump({"result": result, "seconds": seconds}, sys.stdout)


if __name__ == "__main__":
    main()
