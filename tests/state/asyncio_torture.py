"""A process in which asyncio is the one in Python, so that its programs can be put to torture.

python -m tests.state.asyncio_torture PROGRAM [PLACE [AT_MOST]]

The place "again" moves one run again and again.
"""

import json
import sys

from hetmig.node import asynchronous

asynchronous.install()

from hetmig.testing import ping_pong, torture  # noqa: E402
from tests.cases import asyncio_programs  # noqa: E402


def main(name, where="here", at_most="0"):
    program = getattr(asyncio_programs, name)
    options = {"at_most": int(at_most) or None, "progress": False}
    if where == "again":
        report = ping_pong(program, **options)
    else:
        report = torture(program, where=where, **options)
    reasons = sorted({error.reason for error in report.refused})
    print(json.dumps({"migrated": report.migrated, "tried": report.tried, "refused": reasons}))


if __name__ == "__main__":
    main(*sys.argv[1:])
