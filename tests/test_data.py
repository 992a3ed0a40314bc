"""The table of data says what happens to its examples, here and on other machines."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from hetmig.errors import HetmigError, NotMigratable
from hetmig.state.image import freeze_value
from hetmig.state.pickling import dumps, loads
from tests.data import PAGE, TABLE, rendered
from tests.interpreters import ROOT, RUNNING, VERSIONS, target
from tests.state import data_shapes, library_names

ROWS = {row.example: row for rows in TABLE.values() for row in rows}
TRAVELLING = [row for row in ROWS.values() if not row.refused]


def params(rows):
    return [pytest.param(row, id=row.example) for row in rows]


def test_the_page_is_the_table():
    assert PAGE.read_text("utf-8") == rendered(), "run `python -m tests.data`"


# deprecated, and kept under another name
GONE = {"AbstractEventLoopPolicy"}


@pytest.mark.parametrize("row", params(TRAVELLING))
def test_carried(row):
    value = row.make()
    arrived = loads(dumps(value))
    assert data_shapes.seen(arrived) == data_shapes.seen(value)
    again = loads(dumps(arrived))
    assert type(again) is type(value)
    for opened in (value, arrived, again):
        if row.reopened or row.is_open:
            opened.close()


@pytest.mark.parametrize("row", params(row for row in ROWS.values() if row.refused))
def test_refused_by_name(row):
    culprit = row.make()
    try:
        with pytest.raises(NotMigratable, match=row.refused) as caught:
            freeze_value({"a": [culprit]}, name="job")
        assert caught.value.variable.startswith("job['a'][0]")
        assert "; " in caught.value.reason  # what to do
    finally:
        data_shapes.free(culprit)


CHILD = """
import json, sys, warnings
warnings.simplefilter("error")
warnings.simplefilter("ignore", DeprecationWarning)
paths, sent, names = json.load(sys.stdin)
sys.path[:0] = paths
from hetmig.errors import HetmigError
from hetmig.state.pickling import dumps, loads
from tests.state import data_shapes, library_names

def tried(action, *values):
    try:
        return action(*values)
    except HetmigError as error:
        return "REFUSED " + str(error)

theirs, ours = {}, {}
for name, data in sent.items():
    theirs[name] = tried(lambda: data_shapes.seen(loads(bytes.fromhex(data))))
    try:
        value = getattr(data_shapes, name)()
    except Exception as error:  # the machine has no such thing
        ours[name] = None, f"{type(error).__name__}: {error}"
        continue
    data = tried(lambda: dumps(value, portable=True).hex())
    ours[name] = [data, data_shapes.seen(value)]
print(json.dumps([theirs, ours, library_names.missing(names), list(library_names.names())]))
"""


def exchanged(name):
    """What an interpreter sees of our examples, and its own examples."""
    python = target(name)
    sent = {
        row.example: dumps(row.make(), portable=True).hex()
        for row in TRAVELLING
        if not (row.reopened or row.is_open)
    }
    ended = subprocess.run(
        [python, "-c", CHILD],
        input=json.dumps([[str(ROOT)], sent, list(library_names.names())]),
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=300,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout)


LACKS = {
    "windows": {"dates"},  # no data of time zones
    "pyodide": {"ended_thread"},
}
"""Examples that can't be made there; those from here are refused by name."""


def agree(row, here, there):
    """Whether what arrived is what was sent, or was refused as the table says."""
    if there.startswith("REFUSED "):
        return bool(row.abroad) and row.abroad in there
    return here == there


# 32 bits, the other byte order, and the versions between which the library has moved most
@pytest.mark.parametrize(
    "name",
    [
        "i386",
        pytest.param("s390x", marks=[pytest.mark.slow, pytest.mark.foreign]),
        pytest.param("armhf", marks=[pytest.mark.foreign, pytest.mark.exhaustive]),
        pytest.param("arm64", marks=[pytest.mark.foreign, pytest.mark.exhaustive]),
        *(
            pytest.param(other, marks=[pytest.mark.foreign, pytest.mark.exhaustive])
            for other in ("windows", "pyodide-3.14", "riscv64", "ppc64el")
        ),
        *(version for version in VERSIONS if version != RUNNING),
    ],
)
def test_between_machines(name):
    theirs, ours, *lost = exchanged(name)
    wrong = {}
    for row in TRAVELLING:
        if row.reopened or row.is_open:
            continue
        here = data_shapes.seen(row.make())
        if not agree(row, here, theirs[row.example]):
            wrong[f"{row.example} there"] = (here, theirs[row.example])
        data, there = ours[row.example]
        if data is None:
            assert row.example in LACKS.get(name.partition("-")[0], ()), there
            continue
        try:
            arrived = data_shapes.seen(loads(bytes.fromhex(data)))
        except HetmigError as error:
            arrived = f"REFUSED {error}"
        if not agree(row, there, arrived):
            wrong[f"{row.example} from there"] = (there, arrived)
    names = [*lost[0], *library_names.missing(lost[1])]
    alike = name.partition("-")[0] not in LACKS  # other systems have another library, too
    assert [each for each in names if alike and each[3] not in GONE] == []
    assert not wrong, "\n".join(f"{n}: {h}\n    {t}" for n, (h, t) in wrong.items())


def test_every_refusal_abroad_happens_somewhere():
    """What the table says that some machines refuse is refused by the ones with 32 bits, or so."""
    theirs, *_ = exchanged("i386")
    refused = {name for name, text in theirs.items() if text.startswith("REFUSED")}
    assert {"wide_numbers", "native_format"} <= refused
    assert sys.maxsize > 1 << 32
