"""What users say of their types is done, travels on, and is refused by name where it can't be."""

from __future__ import annotations

import mmap

import pytest

from hetmig.errors import MigrationRefused, NotMigratable
from hetmig.state import registry
from hetmig.state.ambient import Ambient, put_back
from hetmig.state.image import freeze_value, thaw
from hetmig.state.pickling import dumps, loads
from hetmig.state.registry import register
from tests.state import elsewhere


@pytest.fixture(autouse=True)
def _as_before(monkeypatch):
    from hetmig.state import reducers

    monkeypatch.setattr(registry, "_known", dict(registry._known))
    monkeypatch.setattr(reducers, "USUAL", dict(reducers.USUAL))
    monkeypatch.setattr("hetmig.state.pickler.USUAL", reducers.USUAL)


class Device:
    def __init__(self, name):
        self.name = name
        self.memory = mmap.mmap(-1, 1)


class Better(Device):
    pass


def name_of(device):
    return device.name


def hop(value):
    return loads(dumps(value))


def test_registered():
    with pytest.raises(NotMigratable, match="memory"):
        dumps(Device("d"))
    register(Device, freeze=name_of, thaw=Device)
    device = Device("d")
    one, [other] = hop([device, [device]])
    assert one is other
    assert (type(one), one.name) == (Device, "d")


def test_derived_types_only_if_said_so():
    register(Device, freeze=name_of, thaw=Better)
    with pytest.raises(NotMigratable, match="memory"):
        dumps(Better("b"))
    register(Device, freeze=name_of, thaw=Better, subclasses=True)
    assert type(hop(Better("b"))) is Better
    register(Better, freeze=lambda device: 7, thaw=lambda number: number)
    assert hop(Better("b")) == 7


def test_before_all_other_ways():
    class Own:
        def __reduce__(self):
            raise AssertionError

    register(Own, freeze=lambda own: None, thaw=lambda _: "own")
    register(memoryview, freeze=bytes, thaw=lambda data: memoryview(bytearray(data)))
    assert hop(Own()) == "own"
    assert not hop(memoryview(b"abc")).readonly


def test_types_that_nothing_else_carries():
    register(mmap.mmap, freeze=lambda found: found[:], thaw=lambda data: bytearray(data))
    assert hop(mmap.mmap(-1, 3)) == bytearray(3)


def test_a_state_that_leads_back():
    class Knot:
        pass

    knot = Knot()
    knot.own = [knot]
    register(Knot, freeze=lambda knot: knot.own, thaw=lambda own: Knot())
    with pytest.raises(NotMigratable, match=r"registered for .*Knot gives a state that leads back"):
        dumps([knot])


def test_mistakes_of_the_functions():
    register(Device, freeze=lambda device: 1 / 0, thaw=Device)
    with pytest.raises(NotMigratable, match="freeze function registered for Device raised ZeroDiv"):
        freeze_value([Device("x")], name="v")
    register(Device, freeze=name_of, thaw=lambda name: 1 / 0)
    with pytest.raises(MigrationRefused, match="thaw function registered for Device raised ZeroD"):
        thaw(freeze_value(Device("x")))
    register(Device, freeze=lambda device: device.memory, thaw=Device)
    with pytest.raises(NotMigratable, match=r"v\.memory \(mmap.mmap\)"):
        freeze_value(Device("x"), name="v")


@pytest.mark.parametrize("arguments", [(3, len, len), (int, len, len), (Device, 1, len)])
def test_wrong_arguments(arguments):
    cls, freeze, thaw = arguments
    with pytest.raises(TypeError):
        register(cls, freeze=freeze, thaw=thaw)


def test_travels_with_the_task():
    ambient = Ambient()
    assert "registered types" not in ambient.changed()
    register(Device, freeze=name_of, thaw=Device)
    state = hop(ambient.changed())
    del registry._known[Device]
    put_back(state)
    assert hop(Device("d")).name == "d"


def test_goes_along_with_a_call(tmp_path):
    """A function that is submitted makes objects of a type that its script has registered."""
    parcel = tmp_path / "call"
    elsewhere.run_script(
        tmp_path / "script.py",
        elsewhere.SEND
        + """
import mmap, sys, hetmig

hetmig.register(mmap.mmap, freeze=len, thaw=lambda size: mmap.mmap(-1, size))

def function():
    return len(hetmig.loads(hetmig.dumps(mmap.mmap(-1, 7))))

send(sys.argv[1], images.freeze_call(function))
""",
        parcel,
    )
    program = elsewhere.THAW + "function, args, kwargs = arrive(sys.argv[1])\nprint(function())"
    assert elsewhere.run(program, parcel) == "7\n"


def test_goes_on_from_another_process(tmp_path):
    """A script's type and functions, and a second hop without another word of the script's."""
    first, second = tmp_path / "first", tmp_path / "second"
    elsewhere.run(
        """
        import mmap, pathlib, sys, hetmig
        class Device:
            def __init__(self, name):
                self.name, self.memory = name, mmap.mmap(-1, 1)
        hetmig.register(Device, freeze=lambda device: device.name + "!", thaw=Device)
        pathlib.Path(sys.argv[1]).write_bytes(hetmig.dumps(Device("d")))
        """,
        first,
    )
    hop = """
        import pathlib, sys, hetmig
        device = hetmig.loads(pathlib.Path(sys.argv[1]).read_bytes())
        pathlib.Path(sys.argv[2]).write_bytes(hetmig.dumps(device))
        print(device.name, type(device.memory).__name__)
    """
    assert elsewhere.run(hop, first, second) == "d! mmap\n"
    assert elsewhere.run(hop, second, first) == "d!! mmap\n"
