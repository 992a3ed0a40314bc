"""A stack of activations arrives as it was, in another process, with every identity."""

from __future__ import annotations

import copy
import gc
import sys
import types
import weakref

import pytest

from hetmig.errors import FrameAddress, MigrationRefused, NotMigratable, UnsupportedFormat
from hetmig.interpreter.activation import NULL, UNBOUND, Activation, Resume
from hetmig.state import image as images
from hetmig.state import parcel
from hetmig.state.pickling import dumps, loads
from tests.state import values
from tests.state.elsewhere import SEND, THAW, run, run_script


def activation(function, slots=(), **parts):
    """The function as it stands after its prologue; slots which are not given are unbound."""
    code = function.__code__
    made = Activation(
        code=code,
        globals=function.__globals__,
        offset=0,
        resume=Resume.AGAIN,
        slots=[],
        stack=[],
        **parts,
    )
    made.slots = [UNBOUND] * len(made.slot_names)
    for name, value in dict(slots).items():
        made.slots[made.slot_names.index(name)] = value
    return made


def looping(items, n):
    total = 0
    for item in items:
        total += item
    return total + n


def outer(shared):
    later = None

    def inner():
        return shared, later

    return inner


def travelled(stack, extra=None):
    frozen = images.freeze(stack, extra)
    wire = parcel.seal(frozen.manifest(), frozen.frames, None)
    return images.thaw(images.Image.of_parcel(parcel.open_sealed(wire, None)))


def test_every_part_arrives():
    error = ValueError(1)
    sent = activation(looping, {"items": [1, 2], "n": 3}, handled=[None, error])
    sent.offset, sent.resume, sent.stack = 8, Resume.AFTER, [NULL, iter([5]), (1, 2)]
    (got,), extra = travelled([sent], {"title": "x"})
    assert extra == {"title": "x"}
    assert got.code == sent.code
    assert got.globals is globals()
    assert got.namespace is None
    assert (got.offset, got.resume) == (8, Resume.AFTER)
    assert got.slots == [[1, 2], 3, UNBOUND, UNBOUND]
    assert got.slots[2] is UNBOUND
    assert got.stack[0] is NULL
    assert list(got.stack[1]) == [5]
    assert got.stack[2] == (1, 2)
    assert got.handled[0] is None
    assert got.handled[1].args == (1,)
    assert sent.stack[1].__length_hint__() == 1


def test_identity_among_frames():
    shared = [1]
    cell = types.CellType(shared)
    function = outer(shared)
    stack = [
        activation(outer, {"shared": cell, "inner": function}),
        activation(looping, {"items": shared}, handled=[None]),
        activation(function, {"shared": cell}),
    ]
    (first, second, third), extra = travelled(stack, {"also": shared})
    assert first.slots[0] is third.slots[third.slot_names.index("shared")]
    assert first.slots[0].cell_contents is second.slots[0] is extra["also"]
    assert third.code == function.__code__


def test_globals_held_as_a_variable_are_the_globals():
    (got,), _ = travelled([activation(looping, {"items": globals()})])
    assert got.slots[0] is globals()


def test_the_stack_is_left_as_it_was():
    sent = activation(looping, {"items": [1], "n": {"a": 1}})
    before = copy.copy(vars(sent)), copy.deepcopy(sent.slots[:2])
    images.freeze([sent])
    assert vars(sent) == before[0]
    assert sent.slots[:2] == before[1]


def test_description_names_and_measures():
    big = b"x" * 100_000
    sent = activation(looping, {"items": big, "n": values.Point(1)})
    sent.stack = [NULL, 1.5]
    frozen = images.freeze([sent])
    (described,) = frozen.description
    assert described["function"] == "looping"
    assert described["file"] == __file__
    assert described["line"] == sent.lineno
    assert (described["offset"], described["resume"]) == (0, "again")
    items, n = described["variables"]
    assert items["name"] == "items"
    assert items["type"] == "bytes"
    assert 100_000 < items["bytes"] < 100_100
    assert n["type"].endswith("values.Point")
    assert [entry["type"] for entry in described["stack"]][1] == "float"
    assert frozen.nbytes > 100_000
    assert frozen.manifest()["frames"] == frozen.description


