"""try, except, finally, raise and with, stopped inside each of their parts."""

import sys

from hetmig.testing import point


def work(n):
    total = 0
    for i in range(n):
        total += i
    return point(total)


class Managed:
    """A context manager written in Python, which keeps a log."""

    def __init__(self, name, log, swallow=False):
        self.name, self.log, self.swallow = name, log, swallow

    def __enter__(self):
        self.log.append(f"enter {self.name}")
        return self

    def __exit__(self, kind, error, traceback):
        self.log.append(f"exit {self.name} {kind.__name__ if kind else None}")
        return self.swallow


def case_try_except_else_finally():
    log = []
    for i in range(6):
        try:
            log.append(work(i))
            if i % 3 == 1:
                raise ValueError(i)
            if i == 5:
                raise KeyError(i)
        except ValueError as error:
            log.append(work(2))
            log.append(("value", error.args))
        except KeyError:
            log.append(("key", work(3)))
        else:
            log.append(("else", work(1)))
        finally:
            log.append(("finally", work(4)))
    return log


def case_bare_raise_after_a_loop_in_except():
    try:
        try:
            raise ValueError("first")
        except ValueError:
            for _ in range(3):
                work(2)
            raise
    except ValueError as error:
        return str(error), sys.exception() is error, work(2), sys.exception() is error


def case_nested_handlers():
    log = []
    try:
        raise ValueError("outer")
    except ValueError:
        try:
            work(2)
            raise KeyError("inner")
        except KeyError as inner:
            log.append(str(inner.__context__))
            for _ in range(2):
                log.append(type(sys.exception()).__name__)
                work(1)
            try:
                raise IndexError("innermost")
            except IndexError as innermost:
                work(1)
                log.append(type(innermost.__context__).__name__)
            log.append(type(sys.exception()).__name__)
        work(1)
        log.append(type(sys.exception()).__name__)
    log.append(sys.exception())
    return log


def case_handler_calls_a_function_that_handles():
    def helper():
        try:
            {}["missing"]
        except KeyError:
            work(2)
            return type(sys.exception()).__name__, type(sys.exception().__context__).__name__

    def asks():
        for _ in range(2):
            work(1)
        return type(sys.exception()).__name__

    out = []
    for i in range(2):
        try:
            raise OSError(i)
        except OSError:
            out.append(asks())
            out.append(helper())
            out.append(asks())
    out.append(asks())
    return out


def case_exception_from_a_callee():
    def fails(n):
        for _ in range(n):
            work(1)
        raise RuntimeError(n)

    out = []
    for i in range(3):
        try:
            out.append(1 + fails(i) + 1)
        except RuntimeError as error:
            frames = []
            traceback = error.__traceback__
            while traceback is not None:
                frames.append((traceback.tb_frame.f_code.co_name, traceback.tb_lineno))
                traceback = traceback.tb_next
            out.append((error.args, frames))
        finally:
            out.append("cleaned")
    return out


def case_finally_with_return():
    def early(n):
        for i in range(n):
            try:
                if i == 2:
                    return work(i), "from try"
            finally:
                log.append(work(i))
        return "end"

    log = []
    return early(5), early(2), log


def case_with_blocks():
    log = []
    for i in range(3):
        with Managed("a", log) as a, Managed("b", log, swallow=True):
            for _ in range(2):
                log.append((a.name, work(i)))
            if i == 1:
                raise ValueError(i)
        log.append(work(1))
    return log


def case_exception_leaves_a_with():
    log = []
    try:
        with Managed("outer", log):
            work(2)
            with Managed("inner", log):
                for _ in range(2):
                    work(1)
                raise LookupError("gone")
    except LookupError as error:
        log.append(str(error))
        work(2)
    return log


def case_break_and_continue_out_of_with_and_finally():
    log = []
    for i in range(6):
        with Managed(str(i), log):
            try:
                if i == 1:
                    continue
                if i == 4:
                    break
                work(i)
            finally:
                log.append(("finally", work(1)))
    return log


def case_exception_with_cause():
    out = []
    for i in range(2):
        try:
            try:
                raise KeyError(i)
            except KeyError as error:
                work(2)
                raise ValueError("wrapped") from error
        except ValueError as wrapped:
            work(2)
            out.append((type(wrapped.__cause__).__name__, wrapped.__suppress_context__))
    return out


def case_exception_groups():
    log = []
    for i in range(3):
        try:
            errors = [ValueError(i), TypeError(i), ValueError(-i)]
            raise ExceptionGroup("several", errors[: i + 1])
        except* ValueError as group:
            log.append(("values", len(group.exceptions), work(2)))
        except* TypeError as group:
            log.append(("types", [e.args for e in group.exceptions], work(1)))
        log.append(work(1))
    return log


def case_suppressed_and_reraised():
    log = []

    def guarded(n):
        try:
            if n == 0:
                raise ValueError("bottom")
            return guarded(n - 1)
        except ValueError as error:
            work(1)
            error.add_note(f"level {n}")
            log.append(n)
            raise

    try:
        guarded(3)
    except ValueError as error:
        work(2)
        return log, error.__notes__


def case_assert_and_locals_named_like_the_error():
    out = []
    for i in range(3):
        try:
            assert i != 1, work(i)
        except AssertionError as e:
            work(1)
            out.append(e.args)
        try:
            e  # noqa: B018  the name is deleted when its handler ends
        except NameError as gone:
            out.append(type(gone).__name__)
    return out


def case_groups_raised_while_a_group_is_handled():
    # CPython tells such a new group from the rest of the old one by their tracebacks
    try:
        try:
            raise ExceptionGroup("first", [ValueError(1), KeyError(2)])
        except* ValueError:
            work(2)
            try:
                raise ExceptionGroup("second", [KeyError(work(1)), ValueError(4)])
            except* ValueError:
                raise TypeError(work(1))
    except ExceptionGroup as group:
        return repr(group)


def case_bare_raise_in_a_group():
    try:
        try:
            raise ExceptionGroup("both", [ValueError(1), KeyError(2)])
        except* ValueError:
            work(2)
            raise
    except ExceptionGroup as group:
        return repr(group)


def case_traceback_of_an_exception_that_waits_for_finally():
    def lines(error):
        found = []
        traceback = error.__traceback__
        while traceback is not None:
            found.append((traceback.tb_frame.f_code.co_name, traceback.tb_lineno))
            traceback = traceback.tb_next
        return found

    def fails(n):
        try:
            raise LookupError(n)
        finally:
            for _ in range(2):
                work(n)

    try:
        fails(1)
    except LookupError as error:
        first = lines(error)
        work(2)
        return first, lines(error)
