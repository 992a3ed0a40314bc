"""Activations in words of the source, and back: here, where nothing may be lost by it.

What goes to other versions is tested in tests/matrix, and in test_crossing.
"""

import contextlib
import importlib
import inspect
import sys
from types import CellType

import pytest

from hetmig.errors import NotMigratable
from hetmig.interpreter import portable, reentry
from hetmig.interpreter.activation import Activation, Resume
from hetmig.interpreter.capture import capture
from hetmig.interpreter.generators import capture_suspended
from hetmig.testing.outcomes import outcome, recording
from hetmig.testing.programs import Program, thaw
from hetmig.testing.stops import above, visiting
from hetmig.testing.torturing import chosen, count

SOURCE = inspect.getsource(sys.modules[__name__])


class Stopped(BaseException):
    pass


def stopped(function, *arguments):
    """The activation of a function where it calls its last argument."""
    found = []

    def stop():
        frame = sys._getframe()
        found.extend(capture(frame.f_back, root=root, callee=frame))
        raise Stopped

    root = sys._getframe()
    with pytest.raises(Stopped):
        function(*arguments, stop)
    return found


def there_and_back(activation, source=SOURCE):
    return portable.from_portable(portable.to_portable(activation, source), source)


def half_evaluated(xs, stop):
    total = 0
    for x in xs:
        total += [x, f"{x}{stop()}", {"a": 1, "b": x}][0]
    return total


def shared(stop):
    def add():
        nonlocal total
        total += 1
        return total

    total = 0
    add()
    stop()
    return total + add()


def handling(stop):
    try:
        raise ValueError("it")
    except ValueError:
        stop()
        return repr(sys.exception())


def generator(xs):
    for x in xs:
        with contextlib.suppress(ValueError):
            yield x


@pytest.mark.parametrize(
    ("function", "arguments", "expected"),
    [(half_evaluated, ([7, 8],), None), (shared, (), 3), (handling, (), "ValueError('it')")],
)
def test_it_goes_on_where_it_stood(function, arguments, expected):
    (activation,) = stopped(function, *arguments)
    back = there_and_back(activation)
    assert (back.code, back.resume) == (activation.code, activation.resume)
    assert [id(one) for one in back.slots] == [id(one) for one in activation.slots]
    if expected is not None:
        back.handled = activation.handled
        assert reentry.resume([back]) == expected


def test_it_holds_no_offset_and_no_number_of_a_slot():
    (activation,) = stopped(half_evaluated, [7, 8])
    made = portable.to_portable(activation, SOURCE)
    assert made.variables.keys() == {"xs", "stop", "total", "x"}
    roles = [role[0] for role, _ in made.stack]
    assert roles[0] == "iterator"
    assert made.point.kind == "call"
    assert activation.offset not in made.point


def test_shared_variables_stay_cells():
    (activation,) = stopped(shared)
    made = portable.to_portable(activation, SOURCE)
    assert made.point.cells == ("total",)
    assert isinstance(made.variables["total"], CellType)


def test_a_cell_that_no_version_shares_any_more_is_its_content():
    (activation,) = stopped(half_evaluated, [7, 8])
    made = portable.to_portable(activation, SOURCE)
    made.point = made.point._replace(cells=("total",))
    made.variables["total"] = CellType(5)
    back = portable.from_portable(made, SOURCE)
    assert back.slots[back.slot_names.index("total")] == 5


def test_a_variable_without_a_place_is_refused_by_name():
    (activation,) = stopped(half_evaluated, [7, 8])
    made = portable.to_portable(activation, SOURCE)
    made.variables["other"] = 1
    with pytest.raises(NotMigratable, match="no variable 'other'") as caught:
        portable.from_portable(made, SOURCE)
    assert caught.value.frame.function == "half_evaluated"


def test_a_missing_shared_variable_is_refused():
    def inner(stop):
        stop()
        return free

    free = 1
    (activation,) = stopped(inner)
    made = portable.to_portable(activation, SOURCE)
    del made.variables["free"]
    with pytest.raises(NotMigratable, match="shares the variable 'free'"):
        portable.from_portable(made, SOURCE)