def test_buffers_count_as_their_variables():
    numpy = pytest.importorskip("numpy")
    sent = activation(looping, {"items": numpy.zeros(100_000)})
    frozen = images.freeze([sent])
    assert frozen.description[0]["variables"][0]["bytes"] > 800_000
    assert len(frozen.frames) == 2


def test_what_cannot_travel_is_named_with_its_frame():
    job = values.Point({"conn": values.immovable()})
    stack = [activation(outer), activation(looping, {"items": [], "n": job})]
    with pytest.raises(NotMigratable) as caught:
        images.freeze(stack)
    assert caught.value.variable == "n.x['conn']"
    assert caught.value.frame == FrameAddress("looping", __file__, stack[1].lineno)
    assert "memory-mapped" in str(caught.value)
    assert f"{__file__}:{stack[1].lineno}" in str(caught.value)
    del job.x["conn"]
    travelled(stack)  # a failure has no aftermath


def test_temporary_values_are_named_too():
    sent = activation(looping)
    sent.stack = [values.immovable()]
    with pytest.raises(NotMigratable, match="a temporary value"):
        images.freeze([sent])


def test_by_value_module_travels_whole_and_is_named_when_it_cannot():
    namespace = {"__name__": "nowhere", "__builtins__": __builtins__}
    exec("import threading\nx = [1]\ndef f():\n    global x\n    return x\n", namespace)
    sent = activation(namespace["f"], ())
    (got,), _ = travelled([sent])
    assert list(got.globals) == list(namespace)
    assert got.globals["f"].__globals__ is got.globals
    assert got.globals["x"] is not namespace["x"]
    assert got.globals["__builtins__"] is __builtins__
    namespace["box"] = {"file": values.immovable()}
    with pytest.raises(NotMigratable) as caught:
        images.freeze([sent])
    assert caught.value.variable == "box['file']"


def test_class_body():
    code = compile("class A:\n    x = 1\n", "f.py", "exec").co_consts[0]
    body = Activation(code, globals(), 0, Resume.AGAIN, [], [], namespace={"x": 1})
    body.slots = [UNBOUND] * len(body.slot_names)
    (got,), _ = travelled([body])
    assert got.namespace == {"x": 1}
    assert got.namespace is not got.globals


SCRIPT = """
import sys
from hetmig.interpreter.activation import UNBOUND, Activation, Resume

limit = [10]
def helper():
    return limit
class Job:
    def run(self):
        return limit, Job
job = Job()
here = globals()
alias = sys.modules["__main__"]

def activation(function, namespace=None):
    code = function.__code__
    made = Activation(code, globals(), 0, Resume.AGAIN, [], [], namespace=namespace)
    made.slots = [UNBOUND] * len(made.slot_names)
    return made
"""

FREEZE = """
module_level = activation(helper, globals())
module_level.slots = []
module_level.code = compile("pass", __file__, "exec")
image = images.freeze([module_level, activation(helper)])
names = [v["name"] for v in image.description[0]["variables"]]
assert "limit" in names and image.description[1]["globals"] == [], image.description
send(sys.argv[2] if len(sys.argv) > 2 else sys.argv[1], image)
"""

CHECK = """
import gc
stack, _ = arrive(sys.argv[1])
import __main__ as main
g = stack[0].globals
assert g is stack[0].namespace is stack[1].globals is vars(main), "one namespace"
assert g["here"] is g and g["alias"] is main
assert g["helper"].__globals__ is g and g["helper"]() is g["limit"] == [10]
limit, Job = g["job"].run()
assert limit is g["limit"] and Job is type(g["job"]) is g["Job"] is main.Job
assert g["__name__"] == "__main__" and g["__file__"].endswith("script.py")
assert g["__builtins__"] is not None and g["__spec__"] is None
import pickle
assert pickle.loads(pickle.dumps(g["job"])).__class__ is Job
del stack
gc.collect()
assert g["helper"]() == [10]
print("right")
"""


