"""hetmig without Dask: nothing of it is imported, and who wants it is told what to install."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import sys
sys.modules["distributed"] = None  # as if it were not there
import hetmig
assert not {"dask", "hetmig.dask"} & sys.modules.keys()
try:
    import hetmig.dask
except hetmig.HetmigError as error:
    print(error)
"""


def test_the_adapter_says_which_extra_it_needs() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert 'pip install "hetmig[dask]"' in done.stdout
