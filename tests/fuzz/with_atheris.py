"""The same targets under atheris, which is guided by coverage; it is not among what the tests need.

pip install atheris
python -m tests.fuzz.with_atheris message -runs=100000 -max_len=2000
"""

from __future__ import annotations

import importlib
import sys
import tempfile
from pathlib import Path

from hetmig.errors import HetmigError


def main() -> None:
    """Run it; libFuzzer's own options come behind the target."""
    atheris = importlib.import_module("atheris")
    with atheris.instrument_imports(include=["hetmig.node", "hetmig.state", "json"]):
        from tests.fuzz.__main__ import pool
        from tests.fuzz.targets import TARGETS
    name = sys.argv.pop(1)
    target = TARGETS[name]

    def once(data: bytes) -> None:
        try:
            target(data)
        except HetmigError:
            pass

    with tempfile.TemporaryDirectory() as folder:
        for index, data in enumerate(pool(name)):
            Path(folder, str(index)).write_bytes(data)
        atheris.Setup([*sys.argv, folder], once)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