def test_a_place_that_is_not_there_is_refused():
    (activation,) = stopped(half_evaluated, [7, 8])
    made = portable.to_portable(activation, SOURCE)
    made.point = made.point._replace(node="body.0")
    with pytest.raises(NotMigratable, match="no place here"):
        portable.from_portable(made, SOURCE)


def test_code_without_columns_is_refused():
    source = "def f(stop):\n    return [1, stop()]\n"
    namespace = {}
    exec(compile(source, "s", "exec"), namespace)
    function = namespace["f"]
    lines = function.__code__.replace(co_linetable=b"")
    function.__code__ = lines
    (activation,) = stopped(function)
    with pytest.raises(NotMigratable):
        portable.to_portable(activation, source)


@pytest.mark.parametrize("begun", [0, 1, 2])
def test_generators(begun):
    made = generator([1, 2])
    for _ in range(begun):
        next(made)
    activation = capture_suspended(made)
    back = there_and_back(activation)
    assert back.resume is (Resume.YIELDED if begun else Resume.CREATED)
    assert (back.offset, back.stack, back.slots) == (
        activation.offset,
        activation.stack,
        activation.slots,
    )
    made.close()


def test_a_generator_expression_that_has_not_begun():
    expression = (x for x in [1, 2])
    activation = capture_suspended(expression)
    back = there_and_back(activation)
    assert len(back.stack) == len(activation.stack)
    expression.close()


def test_a_module_begins_with_its_annotations():
    source = "stop()\nx: int = 1\nfound = __annotations__\n"
    code = compile(source, "s", "exec", dont_inherit=True)
    found = []

    def stop():
        frame = sys._getframe()
        found.extend(capture(frame.f_back, root=root, callee=frame))

    def run(root_=None):
        exec(code, {"stop": stop, "__annotations__": {}})

    root = sys._getframe()
    run()
    made = portable.to_portable(found[-1], source)
    assert made.namespace is not None
    # as if it came from a version that does not make it
    del made.namespace["__annotations__"]
    back = portable.from_portable(made, source)
    assert isinstance(back, Activation)
    assert ("__annotations__" in back.namespace) == portable.places_of(code, source).annotates


CASES = [
    (module, name)
    for module in ("loops", "calls", "exceptions", "generators", "language")
    for name in vars(importlib.import_module(f"tests.cases.{module}"))
    if name.startswith("case_")
]
SAMPLE = 2


@pytest.mark.parametrize(("module", "name"), CASES[::5])
def test_a_case_in_words_of_its_source(module, name):
    """Frozen for any version, and gone on with in this one."""
    program = Program(getattr(importlib.import_module(f"tests.cases.{module}"), name), (), None, ())
    expected = outcome(program.fresh()[0])
    wanted = chosen(count(program), SAMPLE, seed=1)
    images, refused = [], []
    seen = 0

    def visit(stop):
        nonlocal seen
        seen += 1
        if wanted is None or seen - 1 in wanted:
            try:
                images.append((program.freeze(stop, portable=True), output.getvalue()))
            except NotMigratable as error:
                refused.append(error.reason)

    run, arguments = program.fresh()
    with visiting(visit), recording() as output:
        outcome(lambda: above(run), arguments=arguments, recorder=output)
    assert images or refused
    for image, written in images:
        run, _ = thaw(image)
        with recording(written) as output:
            ended = outcome(run, recorder=output)
        assert expected.difference(ended) is None
    program.restore()


def test_a_generator_expression_that_has_only_just_begun():
    expression = (x for x in [1, 2])
    activation = capture_suspended(expression)
    made = portable.to_portable(activation, SOURCE)
    iterator = made.stack[0][1] if made.stack else made.variables[".0"]
    # as newer versions have it, and as older ones have it
    for variables, stack in [
        ({".0": [1, 2]}, [(("iterator", "", ".0"), iterator)]),
        ({".0": iterator}, []),
    ]:
        made.point = made.point._replace(resume="again", kind="start")
        made.resume, made.variables, made.stack = Resume.AGAIN, variables, stack
        back = portable.from_portable(made, SOURCE)
        assert iterator in (back.stack[0] if back.stack else None, back.slots[0])
    expression.close()
