"""What differs between CPython versions, as behaviours with names.

Nothing else in the package asks for a version number.  Opcodes are looked up by name, and those
that every supported version must have are asserted to exist.
"""

from __future__ import annotations

import dis
import opcode
import sys

__all__ = [
    "ASYNC_WRAP",
    "BATCHED_STRICT",
    "CALLABLE_BELOW_NULL",
    "CLOSE_RETURNS",
    "CYCLE_FIRST_PASS",
    "DECIDED_JUMPS",
    "ENTRY_FLAG",
    "FRAME_OWNED_BY_GENERATOR",
    "FRAME_OWNED_BY_THREAD",
    "FREE_THREADED",
    "FREE_THREADED_UNKNOWN",
    "FUNCTIONS_STAY",
    "GENERATOR_KEEPS_CODE",
    "LASTI_IS_OBJECT",
    "LOCALS_WRITE_THROUGH",
    "LOOPS_AT_ITERABLE",
    "LOOP_POSITIONS",
    "METHODS_BY_LOAD_ATTR",
    "NAME_SHIFT",
    "NEWEST",
    "OLDEST",
    "PRECALL",
    "PUBLISHED_OFFSETS",
    "SEND_RECEIVER",
    "STAR_CALL_ENTERS_THROUGH_C",
    "STOP_WRAP",
    "SUBSCRIPT_OPERATOR",
    "TAGGED_REFERENCES",
    "VERSION",
    "YIELD_ARGUMENT",
    "common_constant",
]

VERSION = sys.version_info[:2]
OLDEST = (3, 11)
NEWEST = (3, 15)

FREE_THREADED = "free-threading" in sys.version
"""There is no GIL: objects have another head, with two counts of references."""

FREE_THREADED_UNKNOWN = FREE_THREADED and VERSION != (3, 13)
"""A build without the GIL in which nobody has proven the layout.  From 3.14 on each thread may run
its own copy of a function's bytecode, and a frame has a field more for that."""

FUNCTIONS_STAY = FREE_THREADED and VERSION == (3, 13)
"""Functions and code objects are never freed once a second thread has started, nor do they count as
garbage: what is put back leaves about a kilobyte per frame behind."""

ENTRY_FLAG = VERSION < (3, 12)
"""A frame that C code started carries a flag (`is_entry`).  Later versions put a frame of their
own, which belongs to the C stack, between it and its caller."""

PUBLISHED_OFFSETS = VERSION >= (3, 13)
"""The interpreter publishes where a frame's parts are (`_Py_DebugOffsets`, for debuggers)."""

TAGGED_REFERENCES = VERSION >= (3, 14)
"""The low bits of a slot say how the reference is counted: mask them."""

LOOP_POSITIONS = VERSION >= (3, 15)
"""GET_ITER leaves two slots.  Of a list, tuple, str or bytes they are the sequence itself and the
position of the next item, a tagged integer; of all else an iterator and NULL, which the loop takes
for sequences, too."""

LOOPS_AT_ITERABLE = VERSION >= (3, 13)
"""The instructions of a loop have the position of what is iterated, not of the whole loop."""

SEND_RECEIVER = -3 if LOOP_POSITIONS else -2
"""Where on the stack SEND finds what it drives; the value to send is on top."""

CALLABLE_BELOW_NULL = VERSION >= (3, 13)
"""A call finds (callable, self or NULL, arguments...) on the stack, before it was
(method or NULL, callable or self, arguments...)."""

PRECALL = "PRECALL" in dis.opmap
"""A call is a pair of instructions, PRECALL and CALL."""

DECIDED_JUMPS = (
    frozenset({"COMPARE_OP"})
    | {name for name in dis.opmap if name.startswith("POP_JUMP_BACKWARD_IF")}
    if VERSION < (3, 12)
    else frozenset[str]()
)
"""`while` loops end in a test that jumps backwards, fused with its comparison once it is hot.
Interrupted there, the test is already decided and its operands are gone."""

STAR_CALL_ENTERS_THROUGH_C = VERSION < (3, 12)
"""`f(*args)` runs a Python function in a new C-level interpreter loop."""

GENERATOR_KEEPS_CODE = VERSION < (3, 12)
"""The structure of a generator begins with its code object."""

YIELD_ARGUMENT: tuple[int, ...] = (0,) if VERSION >= (3, 12) else ()
"""YIELD_VALUE's argument, where it has one: whether it stands in a `yield from` or `await`."""

ASYNC_WRAP = ("CALL_INTRINSIC_1", 4) if "CALL_INTRINSIC_1" in dis.opmap else "ASYNC_GEN_WRAP"
"""The instruction before a `yield` in an async generator (its intrinsic function number 4)."""

CLOSE_RETURNS = VERSION >= (3, 13)
"""`generator.close()` returns what the generator returns."""

STOP_WRAP = ("CALL_INTRINSIC_1", 3)
"""Where the handler begins that turns a generator's StopIteration into a RuntimeError (from 3.12
on; its intrinsic function number 3)."""

LASTI_IS_OBJECT = VERSION < (3, 14)
"""Where an exception was raised stands on the stack as an `int`; later, as a tagged integer."""

LOCALS_WRITE_THROUGH = VERSION >= (3, 13)
"""`frame.f_locals` of a function is the variables themselves, and no copy of them."""

METHODS_BY_LOAD_ATTR = VERSION >= (3, 12)
"""An attribute that is called next is loaded by LOAD_ATTR, the lowest bit of its argument set."""

SUBSCRIPT_OPERATOR = next(
    (i for i, (name, _) in enumerate(getattr(dis, "_nb_ops", ())) if name == "NB_SUBSCR"), None
)
"""BINARY_OP's argument for a subscript, where that has no instruction of its own."""

NAME_SHIFT = {
    "LOAD_GLOBAL": 1,
    "LOAD_ATTR": 1 if VERSION >= (3, 12) else 0,
    "IMPORT_NAME": 2 if VERSION >= (3, 15) else 0,
}
"""By how many bits the index of the name is shifted in the argument (the lowest bits are flags)."""

BATCHED_STRICT = VERSION >= (3, 13)
"""`itertools.batched` has an option `strict`."""

CYCLE_FIRST_PASS = VERSION < (3, 14)
"""An `itertools.cycle` has a flag that says whether it still saves what it yields."""


def common_constant(name: str, argument: int) -> object:
    """What LOAD_COMMON_CONSTANT, or before 3.14 LOAD_ASSERTION_ERROR, pushes."""
    if name == "LOAD_ASSERTION_ERROR":
        return AssertionError
    known: list[object] = vars(opcode)["_common_constants"]
    return known[argument]


FRAME_OWNED_BY_THREAD = 0
"""`owner` of the frame of a plain call."""

FRAME_OWNED_BY_GENERATOR = 1
"""`owner` of a frame that lives inside a generator (enum _frameowner, pycore_frame.h)."""

for _name in ("RESUME", "JUMP_BACKWARD", "CALL", "PUSH_EXC_INFO", "SWAP", "PUSH_NULL"):
    assert _name in dis.opmap, f"this CPython has no {_name}"
