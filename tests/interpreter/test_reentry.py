"""Frames put back look and behave like the frames they were."""

import copy
import dis
import inspect
import sys
import traceback
from types import FunctionType

import pytest

from hetmig.errors import HetmigError, NotMigratable
from hetmig.interpreter.activation import NULL, UNBOUND, Activation, Resume
from hetmig.interpreter.capture import capture
from hetmig.interpreter.prologue import original_position
from hetmig.interpreter.reentry import prepare, resume


def stopped(program, *args):
    """The stack of `program` where it calls its first argument, and what the run returned."""
    taken = []

    def stop(value=None):
        taken.append(capture(sys._getframe(1), root=root, callee=sys._getframe()))
        return value

    root = sys._getframe()
    value = program(stop, *args)
    return taken[0], value


def test_a_frame_at_a_jump_without_a_line_stands_in_the_loop():
    """The compiler adds such jumps: behind an `if` at the end of a loop, in 3.11 for one."""

    def program(items):
        for item in items:
            if item % 5 == 0:
                print(item)

    code = program.__code__
    for instruction in dis.get_instructions(code):
        if "JUMP" in instruction.opname:
            held = Activation(code, {}, instruction.offset, Resume.AGAIN, [], [])
            assert held.lineno in range(code.co_firstlineno + 1, code.co_firstlineno + 4)


def test_a_captured_frame_tells_what_it_is():
    def program(stop, a, *, b=2):
        c = [a, b]
        del a
        for _ in range(3):
            return len(c) + stop(1)

    (activation,), value = stopped(program, 5)
    assert value == 3
    assert activation.resume is Resume.AFTER
    assert activation.address.function.endswith("program")
    assert activation.lineno == program.__code__.co_firstlineno + 4
    slots = dict(zip(activation.slot_names, activation.slots, strict=True))
    assert slots["a"] is UNBOUND
    assert slots["c"] == [5, 2]
    assert [slot for slot in activation.stack[1:] if slot is not NULL] == [2]  # on the loop: len(c)
    assert resume([activation], 40) == 42


def test_tracebacks_show_the_original_lines():
    def inner(stop):
        stop()
        raise LookupError("later")

    def outer(stop):
        value = [1, 2]
        value.append(inner(stop))
        return value

    with pytest.raises(LookupError) as original:
        stopped(outer)
    taken = []

    def stop():
        taken.append(capture(sys._getframe(1), root=root, callee=sys._getframe()))
        raise NotImplementedError

    root = sys._getframe()
    with pytest.raises(NotImplementedError):
        outer(stop)
    with pytest.raises(LookupError) as moved:
        resume(taken[0])

    def user_frames(error):
        return [
            (f.name, f.filename, f.lineno, f.end_lineno, f.colno, f.end_colno)
            for f in traceback.extract_tb(error.__traceback__)
            if f.name in ("inner", "outer")
        ]

    assert [frame[0] for frame in user_frames(moved.value)] == ["outer", "inner"]
    assert user_frames(moved.value) == user_frames(original.value)


def test_a_frame_put_back_keeps_its_code_behind_the_prologue():
    def program(stop):
        stop()
        frame = sys._getframe()
        return frame.f_code, frame.f_lineno, inspect.getframeinfo(frame).function

    (activation,), (code, line, name) = stopped(program)
    moved_code, moved_line, moved_name = resume([activation])
    assert (moved_line, moved_name) == (line, name)
    assert moved_code.co_code.endswith(code.co_code)
    assert moved_code.co_varnames == code.co_varnames
    assert moved_code.co_argcount == code.co_argcount
    assert original_position(moved_code, len(moved_code.co_code) - 2).code is code
    shift = len(moved_code.co_code) - len(code.co_code)
    tail = list(moved_code.co_positions())[shift // 2 :]
    assert tail == list(code.co_positions())
    assert [i.opname for i in dis.get_instructions(moved_code)][-1:] == [
        i.opname for i in dis.get_instructions(code)
    ][-1:]


def test_state_is_not_kept_alive_by_the_code():
    import gc
    import weakref

    class Big:
        pass

    def program(stop):
        big = Big()
        reference = weakref.ref(big)
        stop()
        del big
        return reference() is None

    stack, value = stopped(program)
    assert value is False  # the captured activation still holds it
    run = prepare(stack)
    stack.clear()
    gc.collect()
    assert run(None) is True


def test_arguments_that_were_deleted_stay_unbound():
    def program(stop, a, b=1, *c, d, **e):
        del a, b, c, d, e
        stop()
        names = []
        for name in "abcde":
            try:
                names.append(eval(name, {}, dict(locals())))
            except NameError:
                names.append(name.upper())
        return names, sorted(locals())

    stack, value = stopped(lambda stop: program(stop, 1, 2, 3, d=4, z=5))
    assert resume(stack) == value


def test_a_stack_that_does_not_fit_together_is_refused():
    def program(stop):
        return stop()

    (activation,), _ = stopped(program)
    with pytest.raises(HetmigError, match="without frames"):
        prepare([])
    activation.resume = Resume.AGAIN
    with pytest.raises(HetmigError, match="waits for no call"):
        prepare([activation, activation])


def test_code_outside_the_task_is_refused():
    def elsewhere():
        return capture(sys._getframe(1), root=root, callee=sys._getframe())

    def other():
        return sys._getframe()

    root = other()
    with pytest.raises(NotMigratable, match=r"not run inside a task|C-level call|generator"):
        elsewhere()


def test_a_generator_that_c_code_drives_is_refused_by_name():
    def numbers(stop):
        yield stop()

    def program(stop):
        return list(numbers(stop))

    with pytest.raises(NotMigratable, match=r"list\(...\) is a C-level call") as refused:
        stopped(program)
    assert refused.value.frame.function.endswith("program")


def test_a_class_body_is_refused_by_name():
    def program(stop):
        class Body:
            value = stop()

        return Body

    with pytest.raises(NotMigratable, match="class body"):
        stopped(program)


def test_module_level_code_goes_on_in_its_namespace():
    source = "total = 0\nfor n in [1, 2, 3]:\n    total += stop(n)\nresult = total\n"
    taken = []

    def stop(value):
        stack = capture(sys._getframe(1), root=sys._getframe(2), callee=sys._getframe())
        stack[0].stack[0] = copy.copy(stack[0].stack[0])  # the loop's iterator, at its place
        taken.append(stack)
        return value

    namespace = {"__name__": "__main__", "stop": stop}
    FunctionType(compile(source, "script.py", "exec"), namespace)()
    assert namespace["result"] == 6
    (activation,) = taken[1]
    assert activation.namespace is activation.globals is namespace
    assert activation.address == ("<module>", "script.py", 3)
    assert activation.stack[-1] == 1  # `total`, read before the call
    resume([activation], 100)
    assert namespace["result"] == 1 + 100 + 3
