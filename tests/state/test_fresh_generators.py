"""A generator that has not begun gets its arguments as the interpreter itself would pass them."""

import pytest

from hetmig.state.pickling import dumps, loads


def branches(flag, subject):
    for i in range(100):  # until the tests are specialised
        chosen = flag and i
        match subject:
            case 1:
                kind = "one"
            case None:
                kind = "none"
            case True:
                kind = "true"
            case _:
                kind = "else"
        yield chosen, kind


@pytest.mark.parametrize("flag", [True, False, None])
@pytest.mark.parametrize("subject", [None, True, 1, "text"])
def test_constants_that_are_compared_by_address(flag, subject):
    # CPython 3.14 and later compare the whole word, with the tag of what is never freed
    expected = list(branches(flag, subject))
    assert list(loads(dumps(branches(flag, subject)))) == expected