def test_main_becomes_main_in_another_process(tmp_path):
    script = SCRIPT + SEND + FREEZE
    # A runner's task has its own `__main__`; runpy makes one for a script in the same way.
    run_script(tmp_path / "script.py", script, tmp_path / "one")
    assert run(THAW + CHECK, tmp_path / "one") == "right\n"


def test_and_travels_on_from_there(tmp_path):
    run_script(tmp_path / "script.py", SCRIPT + SEND + FREEZE, tmp_path / "one")
    relay = (
        THAW + SEND + "stack, _ = arrive(sys.argv[1])\nsend(sys.argv[2], images.freeze(stack))\n"
    )
    run(relay, tmp_path / "one", tmp_path / "two")
    run(relay, tmp_path / "two", tmp_path / "three")
    assert run(THAW + CHECK, tmp_path / "three") == "right\n"
    sizes = [(tmp_path / name).stat().st_size for name in ("two", "three")]
    assert sizes[0] == sizes[1]


def test_missing_module_is_named_with_its_variable(tmp_path, monkeypatch):
    (tmp_path / "helpers_of_mine.py").write_text("class Tool: pass\ndef use(tool): return tool\n")
    monkeypatch.syspath_prepend(tmp_path)
    import helpers_of_mine

    tool = images.freeze([activation(looping, {"items": [helpers_of_mine.Tool()]})])
    frame = images.freeze([activation(helpers_of_mine.use, {"tool": 1})])
    monkeypatch.undo()
    del sys.modules["helpers_of_mine"]
    with pytest.raises(MigrationRefused, match="'helpers_of_mine' is not installed") as caught:
        images.thaw(tool)
    assert caught.value.variable == "items"
    assert caught.value.frame.function == "looping"
    with pytest.raises(MigrationRefused, match="'helpers_of_mine'"):
        images.thaw(frame)


def test_call():
    function, args, kwargs = images.thaw(images.freeze_call(values.plain, [1], {"y": 2}))
    assert function is values.plain
    assert (args, kwargs) == ((1,), {"y": 2})
    with pytest.raises(NotMigratable) as caught:
        images.freeze_call(values.plain, [1, [values.immovable()]])
    assert caught.value.variable == "args[1][0]"
    with pytest.raises(NotMigratable) as caught:
        images.freeze_call(values.plain, [], {"conn": values.immovable()})
    assert caught.value.variable == "conn"


def test_identity_between_function_and_arguments():
    add, show = values.counter()
    function, (other,), _ = images.thaw(images.freeze_call(add, [show]))
    function()
    assert other() == 1


def test_parcel_without_an_image():
    with pytest.raises(UnsupportedFormat):
        images.Image.of_parcel(parcel.Parcel({"kind": "value"}, [], True))


def test_garbage_in_an_authentic_parcel():
    image = images.Image("value", [b"garbage"])
    with pytest.raises(MigrationRefused):
        images.thaw(image)


def test_thawing_within_thawing():
    class Nested:
        def __reduce__(self):
            return loads, (dumps([1]),)

    assert images.thaw(images.freeze_value([Nested()])) == [[1]]


@pytest.mark.parametrize("bad", [False, True], ids=["frozen", "refused"])
def test_nothing_is_kept_alive(bad):
    """Reading must not change when the program's objects die, collector or not."""

    class Watched:
        pass

    watched = Watched()
    reference = weakref.ref(watched)
    gc.collect()
    gc.disable()
    try:
        try:
            images.freeze_value([watched, values.immovable()] if bad else [watched])
            assert not bad
        except NotMigratable:
            assert bad
        del watched
        assert reference() is None
    finally:
        gc.enable()
